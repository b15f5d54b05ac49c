"""Projects: what is unsaved is seen and asked about; what was saved is opened as it was."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from engine.image import open_picture
from engine.job import run
from engine.work.recovery import left_over
from gui.main_window import MainWindow
from gui.run.variant_entry import VariantEntry
from gui.session import Session, path_of
from gui.studio import first_job
from tests.gui.stories import CAT, click, closed, opened_window, quick_job, until, until_idle

Button = QMessageBox.StandardButton
Asked = Callable[[Path], None]


def settled(window: MainWindow, qtbot: QtBot) -> None:
    until(qtbot, lambda: not window.project_writer.busy and not window.background.busy)


def result(window: MainWindow, qtbot: QtBot) -> VariantEntry:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    settled(window, qtbot)
    return window.variants.entries[-1]


def question(window: MainWindow, qtbot: QtBot) -> QMessageBox:
    def boxes() -> list[QMessageBox]:
        return [b for b in window.findChildren(QMessageBox, "projectUnsaved") if b.isVisible()]

    until(qtbot, boxes)
    return boxes()[0]


def decide(window: MainWindow, qtbot: QtBot, button: Button) -> None:
    qtbot.mouseClick(question(window, qtbot).button(button), Qt.MouseButton.LeftButton)


def saved(window: MainWindow, qtbot: QtBot, path: Path) -> Path:
    window.project.write(path)
    until(qtbot, lambda: window.project.path == path and not window.project_writer.busy)
    return path


def opened(window: MainWindow, qtbot: QtBot, path: Path) -> None:
    with qtbot.waitSignal(window.project.said, timeout=60_000):
        window.project.open_path(str(path))
    settled(window, qtbot)


@pytest.fixture
def save_to(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Let the dialog for saving be answered by a path."""

    def answer(path: Path) -> None:
        def get(_parent: QWidget, _title: str, _begin: str, kinds: str) -> tuple[str, str]:
            return str(path), kinds

        monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(get))

    return answer


# -- saved or not ----------------------------------------------------------------------------------


