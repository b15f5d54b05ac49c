"""What a crash has left is offered at the next start, and taken up as it was."""

import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from engine.image import open_picture
from engine.job import run
from engine.work.project_folder import ProjectFolder
from engine.work.recovery import claim, left_over, new_slot
from gui import session
from gui.dialogs.recovery import RecoveryDialog
from gui.flow.recovery import look
from gui.main_window import MainWindow
from gui.run.controller import State
from gui.run.keeping import KeepSchedule
from gui.session import Session
from tests.gui.stories import click, closed, opened_window, quick_job, until, until_idle
from tests.gui.test_ending import started
from tests.gui.test_ending import until as until_there
from tests.gui.test_project import decide, question

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
RUNNING = """
window.controller.keep_every = 0.2
window.studio.set_setting("seed", 7)
window.running.start()
"""


def kept() -> Path | None:
    """The slot of a run that has been kept once, with its checkpoint."""
    for file in (session.data_folder() / "recovery").glob("*/project.json"):
        if any(variant.has_checkpoint for variant in ProjectFolder(file.parent).read().variants):
            return file.parent
    return None


@pytest.fixture
def crashed(own_folders: Path) -> Path:
    """A slot whose window was killed during a run."""
    session.save(Session(quick_job(iterations=300)))
    with started(own_folders, RUNNING) as process:
        until_there(kept)
        process.kill()
        process.communicate()
    found = kept()
    assert found is not None
    return found


def dialog_of(window: MainWindow, qtbot: QtBot) -> RecoveryDialog:
    until(qtbot, lambda: window.recovery.dialog is not None)
    found = window.recovery.dialog
    assert found is not None and found.isVisible()
    return found


def press(dialog: RecoveryDialog, qtbot: QtBot, text: str) -> None:
    button = next(b for b in dialog.findChildren(QPushButton) if b.text().replace("&", "") == text)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def settled(window: MainWindow, qtbot: QtBot) -> None:
    until(qtbot, lambda: not window.project_writer.busy and not window.background.busy)


@pytest.fixture
def next_start(qtbot: QtBot, request: pytest.FixtureRequest) -> Iterator[MainWindow]:
    """The next start of the program, after whatever the test's other fixtures did."""
    if "crashed" in request.fixturenames:
        request.getfixturevalue("crashed")
    window = opened_window(qtbot, session.load())
    yield window
    closed(qtbot, window)


def drawn(window: MainWindow) -> list[int]:
    """The iterations of which the plot has the losses."""
    return [round(n) for n in window.losses.iterations()]


def test_what_a_killed_window_was_making_is_restored_and_continued(
    crashed: Path, next_start: MainWindow, qtbot: QtBot
) -> None:
    window, folder = next_start, ProjectFolder(crashed)
    (variant,) = folder.read().variants
    picture, moments = open_picture(crashed / f"results/{variant.id}.png").rgb, variant.moments
    job = folder.job(variant.id)
    dialog = dialog_of(window, qtbot)
    text = dialog.list.item(0).text()
    assert f"Style transfer, iteration {variant.iteration} of {variant.total}" in text
    assert not dialog.list.item(0).icon().isNull()
    press(dialog, qtbot, "Restore")
    until(qtbot, lambda: window.running.result is not None)
    settled(window, qtbot)
    assert window.studio.job.seed == 7
    assert [entry.id for entry in window.variants.entries] == [variant.id]
    assert window.running.result is not None
    np.testing.assert_array_equal(window.running.result.picture.rgb, picture)
    assert tuple(m.iteration for m in window.running.moments()) == moments
    assert window.isWindowModified(), "no file holds it yet"
    assert drawn(window) == list(range(1, variant.iteration + 1))
    click(qtbot, window, "continueButton")
    until(qtbot, lambda: window.controller.active)
    until_idle(qtbot, window)
    settled(window, qtbot)
    (entry,) = window.variants.entries
    assert entry.complete
    assert drawn(window) == list(range(1, variant.total + 1))
    iterations = [m.iteration for m in window.running.moments()]
    assert iterations[0] == 1 and iterations[-1] == variant.total
    assert set(moments) <= set(iterations), "the film of it begins with its beginning"
    window.losses.clear()
    window.variants_flow.show(entry)
    until(qtbot, lambda: drawn(window) == list(range(1, variant.total + 1)))
    *_, last = run(job.__class__(**{**vars(job), "stop_after": None}))
    np.testing.assert_array_equal(
        window.running.result.picture.rgb, last.picture.numpy().transpose(1, 2, 0)
    )


def test_what_is_put_off_is_offered_again_and_what_is_discarded_is_not(
    crashed: Path, next_start: MainWindow, qtbot: QtBot
) -> None:
    press(dialog_of(next_start, qtbot), qtbot, "Later")
    settled(next_start, qtbot)
    assert [work.left.path for work in look()] == [crashed]
    next_start.recovery.begin()
    until(qtbot, lambda: next_start.recovery.dialog is not None)
    press(dialog_of(next_start, qtbot), qtbot, "Discard")
    settled(next_start, qtbot)
    assert not crashed.exists()
    assert look() == []


