"""Frames of a film painted one after the other, so that they do not flicker.

A network that paints each frame by itself reacts to noise in it: a standard deviation of 2 levels
of 255 moves its picture by 8. Three things hold that down: moments are running means over the
frames (Gupta et al. 2017, "Characterizing and Improving Stability in Neural Style Transfer", on
where the instability comes from), the last picture shows through where nothing has moved, and at a
cut all this is forgotten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.stylization.adain import Moments, RunningMoments
from engine.stylization.stylize import Painted

STILL = 4 / 255
"""A pixel that changes less than this has not moved."""
OWN_SHARE = 0.1
"""Share of a frame's own moments in the running ones, at full steadiness: a memory of ten frames."""
OLD_SHARE = 0.6
"""Share of the previous picture where nothing has moved, at full steadiness."""
CUT = 0.12
"""Mean change of a frame, seen very small, from which on it starts another scene."""
SEEN = (9, 16)
"""Height and width at which cuts are looked for: smaller movements vanish."""


@dataclass(frozen=True)
class Steadied:
    """A painted frame, and how still it is."""

    picture: Tensor
    """(1, 3, H, W), RGB in [0, 1]."""
    cut: bool
    """Whether it begins a scene."""
    flicker: float | None
    """Mean change from the previous picture, in 255ths, where the film itself has not changed; None
    at the start of a scene, or if everything moves."""


class SteadyPainter:
    """Paints frames in order; within a scene they all have one size."""

    def __init__(self, begin: Callable[[Tensor], Painted]) -> None:
        """Begin before the first frame.

        `begin` returns what paints a scene, given its first frame (1, 3, H, W) in [0, 1]; its
        manner says how steadily.
        """
        self._begin = begin
        self.painted: Painted | None = None
        """What paints the current scene."""
        self._moments: Sequence[Moments] = []
        self._frame: Tensor | None = None
        self._picture: Tensor | None = None

    @torch.no_grad()
    def paint(self, frame: Tensor) -> Steadied:
        """Return the next frame, (1, 3, H, W) RGB in [0, 1], painted."""
        before, picture = self._frame, self._picture
        cut = before is None or picture is None or is_cut(before, frame)
        if cut or self.painted is None:
            self.painted, self._moments = self._begin(frame), []
        steadiness = self.painted.manner.steadiness
        if steadiness > 0:
            share = 1 - (1 - OWN_SHARE) * steadiness
            old: Sequence[Moments | None] = self._moments or [None] * len(self.painted.brushes)
            self._moments = [RunningMoments(m.noted if m else None, share) for m in old]
        made = self.painted.frame(frame, self._moments or None)
        flicker = None
        if not cut and before is not None and picture is not None:
            still = stillness(before, frame)
            share = OLD_SHARE * steadiness
            if share > 0:
                made = self.painted.held(torch.lerp(made, picture, share * still), frame)
            where = (still > 0).expand_as(made)
            if bool(where.any()):
                flicker = float((made - picture).abs()[where].mean()) * 255
        self._frame, self._picture = frame, made
        return Steadied(made, cut, flicker)


def is_cut(before: Tensor, now: Tensor) -> bool:
    """Whether a frame (1, 3, H, W) in [0, 1] shows another scene than the previous one."""
    if before.shape != now.shape:
        return True
    small = (F.adaptive_avg_pool2d(frame.float(), SEEN) for frame in (before, now))
    one, other = small
    return float((one - other).abs().mean()) > CUT


def stillness(before: Tensor, now: Tensor) -> Tensor:
    """Return where nothing moves, (1, 1, H, W): 1 for no change at all, 0 from `STILL` on.

    Changes are measured in the mean of 3x3 pixels: a film's grain is not movement.
    """
    change = F.avg_pool2d(F.pad(now - before, (1, 1, 1, 1), "replicate"), 3, 1)
    change = change.abs().amax(1, keepdim=True)
    return (1 - change / STILL).clamp_(0, 1)
