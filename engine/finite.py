"""Ends a run whose numbers are no longer finite, before they spoil the picture."""

import math

from engine.errors import Diverged, Mention


def finite(numbers: dict[str, float], iteration: int) -> dict[str, float]:
    """Return `numbers` if all are finite; called before the picture is touched.

    Raises `Diverged` otherwise: the frame before is then still right.
    """
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise Diverged(
                f"the {name} became {value} at iteration {iteration}; the picture before it is kept. "
                "A smaller learning rate or weight, or ",
                Mention("precision", value="fp32"),
                ", would help",
            )
    return numbers