def test_work_that_is_gone_when_it_is_restored_costs_nothing_of_what_is_there(
    own_folders: Path, qtbot: QtBot
) -> None:
    slot = new_slot()
    slot.folder.write_job(quick_job())
    slot.release()
    window = opened_window(qtbot)
    try:
        dialog = dialog_of(window, qtbot)
        window.studio.set_setting("seed", 5)
        shutil.rmtree(slot.path)
        press(dialog, qtbot, "Restore")
        decide(window, qtbot, QMessageBox.StandardButton.Discard)
        until(qtbot, lambda: window.statusBar().currentMessage() != "")
        settled(window, qtbot)
        assert window.studio.job.seed == 5
        assert window.isWindowModified()
        window.close()
        assert question(window, qtbot).isVisible(), "it asks before that is thrown away"
        decide(window, qtbot, QMessageBox.StandardButton.Cancel)
        assert window.isVisible()
    finally:
        closed(qtbot, window)


def test_two_windows_on_one_home_leave_each_other_alone(own_folders: Path, qtbot: QtBot) -> None:
    session.save(Session(quick_job(iterations=100_000)))
    with started(own_folders, RUNNING) as process:
        until_there(kept)
        theirs = kept()
        window = opened_window(qtbot, session.load())
        try:
            click(qtbot, window, "runButton")
            until(qtbot, lambda: window.controller.pace.iteration > 2)
            window.running.pause()
            until(qtbot, lambda: window.project_writer.folder is not None)
            settled(window, qtbot)
            assert window.recovery.dialog is None
            assert window.project_writer.folder.path != theirs  # type: ignore[union-attr]
            assert theirs is not None and (theirs / "project.json").exists()
        finally:
            closed(qtbot, window)
            process.kill()
            process.communicate()
    assert [work.left.path for work in look()] == [theirs]


def test_a_window_that_is_asked_to_end_leaves_its_work_to_the_next_start(
    own_folders: Path,
) -> None:
    session.save(Session(quick_job(iterations=100_000)))
    with started(own_folders, RUNNING) as process:
        until_there(lambda: list((own_folders / "recovery").glob("*/results/*.png")))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert "Traceback" not in err
    (work,) = look()
    assert "Style transfer, iteration" in work.making


def test_work_that_has_crashed_the_program_twice_carries_a_warning(
    own_folders: Path, qtbot: QtBot
) -> None:
    slot = new_slot()
    slot.folder.write_job(quick_job())
    slot.release()
    for _ in range(2):  # opened, and never shown for a while
        (left,) = left_over()
        claim(left).release()
    window = opened_window(qtbot)
    try:
        dialog = dialog_of(window, qtbot)
        assert dialog.chosen() is None, "nobody restores it by pressing Enter"
        assert "crashed the program 2 times" in dialog.list.item(0).text()
        dialog.list.setCurrentRow(0)
        label = dialog.findChild(QLabel, "recoveryWarning")
        assert label.isVisible() and "may do so again" in label.text()
        press(dialog, qtbot, "Restore")
        until(qtbot, lambda: window.project_writer.slot is not None)
        slot = window.project_writer.slot
        assert (slot.path / ".starts").exists()
        window.project._on_shown_for_a_while()
        settled(window, qtbot)
        assert not (slot.path / ".starts").exists(), "it is no danger any more"
    finally:
        closed(qtbot, window)


def test_saved_and_untouched_work_leaves_nothing_to_offer(
    own_folders: Path, tmp_path: Path
) -> None:
    session.save(Session(quick_job()))
    target = tmp_path / "a.pareidolia"
    what = f"""
from pathlib import Path
window.studio.set_setting("seed", 7)
window.project.changed.connect(lambda: print("saved", flush=True))
window.project.write(Path({str(target)!r}))
"""
    for act, said in ((what, "saved\n"), ("pass", "")):
        with started(own_folders, act) as process:
            assert process.stdout is not None
            assert not said or process.stdout.readline() == said
            process.kill()
            process.communicate()
        assert look() == []
    assert target.exists()
    assert list((own_folders / "recovery").glob("[!.]*")) == []


# -- when it is kept -------------------------------------------------------------------------------


def test_nothing_is_due_before_its_time_nor_while_the_last_is_being_written() -> None:
    schedule = KeepSchedule(1000.0)
    assert not schedule.due() and schedule.due(held=True)
    schedule = KeepSchedule(0.0)
    assert schedule.due()
    schedule.taken()
    assert not schedule.due(), "it is still being written"
    schedule.ask()
    assert schedule.due(), "somebody waits for it"
    schedule.taken()
    schedule.written()
    assert schedule.due()


def test_a_slow_disk_holds_up_neither_window_nor_run(window: MainWindow, qtbot: QtBot) -> None:
    heard: list[object] = []
    window.controller.kept.connect(heard.append)
    window.controller.keep_every = 0.0
    window.studio.set_setting("iterations", 100_000)
    go = threading.Event()
    for _ in range(window.background.threads):
        window.background.submit(lambda: go.wait(60))
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.pace.iteration > 8)
    assert len(heard) == 1, "one is being written; no other joins it"
    go.set()
    until(qtbot, lambda: len(heard) > 2)
    window.running.pause()
    until(qtbot, lambda: window.controller.state is State.PAUSED)
    count = len(heard)
    settled(window, qtbot)
    (entry,) = window.variants.entries
    until(qtbot, lambda: entry.iteration == window.controller.pace.iteration)
    settled(window, qtbot)
    assert entry.in_folder and len(heard) >= count
