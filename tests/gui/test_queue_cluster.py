"""The queue's jobs made by others: chosen in the Queue dock, shown there, and never waited for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from engine.image import read_recipe
from engine.work.cluster import connection
from engine.work.cluster.address import SchedulerAddress, scheduler_address
from engine.work.cluster.run import WorkerState
from engine.work.making import MakeRequest, make
from gui.dialogs.cluster import ClusterDialog, keep_address, kept_address
from gui.main_window import MainWindow
from tests.clusters import LocalCluster, local_cluster, needs_dask
from tests.gui.stories import click, until


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    with local_cluster(folder, {**os.environ, "OMP_NUM_THREADS": "1"}) as made:
        yield made


def lines(window: MainWindow) -> list[str]:
    shown = window.queue_panel.workers
    return [shown.item(row).text() for row in range(shown.count())]


def accept(dialog: ClusterDialog, address: str) -> None:
    dialog.address.setText(address)
    button = dialog.findChild(QDialogButtonBox)
    assert button is not None
    button.button(QDialogButtonBox.StandardButton.Ok).click()


def test_the_dialog_takes_an_address_and_says_what_is_wrong(qtbot: QtBot) -> None:
    dialog = ClusterDialog(None)
    qtbot.addWidget(dialog)
    accept(dialog, "tcp://192.0.2.1")
    assert dialog.result() == 0
    assert "there is also Do without TLS" in dialog.wrong.text()
    dialog.insecure.setChecked(True)
    accept(dialog, "tcp://192.0.2.1")
    assert dialog.result() == 1
    assert dialog.where == SchedulerAddress("tcp://192.0.2.1:8786", insecure=True)
    accept(dialog, "")
    assert dialog.where is None


def test_the_address_is_remembered(qtbot: QtBot) -> None:
    assert kept_address() is None
    files = Path("ca.pem"), Path("own.pem"), None
    for where in (SchedulerAddress("tls://192.0.2.1:8786", *files), None):
        keep_address(where)
        assert kept_address() == where


@needs_dask
def test_a_job_is_made_by_a_worker_that_is_shown(
    window: MainWindow, cluster: LocalCluster, qtbot: QtBot, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    window.queue_flow.take_folder(out)
    window.docks["queue"].raise_()
    assert not window.queue_panel.workers.isVisible()
    window.queue_flow.take_scheduler(scheduler_address(cluster.address))
    assert window.queue_panel.workers.isVisible()
    until(qtbot, lambda: lines(window) == [f"No worker has connected to {cluster.address} yet."])
    click(qtbot, window, "queueAddButton")
    cluster.add_worker()
    until(qtbot, lambda: [job.state for job in window.queue_panel.model.jobs] == ["done"])
    until(qtbot, lambda: lines(window) and lines(window)[0].endswith("\nidle"))
    (made,) = out.iterdir()
    alone = tmp_path / "alone.png"
    make(MakeRequest(window.studio.job, alone), bool, lambda _job, frames: frames)
    assert read_recipe(made) == read_recipe(alone)
    window.queue_flow.take_scheduler(None)
    assert not window.queue_panel.workers.isVisible()
    assert kept_address() is None


@needs_dask
def test_a_scheduler_that_does_not_answer_holds_the_queue(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.3)
    window.docks["queue"].raise_()
    window.queue_flow.take_scheduler(scheduler_address("tcp://127.0.0.1:9"))
    assert lines(window) == ["Connecting to tcp://127.0.0.1:9…"]
    until(qtbot, lambda: window.queue_panel.hold.isChecked())
    (line,) = lines(window)
    assert line.startswith("no scheduler answers at tcp://127.0.0.1:9")
    window.queue_flow.take_scheduler(None)
    assert not window.queue_panel.hold.isChecked()


def test_what_each_worker_does(window: MainWindow) -> None:
    window.queue.scheduler = scheduler_address("tcp://127.0.0.1:9")
    window.queue.workers_seen.emit(
        [
            WorkerState("a cpu 1", "cpu", "cat.jpg", 3, 10),
            WorkerState("b cuda0 2", "cuda", "", 0, 0),
        ]
    )
    assert lines(window) == ["a cpu 1\n3 of 10: cat.jpg", "b cuda0 2\nidle"]
    window.queue.scheduler = None
