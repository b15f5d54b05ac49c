"""Work of which only the newest counts: results, states on the way, giving up."""

import subprocess
import sys
import threading
from collections.abc import Generator, Iterator

import pytest
from pytestqt.qtbot import QtBot

from gui.background import Background
from gui.run.latest import LatestOnly
from tests.cli.conftest import ROOT
from tests.gui.stories import until


class Heard:
    """What comes, in which thread."""

    def __init__(self) -> None:
        self.states: list[object] = []
        self.results: list[object] = []
        self.errors: list[BaseException] = []
        self.threads: set[int] = set()

    def state(self, what: object) -> None:
        self.states.append(what)
        self.threads.add(threading.get_ident())

    def result(self, what: object) -> None:
        self.results.append(what)
        self.threads.add(threading.get_ident())


@pytest.fixture
def background(qtbot: QtBot) -> Iterator[Background]:
    made = Background(threads=2)
    yield made
    made.close()


def test_states_come_before_the_result_in_the_windows_thread(
    background: Background, qtbot: QtBot
) -> None:
    heard, elsewhere = Heard(), set[int]()

    def work() -> Generator[int | None, None, str]:
        for number in (1, None, 2):
            elsewhere.add(threading.get_ident())
            yield number
        return "whole"

    latest = LatestOnly(background, heard.result, heard.errors.append, grown=heard.state)
    latest.ask(work)
    until(qtbot, lambda: bool(heard.results))
    assert (heard.states, heard.results) == ([1, 2], ["whole"]), "None only lets it be closed"
    assert heard.threads == {threading.get_ident()} and heard.threads.isdisjoint(elsewhere)


def test_what_is_given_up_is_closed_at_its_next_state(background: Background, qtbot: QtBot) -> None:
    heard, gate, ended = Heard(), threading.Event(), threading.Event()
    steps: list[int] = []

    def long() -> Generator[int, None, str]:
        try:
            for number in range(1000):
                steps.append(number)
                yield number
                gate.wait(5)
        finally:
            ended.set()
        return "never"

    latest = LatestOnly(background, heard.result, heard.errors.append, grown=heard.state)
    latest.ask(long)
    until(qtbot, lambda: bool(heard.states))
    latest.given_up = True
    gate.set()
    until(qtbot, lambda: bool(heard.results))
    assert ended.is_set() and len(steps) <= 2
    assert heard.results == [steps[-1]], "the last that it had found"
    assert not latest.busy


def test_of_several_the_first_and_the_last_are_carried_out(
    background: Background, qtbot: QtBot
) -> None:
    heard, gate = Heard(), threading.Event()
    latest = LatestOnly(background, heard.result, heard.errors.append)
    latest.ask(lambda: gate.wait(5) and 0)
    for number in range(1, 6):
        latest.ask(lambda number=number: number)  # type: ignore[misc]
    gate.set()
    until(qtbot, lambda: not latest.busy and len(heard.results) == 2)
    assert heard.results == [0, 5]


def test_what_is_forgotten_is_not_told(background: Background, qtbot: QtBot) -> None:
    heard, gate = Heard(), threading.Event()

    def work() -> Generator[int, None, str]:
        gate.wait(5)
        yield 1
        return "whole"

    latest = LatestOnly(background, heard.result, heard.errors.append, grown=heard.state)
    latest.ask(work)
    latest.forget()
    gate.set()
    until(qtbot, lambda: not latest.busy)
    assert (heard.states, heard.results) == ([], [])


def test_what_is_cancelled_ends_before_the_next_begins(
    background: Background, qtbot: QtBot
) -> None:
    heard, began, order = Heard(), threading.Event(), list[str]()

    def long() -> Generator[None, None, str]:
        try:
            began.set()
            while True:
                yield None
        finally:
            order.append("ended")

    latest = LatestOnly(background, heard.result, heard.errors.append)
    latest.ask(long)
    assert began.wait(5) and latest.awaited
    latest.cancel()
    assert latest.busy and not latest.awaited
    latest.ask(lambda: order.append("next"))
    assert latest.awaited
    until(qtbot, lambda: not latest.busy)
    assert order == ["ended", "next"] and heard.results == [None]


def test_closing_the_window_ends_a_generator(background: Background, qtbot: QtBot) -> None:
    heard, began, ended = Heard(), threading.Event(), threading.Event()

    def long() -> Generator[None, None, None]:
        try:
            while True:
                began.set()
                yield None
        finally:
            ended.set()

    latest = LatestOnly(background, heard.result, heard.errors.append)
    latest.ask(long)
    assert began.wait(5)
    background.close()  # waits for its threads
    assert ended.is_set()
    qtbot.wait(20)
    assert heard.results == []


def test_an_error_on_the_way_is_told_once(background: Background, qtbot: QtBot) -> None:
    heard = Heard()

    def work() -> Generator[int, None, str]:
        yield 1
        raise ValueError("no")

    latest = LatestOnly(background, heard.result, heard.errors.append, grown=heard.state)
    latest.ask(work)
    until(qtbot, lambda: bool(heard.errors))
    assert [str(error) for error in heard.errors] == ["no"]
    assert (heard.states, heard.results) == ([1], [])


def test_what_runs_behind_the_window_draws_nothing() -> None:
    code = """
import importlib, pkgutil, sys
import gui.run
for module in pkgutil.iter_modules(gui.run.__path__):
    importlib.import_module(f"gui.run.{module.name}")
print("PySide6.QtWidgets" in sys.modules, "torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
