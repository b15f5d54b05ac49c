"""Maps of one number per pixel: their colours, their scale and the words about both."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.attribution.registry import Method
from engine.colour_map import Bytes, colourised, display_range
from engine.networks.classes import percent

if TYPE_CHECKING:
    from torch import Tensor


def caption(title: str, layer: str, target: str, answer: str, scale: str) -> str:
    """Return one line that says what a map shows and what its colours stand for.

    Args:
        title: of the method.
        layer: the one that it looks at; empty if there is none, or no choice.
        target: the class or the unit.
        answer: the target's probability or activation.
        scale: as `Heat.scale`.
    """
    at = f" at {layer}" if layer else ""
    return f"{title}{at} of {target} ({answer}): {scale}"


@dataclass(frozen=True)
class LegendLine:
    """The meaning of one colour of a map."""

    name: str
    colour: tuple[int, int, int]
    colour_name: str
    share: float
    """The colour's place on the scale, from 0 to 1."""

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.name} {percent(self.share)}"


@dataclass(frozen=True)
class Heat:
    """A map of one number per pixel, ready to be given colours and a scale."""

    method: Method
    values: npt.NDArray[np.float32]
    """(H, W), raw."""

    @classmethod
    def of(cls, method: Method, values: "Tensor") -> "Heat":
        """Reduce raw values over colours: to their sum if signs count, else to the largest magnitude."""
        if values.ndim == 3:
            values = values.sum(0) if method.signed else values.abs().amax(0)
        return cls(method, values.numpy())

    @property
    def title(self) -> str:
        """The title that people see."""
        return self.method.title

    def value_at(self, at: tuple[float, float]) -> float:
        """Return the value at x and y, given as fractions of the picture's width and height."""
        height, width = self.values.shape
        return float(self.values[cell_on(height, 1, at[1]), cell_on(width, 1, at[0])])

    def said(self, value: float) -> str:
        """Return one of the values in words; empty if there is nothing to say."""
        return f"{self.title} {value:.4g}".replace(" -", " \N{MINUS SIGN}")

    @property
    def key(self) -> str:
        """What its colours mean, if that needs words; else empty."""
        return self.method.key

    @property
    def legend(self) -> tuple[LegendLine, ...]:
        """What each colour stands for, if the colours are not a scale; otherwise nothing."""
        return ()

    @property
    def reach(self) -> float:
        """What the strongest colour should stand for; outliers of pixel maps are cut off."""
        if self.method.coarse:
            return float(self.values.max(initial=0.0))
        return max(abs(limit) for limit in display_range(self.values))

    @property
    def largest(self) -> float:
        """The largest magnitude of all values, outliers included."""
        return float(np.abs(self.values).max(initial=0.0))

    def scale(self, reach: float | None = None) -> str:
        """Return what the colours stand for, in numbers, and the largest value.

        `reach`: what the strongest colour stands for, by default the map's own.
        """
        limit = f"{self.reach if reach is None else reach:.3g}"
        least = f"-{limit}" if self.method.signed else "0"
        return f"{least} to {limit}, maximum {self.largest:.3g}"

    def coloured(self, colours: str, reach: float | None = None) -> Bytes:
        """Return (H, W, 3) bytes: signed maps around white, the others in `colours` from 0 up.

        `reach`: what the strongest colour stands for, by default the map's own.
        """
        limit = max(self.reach if reach is None else reach, 1e-12)
        if self.method.signed:
            return colourised(self.values, "signed", -limit, limit)
        return colourised(self.values, colours, 0.0, limit)

    def beyond(self, threshold: float, reach: float | None = None) -> npt.NDArray[np.bool_]:
        """Return (H, W): where a value's magnitude is at least `threshold` (0 to 1) times the reach."""
        sizes = np.abs(self.values) if self.method.signed else self.values
        return sizes >= threshold * (self.reach if reach is None else reach)

    def seen(self, threshold: float) -> npt.NDArray[np.bool_] | None:
        """Return (H, W): what is shown at that threshold; None for all of it."""
        return self.beyond(threshold) if threshold > 0 else None


def cell_on(count: int, length: float, at: float) -> int:
    """Return which of `count` equal cells along `length` pixels `at` lies in."""
    return min(max(math.floor(at / length * count), 0), count - 1)


def around_gray(values: "Tensor", reach: float | None = None) -> "Tensor":
    """Return raw values (3, H, W) as a picture in [0, 1]: in their own colours, zero at 0.5.

    `reach`: what 0 and 1 stand for, by default the map's own.
    """
    limit = max(colour_reach(values) if reach is None else reach, 1e-12)
    return (values / (2 * limit) + 0.5).clamp(0, 1)


def scale_around_gray(values: "Tensor", reach: float | None = None) -> str:
    """Return what the colours of `around_gray` stand for, as `Heat.scale` does."""
    limit = f"{colour_reach(values) if reach is None else reach:.3g}"
    return f"-{limit} to {limit}, maximum {float(values.abs().max()):.3g}"


def colour_reach(values: "Tensor") -> float:
    """Return what the strongest colour of raw values (3, H, W) should stand for."""
    return display_range(values.abs().numpy())[1]
