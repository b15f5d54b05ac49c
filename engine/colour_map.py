"""Colour maps: numbers into colours for people.

Sequential maps are interpolated between a few points, and so match the published ones (viridis and
its siblings: Smith and van der Walt 2015, CC0; cividis: Nuñez, Anderton, Renslow 2018) to within
2/255. `signed` is a diverging map for values around zero: blue, white, red.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.colour_names import COLOUR_MAPS, POINTS

if TYPE_CHECKING:
    from torch import Tensor

Bytes = npt.NDArray[np.uint8]


def colour_map(name: str) -> Bytes:
    """Return the 256 colours (256, 3), lowest first, of one of `COLOUR_MAPS`.

    Raises `ValueError` for any other name.
    """
    if name not in POINTS:
        raise ValueError(f"no colour map is called {name!r}; there are {', '.join(COLOUR_MAPS)}")
    return _table(name).copy()


@cache
def _table(name: str) -> Bytes:
    points = np.array([list(bytes.fromhex(point)) for point in POINTS[name].split()])
    at, colours = points[:, 0], points[:, 1:]
    channels = [np.interp(np.arange(256), at, channel) for channel in colours.T]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def colourised(
    values: "npt.NDArray[np.floating] | Tensor",
    name: str,
    low: float | None = None,
    high: float | None = None,
) -> Bytes:
    """Return numbers (H, W) as colours (H, W, 3).

    Args:
        values: any float array or tensor. NaN gets the lowest colour (`signed`: white), infinities
            those of the ends.
        name: one of `COLOUR_MAPS`.
        low: what gets the lowest colour; by default the least value, and -`high` for `signed`.
        high: what gets the highest; by default the greatest value, and for `signed` the greatest
            magnitude, so that zero is white.

    Raises:
        ValueError: another shape or name, or limits that are not finite or the wrong way round.
    """
    table = _table(name) if name in POINTS else colour_map(name)
    numbers = _array(values)
    if numbers.ndim != 2:
        raise ValueError(f"values must be (H, W), not {numbers.shape}")
    low, high = _limits(numbers, name == "signed", low, high)
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ValueError(f"the limits must be two numbers, the lower first, not {low} and {high}")
    nothing = 0.5 if name == "signed" else 0.0
    if low < high:
        position = (np.clip(numbers, low, high) - low) / (high - low)
    else:  # only what is beyond the limits differs
        position = np.clip(nothing + np.sign(numbers - low), 0, 1)
    return table[np.rint(np.where(np.isnan(position), nothing, position) * 255).astype(np.uint8)]


def display_range(
    values: "npt.NDArray[np.floating] | Tensor", percentile: float = 99.5
) -> tuple[float, float]:
    """Return limits for `colourised` that a few outliers do not stretch.

    They go from 0 to the percentile of the values or, if some are negative, equally far to both
    sides of 0, to the percentile of the magnitudes. If the percentile is 0, the greatest value
    takes its place. They are (0, 0) if there are only zeros and numbers that are not finite.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be above 0 and at most 100, not {percentile}")
    numbers = _array(values)
    numbers = numbers[np.isfinite(numbers)]
    sizes = np.abs(numbers)
    if not sizes.any():
        return 0.0, 0.0
    high = float(np.percentile(sizes, percentile)) or float(sizes.max())
    return (-high if numbers.min() < 0 else 0.0), high


def _limits(
    numbers: npt.NDArray[np.float64], signed: bool, low: float | None, high: float | None
) -> tuple[float, float]:
    """Return the limits with those that are missing taken from the finite numbers."""
    if low is not None and high is not None:
        return low, high
    finite = numbers[np.isfinite(numbers)]
    if signed:
        given = low if high is None else -high
        size = np.abs(finite).max(initial=0.0) if given is None else -given
        return -float(size), float(size)
    # A given limit stands, even if all values are beyond it.
    least = float(finite.min()) if finite.size else 0.0
    greatest = float(finite.max()) if finite.size else 0.0
    if low is None:
        return (least, greatest) if high is None else (min(least, high), high)
    return low, max(low, greatest)


def _array(values: "npt.NDArray[np.floating] | Tensor") -> npt.NDArray[np.float64]:
    if not isinstance(values, np.ndarray):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)
