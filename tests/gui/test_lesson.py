"""Lessons in the window: made, saved, opened, gone back to, played, exported."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox, QPlainTextEdit
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from engine.attribution.square import Square
from engine.lesson import Figure, Lesson, Step, picture_bytes, read_lesson, write_lesson
from gui.background import Background
from gui.dialogs.lesson_layout import cells_of
from gui.dialogs.lesson_player import LessonPlayer
from gui.flow.lesson_state import (
    MapSnapshot,
    composed,
    map_settings_from,
    map_settings_values,
    restore_point,
)
from gui.main_window import MainWindow
from gui.panels.lesson import LessonPanel
from gui.panels.live_maps import LiveMapsPanel
from tests.gui.stories import (
    CAT,
    MOSAIC,
    STROKES,
    click,
    closed,
    opened_window,
    until,
    until_idle,
)

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 30), (30, 30, 200)
Key = Qt.Key


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (80, 60)) -> bytes:
    width, height = size
    return picture_bytes(np.full((height, width, 3), colour, np.uint8), exact=True)


def a_lesson() -> Lesson:
    maps = (Figure("Grad-CAM", plain(GREEN)), Figure("gradient", plain(BLUE)))
    return Lesson(
        "Three",
        (
            Step("open", "one", False, plain(RED), maps[:1]),
            Step("hidden", "two", True, plain(RED), maps),
            Step("nothing to hide", "three", True, plain(RED)),
        ),
    )


def pixels_of(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def answering(monkeypatch: pytest.MonkeyPatch, **paths: Path) -> None:
    """Let file dialogs answer with these paths: opened, saved."""

    def answer(path: Path | None) -> Callable[..., tuple[str, str]]:
        return lambda *_args: (str(path) if path else "", "")

    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(answer(paths.get("opened"))))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(answer(paths.get("saved"))))


def answer_unsaved(qtbot: QtBot, window: MainWindow, button: QMessageBox.StandardButton) -> None:
    box = window.findChild(QMessageBox, "lessonUnsaved")
    assert box is not None and box.isVisible()
    qtbot.mouseClick(box.button(button), Qt.MouseButton.LeftButton)
    QApplication.sendPostedEvents(box, 52)


def is_idle(window: MainWindow) -> bool:
    return not window.background.busy


@pytest.fixture
def lesson_window(window: MainWindow, qtbot: QtBot) -> Iterator[MainWindow]:
    """The window with the lesson's panel in front; what is unsaved at the end is forgotten."""
    window.docks["lesson"].raise_()
    qtbot.wait(20)
    yield window
    if isValid(window) and window.isVisible():
        window.lessons.document.set_lesson(Lesson(""))


def add(qtbot: QtBot, window: MainWindow) -> Step:
    count = len(window.lessons.steps)
    click(qtbot, window, "addStep")
    until(qtbot, lambda: len(window.lessons.steps) == count + 1)
    return window.lessons.steps[window.lesson.row()]


# -- the whole story -------------------------------------------------------------------------------


