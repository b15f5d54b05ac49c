"""Every result of a session stays: in a strip, to be shown, compared, saved, used and removed."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from cli import commands
from engine.image import open_picture, read_recipe
from gui.dialogs.enlarge import EnlargeDialog
from gui.main_window import MainWindow
from gui.pixels import to_array
from gui.run.results import StoredResult
from tests.gui.stories import CAT, click, until, until_idle


def made(window: MainWindow, qtbot: QtBot, **values: object) -> np.ndarray:
    """The pixels of another result, 0 to 255, once it is kept."""
    count = len(window.running.results.entries)
    for name, value in values.items():
        window.studio.set_setting(name, value)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    until(qtbot, lambda: len(window.running.results.entries) > count)
    result = window.running.result
    assert result is not None
    return np.rint(result.picture.rgb * 255)


def shown(window: MainWindow) -> np.ndarray:
    image = window.canvas.picture()
    assert image is not None
    return to_array(image)[..., :3].astype(float)


def chosen(window: MainWindow, *rows: int) -> list[StoredResult]:
    window.results_panel.list.clearSelection()
    for row in rows:
        window.results_panel.list.item(row).setSelected(True)
    return window.results_panel.selected()


def press(window: MainWindow, qtbot: QtBot, text: str) -> None:
    buttons = window.results_panel.findChildren(QPushButton)
    button = next(b for b in buttons if b.text().startswith(text))
    assert button.isEnabled()
    button.click()


def click_on(window: MainWindow, qtbot: QtBot, row: int) -> None:
    window.docks["results"].raise_()
    strip = window.results_panel.list
    until(qtbot, lambda: strip.isVisible() and strip.visualItemRect(strip.item(row)).isValid())
    place = strip.visualItemRect(strip.item(row)).center()
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=place)


@pytest.fixture
def two(window: MainWindow, qtbot: QtBot) -> tuple[np.ndarray, np.ndarray]:
    return made(window, qtbot), made(window, qtbot, style_weight=50.0)


def test_a_run_discards_no_earlier_result(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, two: tuple[np.ndarray, np.ndarray]
) -> None:
    first, second = two
    assert not np.array_equal(first, second)
    assert "2" in window.docks["results"].windowTitle()
    assert np.array_equal(shown(window), second)
    click_on(window, qtbot, 0)
    until(qtbot, lambda: np.array_equal(shown(window), first))
    path = tmp_path / "first.png"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    assert np.array_equal(np.rint(open_picture(path).rgb * 255), first)
    recipe = read_recipe(path)
    assert recipe is not None
    assert recipe["settings"]["style_weight"] == 1.0
    assert recipe["inputs"]["content"]["sha256"]
    moment = window.controller.history.moments()[-1]
    window.timeline.moment_selected.emit(moment)
    until(qtbot, lambda: np.array_equal(shown(window), second))
    assert window.running.recipe_job(moment.iteration).technique.style_weight == 50.0  # type: ignore[union-attr]


def test_a_result_that_is_looked_at_during_a_run_stays_and_the_run_goes_on(
    window: MainWindow, qtbot: QtBot
) -> None:
    first = made(window, qtbot)
    window.studio.set_setting("iterations", 100_000)
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.running.record is not None and window.running.result is None)
    window.results_flow.show(window.running.results.entries[0])
    until(qtbot, lambda: np.array_equal(shown(window), first))
    heard: list[object] = []
    window.controller.shown.connect(heard.append)
    until(qtbot, lambda: len(heard) > 2)
    assert np.array_equal(shown(window), first)
    window.controller.stop()
    until(qtbot, lambda: len(window.running.results.entries) == 2)
    assert np.array_equal(shown(window), first)
    assert not window.running.results.entries[1].complete


def test_two_results_are_compared(
    window: MainWindow, qtbot: QtBot, two: tuple[np.ndarray, np.ndarray]
) -> None:
    chosen(window, 0, 1)
    press(window, qtbot, "Compare")
    until(qtbot, lambda: window.canvas.compare())
    assert np.array_equal(shown(window), two[1])
    before = window.canvas.original
    assert before.has_image()
    assert window.canvas.compare_names == ("1. Style transfer", "2. Style transfer")
    window.canvas.grab()
    window.canvas_content.show_content()
    assert window.canvas.compare_names is None, "the photo is what is compared with again"


def test_each_result_keeps_how_it_was_finished(
    window: MainWindow, qtbot: QtBot, two: tuple[np.ndarray, np.ndarray]
) -> None:
    window.studio.set_setting("recolour", "gray")
    until(qtbot, lambda: np.ptp(shown(window), axis=2).max() <= 1)
    window.results_flow.show(window.running.results.entries[0])
    until(qtbot, lambda: np.array_equal(shown(window), two[0]))
    assert window.studio.job.finish.recolour == "none"
    window.results_flow.show(window.running.results.entries[1])
    until(qtbot, lambda: np.ptp(shown(window), axis=2).max() <= 1)
    assert window.studio.job.finish.recolour == "gray"


def test_the_strip_shows_each_result_as_it_is_finished_under_its_name_in_a_comparison(
    window: MainWindow, qtbot: QtBot, two: tuple[np.ndarray, np.ndarray]
) -> None:
    assert spread(window, 0) > 0.1
    assert spread(window, 1) > 0.1
    window.studio.set_setting("recolour", "gray")
    until(qtbot, lambda: spread(window, 1) == 0)
    assert spread(window, 0) > 0.1, "another result's colours are no matter of this one"
    made(window, qtbot)
    assert spread(window, 2) == 0, "finished from the first"
    photo = open_picture(CAT).resized(long_side=64)
    window.studio.set_setting("recolour", "none")
    window.studio.set_setting("strength", 0.0)
    until(qtbot, lambda: np.abs(thumbnail(window, 2) - photo.rgb).max() < 3 / 255)
    chosen(window, 0, 1)
    press(window, qtbot, "Compare")
    until(qtbot, lambda: window.canvas.compare_names is not None)
    names = tuple(window.results_panel.list.item(row).text() for row in (0, 1))
    assert window.canvas.compare_names == names


def thumbnail(window: MainWindow, row: int) -> np.ndarray:
    """A result's picture in the strip, in [0, 1]."""
    item = window.results_panel.list.item(row)
    pixmap = item.icon().pixmap(item.icon().availableSizes()[0])
    return to_array(pixmap.toImage())[..., :3] / 255.0


