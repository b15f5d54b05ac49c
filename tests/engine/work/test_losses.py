"""The losses of a run that a project keeps: all of them, also of a run that was continued."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from engine.errors import BadInput
from engine.work.losses import MOST_POINTS, LossHistory, Point, from_bytes, to_bytes


def points(first: int, last: int, scale: float = 1.0) -> list[Point]:
    return [(n, {"content": scale / n, "total": 2 * scale / n}) for n in range(first, last + 1)]


def history(*added: list[Point]) -> LossHistory:
    made = LossHistory()
    for each in added:
        made.add(each)
    return made


def close(one: list[tuple[int, dict[str, float]]], other: list[Point]) -> bool:
    return [n for n, _ in one] == [n for n, _ in other] and all(
        a.keys() == b.keys() and all(np.isclose(a[name], b[name]) for name in a)
        for (_, a), (_, b) in zip(one, other, strict=True)
    )


def test_what_was_added_comes_back_from_a_file() -> None:
    first: list[Point] = [(1, {"content": 3.0}), (2, {"content": 2.0, "style": -1e-9})]
    later: list[Point] = [(3, {"style": math.inf, "total": 1e300})]
    made = history(first, later)
    made.marks = [(1, "20x16"), (3, "40x32")]
    back = from_bytes(to_bytes(made))
    assert close(back.points(), [*first, (3, {"style": math.inf, "total": math.inf})])
    assert back.marks == made.marks
    assert from_bytes(to_bytes(LossHistory())).points() == []


def test_a_run_that_goes_on_takes_the_place_of_what_was_beyond() -> None:
    made = history(points(1, 10))
    made.cut(6)
    assert len(made) == 6
    made.add(points(7, 9, scale=5.0))
    assert close(made.points(), points(1, 6) + points(7, 9, 5.0))
    made.add(points(4, 4, scale=7.0))
    assert close(made.points(), points(1, 3) + points(4, 4, 7.0))


def test_a_copy_does_not_grow_along() -> None:
    made = history(points(1, 3))
    copy = made.copy()
    made.add(points(4, 5))
    assert len(copy) == 3 and close(copy.points(), points(1, 3))


def test_a_file_keeps_every_third_point_of_a_long_run_and_the_last() -> None:
    long = history([(n, {"total": float(n)}) for n in range(1, 2 * MOST_POINTS + 6)])
    kept = from_bytes(to_bytes(long)).points()
    assert len(kept) <= MOST_POINTS
    assert kept[-1] == (2 * MOST_POINTS + 5, {"total": 2.0 * MOST_POINTS + 5})
    assert {after[0] - before[0] for before, after in pairwise(kept)} == {3}


def test_a_damaged_file_is_refused_or_read() -> None:
    whole = to_bytes(history(points(1, 5)))
    chance = random.Random(0)
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            from_bytes(bytes(data[: chance.choice((len(data), chance.randrange(len(data)))) or 1]))
        except BadInput as error:
            assert "damaged" in str(error)
    with pytest.raises(BadInput):
        from_bytes(b"")
