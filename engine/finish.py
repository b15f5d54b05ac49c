"""Finishing a result: colours restored or removed, the photo blended in, sharpened, grain.

It is no part of the run, so it can be changed afterwards; a recipe holds it all the same.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine import settings
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
    blend: str = setting(
        "oklab", "Blend in", "The colour space in which photo and result are mixed. oklab: as the "
        "eye sees colours; rgb: as the file holds them.",
        choices=("oklab", "rgb"), group="Finish", live=True,
    )  # fmt: skip
    sharpen: float = setting(
        0.0, "Sharpen", "How much stronger edges become in lightness (unsharp mask); 0 leaves them "
        "alone.", low=0.0, high=3.0, step=0.1, group="Finish", live=True,
    )  # fmt: skip
    sharpen_radius: float = setting(
        0.2, "Sharpen radius", "How wide an edge is for Sharpen, in hundredths of the long side.",
        low=0.02, high=2.0, step=0.05, unit="%", log=True, group="Finish", live=True,
    )  # fmt: skip
    grain: float = setting(
        0.0, "Grain", "Grain as of film: how far it spreads lightness, which runs from 0 to 1; less "
        "in the dark and in the light. 0 is none.",
        low=0.0, high=0.2, step=0.005, group="Finish", live=True,
    )  # fmt: skip
    grain_size: float = setting(
        0.1, "Grain size", "How coarse the grain is, in hundredths of the long side.",
        low=0.02, high=1.0, step=0.02, unit="%", log=True, group="Finish", live=True,
    )  # fmt: skip
    grain_seed: int = setting(
        0, "Grain seed", "Same seed, same grain.", low=0, high=2**31 - 1, group="Finish", live=True,
    )  # fmt: skip


FIRST = ("recolour", "recolour_strength", "strength")
"""The original settings, from when the photo was blended in RGB."""


def read_finish(values: Mapping[str, Any]) -> Finish:
    """Return the finish in a recipe; one that names no blending space means RGB, as it was then.

    Raises `BadInput`, TypeError or AttributeError for anything but a finish.
    """
    finish = settings.make(Finish, values)
    if "blend" not in values and finish.strength < 1:
        return replace(finish, blend="rgb")
    return finish


def finish_values(finish: Finish) -> tuple[dict[str, Any], bool]:
    """Return the values for a recipe, and whether those of the first version, `FIRST`, suffice."""
    values = settings.values(finish)
    first = {name: values[name] for name in FIRST}
    return (first, True) if read_finish(first) == finish else (values, False)


def of_film_frame(finish: Finish, number: int) -> Finish:
    """Return how frame `number` of a film, from 1, is finished: with a grain of its own.

    One grain that stands still over moving pictures looks like dirt on the lens.
    """
    if not finish.grain:
        return finish
    digest = hashlib.sha256(f"{finish.grain_seed} {number}".encode()).digest()
    return replace(finish, grain_seed=int.from_bytes(digest[:4]) >> 1)


def grain_of(finish: Finish) -> Finish:
    """Return the grain alone."""
    names = ("grain", "grain_size", "grain_seed")
    return Finish(**{name: getattr(finish, name) for name in names})


class Finisher:
    """Finishes pictures made from one photo, which is resampled once for each size."""

    def __init__(self, photo: "Picture | None") -> None:
        """`photo` is None if the technique works on none."""
        self._photo = photo
        self._resized: Tensor | None = None
        self._seen: Tensor | None = None
        """The photo's opacities, which weight its colours; None: all count alike."""

    def __call__(self, picture: "Tensor", finish: Finish) -> "Tensor":
        """Return a picture (3, H, W) in [0, 1], on the CPU, finished.

        What needs the photo is left out if there is none, or if the picture has another shape (a
        sheet, a larger texture).
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
        if photo is not None and finish.strength < 1 and finish.blend == "rgb":
            result = torch.lerp(photo, result, finish.strength)
            photo = None
        return _retouched(result, photo, finish)[0].clamp(0, 1)

    def fits(self, height: int, width: int) -> bool:
        """Whether there is a photo, and a picture of this size has its shape."""
        from engine.parameterization.scales import fit

        if self._photo is None:
            return False
        wanted = fit((self._photo.height, self._photo.width), max(height, width))
        return max(abs(wanted[0] - height), abs(wanted[1] - width)) <= 1

    def _like(self, picture: "Tensor") -> "Tensor | None":
        """Return the photo (1, 3, H, W) at a picture's size; None if the shapes differ."""
        import torch

        height, width = picture.shape[-2:]
        photo = self._photo
        if photo is None or not self.fits(height, width):
            return None
        if self._resized is None or self._resized.shape != picture.shape:
            resized = photo.resized(size=(width, height))
            self._resized = resized.tensor()[None]
            if resized.alpha is not None and resized.see_through:
                self._seen = torch.tensor(resized.alpha)[None, None]
        return self._resized


def _retouched(result: "Tensor", photo: "Tensor | None", finish: Finish) -> "Tensor":
    """Return a picture (1, 3, H, W) after the steps done in OKLab; with none, its exact numbers.

    `photo`, of the same shape, is blended in.
    """
    import torch

    from engine.lightness import from_oklab, grained, sharpened, to_oklab

    if photo is not None and finish.strength == 0:
        result = photo
    blends = photo is not None and 0 < finish.strength < 1
    if not (blends or finish.sharpen or finish.grain):
        return result
    lab = to_oklab(result)
    if photo is not None and blends:
        lab = torch.lerp(to_oklab(photo), lab, finish.strength)
    hundredth = max(result.shape[-2:]) / 100
    if finish.sharpen:
        lab = sharpened(lab, finish.sharpen, finish.sharpen_radius * hundredth)
    if finish.grain:
        lab = grained(lab, finish.grain, finish.grain_size * hundredth, finish.grain_seed)
    return from_oklab(lab)


def as_made(picture: "Picture") -> "Tensor":
    """Return a result (3, H, W) as its run made it, even where it is wholly transparent.

    This is what is finished at the end of a run; `Picture.tensor` would fill transparent places
    from their surroundings, and the same picture finished later would have other bytes.
    """
    return replace(picture, alpha=None).tensor()
