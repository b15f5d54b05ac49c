"""Every technique with every preset, from the Run button to the picture; films, folders, figures."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PySide6.QtCore import QLockFile, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QProgressDialog,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from engine import settings
from engine.film import assemble
from engine.image import Picture, open_picture, save_picture
from engine.job import Inputs, Job
from engine.places import data_folder
from engine.project import read_job
from engine.task import Stage
from engine.techniques import ROWS, TECHNIQUES
from engine.techniques.adversarial import Adversarial
from engine.techniques.class_visualization import ClassVisualization
from engine.techniques.deep_dream import DeepDream
from engine.techniques.hierarchy import Hierarchy
from engine.techniques.texture_synthesis import TextureSynthesis
from gui.dialogs.figure import FigureWindow
from gui.dialogs.film import FilmDialog
from gui.main_window import MainWindow
from gui.panels.text_editors import FolderEditor, PickEditor
from gui.pixels import to_array
from gui.run.controller import State
from gui.run.film_frames import FilmFrames
from gui.run.pace import Pace
from gui.session import Session
from gui.studio import SAMPLES
from tests.gui.stories import (
    CAT,
    STROKES,
    click,
    closed,
    opened_window,
    quick_job,
    until,
    until_idle,
)

SIZE = 48
TINY_STYLE = Path(__file__).parents[1] / "recipes" / "tiny_style.safetensors"
SHEETS = {"Depth by depth": 112, "Layer by layer": 144, "What is left open": 96}
"""Sizes of presets whose result is a sheet of several pictures."""
SMALL: dict[str, dict[str, Any]] = {
    # What makes a preset quick, if the technique has such a setting; the rest is the preset's own.
    "": {"iterations": 2, "smallest_scale": 32, "sample_size": 32, "thinning": 1},
    "class-visualization": {"target": "pizza"},
    "activation-maximization": {"layer": "relu2_1", "channel": "1,5"},
    "hierarchy": {"layer": "relu1_1,relu2_1", "units": "2", "resume": False},
    "multifaceted": {"target": "pizza", "copies": 2, "nearest": 2},
    "langevin": {"target": "pizza", "iterations": 8},
    "adversaries": {"iterations": 2, "unrolled_steps": 1},
    "black-box": {"iterations": 2, "victim_steps": 2, "query_rounds": 1},
    "adversarial-training": {"iterations": 2, "test_steps": 1, "restarts": 1},
    "domain-adaptation": {"iterations": 2},
    "semi-supervised": {"iterations": 2},
    "chairs": {"iterations": 2, "chairs": 3, "views": 8, "width": 8, "batch": 2},
    "stylize": {"style_network": str(TINY_STYLE)},
}


def photos(folder: Path) -> Path:
    folder.mkdir()
    for path in SAMPLES.glob("*.jpg"):
        shutil.copy(path, folder)
    return folder


def chosen(window: MainWindow, box: str, text: str) -> None:
    found = window.findChild(QComboBox, box)
    assert found is not None
    at = found.findText(text)
    assert at >= 0, f"{box} does not offer {text}"
    found.setCurrentIndex(at)
    found.activated.emit(at)


def run(window: MainWindow, qtbot: QtBot) -> None:
    click(qtbot, window, "runButton")
    assert window.controller.active, window.run_bar.eta.text()
    until_idle(qtbot, window)
    assert window.running._sentence == ""


@pytest.mark.parametrize("command", TECHNIQUES)
def test_every_preset_leads_to_a_picture(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, command: str
) -> None:
    kind = TECHNIQUES[command]
    chosen(window, "techniqueBox", kind.title)
    assert window.studio.technique.command == command
    known = settings.describe(kind)
    small = {**SMALL[""], **SMALL.get(command, {})}
    if command == "multifaceted":
        click(qtbot, window, "runButton")
        assert "Choose a class" in window.run_bar.eta.text()
        window.studio.set_setting("target", small["target"])
        click(qtbot, window, "runButton")
        assert "folder" in window.run_bar.eta.text()
        assert not window.controller.active
        small["folder"] = str(photos(tmp_path / "photos"))
    small = {name: value for name, value in small.items() if name in known}
    subjects = {name: value for name, value in small.items() if known[name].kind == "text"}
    window.studio.set_settings("subjects", subjects)
    for preset, values in kind.presets.items():
        chosen(window, "presetBox", preset)
        technique = window.studio.technique
        wanted = {name: values.get(name, subjects.get(name)) for name in subjects}
        assert {name: getattr(technique, name) for name in subjects} == wanted
        assert window.preset_box.currentText() == preset
        window.studio.set_setting("size", SHEETS.get(preset, SIZE))
        window.studio.set_settings("small", small | {n: wanted[n] for n in subjects})
        run(window, qtbot)
        result, current = window.running.result, window.canvas_content.current
        assert result is not None
        assert current is not None
        assert current.kind == "frame"
        for name, value in values.items():
            if name not in small:
                assert getattr(result.job.technique, name) == value, f"{preset}: {name}"
        shown = to_array(current.image)[..., :3]
        assert shown.shape[:2] == result.picture.rgb.shape[:2]
        assert np.abs(shown / 255 - result.picture.rgb).max() < 0.51 / 255
        assert shown.std() > 1, f"{preset}: an empty picture"
        has_figure = kind.has_figure
        assert window.actions_table["show_figure"].isEnabled() == has_figure
        assert window.actions_table["save_figure"].isEnabled() == has_figure


def test_a_hierarchy_is_taken_up_where_it_was_stopped(window: MainWindow, qtbot: QtBot) -> None:
    technique = Hierarchy(layer="relu1_1,relu2_1", units="2", iterations=30)
    window.studio.load(Job(technique, size=SIZE, device="cpu", precision="fp32"))
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.pace.iteration > 40)
    window.controller.stop()
    until_idle(qtbot, window)
    assert window.running.result is not None
    assert not window.running.result.complete
    first: list[int] = []
    window.controller.points.connect(lambda points: first.append(points[0][0]))
    run(window, qtbot)
    assert first[0] > 30, "the finished row is made again"
    assert window.running.result is not None
    assert window.running.result.complete


# -- films -------------------------------------------------------------------------------------


def film_job(frames: int, iterations: int = 2) -> Job:
    technique = DeepDream(iterations=iterations, octaves=1, frame_count=frames, rotation=5.0)
    return Job(technique, Inputs(CAT), size=SIZE, device="cpu", precision="fp32")


def frames_here() -> list[Path]:
    return sorted(data_folder().glob("films/*/*.png"))


def test_a_film_is_saved_as_folder_and_video(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    from cli.running import run_job

    run(window, qtbot)
    assert not window.actions_table["save_film"].isEnabled()
    window.studio.load(film_job(3))
    run(window, qtbot)
    assert window.actions_table["save_film"].isEnabled()
    run_job(film_job(3), tmp_path / "still.png", quiet=True, reel=tmp_path / "by command")
    window.film_flow.write(tmp_path / "frames", 24.0)
    until(qtbot, lambda: not window.background.busy)
    names = [f"frame-0000{i}.png" for i in (1, 2, 3)]
    assert [p.name for p in sorted((tmp_path / "frames").iterdir())] == names
    made = [open_picture(tmp_path / "frames" / name).rgb for name in names]
    assert not np.array_equal(made[0], made[1])
    for name, rgb in zip(names, made, strict=True):
        assert np.array_equal(open_picture(tmp_path / "by command" / name).rgb, rgb)
    av = pytest.importorskip("av")
    window.film_flow.write(tmp_path / "film.mp4", 12.0)
    until(qtbot, lambda: not window.background.busy)
    with av.open(str(tmp_path / "film.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == 12.0
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for video, rgb in zip(shown, made, strict=True):
        assert np.abs(video / 255 - rgb[: video.shape[0], : video.shape[1]]).mean() < 0.05
    window.film_flow.write(tmp_path / "frames", 24.0)
    until(qtbot, lambda: not window.background.busy)
    assert "is not empty" in window.statusBar().currentMessage()


def test_a_film_is_saved_while_it_grows_and_goes_with_the_next_run(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.studio.load(film_job(500, iterations=1))
    click(qtbot, window, "runButton")
    until(qtbot, lambda: len(window.running.film_frames or ()) >= 2)
    until(qtbot, window.actions_table["save_film"].isEnabled)
    assert window.controller.active
    window.film_flow.write(tmp_path / "early", 24.0)
    until(qtbot, lambda: not window.background.busy)
    saved = len(list((tmp_path / "early").iterdir()))
    assert saved >= 2
    until(qtbot, lambda: len(frames_here()) > saved)
    window.controller.stop()
    until_idle(qtbot, window)
    assert len(frames_here()) > saved
    window.studio.load(quick_job())
    run(window, qtbot)
    until(qtbot, lambda: not frames_here())
    assert not window.actions_table["save_film"].isEnabled()


def test_the_dialog_asks_how_and_the_film_can_be_given_up(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av")
    window.studio.load(film_job(4))
    run(window, qtbot)
    asked: list[str] = []

    def accepting(dialog: FilmDialog) -> int:
        kind, rate = dialog.findChild(QComboBox, "filmKind"), dialog.findChild(QDoubleSpinBox)
        assert kind is not None
        assert rate is not None
        kind.setCurrentIndex(kind.findData(".webm"))
        rate.setValue(8.0)
        asked.append(dialog.length.text())
        return int(FilmDialog.DialogCode.Accepted)

    def named(_parent: QWidget, _title: str, name: str, kinds: str) -> tuple[str, str]:
        asked.extend([Path(name).name, kinds])
        return str(tmp_path / "film"), kinds

    monkeypatch.setattr(FilmDialog, "exec", accepting)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", named)
    window.actions_table["save_film"].trigger()
    until(qtbot, lambda: not window.background.busy)
    assert asked == ["0 s", "cat-deep-dream.webm", "*.webm"]
    assert (tmp_path / "film.webm").stat().st_size > 0
    assert (
        window.findChild(QProgressDialog, "filmProgress") is None
        or window.film_flow.progress is None
    )
    window.film_flow.write(tmp_path / "given up", 24.0)
    assert not window.actions_table["save_film"].isEnabled()
    progress = window.film_flow.progress
    assert progress is not None
    progress.bar.canceled.emit()
    until(qtbot, lambda: not window.background.busy)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.webm", "home"]
    assert window.actions_table["save_film"].isEnabled()


def test_without_the_package_for_videos_there_are_folders(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    reel = FilmFrames()
    reel.add(torch.rand(3, 8, 12))
    dialog = FilmDialog(reel)
    qtbot.addWidget(dialog)
    assert [dialog.kind.itemData(i) for i in range(dialog.kind.count())] == [""]
    assert "pip install av" in dialog.hint.text()
    assert not dialog.hint.isHidden()
    assert not dialog.rate.isEnabled()


def test_a_reel_is_bounded_exact_and_leaves_nothing() -> None:
    reel = FilmFrames(budget=1)
    pictures = [torch.rand(3, 6, 5), torch.rand(3, 6, 5)]
    for picture in pictures:
        reel.add(picture)
    (file,) = reel.files()
    assert len(reel) == 1
    assert reel.size == (6, 5)
    assert "Only the first 1 frames" in reel.problem
    kept = open_picture(file).tensor()
    assert (kept - pictures[0]).abs().max() <= 0.5 / 255 + 1e-6
    del reel
    assert not any((data_folder() / "films").iterdir())


def test_what_a_crashed_program_left_is_deleted_and_another_ones_film_is_not() -> None:
    place = data_folder() / "films"
    for name in ("left", "used"):
        (place / name).mkdir(parents=True)
        (place / name / "frame-00001.png").write_bytes(b"")
    used = QLockFile(str(place / "used.lock"))
    assert used.tryLock(0)
    reel = FilmFrames()
    reel.add(torch.zeros(3, 4, 4))
    assert not (place / "left").exists()
    assert (place / "used" / "frame-00001.png").exists()
    used.unlock()


def test_a_folder_of_frames_is_whole_or_not_there(tmp_path: Path) -> None:
    files = []
    for i in range(3):
        rgb = np.full((4, 6, 3), i / 4, np.float32)
        files.append(save_picture(Picture(rgb), tmp_path / f"{i}.png"))
    (tmp_path / "empty").mkdir()
    assert assemble(files, tmp_path / "empty") == tmp_path / "empty"
    assert len(list((tmp_path / "empty").iterdir())) == 3
    done: list[int] = []
    with pytest.raises(Exception, match="was not written"):
        assemble(files, tmp_path / "new", moved=done.append, cancelled=lambda: len(done) == 2)
    assert done == [1, 2]
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["empty", "home"][:1]


# -- folders, names, figures -------------------------------------------------------------------


def test_the_folder_of_photos_is_asked_for(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.studio.set_technique("multifaceted")
    editor = window.form.findChild(QWidget, "setting_folder")
    assert isinstance(editor, FolderEditor)
    answers = [str(tmp_path), ""]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0))
    editor.button.click()
    assert window.studio.technique.folder == str(tmp_path)  # type: ignore[attr-defined]
    assert editor.box.text() == str(tmp_path)
    editor.button.click()  # given up: the folder stays
    assert window.studio.technique.folder == str(tmp_path)  # type: ignore[attr-defined]
    window.studio.undo_stack.undo()
    assert editor.box.text() == ""
    assert answers == []


def test_a_second_network_is_picked_from_those_that_are_here(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.studio.set_technique("adversarial")
    editor = window.form.editor("other_network")
    assert isinstance(editor, PickEditor)

    def offered() -> list[str]:
        model = editor._completer.model()
        return [model.index(row, 0).data() for row in range(model.rowCount())]

    qtbot.waitUntil(lambda: "slim_vgg" in offered())  # the folders are read in the background
    assert editor.box.placeholderText() == "none"


def test_a_class_outlives_a_preset_but_a_presets_own_layer_does_not(window: MainWindow) -> None:
    window.studio.load(Job(ClassVisualization(target="pizza", iterations=7)))
    chosen(window, "presetBox", "CS231n")
    assert window.studio.technique.target == "pizza"  # type: ignore[attr-defined]
    assert window.studio.technique.iterations == 100  # type: ignore[attr-defined]
    window.studio.set_technique("feature-inversion")
    chosen(window, "presetBox", "Layer by layer")
    assert window.studio.technique.layer == "all"  # type: ignore[attr-defined]
    chosen(window, "presetBox", "One layer")
    assert window.studio.technique.layer == ""  # type: ignore[attr-defined]
    window.studio.set_setting("layer", "relu3_1")
    assert window.preset_box.currentText() == "One layer"
    chosen(window, "presetBox", "What is left open")
    assert window.studio.technique.layer == "relu3_1"  # type: ignore[attr-defined]


def test_the_figure_opens_in_a_window_and_is_saved(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    technique = TextureSynthesis(iterations=2, sample_size=32, smallest_scale=65536)
    window.studio.load(Job(technique, Inputs(STROKES), size=40, device="cpu", precision="fp32"))
    assert not window.actions_table["show_figure"].isEnabled()
    run(window, qtbot)
    window.actions_table["show_figure"].trigger()
    until(qtbot, lambda: not window.background.busy)
    figure = window.findChild(FigureWindow)
    assert figure is not None
    assert figure.isVisible()
    assert window.running.result is not None
    tile = window.running.result.picture.rgb
    # Three times three of the result stand in the figure as they are.
    tiled = np.tile(tile, (3, 3, 1))
    height, width = tiled.shape[:2]
    whole = figure.figure.rgb
    places = [
        (y, x)
        for y in range(whole.shape[0] - height + 1)
        for x in range(whole.shape[1] - width + 1)
        if np.abs(whole[y, x] - tiled[0, 0]).max() < 0.01
        and np.abs(whole[y : y + height, x : x + width] - tiled).max() < 0.01
    ]
    assert len(places) == 1
    path = tmp_path / "figure.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), "PNG (*.png)"))
    click(qtbot, window, "saveFigure")
    until(qtbot, lambda: not window.background.busy)
    assert np.abs(open_picture(path).rgb - whole).max() < 0.51 / 255
    figure.close()
    until(qtbot, lambda: not isValid(figure))


def test_sentences_of_the_engine_name_no_options(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.load(Job(ClassVisualization(target="no such thing"), size=SIZE, device="cpu"))
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    text = window.run_bar.eta.text()
    assert "no such thing" in text
    assert "--" not in text
    for box in window.findChildren(QWidget, "errorBox"):
        box.close()


def test_a_run_that_ends_early_fills_its_bar(window: MainWindow, qtbot: QtBot) -> None:
    technique = Adversarial(method="fgsm", epsilon=32.0)
    window.studio.load(Job(technique, Inputs(CAT), size=96, device="cpu", precision="fp32"))
    run(window, qtbot)
    assert window.run_bar.eta.text().startswith("done: 1 iteration in")
    assert window.run_bar.progress.value() == window.run_bar.progress.maximum() == 1


def test_a_long_film_has_a_time_and_no_marks(window: MainWindow, qtbot: QtBot) -> None:
    pace = Pace()
    pace.plan([Stage((64, 64), 1), Stage((128, 128), 2)] * 50_000)
    # 64 x 64 and 128 x 128 pixels, each iteration as if it had 64 x 64 more.
    small, large = 2 * 64 * 64, 5 * 64 * 64
    assert pace.cost(0, 3) == small + 2 * large
    assert pace.cost(2, 5) == large + small + large
    assert pace.cost(0, pace.total) == 50_000 * (small + 2 * large)
    window.studio.load(film_job(60, iterations=1))
    run(window, qtbot)
    assert window.losses.marks == []


def test_no_tab_bar_is_left_over_the_picture(window: MainWindow, qtbot: QtBot) -> None:
    def over_the_middle() -> list[QTabBar]:
        middle = window.centralWidget().geometry()
        bars = [bar for bar in window.findChildren(QTabBar) if bar.parent() is window]
        return [b for b in bars if b.isVisible() and b.geometry().intersects(middle)]

    until(qtbot, lambda: not over_the_middle())
    window.reset_layout()
    until(qtbot, lambda: not over_the_middle())


def test_a_picture_made_here_opens_again_as_project(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    technique = ClassVisualization(target="pizza", iterations=2)
    window.studio.load(Job(technique, size=SIZE, device="cpu", precision="fp32"))
    run(window, qtbot)
    window.files.write_picture(tmp_path / "pizza.png")
    until(qtbot, lambda: not window.background.busy)
    assert read_job(tmp_path / "pizza.png").technique == technique
    window.studio.set_technique("deep-dream")
    window.files.read_recipe(tmp_path / "pizza.png")
    until(qtbot, lambda: window.studio.technique == technique)


def test_the_reel_goes_when_the_window_does(qtbot: QtBot) -> None:
    window = opened_window(qtbot, Session(job=film_job(2)))
    run(window, qtbot)
    assert window.controller.state is State.IDLE
    assert len(frames_here()) == 2
    closed(qtbot, window)
    assert not frames_here()


def test_the_workshop_is_listed_last_under_a_heading_that_cannot_be_chosen(
    window: MainWindow, qtbot: QtBot
) -> None:
    box = window.technique_box
    texts = [box.itemText(i) for i in range(box.count())]
    heading = texts.index("Workshop")
    assert texts[heading - 1] == ""
    workshop = [kind.title for name, kind in TECHNIQUES.items() if ROWS[name].group == "Workshop"]
    assert texts[heading + 1 :] == workshop
    box.setCurrentIndex(heading - 2)
    qtbot.keyClick(box, Qt.Key.Key_Down)
    assert box.currentText() == "Adversaries", "arrow keys pass over the heading"
    box.setCurrentIndex(heading)
    box.activated.emit(heading)
    assert box.currentText() == window.studio.technique.title
