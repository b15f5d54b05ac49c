"""User stories, from the first start to the next one, through the real window and engine."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QProgressBar, QSlider, QWidget
from pytestqt.qtbot import QtBot

from engine.image import open_picture, read_recipe
from engine.job import Job
from engine.project import write_project
from engine.techniques.deep_dream import DeepDream
from gui import session as sessions
from gui.main_window import MainWindow
from gui.panels.editors import NumberEditor
from gui.panels.inputs import InputKey
from gui.run.controller import State
from gui.session import Session
from tests.gui.stories import (
    CAT,
    MOSAIC,
    STROKES,
    click,
    closed,
    opened_window,
    quick_job,
    until,
    until_idle,
)

NAMES = (
    "canvas", "networkTree", "techniqueBox", "networkBox", "settingsForm", "inputsPanel",
    "runButton", "pauseButton", "stopButton", "progressBar", "etaLabel", "lossPlot",
    "timelineSlider", "compareButton", "saliencyPanel", "gradCamPanel", "classBox", "logView",
)  # fmt: skip


def test_every_fixed_name_is_there_once(window: MainWindow) -> None:
    assert window.objectName() == "mainWindow"
    for name in NAMES:
        assert len(window.findChildren(QWidget, name)) == 1, name


def test_what_has_no_text_has_an_accessible_name(window: MainWindow) -> None:
    for name in NAMES:
        widget = window.findChild(QWidget, name)
        assert widget is not None
        text = getattr(widget, "text", None)
        assert widget.accessibleName() or (callable(text) and text()), name


def test_one_click_gives_a_picture(window: MainWindow, qtbot: QtBot) -> None:
    assert window.canvas_content.current is not None
    assert window.canvas_content.current.kind == "content"
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    current = window.canvas_content.current
    assert current is not None
    assert (current.kind, current.iteration) == ("frame", 6)
    assert current.image.width() == 64
    bar = window.findChild(QProgressBar, "progressBar")
    assert bar is not None
    assert bar.value() == bar.maximum() == 6
    eta = window.findChild(QLabel, "etaLabel")
    assert eta is not None
    assert "6 iterations" in eta.text()


def test_pause_change_the_style_weight_resume_stop(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_setting("iterations", 100_000)
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.state is State.RUNNING)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "frame",
    )
    click(qtbot, window, "pauseButton")
    assert window.controller.state is State.PAUSED
    weight = window.form.editor("style_weight")
    assert isinstance(weight, NumberEditor)
    assert weight.slider is not None
    weight.slider.setValue(weight.slider.value() + 100)
    window.studio.set_setting("optimizer", "lbfgs")
    assert "next run" in window.form.rows["optimizer"].label.text()
    assert window.form.rows["style_weight"].label.text() == "Style"
    click(qtbot, window, "pauseButton")
    until(qtbot, lambda: window.running.changes)
    click(qtbot, window, "stopButton")
    until_idle(qtbot, window)
    result = window.running.result
    assert result is not None
    assert not result.complete
    ((_, values),) = result.job.changes
    assert values == {"style_weight": weight.value()}
    assert window.form.rows["optimizer"].label.text() == "Optimizer"


def test_look_back_compare_and_branch(window: MainWindow, qtbot: QtBot) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    until(qtbot, lambda: window.timeline.current() is not None)
    slider = window.findChild(QSlider, "timelineSlider")
    assert slider is not None
    assert slider.maximum() == 5
    slider.setValue(2)
    current = window.canvas_content.current
    assert current is not None
    assert (current.kind, current.iteration) == ("moment", 3)
    click(qtbot, window, "compareButton")
    assert window.canvas.compare()
    assert window.actions_table["compare"].isChecked()
    window.actions_table["compare"].setChecked(False)
    assert not window.canvas.compare()
    window.actions_table["branch"].trigger()
    until(qtbot, lambda: window.studio.job.inputs.start)
    assert window.studio.technique.start == "picture"  # type: ignore[attr-defined]
    start = open_picture(str(window.studio.job.inputs.start))
    assert (start.width, start.height) == (current.image.width(), current.image.height())
    window.studio.undo_stack.undo()
    assert window.studio.job.inputs.start is None
    window.studio.undo_stack.redo()
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert window.running.result is not None


@pytest.mark.parametrize("stopped", [False, True])
def test_a_saved_picture_is_made_again_bit_for_bit(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, stopped: bool
) -> None:
    from cli.running import run_job

    window.studio.set_setting("iterations", 100_000 if stopped else 6)
    click(qtbot, window, "runButton")
    if stopped:
        until(
            qtbot,
            lambda: window.canvas_content.current and window.canvas_content.current.kind == "frame",
        )
        window.studio.set_setting("tv_weight", 5.0)
        until(qtbot, lambda: window.running.changes)
        window.controller.stop()
    until_idle(qtbot, window)
    path = tmp_path / "made.png"
    window.files.write_picture(path)
    until(qtbot, path.exists)
    until(qtbot, lambda: not window.background.busy)
    recipe = read_recipe(path)
    assert recipe is not None
    again = tmp_path / "again.png"
    run_job(Job.from_recipe(recipe), again, quiet=True)
    assert np.array_equal(open_picture(path).rgb, open_picture(again).rgb)


def test_an_earlier_moment_is_made_again_too(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    from cli.running import run_job

    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    until(qtbot, lambda: window.timeline.current() is not None)
    window.timeline.findChild(QSlider, "timelineSlider").setValue(3)  # type: ignore[union-attr]
    path, again = tmp_path / "made.png", tmp_path / "again.png"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    recipe = read_recipe(path)
    assert recipe is not None
    assert recipe["stop_after"] == 4
    run_job(Job.from_recipe(recipe), again, quiet=True)
    assert np.array_equal(open_picture(path).rgb, open_picture(again).rgb)


def test_a_result_is_never_written_over_its_photo(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(Path(CAT).read_bytes())
    window.studio.set_inputs("", content=str(photo))
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    with qtbot.waitSignal(window.files.failed) as heard:
        window.files.write_picture(photo)
    assert "another path" in heard.args[0]
    assert photo.read_bytes() == Path(CAT).read_bytes()


def drop_on(widget: QWidget, paths: list[str]) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path) for path in paths])
    entering = QDragEnterEvent(
        QPoint(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(widget, entering)
    assert entering.isAccepted()
    event = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def test_pictures_are_dropped_weighted_and_removed(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    photo = tmp_path / ("a very long file name " * 8 + ".png")
    QImage(30, 20, QImage.Format.Format_RGB32).save(str(photo))
    drop_on(window.canvas.viewport(), [str(photo), MOSAIC])
    until(qtbot, lambda: len(window.studio.job.inputs.styles) == 2)
    inputs = window.studio.job.inputs
    assert inputs.content == str(photo)
    assert inputs.styles == ((STROKES, 1.0), (MOSAIC, 1.0))
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.image.width() == 30,
    )
    second = window.inputs.slot(InputKey("style", 1))
    until(qtbot, second.weight.isVisible)
    second.weight.box.setValue(0.5)
    assert window.studio.job.inputs.styles[1] == (MOSAIC, 0.5)
    drop_on(second, [CAT])
    until(qtbot, lambda: window.studio.job.inputs.styles[1][0] == CAT)
    assert window.studio.job.inputs.styles[1] == (CAT, 0.5)
    click_on = window.inputs.slot(InputKey("style", 0)).remove
    qtbot.mouseClick(click_on, Qt.MouseButton.LeftButton)
    assert window.studio.job.inputs.styles == ((CAT, 0.5),)
    assert not window.inputs.slot(InputKey("style", 0)).weight.isVisible(), (
        "a single style has none"
    )
    for _ in range(5):
        window.studio.undo_stack.undo()
    assert window.studio.job.inputs == quick_job().inputs


def test_what_is_no_picture_is_said_and_nothing_is_lost(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    result = window.running.result
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    drop_on(window.canvas.viewport(), [str(text)])
    until(qtbot, lambda: "notes.txt" in window.statusBar().currentMessage())
    assert window.running.result is result
    window.studio.undo_stack.undo()
    assert window.studio.job.inputs.content == CAT


def test_a_pasted_picture_is_worked_on(window: MainWindow, qtbot: QtBot) -> None:
    image = QImage(40, 30, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    QGuiApplication.clipboard().setImage(image)
    window.actions_table["paste"].trigger()
    until(qtbot, lambda: window.studio.job.inputs.content != CAT)
    path = str(window.studio.job.inputs.content)
    assert Path(path).is_file()
    assert open_picture(path).rgb[0, 0].tolist() == [1.0, 0.0, 0.0]
    QGuiApplication.clipboard().setText("words")
    window.actions_table["paste"].trigger()
    assert window.studio.job.inputs.content == path


def test_layers_take_roles_in_the_tree(window: MainWindow) -> None:
    tree = window.tree
    tree.role_edited.emit("style_layers", {"relu2_1": 3.0})
    assert window.studio.technique.style_layers == {"relu2_1": 3.0}  # type: ignore[attr-defined]
    assert window.form.editor("style_layers").value() == {"relu2_1": 3.0}
    window.actions_table["reset_layers"].trigger()
    assert window.studio.technique.style_layers is None  # type: ignore[attr-defined]


def test_deep_dream_on_single_channels(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_technique("deep-dream")
    box = window.findChild(QComboBox, "techniqueBox")
    assert box is not None
    assert box.currentText() == "DeepDream"
    window.tree.channel_edited.emit("relu4_1", (3, 5))
    technique = window.studio.technique
    assert isinstance(technique, DeepDream)
    assert technique.layers == {"relu4_1": 1.0}
    assert technique.channels == "3,5"
    window.studio.set_setting("iterations", 3)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert window.running.result is not None
    assert window.running.result.complete


def test_presets_built_in_and_own(window: MainWindow, qtbot: QtBot) -> None:
    box = window.findChild(QComboBox, "presetBox")
    assert box is not None
    assert box.currentText() == "(custom)"
    box.setCurrentText("Fast preview")
    box.activated.emit(box.currentIndex())
    assert window.studio.technique.iterations == 150  # type: ignore[attr-defined]
    assert box.currentText() == "Fast preview"
    window.studio.set_setting("tv_weight", 4.0)
    assert box.currentText() == "(custom)"
    window.options.save_preset("mine")
    assert box.currentText() == "mine"
    window.actions_table["reset_settings"].trigger()
    assert box.currentText() == "Best"
    window.options.apply_preset("mine")
    assert window.studio.technique.tv_weight == 4.0  # type: ignore[attr-defined]


def test_the_maps_lie_over_the_picture_and_go_again(window: MainWindow, qtbot: QtBot) -> None:
    window.docks["sight"].raise_()
    with qtbot.waitSignal(window.maps.answered, timeout=60_000) as heard:
        window.actions_table["saliency"].setChecked(True)
        window.actions_table["grad_cam"].setChecked(True)
    until(qtbot, lambda: window.maps._pending is None and not window.maps.busy)
    answer = heard.args[0]
    assert not answer.problem, answer.problem
    assert len(answer.top) == 5
    assert sum(share for _, _, share in answer.top) <= 1.0 + 1e-6
    kinds = {"saliency", "grad_cam"}
    until(qtbot, lambda: kinds <= set(window.canvas.overlays()))
    window.actions_table["saliency"].setChecked(False)
    assert set(window.canvas.overlays()) == {"grad_cam"}
    assert window.live_maps.saliency.isChecked() is False
    window.tree.layer_selected.emit("relu3_1", None)
    until(qtbot, lambda: "relu3_1" in window.live_maps.said.text())


def test_a_class_is_found_by_name_or_number(window: MainWindow, qtbot: QtBot) -> None:
    box = window.findChild(QComboBox, "classBox")
    assert box is not None
    line = box.lineEdit()
    assert line is not None
    for typed, wanted in (("dalmat", "dalmatian"), ("7", box.itemText(8)), ("nonsense", None)):
        before = box.currentText()
        line.setFocus()
        line.selectAll()
        qtbot.keyClicks(line, typed)
        qtbot.keyClick(line, Qt.Key.Key_Return)
        assert box.currentText().casefold() == (wanted or before).casefold()


def test_a_recipe_is_opened_and_dropped(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window.studio.set_setting("tv_weight", 4.5)
    path = write_project(tmp_path / "work.json", window.studio.job)
    wanted = window.studio.job
    window.studio.set_setting("tv_weight", 1.0)
    window.studio.set_inputs("", content=MOSAIC)
    window.project.open_path(str(path))
    until(qtbot, lambda: window.studio.job == wanted)
    window.studio.set_setting("tv_weight", 1.0)
    drop_on(window.canvas.viewport(), [str(path)])
    until(qtbot, lambda: window.studio.job == wanted)
    path.write_text("{")
    with qtbot.waitSignal(window.files.failed):
        window.files.read_recipe(path)
    assert window.studio.job == wanted


def test_closing_during_a_run_stops_it_and_everything_is_found_again(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.studio.set_setting("iterations", 100_000)
    window.studio.set_setting("seed", 42)
    window.form.set_folded(["Run", "Optimizer"])
    folded = window.form.folded()
    window.docks["losses"].hide()
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.state is State.RUNNING)
    closed(qtbot, window)
    again = opened_window(qtbot, sessions.load())
    try:
        assert again.studio.job.seed == 42
        assert again.studio.technique.iterations == 100_000  # type: ignore[attr-defined]
        assert again.form.folded() == folded
        assert again.docks["losses"].isHidden()
    finally:
        closed(qtbot, again)


def test_a_network_that_is_not_here_is_said_and_the_window_goes_on(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAREIDOLIA_NETWORKS", raising=False)
    window.studio.set_network("alexnet")
    until(qtbot, lambda: "Networks" in window.statusBar().currentMessage())
    assert window.layers.here is None
    window.studio.undo_stack.undo()
    until(qtbot, lambda: window.layers.here is not None)


def test_nothing_set_up_is_said_before_a_run(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_inputs("", styles=())
    click(qtbot, window, "runButton")
    eta = window.findChild(QLabel, "etaLabel")
    assert eta is not None
    assert "style" in eta.text()
    assert window.controller.state is State.IDLE


def test_the_forecast_is_shown(window: MainWindow, qtbot: QtBot) -> None:
    window.running.forecasts = True
    window.studio.set_setting("tv_weight", 2.0)
    until(qtbot, lambda: "about" in window.run_bar.details.text())


def test_themes_can_be_changed(qtbot: QtBot, qapp: QApplication) -> None:
    from gui import theme

    before = qapp.palette()
    made = MainWindow(Session(job=quick_job()), lambda name: theme.apply(qapp, name))
    made.show()
    try:
        for name, dark in (("light", False), ("dark", True)):
            made.session.preferences = sessions.Preferences(theme=name)
            made.apply_preferences()
            colour = qapp.palette().window().color()
            assert (colour.lightness() < 128) is dark
    finally:
        closed(qtbot, made)
        qapp.setStyleSheet("")
        qapp.setPalette(before)


def test_a_photo_dropped_during_a_run_waits_for_the_next(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_setting("iterations", 100_000)
    click(qtbot, window, "runButton")
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "frame",
    )
    drop_on(window.canvas.viewport(), [MOSAIC])
    until(qtbot, lambda: window.pictures.get(MOSAIC) is not None)
    qtbot.wait(50)
    assert window.canvas_content.current is not None
    assert window.canvas_content.current.kind == "frame"
    assert "next run" in window.statusBar().currentMessage()
    assert window.running.job is not None
    assert str(window.running.job.inputs.content.path) == CAT  # type: ignore[union-attr]
    click(qtbot, window, "stopButton")
    until_idle(qtbot, window)
    assert window.running.result is not None


def test_a_picture_saved_during_the_run_is_made_again_bit_for_bit(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    from cli.running import run_job

    window.studio.set_setting("iterations", 100_000)
    window.studio.set_setting("precision", "auto")
    click(qtbot, window, "runButton")
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "frame",
    )
    click(qtbot, window, "pauseButton")
    qtbot.wait(200)
    path, again = tmp_path / "made.png", tmp_path / "again.png"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    click(qtbot, window, "stopButton")
    until_idle(qtbot, window)
    recipe = read_recipe(path)
    assert recipe is not None
    assert recipe["precision"] in ("fp32", "bf16")
    run_job(Job.from_recipe(recipe), again, quiet=True)
    assert np.array_equal(open_picture(path).rgb, open_picture(again).rgb)


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("texture-synthesis", {"iterations": 3}),
        ("class-visualization", {"iterations": 2, "target": "pizza"}),
        ("activation-maximization", {"iterations": 2, "layer": "relu3_1", "channel": "3"}),
        ("feature-inversion", {"iterations": 2, "layer": "relu2_1"}),
        ("langevin", {"iterations": 3, "burn_in": 1, "target": "7"}),
        ("adversarial", {"iterations": 2, "target": "pizza"}),
    ],
)
def test_every_technique_runs_from_the_window(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, command: str, values: dict[str, object]
) -> None:
    window.studio.set_technique(command)
    known = {f: v for f, v in values.items() if hasattr(window.studio.technique, f)}
    window.studio.set_settings("", known)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    result = window.running.result
    assert result is not None, window.run_bar.eta.text()
    current = window.canvas_content.current
    assert current is not None
    assert current.kind == "frame"
    assert current.image.width() == result.picture.width
    has_figure = window.studio.technique.has_figure
    assert has_figure or command != "adversarial"
    assert window.actions_table["save_figure"].isEnabled() is has_figure
    if has_figure:
        path = tmp_path / "figure.png"
        window.files.write_figure(path)
        until(qtbot, lambda: path.exists() and not window.background.busy)
        assert open_picture(path).width >= result.picture.width


def test_a_technique_without_a_photo_shows_none(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_technique("class-visualization")
    assert window.canvas_content.current is None
    assert window.canvas_content.size_of_result() is not None
    window.studio.set_setting("target", "")  # what the photo shows may have been filled in
    click(qtbot, window, "runButton")
    assert not window.controller.active
    assert "class" in window.run_bar.eta.text().casefold()
    window.studio.set_technique("style-transfer")
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "content",
    )


def test_a_class_is_typed_into_its_field(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_technique("class-visualization")
    editor = window.form.editor("target")
    completer = editor.box.completer()  # type: ignore[attr-defined]
    assert completer.model().rowCount() == 101
    editor.box.setFocus()  # type: ignore[attr-defined]
    qtbot.keyClicks(editor.box, "dalmatian")  # type: ignore[attr-defined]
    qtbot.keyClick(editor.box, Qt.Key.Key_Return)  # type: ignore[attr-defined]
    assert window.studio.technique.target == "dalmatian"  # type: ignore[attr-defined]


def test_a_typed_value_counts_when_run_is_pressed(window: MainWindow, qtbot: QtBot) -> None:
    editor = window.form.editor("iterations")
    assert isinstance(editor, NumberEditor)
    editor.box.setFocus()
    editor.box.selectAll()
    qtbot.keyClicks(editor.box, "3")
    window.running.start()
    until_idle(qtbot, window)
    assert window.running.result is not None
    assert window.running.result.iteration == 3


def test_a_run_that_fails_leaves_the_last_result_and_its_recipe(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    result, moments = window.running.result, window.timeline.current()
    window.studio.set_inputs("", styles=((str(tmp_path / "no such style.jpg"), 1.0),))
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    for box in QApplication.topLevelWidgets():
        if box.objectName() == "errorDialog":
            box.close()
    assert window.running.result is result
    assert window.timeline.current() == moments
    assert "no such style" in window.run_bar.eta.text()
    path = tmp_path / "kept.png"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    recipe = read_recipe(path)
    assert recipe is not None
    assert recipe["inputs"]["styles"][0]["path"] == STROKES


def test_a_new_photo_is_shown_after_a_run_and_compared_with_its_own_result(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    photo = tmp_path / "new.png"
    QImage(30, 20, QImage.Format.Format_RGB32).save(str(photo))
    window.studio.set_inputs("", content=str(photo))
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == str(photo),
    )
    assert window.canvas_content.original == str(photo)
    window.timeline.findChild(QSlider, "timelineSlider").setValue(1)  # type: ignore[union-attr]
    assert window.canvas_content.current is not None
    assert window.canvas_content.current.kind == "moment"
    assert window.canvas_content.original == CAT, "the moments are of the cat"


def test_another_network_is_not_asked_for_the_layers_of_the_last(window: MainWindow) -> None:
    window.studio.set_technique("deep-dream")
    window.studio.set_setting("layers", {"relu3_1": 1.0})
    window.studio.set_technique("activation-maximization")
    window.studio.set_setting("layer", "relu3_1")
    window.studio.set_network("googlenet_bvlc")
    assert window.studio.technique.layer == ""  # type: ignore[attr-defined]
    window.studio.set_technique("deep-dream")
    assert window.studio.technique.layers is None  # type: ignore[attr-defined]


def test_what_is_being_saved_is_saved_though_the_window_closes(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    import time

    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    for _ in range(2):
        window.background.submit(lambda: time.sleep(0.3))
    path = tmp_path / "late.png"
    window.files.write_picture(path)
    closed(qtbot, window)
    assert open_picture(path).width == 64


def test_start_pictures_are_given_up_with_what_they_brought(
    window: MainWindow, qtbot: QtBot
) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    window.actions_table["branch"].trigger()
    until(qtbot, lambda: window.studio.job.inputs.start)
    window.input_pictures.remove(InputKey("start"))
    technique = window.studio.technique
    assert technique.start == "recoloured"  # type: ignore[attr-defined]
    assert technique.smallest_scale == 128  # type: ignore[attr-defined]