def test_a_lesson_is_made_saved_opened_gone_back_to_and_exported(
    lesson_window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = lesson_window
    panel, live_maps = window.lesson, window.live_maps
    qtbot.keyClicks(panel.findChild(QLineEdit, "lessonTitle"), "What it sees")
    first = add(qtbot, window)
    assert (first.title, first.figures, first.hidden) == ("cat", (), False)
    # Second: Grad-CAM of a class and a layer, hidden, with words typed into the panel.
    live_maps.choose_class(7)
    live_maps.select_layer("relu3_1")
    live_maps.grad_cam.setChecked(True)
    second = add(qtbot, window)
    (figure,) = second.figures
    assert window.layers.here is not None
    name = window.layers.here.network.classes[7]
    assert figure.caption.startswith(f"Grad-CAM for {name} (")
    assert re.search(
        r", layer relu3_1, network slim_vgg, scale to [\d.e+-]+, maximum [\d.e+-]+$",
        figure.caption,
    ), figure.caption
    title, text = (panel.findChild(kind, f"step{kind_name}") for kind, kind_name in (
        (QLineEdit, "Title"), (QPlainTextEdit, "Text")))  # fmt: skip
    title.selectAll()
    qtbot.keyClicks(title, "Where?")
    qtbot.keyClicks(text, "Think first")
    qtbot.mouseClick(panel.hidden, Qt.MouseButton.LeftButton, pos=panel.hidden.rect().center() / 2)
    # Third: another photo, with both kinds of map.
    window.input_pictures.drop([MOSAIC])
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == MOSAIC,
    )
    live_maps.saliency.setChecked(True)
    third = add(qtbot, window)
    assert [f.caption.partition(" for ")[0] for f in third.figures] == ["gradient", "Grad-CAM"]
    made = window.lessons.document.lesson
    assert made.title == "What it sees"
    assert [s.title for s in made.steps] == ["cat", "Where?", "mosaic"]
    assert [s.hidden for s in made.steps] == [False, True, False]
    assert made.steps[1].text == "Think first"
    # Into a file, and back from it.
    answering(monkeypatch, saved=tmp_path / "my lesson")
    click(qtbot, window, "saveLesson")
    until(qtbot, lambda: not window.lessons.document.changed)
    path = tmp_path / "my lesson.pareidolia-lesson"
    assert read_lesson(path) == made
    click(qtbot, window, "newLesson")
    assert window.lessons.steps == () and panel.list.count() == 0
    answering(monkeypatch, opened=path)
    click(qtbot, window, "openLesson")
    until(qtbot, lambda: window.lessons.document.lesson == made)
    assert not window.lessons.document.changed
    assert "Where?" in panel.list.item(1).text()
    # Back to the second step: photo, class, layer and maps are what they were.
    live_maps.choose_class(3)
    panel.list.setCurrentRow(1)
    qtbot.keyClick(panel.list, Key.Key_Return)
    until(
        qtbot, lambda: window.canvas_content.current and window.canvas_content.current.path == CAT
    )
    until(qtbot, lambda: window.canvas.overlays() == ["grad_cam"])
    map_settings = live_maps.map_settings()
    assert (map_settings.target, map_settings.layer, map_settings.saliency, map_settings.grad_cam) == (
        7, "relu3_1", "", "Grad-CAM",
    )  # fmt: skip
    assert not window.actions_table["saliency"].isChecked()
    again = add(qtbot, window)
    assert again.figures == second.figures, "the same maps, pixel for pixel"
    assert again.picture == second.picture
    # One page for browsers.
    answering(monkeypatch, saved=tmp_path / "page.html")
    click(qtbot, window, "exportLesson")
    until(qtbot, lambda: (tmp_path / "page.html").exists())
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("data:image/") == 4 + 4
    assert str(Path(CAT).parent) not in page


def test_the_composed_map_is_what_the_canvas_shows(lesson_window: MainWindow, qtbot: QtBot) -> None:
    window = lesson_window
    window.live_maps.grad_cam.opacity.setValue(50)
    window.live_maps.grad_cam.setChecked(True)
    step = add(qtbot, window)
    answer = window.live_maps_flow.answer
    assert answer is not None and answer.grad_cam is not None
    picture, both = pixels_of(step.picture), pixels_of(step.figures[0].picture)
    colours = Image.fromarray(answer.grad_cam.coloured("viridis"))
    colours = colours.resize((picture.shape[1], picture.shape[0]), Image.Resampling.BILINEAR)
    expected = 0.5 * picture + 0.5 * np.asarray(colours).astype(int)
    assert np.abs(both - expected).mean() < 3
    assert np.abs(both - picture).mean() > 10, "the map can be seen"


