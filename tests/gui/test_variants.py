"""Every run makes a variant: shown, compared, named, starred, used, branched, continued, deleted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QLineEdit,
    QMessageBox,
    QToolButton,
    QTreeWidgetItem,
    QTreeWidgetItemIterator,
)
from pytestqt.qtbot import QtBot

from cli import commands
from engine.finish import Finish
from engine.image import open_picture, read_recipe
from engine.job import Job, run
from gui.dialogs.enlarge import EnlargeDialog
from gui.main_window import MainWindow
from gui.panels.variants_tree import entry_of
from gui.pixels import to_array
from gui.run.variant_entry import VariantEntry
from tests.gui.stories import CAT, click, quick_job, until, until_idle

Pixels = np.ndarray


def made(window: MainWindow, qtbot: QtBot, **values: object) -> Pixels:
    """The pixels of another result, 0 to 255, once it is kept."""
    count = len(window.variants.entries)
    for name, value in values.items():
        window.studio.set_setting(name, value)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    settled(window, qtbot)
    assert len(window.variants.entries) == count + 1
    result = window.running.result
    assert result is not None
    return np.rint(result.picture.rgb * 255)


def settled(window: MainWindow, qtbot: QtBot) -> None:
    until(qtbot, lambda: not window.project_writer.busy and not window.background.busy)


def stopped(window: MainWindow, qtbot: QtBot, after: int = 3) -> VariantEntry:
    """A variant whose run was stopped after a few iterations."""
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.pace.iteration >= after)
    click(qtbot, window, "stopButton")
    until_idle(qtbot, window)
    settled(window, qtbot)
    return window.variants.entries[-1]


def shown(window: MainWindow) -> Pixels:
    image = window.canvas.picture()
    assert image is not None
    return to_array(image)[..., :3].astype(float)


def items(window: MainWindow) -> list[QTreeWidgetItem]:
    walk, found = QTreeWidgetItemIterator(window.variants_panel.tree), []
    while walk.value() is not None:
        found.append(walk.value())
        walk += 1
    return found


def choose(window: MainWindow, *rows: int) -> list[VariantEntry]:
    window.variants_panel.tree.clearSelection()
    for row in rows:
        items(window)[row].setSelected(True)
    return window.variants_panel.selected()


def press(window: MainWindow, text: str) -> None:
    buttons = window.variants_panel.findChildren(QToolButton)
    button = next(b for b in buttons if b.text() == text)
    assert button.isEnabled()
    button.click()


def action(window: MainWindow, text: str) -> QAction:
    return next(
        a for a in window.variants_panel.menu.actions() if a.text().replace("&", "") == text
    )


def place(window: MainWindow, qtbot: QtBot, row: int, column: int = 0) -> QPoint:
    window.docks["variants"].raise_()
    tree = window.variants_panel.tree
    until(qtbot, lambda: tree.isVisible() and tree.visualItemRect(items(window)[row]).isValid())
    index = tree.indexFromItem(items(window)[row], column)
    return tree.visualRect(index).center()


def click_on(window: MainWindow, qtbot: QtBot, row: int, column: int = 0) -> None:
    viewport = window.variants_panel.tree.viewport()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place(window, qtbot, row, column))


def answer(window: MainWindow, qtbot: QtBot, button: QMessageBox.StandardButton) -> None:
    until(qtbot, lambda: window.findChild(QMessageBox, "deleteVariants"))
    box = window.findChild(QMessageBox, "deleteVariants")
    qtbot.mouseClick(box.button(button), Qt.MouseButton.LeftButton)


@pytest.fixture
def two(window: MainWindow, qtbot: QtBot) -> tuple[Pixels, Pixels]:
    return made(window, qtbot), made(window, qtbot, style_weight=50.0)


# -- shown, compared, used -------------------------------------------------------------------------


def test_a_run_discards_no_earlier_result(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, two: tuple[Pixels, Pixels]
) -> None:
    first, second = two
    assert not np.array_equal(first, second)
    assert "2" in window.docks["variants"].windowTitle()
    assert np.array_equal(shown(window), second)
    click_on(window, qtbot, 0)
    until(qtbot, lambda: np.array_equal(shown(window), first))
    assert [item.font(0).bold() for item in items(window)] == [True, False]
    path = tmp_path / "first.png"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    assert np.array_equal(np.rint(open_picture(path).rgb * 255), first)
    recipe = read_recipe(path)
    assert recipe is not None
    assert recipe["settings"]["style_weight"] == 1.0
    assert recipe["inputs"]["content"]["sha256"]
    click_on(window, qtbot, 1)
    until(qtbot, lambda: np.array_equal(shown(window), second))
    moment = window.timeline.current()
    assert moment is not None
    assert window.running.recipe_job(moment.iteration).technique.style_weight == 50.0  # type: ignore[union-attr]


def test_the_timeline_is_that_of_the_variant_shown(
    window: MainWindow, qtbot: QtBot, two: tuple[Pixels, Pixels]
) -> None:
    here = [to_array(m.image) for m in window.running.moments()]
    click_on(window, qtbot, 0)
    until(qtbot, lambda: np.array_equal(shown(window), two[0]))
    first = [(m.iteration, to_array(m.image)[..., :3]) for m in window.running.moments()]
    assert [iteration for iteration, _ in first] == [1, 2, 3, 4, 5, 6]
    assert np.abs(first[-1][1] - two[0]).mean() < 3, "as far as a small file says"
    window.timeline.moment_selected.emit(window.running.moments()[2])
    assert np.array_equal(shown(window), first[2][1])
    assert window.running.recipe_job(3).stop_after == 3  # type: ignore[union-attr]
    click_on(window, qtbot, 1)
    until(qtbot, lambda: np.array_equal(shown(window), two[1]))
    again = [to_array(m.image) for m in window.running.moments()]
    assert all(np.array_equal(a, b) for a, b in zip(here, again, strict=True))


def test_a_result_that_is_looked_at_during_a_run_stays_and_the_run_goes_on(
    window: MainWindow, qtbot: QtBot
) -> None:
    first = made(window, qtbot)
    window.studio.set_setting("iterations", 100_000)
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.running.record is not None and window.running.result is None)
    window.variants_flow.show(window.variants.entries[0])
    until(qtbot, lambda: np.array_equal(shown(window), first))
    heard: list[object] = []
    window.controller.shown.connect(heard.append)
    until(qtbot, lambda: len(heard) > 2)
    assert np.array_equal(shown(window), first)
    window.variants_flow.show(window.variants.entries[1])
    until(qtbot, lambda: not np.array_equal(shown(window), first))
    window.variants_flow.show(window.variants.entries[0])
    until(qtbot, lambda: np.array_equal(shown(window), first))
    window.controller.stop()
    until_idle(qtbot, window)
    settled(window, qtbot)
    assert np.array_equal(shown(window), first)
    assert not window.variants.entries[1].complete


def test_two_results_are_compared(
    window: MainWindow, qtbot: QtBot, two: tuple[Pixels, Pixels]
) -> None:
    choose(window, 0, 1)
    press(window, "Compare")
    until(qtbot, lambda: window.canvas.compare())
    assert np.array_equal(shown(window), two[1])
    before = window.canvas.original
    assert before.has_image()
    assert window.canvas.compare_names == ("1. Style transfer", "2. Style transfer")
    window.canvas.grab()
    window.canvas_content.show_content()
    assert window.canvas.compare_names is None, "the photo is what is compared with again"
    assert not window.canvas.compare(), "the divider went with what it divided"


def test_each_result_keeps_how_it_was_finished(
    window: MainWindow, qtbot: QtBot, two: tuple[Pixels, Pixels]
) -> None:
    window.studio.set_setting("recolour", "gray")
    until(qtbot, lambda: np.ptp(shown(window), axis=2).max() <= 1)
    window.variants_flow.show(window.variants.entries[0])
    until(qtbot, lambda: np.array_equal(shown(window), two[0]))
    assert window.studio.job.finish.recolour == "none"
    window.variants_flow.show(window.variants.entries[1])
    until(qtbot, lambda: np.ptp(shown(window), axis=2).max() <= 1)
    assert window.studio.job.finish.recolour == "gray"


def test_the_tree_shows_each_result_as_it_is_finished(
    window: MainWindow, qtbot: QtBot, two: tuple[Pixels, Pixels]
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
    until(qtbot, lambda: np.abs(thumbnail(window, 2).mean() - photo.rgb.mean()) < 2 / 255)


def thumbnail(window: MainWindow, row: int) -> Pixels:
    """A result's picture in the tree, in [0, 1]."""
    icon = items(window)[row].icon(0)
    return to_array(icon.pixmap(icon.availableSizes()[0]).toImage())[..., :3] / 255.0


