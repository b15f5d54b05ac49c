"""Finishing a result: colours restored or removed, the photo blended in.

It takes no part in the run, so that it can be changed afterwards; a recipe holds it all the same.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.settings import setting

if TYPE_CHECKING:
    from torch import Tensor

    from engine.image import Picture


@dataclass(frozen=True)
class Finish:
    """How a result is finished."""

    recolour: str = setting(
        "none", "Recolour", "none: unchanged; luminance: the photo's colours with the result's "
        "light and dark; match: the photo's mean colour and spread; gray: no colour.",
        choices=("none", "luminance", "match", "gray"), group="Finish", live=True,
    )  # fmt: skip
    recolour_strength: float = setting(
        1.0, "Recolour strength", "How strongly the colours are changed.",
        low=0.0, high=1.0, step=0.05, group="Finish", live=True,
    )  # fmt: skip
    strength: float = setting(
        1.0, "Strength", "How much of the result to show; 0 is the photo.",
        low=0.0, high=1.0, step=0.05, group="Finish", live=True,
    )  # fmt: skip


class Finisher:
    """Finishes pictures made from one photo, which is resampled once for each size."""

    def __init__(self, photo: "Picture | None") -> None:
        """`photo` is None where a technique works on none."""
        self._photo = photo
        self._resized: Tensor | None = None
        self._seen: Tensor | None = None
        """Its opacities, by which colours count; None: all count alike."""

    def __call__(self, picture: "Tensor", finish: Finish) -> "Tensor":
        """Return a picture (3, H, W) in [0, 1], on the CPU, finished.

        What takes the photo is left out where there is none, or where the picture has another
        shape: a sheet, or more of a texture.
        """
        import torch

        from engine import colour

        if finish == Finish():
            return picture
        result = picture.clamp(0, 1)[None]
        photo = self._like(result)
        strength = finish.recolour_strength
        if finish.recolour == "gray":
            result = torch.lerp(result, colour.gray(result), strength)
        elif photo is not None and finish.recolour == "luminance":
            result = colour.with_luminance_of(result, photo, strength)
        elif photo is not None and finish.recolour == "match":
            result = colour.match_colours(result, photo, strength, self._seen, self._seen)
        if photo is not None and finish.strength < 1:
            result = torch.lerp(photo, result, finish.strength)
        return result[0].clamp(0, 1)

    def _like(self, picture: "Tensor") -> "Tensor | None":
        """Return the photo (1, 3, H, W) at a picture's size; None where the shapes differ."""
        import torch

        from engine.parameterization.scales import fit

        height, width = picture.shape[-2:]
        photo = self._photo
        if photo is None:
            return None
        wanted = fit((photo.height, photo.width), max(height, width))
        if max(abs(wanted[0] - height), abs(wanted[1] - width)) > 1:
            return None
        if self._resized is None or self._resized.shape != picture.shape:
            resized = photo.resized(size=(width, height))
            self._resized = resized.tensor()[None]
            if resized.alpha is not None and resized.see_through:
                self._seen = torch.tensor(resized.alpha)[None, None]
        return self._resized


def as_made(picture: "Picture") -> "Tensor":
    """Return a result (3, H, W) as its run has made it, also where nothing of it is seen.

    That is what is finished at the end of a run; `Picture.tensor` would put what is around there,
    and the same picture finished later would have other bytes.
    """
    return replace(picture, alpha=None).tensor()
