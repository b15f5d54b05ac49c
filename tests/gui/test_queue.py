"""The queue in the window: jobs in, pictures out, one computation at a time, nothing lost."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QItemSelectionModel, QPersistentModelIndex
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from engine.image import read_recipe
from engine.work.making import MakeRequest, make
from engine.work.queue import NewJob, Queue, QueuedJob
from gui.main_window import MainWindow
from gui.panels.queue_model import QueueModel
from gui.run.controller import State
from gui.run.queue import queue_file
from gui.run.turn import Turn
from tests.gui.stories import CAT, MOSAIC, STROKES, click, closed, opened_window, quick_job, until


def states(window: MainWindow) -> list[str]:
    return [job.state for job in window.queue_panel.model.jobs]


def titles(window: MainWindow) -> list[str]:
    return [job.title for job in window.queue_panel.model.jobs]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture
def out(window: MainWindow, tmp_path: Path) -> Path:
    window.queue_flow.take_folder(tmp_path / "out")
    window.docks["queue"].raise_()
    return tmp_path / "out"


def test_a_job_becomes_the_picture_that_the_command_makes(
    window: MainWindow, out: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    click(qtbot, window, "queueAddButton")
    until(qtbot, lambda: states(window) == ["done"])
    (made,) = out.iterdir()
    assert made.name == "cat_brush_strokes.png"
    alone = tmp_path / "alone.png"
    make(MakeRequest(window.studio.job, alone), bool, lambda _job, frames: frames)
    assert (pixels(made) == pixels(alone)).all()
    assert read_recipe(made) == read_recipe(alone)
    model = window.queue_panel.model
    until(qtbot, lambda: isinstance(model.data(model.index(0), 1), QImage))  # a thumbnail
    assert window.docks["queue"].windowTitle() == "Queue"
    click(qtbot, window, "queueAddButton")
    until(qtbot, lambda: not window.queue.busy)
    assert "0 added to the queue, 1 already there" in window.statusBar().currentMessage()
    assert states(window) == ["done"]
    made.unlink()
    click(qtbot, window, "queueAddButton")
    until(qtbot, lambda: made.exists() and states(window) == ["done"])


def test_photos_times_styles_and_one_that_fails(
    window: MainWindow, out: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(CAT, photos / "a.jpg")
    (photos / "b.png").write_text("no picture")
    window.queue_flow.add_sets(photos, [Path(STROKES), Path(MOSAIC)])
    until(qtbot, lambda: sorted(states(window)) == ["done", "done", "failed", "failed"])
    assert sorted(p.name for p in out.iterdir()) == ["a_brush_strokes.png", "a_mosaic.png"]
    failed = [job for job in window.queue_panel.model.jobs if job.state == "failed"]
    assert all("b.png cannot be read as a picture" in job.sentence for job in failed)
    assert window.docks["queue"].windowTitle() == "Queue (2)"
    model = window.queue_panel.model
    row = states(window).index("failed")
    assert "failed: " in str(model.data(model.index(row)))


def test_order_pause_retry_remove(window: MainWindow, out: Path, qtbot: QtBot) -> None:
    click(qtbot, window, "queueHoldButton")
    for seed in range(3):
        window.studio.edit("seed", seed=seed)
        window.queue_flow.add_job()
    until(qtbot, lambda: states(window) == ["waiting"] * 3)
    panel = window.queue_panel
    first, second, third = (job.id for job in panel.model.jobs)
    panel.list.setCurrentIndex(panel.model.index(2))
    click(qtbot, window, "queueUpButton")
    until(qtbot, lambda: [job.id for job in panel.model.jobs] == [first, third, second])
    assert [job.id for job in panel.selected()] == [third]
    click(qtbot, window, "queuePauseButton")
    until(qtbot, lambda: states(window) == ["waiting", "paused", "waiting"])
    panel.list.setCurrentIndex(panel.model.index(2))
    click(qtbot, window, "queueRemoveButton")
    until(qtbot, lambda: states(window) == ["waiting", "paused"])
    click(qtbot, window, "queueHoldButton")
    until(qtbot, lambda: states(window) == ["done", "paused"])
    panel.list.setCurrentIndex(panel.model.index(1))
    click(qtbot, window, "queueResumeButton")
    until(qtbot, lambda: states(window) == ["done", "done"])
    assert len(list(out.iterdir())) == 2
    next(out.iterdir()).unlink()
    panel.list.selectAll()
    click(qtbot, window, "queueRetryButton")
    until(qtbot, lambda: len(list(out.glob("*.png"))) == 2 and states(window) == ["done", "done"])


def test_the_windows_own_run_goes_first(window: MainWindow, out: Path, qtbot: QtBot) -> None:
    window.studio.load(quick_job(iterations=3000))
    window.queue_flow.add_job()

    def iteration() -> int:
        jobs = window.queue_panel.model.jobs
        return jobs[0].iteration if jobs else 0

    until(qtbot, lambda: iteration() > 0)
    window.running.start()
    until(qtbot, lambda: window.controller.state is State.RUNNING)
    qtbot.wait(800)  # what was reported before has been shown
    before = iteration()
    qtbot.wait(1500)
    assert window.controller.state is State.RUNNING
    assert iteration() == before
    window.controller.stop()
    until(qtbot, lambda: window.controller.state is State.IDLE)
    until(qtbot, lambda: iteration() > before)
    window.queue.remove([window.queue_panel.model.jobs[0].id])
    until(qtbot, lambda: not window.queue.busy)
    assert not list(out.iterdir())


def test_what_was_begun_when_the_window_closed_is_made_after_the_next_start(
    window: MainWindow, out: Path, qtbot: QtBot
) -> None:
    window.studio.load(replace(quick_job(iterations=40), seed=7))
    window.queue_flow.add_job()
    until(qtbot, lambda: states(window) == ["running"])
    closed(qtbot, window)
    assert not [t for t in threading.enumerate() if t.name.startswith("background")]
    with Queue(queue_file()) as queue:
        (job,) = queue.entries()
        assert (job.state, job.held) == ("waiting", False)
    assert not list(queue_file().parent.glob(".*"))
    again = opened_window(qtbot)
    until(qtbot, lambda: states(again) == ["done"])
    assert [p.name for p in out.iterdir()] == ["cat_brush_strokes.png"]
    until(qtbot, lambda: not again.queue.busy)
    closed(qtbot, again)


def test_a_spoilt_file_is_set_aside_with_a_word(qtbot: QtBot, own_folders: Path) -> None:
    own_folders.mkdir(exist_ok=True)
    queue_file().write_text("nothing of the kind " * 100)
    made = opened_window(qtbot)
    until(qtbot, lambda: "was set aside" in made.statusBar().currentMessage())
    (kept,) = own_folders.glob("queue.sqlite.set-aside-*")
    assert kept.read_text() == "nothing of the kind " * 100
    closed(qtbot, made)


def queued(path: Path, *names: str) -> list[QueuedJob]:
    with Queue(path) as queue:
        queue.add(NewJob({}, Path(f"/out/{name}.png"), name) for name in names)
        return queue.entries()


def test_the_model_keeps_track_of_rows(tmp_path: Path, qtmodeltester: object) -> None:
    jobs = queued(tmp_path / "q.sqlite", "a", "b", "c")
    model = QueueModel()
    model.show(jobs, {})
    selection = QItemSelectionModel(model)
    selection.select(model.index(2), QItemSelectionModel.SelectionFlag.Select)
    kept, gone = QPersistentModelIndex(model.index(2)), QPersistentModelIndex(model.index(1))
    model.show([jobs[2], jobs[0]], {jobs[2].id: QImage(4, 4, QImage.Format.Format_RGB32)})
    assert (kept.row(), gone.isValid()) == (0, False)
    assert [index.row() for index in selection.selectedIndexes()] == [0]
    assert isinstance(model.data(model.index(0), 1), QImage)
    changed: list[int] = []
    model.dataChanged.connect(lambda index, _: changed.append(index.row()))
    model.show([jobs[2], replace(jobs[0], state="failed", sentence="no")], {})
    assert changed == [1]
    assert str(model.data(model.index(1))) == "a\nfailed: no"
    qtmodeltester.check(model)  # type: ignore[attr-defined]


def test_nobody_computes_beside_the_other() -> None:
    turn, computing, seen = Turn(), [], []

    def queue() -> None:
        for _ in range(300):
            turn.pass_on()
            computing.append("queue")
            seen.append(tuple(computing))
            computing.remove("queue")
        turn.give_up()

    def window() -> None:
        for _ in range(100):
            with turn.of_window():
                computing.append("window")
                seen.append(tuple(computing))
                computing.remove("window")

    threads = [threading.Thread(target=each) for each in (queue, window)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(seen) == {("queue",), ("window",)}
    assert len(seen) == 400