def spread(window: MainWindow, row: int) -> float:
    """How far a pixel's channels are apart at most: 0 where all is gray."""
    return float(np.ptp(thumbnail(window, row), axis=2).max())


@pytest.mark.parametrize("role", ["content", "style", "start"])
def test_a_result_is_used_in_the_next_run(window: MainWindow, qtbot: QtBot, role: str) -> None:
    first = made(window, qtbot)
    made(window, qtbot, style_weight=50.0)
    window.variants_flow.use(window.variants.entries[0], role)
    before = window.studio.job.inputs
    until(qtbot, lambda: window.studio.job.inputs != before)
    inputs = window.studio.job.inputs
    path = {"content": inputs.content, "style": inputs.styles[-1][0], "start": inputs.start}[role]
    assert np.array_equal(np.rint(open_picture(str(path)).rgb * 255), first)


def test_a_result_whose_file_is_gone_is_said(window: MainWindow, qtbot: QtBot) -> None:
    made(window, qtbot)
    folder = window.project_writer.folder
    assert folder is not None
    (file,) = folder.path.glob("results/*.png")
    file.unlink()
    with qtbot.waitSignal(window.variants_flow.failed) as heard:
        window.variants_flow.show(window.variants.entries[0])
    assert "1. Style transfer cannot be shown" in heard.args[0]


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
    until(qtbot, lambda: len(window.variants.entries) == 2)
    until_idle(qtbot, window)
    result = window.running.result
    assert result is not None
    assert max(result.picture.width, result.picture.height) == 96
    assert window.studio.job == before, "what is set up stays as it is"
    assert window.variants.entries[1].parent is window.variants.entries[0]
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