def test_a_composed_map_keeps_what_lies_below_its_threshold(lesson_window: MainWindow) -> None:
    from engine.attribution.heat import Heat
    from engine.attribution.registry import find_method

    values = np.zeros((2, 2), np.float32)
    values[0, 0] = 1
    heat = Heat(find_method("Grad-CAM"), values)
    image = QImage(600, 600, QImage.Format.Format_RGB888)
    image.fill(Qt.GlobalColor.red)
    both = composed(image, MapSnapshot(heat, "gray", 0.5, 1.0, ""))
    assert both.pixelColor(20, 20).getRgb()[:3] == (255, 255, 255)
    assert both.pixelColor(580, 580).getRgb()[:3] == (255, 0, 0)
    small = composed(image.scaled(10, 10), MapSnapshot(heat, "gray", 0.5, 1.0, ""))
    assert small.width() == 448, "a small picture does not make its map coarse"


def test_a_step_waits_for_the_maps_of_the_picture_shown(
    lesson_window: MainWindow, qtbot: QtBot
) -> None:
    window = lesson_window
    window.live_maps.grad_cam.setChecked(True)
    assert window.live_maps_flow.answer is None
    window.lessons.add()
    assert window.lessons.steps == ()
    assert "maps" in window.statusBar().currentMessage()
    until(qtbot, lambda: len(window.lessons.steps) == 1)
    assert len(window.lessons.steps[0].figures) == 1


def test_a_step_about_a_unit_says_which_and_leads_back_to_it(
    lesson_window: MainWindow, qtbot: QtBot
) -> None:
    window, live_maps = lesson_window, lesson_window.live_maps
    live_maps.saliency.setChecked(True)
    live_maps.target.set_unit("relu3_1:5")
    live_maps.changed.emit()
    (figure,) = add(qtbot, window).figures
    assert "relu3_1" in figure.caption and "5" in figure.caption
    assert "%" not in figure.caption, "an activation is no share"
    live_maps.target.set_unit("")
    live_maps.changed.emit()
    window.lessons.go(0)
    until(qtbot, lambda: live_maps.map_settings().unit == "relu3_1:5")


def test_a_step_during_a_run_shows_the_picture_that_its_maps_are_about(
    lesson_window: MainWindow, qtbot: QtBot
) -> None:
    window = lesson_window
    window.studio.set_setting("iterations", 4000)
    window.live_maps.grad_cam.setChecked(True)
    window.running.start()
    until(qtbot, lambda: window.controller.pace.iteration > 3)
    step = add(qtbot, window)
    window.controller.stop()
    until_idle(qtbot, window)
    assert step.picture.startswith(b"\x89PNG"), "a result is kept exactly"
    assert len(step.figures) == 1
    assert "iteration" in step.title


def test_a_result_is_gone_back_to_though_the_run_has_gone(
    lesson_window: MainWindow, qtbot: QtBot
) -> None:
    window = lesson_window
    window.running.start()
    until(qtbot, lambda: window.running.result is not None)
    until_idle(qtbot, window)
    assert window.canvas_content.current is not None
    shown = window.canvas_content.current.image.convertToFormat(QImage.Format.Format_RGB888)
    add(qtbot, window)
    window.input_pictures.drop([MOSAIC])
    window.canvas_content.show_content()
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == MOSAIC,
    )
    window.lessons.go(0)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "input",
    )
    back = window.canvas_content.current.image.convertToFormat(QImage.Format.Format_RGB888)
    assert back == shown
    until(qtbot, lambda: is_idle(window))
    assert window.studio.job.inputs.content == CAT
    assert window.canvas_content.current.kind == "input", "the photo does not come in its place"
    window.studio.undo_stack.undo()
    assert window.studio.job.inputs.content == MOSAIC


def test_a_step_replaces_what_it_shows_and_keeps_its_words(
    lesson_window: MainWindow, qtbot: QtBot
) -> None:
    window = lesson_window
    add(qtbot, window)
    window.lesson.edited.emit(0, "my title", "my text", True)
    before = window.lessons.steps[0]
    window.canvas_content.show_input(STROKES)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == STROKES,
    )
    click(qtbot, window, "replaceStep")
    until(qtbot, lambda: window.lessons.steps[0].picture != before.picture)
    after = window.lessons.steps[0]
    assert (after.title, after.text, after.hidden) == ("my title", "my text", True)
    assert after.state["shown"]["path"] == STROKES


