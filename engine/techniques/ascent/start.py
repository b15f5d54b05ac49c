"""What an ascent starts from: a setting for techniques that take a `start` picture."""

from dataclasses import dataclass, replace
from typing import Self

from engine.settings import setting
from engine.techniques.ascent.settings import Ascent

STARTS = ("noise", "zeros", "gray", "mean", "picture")


@dataclass(frozen=True)
class Start(Ascent):
    """An ascent with a choice of the first picture."""

    start: str = setting(
        "noise", "Start", "noise: random, in the parameterization; zeros: all its numbers 0 "
        "(pixels: the mean colour; fourier and pyramid: grey); gray; mean: the mean colour of the "
        "training pictures; picture: the middle square of the start picture. Phases need noise or "
        "a picture.",
        choices=STARTS, group="Run",
    )  # fmt: skip

    @property
    def needs_start(self) -> bool:
        """Whether it begins with a picture."""
        return self.start == "picture"

    def begun_with_picture(self) -> Self:
        """Return the same, starting from the start picture."""
        return replace(self, start="picture")