def test_the_title_says_name_and_whether_all_is_saved(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    assert window.windowTitle() == "Untitled[*] — Pareidolia"
    assert not window.isWindowModified()
    window.studio.set_setting("seed", 9)
    assert window.isWindowModified()
    window.studio.undo_stack.undo()
    assert not window.isWindowModified(), "it is as it was"
    entry = result(window, qtbot)
    assert window.isWindowModified()
    saved(window, qtbot, tmp_path / "Evening.pareidolia")
    assert window.windowTitle() == "Evening[*] — Pareidolia"
    assert not window.isWindowModified()
    for change in (
        lambda: window.variants.star(entry, True),
        lambda: window.variants.rename(entry, "Blue"),
        lambda: window.variants.write_note(entry, "for the wall"),
        lambda: window.variants.remove([entry]),
        lambda: window.studio.set_setting("seed", 10),
    ):
        change()
        assert window.isWindowModified()
        window.actions_table["save"].trigger()
        until(qtbot, lambda: not window.isWindowModified())
    settled(window, qtbot)


def test_all_of_a_project_is_opened_again(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    first = result(window, qtbot)
    window.timeline.branch_requested.emit(window.running.moments()[2])
    until(qtbot, lambda: window.studio.job.inputs.start is not None)
    second = result(window, qtbot)
    window.variants.rename(second, "Blue")
    window.variants.write_note(second, "for the wall")
    window.variants.star(second, True)
    picture = window.running.result.picture.rgb.copy()  # type: ignore[union-attr]
    job, iterations = window.studio.job, [m.iteration for m in window.running.moments()]
    path = saved(window, qtbot, tmp_path / "Evening.pareidolia")
    closed(qtbot, window)
    other = opened_window(qtbot, Session(job=quick_job(size=32)))
    try:
        opened(other, qtbot, path)
        assert other.windowTitle() == "Evening[*] — Pareidolia" and not other.isWindowModified()
        assert other.studio.job == job
        one, two = other.variants.entries
        assert (one.name, two.name, two.note, two.starred) == (
            first.name, "Blue", "for the wall", True,
        )  # fmt: skip
        assert (two.parent, two.branched_at) == (one, 3)
        assert other.variants_panel.selected() == [two]
        until(qtbot, lambda: other.running.result is not None)
        np.testing.assert_allclose(other.running.result.picture.rgb, picture, atol=1e-5)  # type: ignore[union-attr]
        assert [m.iteration for m in other.running.moments()] == iterations
        assert not two.thumbnail.isNull()
        result(other, qtbot)
        assert other.variants.entries[-1].parent is one, "it starts from the same picture"
        assert other.session.recent[0] == str(path)
    finally:
        closed(qtbot, other)


def test_a_project_needs_none_of_the_places_where_its_pictures_were(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    photo = Path(shutil.copy(CAT, tmp_path / "photo.jpg"))
    window.studio.set_inputs("", content=str(photo))
    window.studio.set_setting("iterations", 100_000)
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.pace.iteration > 2)
    click(qtbot, window, "stopButton")
    until_idle(qtbot, window)
    path = saved(window, qtbot, tmp_path / "a.pareidolia")
    photo.unlink()
    window.project.new()
    until(qtbot, lambda: window.project.path is None)
    opened(window, qtbot, path)
    content = path_of(window.studio.job.inputs.content)
    assert content is not None and Path(content).read_bytes() == Path(CAT).read_bytes()
    until(qtbot, lambda: window.running.record is not None)
    assert window.run_bar.go_on.isEnabled()
    closed(qtbot, window)
    assert Path(content).exists(), "the next start finds it"


def test_new_begins_from_nothing(window: MainWindow, qtbot: QtBot) -> None:
    result(window, qtbot)
    window.project.new()
    decide(window, qtbot, Button.Discard)
    until(qtbot, lambda: window.variants.entries == [])
    settled(window, qtbot)
    assert window.studio.job == first_job()
    assert not window.isWindowModified()
    assert window.running.moments() == [] and window.timeline.current() is None
    assert window.variants_panel.entries() == []
    assert not list(
        (
            Path(window.project_writer.folder.path)
            if window.project_writer.folder
            else Path("/none")
        ).glob("*")
    )
    assert window.canvas_content.current is None or window.canvas_content.current.kind == "content"


def test_what_is_no_project_is_said_and_nothing_is_lost(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    entry = result(window, qtbot)
    path = tmp_path / "broken.pareidolia"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    window.project.open_path(str(path))
    with qtbot.waitSignal(window.project.failed, timeout=60_000) as heard:
        decide(window, qtbot, Button.Discard)
    assert "broken.pareidolia" in heard.args[0]
    assert window.variants.entries == [entry]
    assert window.isWindowModified()
    window.project.new()
    assert question(window, qtbot).isVisible(), "it is still asked about"
    decide(window, qtbot, Button.Cancel)


# -- closing ---------------------------------------------------------------------------------------


def test_closing_asks_what_to_do_with_unsaved_work(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, save_to: Asked
) -> None:
    result(window, qtbot)
    window.close()
    assert "Untitled" in question(window, qtbot).text()
    decide(window, qtbot, Button.Cancel)
    assert window.isVisible()
    path = tmp_path / "kept.pareidolia"
    save_to(path)
    window.close()
    decide(window, qtbot, Button.Save)
    until(qtbot, lambda: not isValid(window) or not window.isVisible())
    assert path.exists()
    assert left_over() == []
    closed(qtbot, window)


def test_an_untouched_window_closes_without_a_word(
    window: MainWindow, qtbot: QtBot, own_folders: Path
) -> None:
    window.close()
    until(qtbot, lambda: not window.isVisible())
    assert not list((own_folders / "recovery").glob("[!.]*"))
    closed(qtbot, window)


def test_a_run_under_way_is_saved_where_it_is_when_the_window_closes(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.studio.set_setting("iterations", 80)
    *_, last = run(window.studio.job)
    path = saved(window, qtbot, tmp_path / "a.pareidolia")
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.pace.iteration > 1)
    window.running.pause()
    window.close()
    assert "continued" in question(window, qtbot).informativeText()
    decide(window, qtbot, Button.Save)
    until(qtbot, lambda: not window.isVisible())
    closed(qtbot, window)
    other = opened_window(qtbot)
    try:
        opened(other, qtbot, path)
        until(qtbot, lambda: other.running.record is not None)
        (entry,) = other.variants.entries
        assert 0 < entry.iteration < entry.total
        shown = [round(n) for n in other.losses.iterations()]
        assert shown == list(range(1, entry.iteration + 1))
        click(qtbot, other, "continueButton")
        until(qtbot, lambda: other.controller.active)
        until_idle(qtbot, other)
        assert [round(n) for n in other.losses.iterations()] == list(range(1, 81))
        assert other.running.result is not None
        np.testing.assert_array_equal(
            other.running.result.picture.rgb, last.picture.numpy().transpose(1, 2, 0)
        )
    finally:
        closed(qtbot, other)


@pytest.mark.parametrize("held", [False, True])
def test_saving_during_a_run_keeps_what_it_has_made_and_goes_on(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, held: bool
) -> None:
    window.studio.set_setting("iterations", 100_000)
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.pace.iteration > 2)
    if held:
        window.running.pause()
        settled(window, qtbot)
    reached = window.controller.pace.iteration
    saved(window, qtbot, tmp_path / "a.pareidolia")
    (entry,) = window.variants.entries
    assert entry.iteration >= reached and entry.in_folder
    assert window.controller.active
    assert len(list(window.project_writer.folder.path.glob("checkpoints/*"))) == 1  # type: ignore[union-attr]


# -- what fails ------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_and_another_place_can_be_chosen(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    said: list[str] = []
    window.variants_flow.failed.connect(said.append)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:  # as on a full disk: the system takes no more than so many bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        click(qtbot, window, "runButton")
        until_idle(qtbot, window)
        settled(window, qtbot)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (entry,) = window.variants.entries
    assert len(said) == 1 and "cannot be written to disk" in said[0]
    assert entry.has_picture and not entry.in_folder and not entry.thumbnail.isNull()
    wanted = window.running.result.picture.rgb  # type: ignore[union-attr]
    window.variants_flow.show(entry)
    settled(window, qtbot)
    saved(window, qtbot, tmp_path / "a.pareidolia")
    settled(window, qtbot)
    window.project.new()
    until(qtbot, lambda: not window.variants.entries)
    opened(window, qtbot, tmp_path / "a.pareidolia")
    until(qtbot, lambda: window.running.result is not None)
    np.testing.assert_allclose(window.running.result.picture.rgb, wanted, atol=1e-5)  # type: ignore[union-attr]


def test_a_folder_that_has_vanished_is_no_loss(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    """What is in memory goes into the file; what was in the folder alone is gone with it."""
    window.studio.set_setting("seed", 3)
    window.project.write_job()
    settled(window, qtbot)
    shutil.rmtree(window.project_writer.folder.path)  # type: ignore[union-attr]
    said: list[str] = []
    window.variants_flow.failed.connect(said.append)
    result(window, qtbot)
    assert len(said) == 1 and "gone" in said[0]
    path = saved(window, qtbot, tmp_path / "a.pareidolia")
    settled(window, qtbot)
    window.project.new()
    opened(window, qtbot, path)
    assert window.studio.job.seed == 3
    assert len(window.variants.entries) == 1


# -- recent files ----------------------------------------------------------------------------------


def test_recent_files_have_thumbnails_and_open(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    result(window, qtbot)
    path = saved(window, qtbot, tmp_path / "Evening.pareidolia")
    shutil.copy(CAT, tmp_path / "photo.jpg")
    window.session.remember_file(str(tmp_path / "photo.jpg"))
    window.project.new()
    until(qtbot, lambda: window.project.path is None)
    menu = window.recent_files.menu
    window.recent_files.fill()
    until(qtbot, lambda: not window.background.busy)
    entries = {action.text(): action for action in menu.actions()}
    for name in ("Evening.pareidolia", "photo.jpg"):
        assert not entries[name].icon().isNull()
    picture = open_picture(tmp_path / "photo.jpg").rgb.mean(axis=(0, 1))
    image = entries["photo.jpg"].icon().pixmap(80).toImage()
    middle = image.scaled(1, 1, mode=Qt.TransformationMode.SmoothTransformation).pixelColor(0, 0)
    assert abs(middle.redF() - picture[0]) < 0.1
    entries["Evening.pareidolia"].trigger()
    until(qtbot, lambda: window.project.path == path)
    settled(window, qtbot)


def test_what_comes_late_leaves_no_folder_behind(window: MainWindow, qtbot: QtBot) -> None:
    """A thumbnail may be ready only after the window has given its folder back."""
    result(window, qtbot)
    settled(window, qtbot)
    folder = window.project_writer.folder
    assert folder is not None
    recovery = Path(folder.path).parent
    assert window.project.close()
    until(qtbot, lambda: not window.background.busy)
    before = set(recovery.iterdir())
    window.variants.write_edits()
    window.project_writer.submit(lambda folder: folder.path)
    until(qtbot, lambda: not window.background.busy)
    assert not window.project_writer.busy
    assert set(recovery.iterdir()) == before
    closed(qtbot, window)