def test_steps_are_put_in_order_by_keyboard_alone(lesson_window: MainWindow, qtbot: QtBot) -> None:
    window, panel = lesson_window, lesson_window.lesson
    window.lessons.document.set_lesson(a_lesson())
    titles = lambda: [s.title for s in window.lessons.steps]  # noqa: E731
    assert panel.row() == 0 and not panel.up.isEnabled()
    panel.list.setFocus()
    qtbot.keyClick(panel.list, Key.Key_Down)
    assert panel.row() == 1
    assert panel.hidden.isChecked() and panel.step_text.toPlainText() == "two"
    panel.up.setFocus()
    qtbot.keyClick(panel.up, Key.Key_Space)
    assert titles() == ["hidden", "open", "nothing to hide"] and panel.row() == 0
    qtbot.keyClick(panel.down, Key.Key_Space)
    qtbot.keyClick(panel.down, Key.Key_Space)
    assert titles() == ["open", "nothing to hide", "hidden"] and panel.row() == 2
    assert not panel.down.isEnabled()
    qtbot.keyClick(panel.remove, Key.Key_Space)
    assert titles() == ["open", "nothing to hide"] and panel.row() == 1
    for _ in range(2):
        qtbot.keyClick(panel.remove, Key.Key_Space)
    assert titles() == [] and panel.row() == -1
    assert not any(w.isEnabled() for w in (panel.remove, panel.play, panel.step_title, panel.up))
    assert panel.step_title.text() == ""


def test_steps_of_one_picture_are_told_apart_by_their_maps(qtbot: QtBot) -> None:
    panel = LessonPanel()
    qtbot.addWidget(panel)
    panel.show_lesson(a_lesson(), [None] * 3, 0)
    words = [panel.list.item(row).text().splitlines() for row in range(3)]
    assert words == [
        ["1  open  ●", "Grad-CAM"],
        ["2  hidden  ?", "Grad-CAM"],
        ["3  nothing to hide"],
    ]
    tips = [panel.list.item(row).toolTip().splitlines()[:-1] for row in range(3)]
    assert tips == [["Grad-CAM"], ["Grad-CAM", "gradient"], []], "the last line is the list's own"


def test_the_panel_fits_beside_the_canvas(lesson_window: MainWindow) -> None:
    hint = lesson_window.lesson.minimumSizeHint()
    assert hint.width() <= 250 and hint.height() <= 420


# -- nothing is lost unasked -----------------------------------------------------------------------