# -- what is said of them --------------------------------------------------------------------------


def test_a_variant_is_named_noted_and_starred(window: MainWindow, qtbot: QtBot) -> None:
    made(window, qtbot)
    (entry,) = choose(window, 0)
    press_point = place(window, qtbot, 0)
    viewport = window.variants_panel.tree.viewport()
    click_on(window, qtbot, 0)
    settled(window, qtbot)
    QTest.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=press_point)
    until(qtbot, lambda: viewport.findChild(QLineEdit))
    editor = viewport.findChild(QLineEdit)
    assert editor.text() == "1. Style transfer"
    editor.setText("  Blue   hour ")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    until(qtbot, lambda: entry.name == "Blue hour")
    click_on(window, qtbot, 0, 1)
    window.variants_panel.note.setFocus()
    qtbot.keyClicks(window.variants_panel.note, "for the wall")
    qtbot.keyClick(window.variants_panel.note, Qt.Key.Key_Return)
    assert (entry.name, entry.note, entry.starred) == ("Blue hour", "for the wall", True)
    assert items(window)[0].text(0).startswith("Blue hour\n")
    assert items(window)[0].text(1) == "★"
    assert "for the wall" in items(window)[0].toolTip(0)
    window.variants.write_edits()
    settled(window, qtbot)
    (kept,) = window.project_writer.folder.read().variants  # type: ignore[union-attr]
    assert (kept.name, kept.note, kept.starred) == ("Blue hour", "for the wall", True)


