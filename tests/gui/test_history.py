"""Which moments of a run are kept, and how long it will still take."""

from itertools import pairwise

import pytest
from PySide6.QtGui import QImage

from engine.task import Stage
from gui.run import pace as pacing
from gui.run.history import History, Moment
from gui.run.pace import Pace, words


def image(side: int = 10) -> QImage:
    return QImage(side, side, QImage.Format.Format_RGB32)


def filled(history: History, iterations: int, side: int = 10) -> list[int]:
    for i in range(1, iterations + 1):
        if history.wants(i):
            history.add(Moment(i, iterations, "", image(side)))
    return [m.iteration for m in history.moments()]


def test_the_start_is_kept_densely_and_the_rest_evenly_by_proportion() -> None:
    kept = filled(History(1 << 30), 1000)
    assert kept[:12] == list(range(1, 13))
    assert 60 < len(kept) < 120
    steps = [b / a for a, b in pairwise(kept) if a > 50]
    assert max(steps) < 1.1


def test_the_budget_holds_and_first_and_newest_stay() -> None:
    history = History(20 * image().sizeInBytes())
    kept = filled(history, 5000)
    assert len(kept) <= 20
    assert kept[0] == 1
    assert kept[-1] >= 4500
    assert kept == sorted(kept)


def test_a_budget_too_small_for_anything_still_keeps_three() -> None:
    assert len(filled(History(1), 100)) == 3


def test_a_new_run_begins_with_nothing() -> None:
    history = History(1 << 20)
    filled(history, 10)
    history.clear()
    assert history.moments() == []
    assert history.wants(1)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pacing, "time", made)
    return made


def test_larger_scales_are_expected_to_take_longer(clock: Clock) -> None:
    pace = Pace()
    side = 64  # its pixels are exactly those that every iteration costs on top
    pace.plan([Stage((side, side), 10), Stage((2 * side, 2 * side), 10)])
    for i in range(1, 11):
        clock.now += 1.0
        pace.note(i)
    # 1 s for each of cost 2; the next ten cost 5 each: 25 s
    assert pace.seconds_left() == pytest.approx(25.0)
    assert pace.per_second() == pytest.approx(1.0)


def test_pauses_do_not_count(clock: Clock) -> None:
    pace = Pace()
    pace.plan([Stage((64, 64), 10)])
    clock.now += 2.0
    pace.note(2)
    pace.pause()
    clock.now += 1000.0
    pace.resume()
    clock.now += 2.0
    pace.note(4)
    assert pace.per_second() == pytest.approx(1.0)
    assert pace.seconds_left() == pytest.approx(6.0)


def test_nothing_is_foretold_before_the_first_iteration(clock: Clock) -> None:
    pace = Pace()
    assert pace.seconds_left() is None
    pace.plan([Stage((8, 8), 5)])
    assert pace.seconds_left() is None
    assert pace.per_second() is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (65, "1:05 min"), (7800, "2:10 h")],
)
def test_durations_are_told_as_people_do(seconds: float, text: str) -> None:
    assert words(seconds) == text
