"""Garbage is collected where Qt's objects live, also what a worker left."""

import gc
import threading
import weakref

from PySide6.QtCore import QObject, QThread
from pytestqt.qtbot import QtBot

from gui.garbage import Garbage, collect_soon


class Cycle(QObject):
    """Kept alive by itself alone once it is let go."""

    def __init__(self, ended_in: list[int]) -> None:
        super().__init__()
        self.itself = self
        weakref.finalize(self, lambda: ended_in.append(threading.get_ident()))


def make_garbage(count: int) -> None:
    for _ in range(count):
        knot: list[object] = []
        knot.append(knot)


class Busy(QThread):
    """Allocates enough in a thread of its own to set off every generation of the collector."""

    def run(self) -> None:
        make_garbage(200_000)
        collect_soon()


def test_a_workers_allocations_do_not_end_objects_of_the_window(qtbot: QtBot) -> None:
    garbage = Garbage()
    ended_in: list[int] = []
    try:
        Cycle(ended_in)
        worker = Busy()
        worker.start()
        assert worker.wait(20_000)
        assert not ended_in, "nothing is collected outside the GUI thread"
        qtbot.waitUntil(lambda: bool(ended_in), timeout=5_000)
        assert ended_in == [threading.get_ident()]
    finally:
        garbage.close()
    assert gc.isenabled()


def test_garbage_does_not_pile_up(qtbot: QtBot) -> None:
    garbage = Garbage()
    try:
        make_garbage(50_000)
        assert gc.get_count()[0] > 40_000
        qtbot.waitUntil(lambda: gc.get_count()[0] < 5_000, timeout=5_000)
    finally:
        garbage.close()
