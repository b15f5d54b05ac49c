"""Garbage is collected where Qt's objects live, also what a worker left."""

import gc
import threading
import weakref
from itertools import pairwise

import pytest
from PySide6.QtCore import QObject, QThread
from pytestqt.qtbot import QtBot

from gui import garbage as module
from gui.garbage import BURSTS_AT_MOST, LONG_AT_MOST, MANY, Garbage, collect_soon


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


@pytest.fixture(autouse=True)
def nothing_asked_before() -> None:
    """A network that was loaded without a window has asked for what is there to be left out."""
    module._freeze.clear()
    module._collect.clear()


def test_a_workers_allocations_do_not_end_objects_of_the_window(qtbot: QtBot) -> None:
    gc.enable()  # as in a program that has just begun
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
    gc.disable()


def test_garbage_does_not_pile_up(qtbot: QtBot) -> None:
    garbage = Garbage()
    try:
        make_garbage(50_000)
        assert gc.get_count()[0] > 40_000
        qtbot.waitUntil(lambda: gc.get_count()[0] < 5_000, timeout=5_000)
    finally:
        garbage.close()


def test_only_a_few_bursts_are_left_out_of_the_rounds_for_good(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Garbage, "_frozen", 0)
    monkeypatch.setattr(Garbage, "_bursts", 0)
    garbage = Garbage()
    ended_in: list[int] = []
    kept: list[list[list[int]]] = []
    frozen = [gc.get_freeze_count()]
    try:
        for _ in range(BURSTS_AT_MOST + 1):
            kept.append([[] for _ in range(2 * MANY)])
            garbage.look()
            frozen.append(gc.get_freeze_count())
        assert all(after > before for before, after in pairwise(frozen[:-1]))
        assert frozen[-1] <= frozen[-2]
        Cycle(ended_in)
        make_garbage(2 * MANY)
        garbage.look()
        gc.collect()
        assert ended_in, "what comes later is collected as ever"
    finally:
        garbage.close()
        gc.unfreeze()


def test_what_long_rounds_leave_is_left_out_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Garbage, "_frozen", module.FROZEN_AT_MOST)
    monkeypatch.setattr(Garbage, "_long", 0)
    garbage = Garbage()
    kept: list[list[list[int]]] = []

    def grown() -> bool:
        """Whether what came since is left out of the rounds to come."""
        before = gc.get_freeze_count()
        kept.append([[] for _ in range(1000)])
        collect_soon()
        garbage.look()
        return gc.get_freeze_count() >= before + 1000

    try:
        monkeypatch.setattr(module, "LONG", 1e9)
        assert not grown()
        monkeypatch.setattr(module, "LONG", -1.0)
        assert [grown() for _ in range(LONG_AT_MOST + 1)] == [True] * LONG_AT_MOST + [False]
    finally:
        garbage.close()
        gc.unfreeze()
