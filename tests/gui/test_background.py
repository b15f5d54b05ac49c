"""Work off the GUI thread: where its results arrive, and where what belongs to it ends."""

import threading
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from gui.background import Background
from tests.gui.stories import until


@pytest.fixture
def background(qapp: object) -> Iterator[Background]:
    made = Background(threads=2)
    yield made
    made.close()


class Belongings:
    """Stands for the widgets that a piece of work may be the last to refer to."""

    def __init__(self, ended_in: list[int]) -> None:
        self.ended_in = ended_in

    def __call__(self) -> int:
        return threading.get_ident()

    def __del__(self) -> None:
        self.ended_in.append(threading.get_ident())


def test_what_belongs_to_work_ends_in_the_gui_thread(background: Background, qtbot: QtBot) -> None:
    here = threading.get_ident()
    ended_in: list[int] = []
    done_in: list[tuple[int, int]] = []
    for _ in range(50):
        background.submit(
            Belongings(ended_in), lambda where: done_in.append((where, threading.get_ident()))
        )
    until(qtbot, lambda: len(done_in) == 50)
    assert set(ended_in) == {here}
    assert len(ended_in) == 50
    assert here not in {where for where, _ in done_in}
    assert {where for _, where in done_in} == {here}


def test_closing_cancels_what_waits_and_carries_out_what_is_kept(
    background: Background, qtbot: QtBot
) -> None:
    go = threading.Event()
    told: list[str] = []

    def blocked() -> None:
        go.wait(20)
        told.append("begun")

    for _ in range(background.threads):
        background.submit(blocked)
    background.submit(lambda: told.append("never"))
    background.submit(lambda: told.append("kept"), keep=True)
    threading.Timer(0.1, go.set).start()
    background.close()
    assert sorted(told) == ["begun", "begun", "kept"]
    assert not background.busy
    assert not [t for t in threading.enumerate() if t.name.startswith("background")]
    background.submit(lambda: "again", told.append)  # a window whose closing had to wait
    until(qtbot, lambda: told[-1] == "again")


def test_a_failure_is_told_where_the_work_was_asked_for(
    background: Background, qtbot: QtBot
) -> None:
    failures: list[BaseException] = []
    background.submit(lambda: 1 / 0, failed=failures.append)
    until(qtbot, lambda: failures)
    assert isinstance(failures[0], ZeroDivisionError)