def test_variants_are_deleted_after_a_question(
    window: MainWindow, qtbot: QtBot, two: tuple[Pixels, Pixels]
) -> None:
    folder = window.project_writer.folder
    assert folder is not None
    choose(window, 1)
    press(window, "Delete")
    answer(window, qtbot, QMessageBox.StandardButton.Cancel)
    assert len(window.variants.entries) == 2
    press(window, "Delete")
    answer(window, qtbot, QMessageBox.StandardButton.Yes)
    until(qtbot, lambda: len(items(window)) == 1)
    settled(window, qtbot)
    assert len(folder.read().variants) == len(list(folder.path.glob("results/*"))) == 1
    assert window.canvas_content.current is not None
    assert window.canvas_content.current.kind == "content", "its picture is no more"


def test_a_run_under_way_is_a_variant_that_cannot_be_deleted(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.studio.set_setting("iterations", 100_000)
    click(qtbot, window, "runButton")
    until(qtbot, lambda: items(window))
    choose(window, 0)
    delete = next(
        b for b in window.variants_panel.findChildren(QToolButton) if b.text() == "Delete"
    )
    assert not delete.isEnabled()
    until(qtbot, lambda: "running" in items(window)[0].text(0))
    until(qtbot, lambda: np.ptp(thumbnail(window, 0)) > 0.2)
    window.controller.stop()
    until_idle(qtbot, window)
    assert "stopped" in items(window)[0].text(0)
    assert delete.isEnabled()


# -- branches --------------------------------------------------------------------------------------


def test_what_starts_from_a_moment_is_a_variant_of_it(window: MainWindow, qtbot: QtBot) -> None:
    made(window, qtbot)
    said: list[str] = []
    window.files.said.connect(said.append)
    window.timeline.branch_requested.emit(window.running.moments()[2])
    until(qtbot, lambda: window.studio.job.inputs.start is not None)
    assert "as a variant of 1. Style transfer" in said[-1]
    made(window, qtbot, style_weight=50.0)
    made(window, qtbot, seed=7)
    one, two, three = window.variants.entries
    assert (two.parent, two.branched_at) == (one, 3)
    assert (three.parent, three.branched_at) == (one, 3)
    tree = window.variants_panel.tree
    assert tree.topLevelItemCount() == 1
    assert tree.topLevelItem(0).childCount() == 2
    assert "from 1. Style transfer, iteration 3" in items(window)[1].toolTip(0)
    choose(window, 0)
    press(window, "Delete")
    answer(window, qtbot, QMessageBox.StandardButton.Yes)
    until(qtbot, lambda: tree.topLevelItemCount() == 2)
    settled(window, qtbot)
    kept = window.project_writer.folder.read().variants  # type: ignore[union-attr]
    assert [(v.parent, v.id) for v in kept] == [(None, two.id), (None, three.id)]


# -- continued -------------------------------------------------------------------------------------


def whole_run(job: Job) -> Pixels:
    *_, last = run(job)
    return last.picture.numpy().transpose(1, 2, 0)


def test_a_stopped_run_is_continued_to_the_same_picture(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_setting("iterations", 60)
    wanted = whole_run(window.studio.job)
    entry = stopped(window, qtbot)
    reached = entry.iteration
    assert 0 < reached < entry.total
    assert f"after iteration {reached}" in window.run_bar.go_on.toolTip()
    seen: list[Any] = []
    window.controller.shown.connect(seen.append)
    click(qtbot, window, "continueButton")
    until(qtbot, lambda: window.controller.active)
    until_idle(qtbot, window)
    settled(window, qtbot)
    assert window.variants.entries == [entry], "it is the same variant"
    assert (entry.iteration, entry.complete) == (entry.total, True)
    assert min(frame.iteration for frame in seen) > reached
    result = window.running.result
    assert result is not None
    np.testing.assert_array_equal(result.picture.rgb, wanted)
    iterations = [m.iteration for m in window.running.moments()]
    assert iterations == sorted(set(iterations))
    assert iterations[0] == 1 and iterations[-1] == entry.total
    assert not window.run_bar.go_on.isEnabled()
    assert "complete" in window.run_bar.go_on.toolTip()


def test_a_steered_run_is_continued_as_it_was_left(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_setting("iterations", 400)
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.pace.iteration >= 2)
    window.studio.set_setting("style_weight", 20.0)
    until(qtbot, lambda: window.running.changes)
    window.controller.stop()
    until_idle(qtbot, window)
    settled(window, qtbot)
    (entry,) = window.variants.entries
    assert window.variants_flow.why_not_continue() == ""
    click(qtbot, window, "continueButton")
    until(qtbot, lambda: window.controller.active)
    until_idle(qtbot, window)
    settled(window, qtbot)
    result = window.running.result
    assert result is not None and entry.complete
    assert [values for _, values in result.job.changes] == [{"style_weight": 20.0}]
    assert window.running.changes == list(result.job.changes)
    np.testing.assert_array_equal(result.picture.rgb, whole_run(result.job))


def test_what_has_changed_keeps_a_run_from_being_continued(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.studio.set_setting("iterations", 100_000)
    assert "no stopped run" in window.run_bar.go_on.toolTip()
    entry = stopped(window, qtbot)
    job = window.studio.job
    for name, value, words in (
        ("seed", 5, "Seed"), ("style_weight", 3.0, "Style"), ("size", 80, "Size"),
    ):  # fmt: skip
        window.studio.set_setting(name, value)
        assert not window.run_bar.go_on.isEnabled()
        assert window.run_bar.go_on.toolTip().startswith(f"{words} has changed")
        assert not window.actions_table["continue"].isEnabled()
        choose(window, 0)
        action(window, "Use these settings").trigger()
        assert window.studio.job == job
        assert window.run_bar.go_on.isEnabled()
    window.studio.set_inputs("", styles=())
    assert window.run_bar.go_on.toolTip().startswith("A picture has changed")
    window.studio.undo_stack.undo()
    assert window.run_bar.go_on.isEnabled()
    window.studio.set_setting("recolour", "gray")
    assert window.run_bar.go_on.isEnabled(), "how it is finished is no part of the run"
    assert entry.has_checkpoint


def test_another_run_makes_its_own_row_and_leaves_the_others(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hundreds of runs in an evening, making all rows anew would hold the window up."""
    job, variants, tree = quick_job(), window.variants, window.variants_panel.tree
    first = variants.begin(job, 6, None, Finish())
    child = variants.begin(job, 6, None, Finish(), (first, 3))
    others = [variants.begin(job, 6, None, Finish()) for _ in range(30)]
    filled: list[VariantEntry] = []
    fill = tree._fill

    def counted(item: QTreeWidgetItem) -> None:
        filled.append(entry_of(item))
        fill(item)

    monkeypatch.setattr(tree, "_fill", counted)
    tree.select([first, others[4]])
    grandchild = variants.begin(job, 6, None, Finish(), (child, 5))
    assert filled == [grandchild]
    assert tree.entries() == [first, child, grandchild, *others]
    assert tree.selected() == [first, others[4]]
    filled.clear()
    tree.mark_shown(others[2])
    tree.mark_shown(grandchild)
    assert filled == [others[2], others[2], grandchild]
    assert tree.selected() == [grandchild]
    variants.entries.remove(others[0])
    variants.changed.emit()
    assert tree.entries() == [first, child, grandchild, *others[1:]]
    assert tree.selected() == [grandchild]
    variants.entries.clear()
    variants.changed.emit()
    assert tree.entries() == []
