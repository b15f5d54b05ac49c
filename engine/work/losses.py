"""The losses of a run from its beginning, which a project keeps so that its curves come back whole."""

import json
import math
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.errors import BadInput

Point = tuple[int, Mapping[str, float]]
"""An iteration, and its losses by name."""
MOST_POINTS, MOST_TERMS, MOST_MARKS = 100_000, 64, 1000
"""Limits of a file; of longer runs every second point is kept, or every third and so on."""
LARGEST = 32 * 2**20
"""Most bytes of such a file."""


class LossHistory:
    """Grows with a run; 4 bytes for each number."""

    def __init__(self) -> None:
        """Begin with no losses."""
        self.iterations = array("i")
        self.terms: dict[str, array[float]] = {}
        """As many values as iterations, NaN where there is none."""
        self.marks: list[tuple[int, str]] = []
        """Where a new scale begins, and what it is called."""

    def __len__(self) -> int:
        """Return how many iterations there are losses for."""
        return len(self.iterations)

    def add(self, points: Sequence[Point]) -> None:
        """Append the losses of some iterations, ascending, replacing all from the first of them on."""
        if not points:
            return
        self.cut(points[0][0] - 1)
        for iteration, losses in points:
            for name in losses.keys() - self.terms.keys():
                self.terms[name] = array("f", [math.nan]) * len(self.iterations)
            self.iterations.append(iteration)
            for name, values in self.terms.items():
                values.append(losses.get(name, math.nan))

    def cut(self, iteration: int) -> None:
        """Forget what came after an iteration."""
        count = bisect_right(self.iterations, iteration)
        if count < len(self.iterations):
            del self.iterations[count:]
            for values in self.terms.values():
                del values[count:]

    def copy(self) -> "LossHistory":
        """Return a copy of what there is now, which does not grow."""
        other = LossHistory()
        other.iterations, other.marks = self.iterations[:], list(self.marks)
        other.terms = {name: values[:] for name, values in self.terms.items()}
        return other

    def points(self) -> list[tuple[int, dict[str, float]]]:
        """Return all of it, as it was added."""
        names = list(self.terms)
        rows = zip(*self.terms.values(), strict=True) if names else ((),) * len(self)
        return [
            (iteration, {n: v for n, v in zip(names, row, strict=True) if not math.isnan(v)})
            for iteration, row in zip(self.iterations, rows, strict=True)
        ]


def to_bytes(history: LossHistory) -> bytes:
    """Return the losses as a file (safetensors): `iterations`, and `term.NAME` for each of them."""
    from safetensors.numpy import save

    step = max(1, math.ceil(len(history) / MOST_POINTS))
    # The last one is always among them.
    chosen = slice((len(history) - 1) % step if len(history) else 0, None, step)
    columns = {"iterations": np.array(history.iterations[chosen], np.int32)}
    names = list(history.terms)[:MOST_TERMS]
    columns |= {f"term.{n}": np.array(history.terms[n][chosen], np.float32) for n in names}
    said = {"terms": json.dumps(names), "marks": json.dumps(history.marks[:MOST_MARKS])}
    return bytes(save(columns, said))


def from_bytes(data: bytes) -> LossHistory:
    """Return the losses in a file. Raises `BadInput` for one that is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        return _history(load(data), json.loads(metadata["terms"]), json.loads(metadata["marks"]))
    except (
        SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
        RecursionError,
    ) as error:  # fmt: skip
        raise BadInput("the losses of this run are damaged: its curves cannot be shown") from error


def _history(columns: Mapping[str, Any], names: Any, marks: Any) -> LossHistory:
    history = LossHistory()
    iterations = columns["iterations"]
    if iterations.dtype != np.int32 or iterations.ndim != 1 or len(iterations) > MOST_POINTS:
        raise ValueError("no iterations")
    if len(iterations) and (iterations[0] < 1 or (np.diff(iterations) < 1).any()):
        raise ValueError("the iterations do not ascend")
    history.iterations.frombytes(iterations.tobytes())
    for name in names[:MOST_TERMS]:
        values = columns[f"term.{name}"]
        if values.dtype != np.float32 or values.shape != iterations.shape:
            raise ValueError(f"no values of {name}")
        history.terms[str(name)] = array("f")
        history.terms[str(name)].frombytes(values.tobytes())
    history.marks = [(int(iteration), str(text)) for iteration, text in marks[:MOST_MARKS]]
    return history