def test_an_unsaved_lesson_is_not_thrown_away_unasked(
    lesson_window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, document = lesson_window, lesson_window.lessons.document
    add(qtbot, window)
    kept = document.lesson
    click(qtbot, window, "newLesson")
    answer_unsaved(qtbot, window, QMessageBox.StandardButton.Cancel)
    assert document.lesson is kept
    other = write_lesson(a_lesson(), tmp_path / "other.pareidolia-lesson")
    answering(monkeypatch, opened=other)
    click(qtbot, window, "openLesson")
    answer_unsaved(qtbot, window, QMessageBox.StandardButton.Discard)
    until(qtbot, lambda: document.lesson == a_lesson())
    window.lesson.renamed.emit("renamed")
    answering(monkeypatch)
    click(qtbot, window, "newLesson")
    answer_unsaved(qtbot, window, QMessageBox.StandardButton.Save)
    assert document.lesson.title == "renamed", "no path was given: it stays"
    window.close()
    assert window.isVisible()
    answering(monkeypatch, saved=tmp_path / "last.pareidolia-lesson")
    answer_unsaved(qtbot, window, QMessageBox.StandardButton.Save)
    until(qtbot, lambda: not window.isVisible())
    assert read_lesson(tmp_path / "last.pareidolia-lesson").title == "renamed"
    window.deleteLater()
    QApplication.sendPostedEvents(window, 52)


def test_a_lesson_on_a_drive_that_is_away_is_remembered_until_it_is_back(
    lesson_window: MainWindow, qtbot: QtBot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    file = drive / "three.lesson"
    write_lesson(a_lesson(), file)
    lesson_window.lessons.document.open(file)
    until(qtbot, lambda: lesson_window.lesson.list.count() == 3)
    closed(qtbot, lesson_window)
    drive.rename(tmp_path / "pulled out")
    for _ in range(2):
        other = opened_window(qtbot)
        until(qtbot, lambda: "the lesson of the last session is not opened" in caplog.text)
        assert other.lesson.list.count() == 0
        until(qtbot, lambda other=other: is_idle(other))
        closed(qtbot, other)
        caplog.clear()
    (tmp_path / "pulled out").rename(drive)
    back = opened_window(qtbot)
    until(qtbot, lambda: back.lesson.list.count() == 3)
    assert back.lessons.document.file == file
    until(qtbot, lambda: is_idle(back))
    closed(qtbot, back)


def test_a_new_lesson_takes_the_place_of_one_that_is_away(
    lesson_window: MainWindow, qtbot: QtBot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    document = lesson_window.lessons.document
    away = tmp_path / "away.lesson"
    document.reopen(away)
    until(qtbot, lambda: "the lesson of the last session is not opened" in caplog.text)
    assert document.file == away
    document.write(tmp_path / "other.lesson")
    until(qtbot, lambda: document.file == tmp_path / "other.lesson")
    document.reopen(away)
    document.new()
    caplog.clear()
    until(qtbot, lambda: "the lesson of the last session is not opened" in caplog.text)
    assert document.file is None


def test_a_window_that_cannot_save_its_lesson_stays_open(
    lesson_window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = lesson_window
    add(qtbot, window)
    window.close()
    window.close()
    assert len(window.findChildren(QMessageBox, "lessonUnsaved")) == 1
    gone = tmp_path / "no folder" / "x.pareidolia-lesson"  # since the dialog has seen to it
    monkeypatch.setattr("gui.flow.lesson_document.file_to_save", lambda *_: (gone, ""))
    answer_unsaved(qtbot, window, QMessageBox.StandardButton.Save)
    until(qtbot, lambda: "does not exist" in window.statusBar().currentMessage())
    assert window.isVisible() and window.lessons.document.changed


def test_what_is_no_lesson_is_said_and_changes_nothing(
    lesson_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window = lesson_window
    step = add(qtbot, window)
    (tmp_path / "x").write_text("{}")
    window.lessons.document.open(tmp_path / "x")
    until(qtbot, lambda: "is not a lesson" in window.statusBar().currentMessage())
    assert window.lessons.steps == (step,)


def test_without_a_picture_or_steps_it_says_so(lesson_window: MainWindow) -> None:
    window = lesson_window
    window.actions_table["play_lesson"].trigger()
    assert "no steps" in window.statusBar().currentMessage()
    assert window.lessons.player is None
    window.studio.set_technique("class-visualization")
    assert window.canvas_content.current is None
    window.actions_table["add_lesson_step"].trigger()
    assert "no picture" in window.statusBar().currentMessage()


# -- steps from elsewhere --------------------------------------------------------------------------


def test_a_step_whose_files_have_gone_shows_its_own_picture(
    lesson_window: MainWindow, qtbot: QtBot, own_folders: Path
) -> None:
    window = lesson_window
    step = add(qtbot, window)
    job = {**step.state["job"], "content": "/no/such/photo.jpg"}
    window.lessons.document.set_lesson(
        Lesson("", (replace(step, state={**step.state, "job": job}),))
    )
    window.lessons.go(0)
    until(qtbot, lambda: window.studio.job.inputs.content != CAT)
    content = Path(str(window.studio.job.inputs.content))
    assert content.is_relative_to(own_folders)
    back = np.asarray(Image.open(content).convert("RGB")).astype(int)
    assert np.array_equal(back, pixels_of(step.picture))
    until(
        qtbot,
        lambda: (
            window.canvas_content.current and window.canvas_content.current.path == str(content)
        ),
    )


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"job": None, "sight": 5, "shown": []},
        {"job": {"technique": "unknown"}},
        {"job": {"technique": "style-transfer", "settings": {"nonsense": 1}}},
    ],
)
def test_a_state_that_cannot_be_read_leaves_the_picture(
    state: dict[str, Any], own_folders: Path
) -> None:
    back = restore_point(Step("", "", False, plain(RED), (), state))
    assert back.job is None
    assert np.array_equal(pixels_of(Path(back.path).read_bytes()), pixels_of(plain(RED)))


def test_nothing_foreign_gets_into_a_wish(qtbot: QtBot) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    present = panel.map_settings()
    wrong = {
        "target": True, "of_content": 1, "saliency": 5, "saliency_opacity": 7,
        "grad_cam_threshold": "0.5", "layer": None, "unknown": 3,
    }  # fmt: skip
    assert map_settings_from(wrong, present) == present
    other = replace(
        present, target=4, of_content=True, grad_cam="CAM", grad_cam_opacity=0.25, layer="x"
    )
    assert map_settings_from(map_settings_values(other), present) == other


def test_a_wish_is_taken_over_whole_and_told_once(qtbot: QtBot) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    panel.set_classes(("a", "b", "c"))
    panel.set_layers((("conv", "conv"),))
    map_settings = replace(
        panel.map_settings(), target=2, of_content=True, saliency="SmoothGrad", saliency_opacity=0.25,
        saliency_colours="magma", grad_cam="CAM", grad_cam_threshold=0.5, layer="conv",
    )  # fmt: skip
    told: list[int] = []
    panel.changed.connect(lambda: told.append(1))
    panel.set_map_settings(map_settings)
    assert panel.map_settings() == map_settings
    assert told == [1]
    panel.set_map_settings(replace(map_settings, target=99, layer="none", saliency=""))
    assert panel.map_settings() == replace(map_settings, saliency="")


# -- the player ------------------------------------------------------------------------------------


@pytest.fixture
def player(qtbot: QtBot) -> Iterator[LessonPlayer]:
    background = Background()
    made = LessonPlayer(a_lesson(), background)
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    yield made
    made.close()
    background.close()


def amounts(player: LessonPlayer) -> tuple[int, int, int]:
    """Return how many pixels are red (the picture), green and blue (its maps)."""
    shot = player.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(shot.constBits(), np.uint8).reshape(shot.height(), shot.bytesPerLine())
    pixels = rows[:, : 3 * shot.width()].reshape(shot.height(), shot.width(), 3).astype(int)
    red, green, blue = (int((np.abs(pixels - c).max(-1) < 6).sum()) for c in (RED, GREEN, BLUE))
    return red, green, blue


def test_keys_move_and_hidden_maps_wait_for_theirs(player: LessonPlayer, qtbot: QtBot) -> None:
    def press(key: Qt.Key, then: tuple[int, bool]) -> tuple[int, int, int]:
        qtbot.keyClick(player, key)
        until(qtbot, lambda: player.shown == then)
        return amounts(player)

    until(qtbot, lambda: player.shown == (0, True))
    red, green, blue = amounts(player)
    assert red > 100_000 and abs(red - green) < 2000 and blue == 0
    red, green, blue = press(Key.Key_Right, (1, False))
    assert red > 200_000 and green == blue == 0
    assert "What will the network look at?" in player.accessibleDescription()
    assert "Grad-CAM" not in player.accessibleDescription()
    assert min(press(Key.Key_R, (1, True))) > 60_000
    assert "Grad-CAM\ngradient" in player.accessibleDescription()
    press(Key.Key_PageDown, (2, True))
    press(Key.Key_Space, (2, True))  # there is no further
    assert press(Key.Key_Left, (1, False))[1] == 0, "hidden anew"
    assert press(Key.Key_Return, (1, True))[1] > 0
    press(Key.Key_PageUp, (0, True))
    press(Key.Key_PageUp, (0, True))
    press(Key.Key_End, (2, True))
    press(Key.Key_Home, (0, True))
    qtbot.keyClick(player, Key.Key_Escape)
    assert not player.isVisible()


def test_a_click_reveals_first_and_then_moves_on(player: LessonPlayer, qtbot: QtBot) -> None:
    for then in ((1, False), (1, True), (2, True)):
        qtbot.mouseClick(player, Qt.MouseButton.LeftButton)
        until(qtbot, lambda then=then: player.shown == then)


def test_the_player_follows_its_size(player: LessonPlayer, qtbot: QtBot) -> None:
    until(qtbot, lambda: player.shown is not None)
    small = amounts(player)[0]
    player.resize(1500, 1050)
    until(qtbot, lambda: amounts(player)[0] > 2 * small)
    player.resize(40, 30)  # nothing fits, nothing breaks
    player.grab()
    qtbot.keyClick(player, Key.Key_Right)
    player.grab()


def test_nothing_arrives_at_a_closed_player(qtbot: QtBot) -> None:
    background = Background()
    player = LessonPlayer(a_lesson(), background)
    qtbot.addWidget(player)
    player.show()
    player.close()
    until(qtbot, lambda: not background.busy)
    assert player.shown is None
    background.close()


def test_the_window_plays_from_the_first_step_and_selects_the_last_seen(
    lesson_window: MainWindow, qtbot: QtBot
) -> None:
    window = lesson_window
    window.lessons.document.set_lesson(a_lesson())
    window.lesson.list.setCurrentRow(2)
    window.actions_table["play_lesson"].trigger()
    player = window.lessons.player
    assert player is not None and player.isFullScreen()
    until(qtbot, lambda: player.shown == (0, True))
    qtbot.keyClick(player, Key.Key_Right)
    qtbot.keyClick(player, Key.Key_Escape)
    assert window.lessons.player is None
    assert window.lesson.row() == 1
    assert not window.lessons.document.changed


@pytest.mark.parametrize(
    ("count", "aspect", "area", "captions", "columns", "size"),
    [
        (1, 1.0, QRect(0, 0, 400, 300), 0, 1, (400, 300)),
        (2, 1.0, QRect(10, 20, 400, 300), 50, 2, (195, 250)),
        (2, 4.0, QRect(0, 0, 400, 310), 50, 1, (400, 100)),
        (4, 1.0, QRect(0, 0, 410, 410), 0, 2, (200, 200)),
        (3, 1.0, QRect(0, 0, 410, 410), 0, 2, (200, 200)),
    ],
)
def test_pictures_lie_beside_each_other_as_large_as_they_can(
    count: int, aspect: float, area: QRect, captions: int, columns: int, size: tuple[int, int]
) -> None:
    cells = cells_of(count, aspect, area, captions, 10)
    assert len(cells) == count
    assert all((cell.width(), cell.height()) == size for cell in cells)
    assert len({cell.top() for cell in cells}) == -(-count // columns)
    for place, cell in enumerate(cells):
        assert area.contains(cell)
        assert not any(cell.intersects(other) for other in cells[:place])
    if count == 3:
        assert cells[2].left() == 105, "the last row lies in the middle"


def test_a_step_shows_the_occlusion_map_that_is_wished(
    lesson_window: MainWindow, qtbot: QtBot
) -> None:
    window, live_maps = lesson_window, lesson_window.live_maps
    live_maps.saliency.method.setCurrentText("occlusion")
    live_maps.occlusion.set_values(Square(0.5, 1.0, "black"), "label")
    live_maps.saliency.opacity.setValue(100)
    live_maps.saliency.setChecked(True)
    step = add(qtbot, window)
    (figure,) = step.figures
    assert figure.caption.startswith("occlusion most likely class for ")
    assert "blue: " in figure.caption, "a figure has no legend"
    assert step.state["sight"]["occlusion_shown"] == "label"
    live_maps.occlusion.side.setValue(40.0)  # and at once: the step waits for that square's map
    second = add(qtbot, window)
    assert second.state["sight"]["occlusion_side"] == 0.4
    assert window.live_maps_flow.answer is not None
    assert window.live_maps_flow.answer.question.request.square.side == 0.4
    assert second.figures != step.figures