def spread(window: MainWindow, row: int) -> float:
    """How far a pixel's channels are apart at most: 0 where all is gray."""
    return float(np.ptp(thumbnail(window, row), axis=2).max())


@pytest.mark.parametrize("role", ["content", "style", "start"])
def test_a_result_is_used_in_the_next_run(window: MainWindow, qtbot: QtBot, role: str) -> None:
    first = made(window, qtbot)
    made(window, qtbot, style_weight=50.0)
    window.results_flow.use(window.running.results.entries[0], role)
    before = window.studio.job.inputs
    until(qtbot, lambda: window.studio.job.inputs != before)
    inputs = window.studio.job.inputs
    path = {"content": inputs.content, "style": inputs.styles[-1][0], "start": inputs.start}[role]
    assert np.array_equal(np.rint(open_picture(str(path)).rgb * 255), first)


def test_results_are_removed_and_bounded(window: MainWindow, qtbot: QtBot) -> None:
    made(window, qtbot)
    file = window.running.results.entries[0].file
    assert file is not None
    window.running.results.budget = file.stat().st_size
    window.studio.set_setting("style_weight", 50.0)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    until(qtbot, lambda: [e.number for e in window.running.results.entries] == [2])
    until(qtbot, lambda: not file.exists())
    chosen(window, 0)
    press(window, qtbot, "Remove")
    until(qtbot, lambda: window.results_panel.list.count() == 0)
    until(qtbot, lambda: not list(file.parent.glob("*.npz")))


def test_a_result_whose_file_is_gone_is_said(window: MainWindow, qtbot: QtBot) -> None:
    made(window, qtbot)
    entry = window.running.results.entries[0]
    assert entry.file is not None
    entry.file.unlink()
    with qtbot.waitSignal(window.results_flow.failed) as heard:
        window.results_flow.show(entry)
    assert "result 1 no longer exists" in heard.args[0]


def test_the_same_picture_larger_goes_on_from_the_result(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    first = made(window, qtbot)
    before = window.studio.job
    window.actions_table["larger"].trigger()
    until(qtbot, lambda: window.findChild(EnlargeDialog) is not None)
    dialog = window.findChild(EnlargeDialog)
    assert dialog.size_box.value() == 128
    until(qtbot, lambda: "MiB" in dialog.told.text())
    dialog.size_box.setValue(96)
    dialog.run.click()
    until(qtbot, lambda: len(window.running.results.entries) == 2)
    result = window.running.result
    assert result is not None
    assert max(result.picture.width, result.picture.height) == 96
    assert window.studio.job == before, "what is set up stays as it is"
    job = result.job
    assert (job.technique.start, job.technique.smallest_scale) == ("picture", 65536)  # type: ignore[attr-defined]
    assert job.technique.iterations < before.technique.iterations  # type: ignore[attr-defined]
    start = job.inputs.start
    assert np.array_equal(np.rint(start.rgb * 255), first)  # type: ignore[union-attr]
    large = result.picture.resized(size=(first.shape[1], first.shape[0])).rgb * 255
    photo = open_picture(CAT).resized(size=(first.shape[1], first.shape[0])).rgb * 255
    assert np.abs(large - first).mean() < np.abs(photo - first).mean() / 2, "it is the same picture"
    path, again = tmp_path / "large.png", tmp_path / "again.png"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    assert commands.run(["render", str(path), "-o", str(again), "--quiet"]) == 0
    assert np.array_equal(open_picture(path).rgb, open_picture(again).rgb)
