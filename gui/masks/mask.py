"""A mask: grey pixels, white inside; and the rectangles of it that change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.image import Picture
from engine.regions import mask_values

Bytes = npt.NDArray[np.uint8]
LONGEST, SHORTEST = 2048, 1024
"""Bounds of a mask's long side in pixels: finer edges than those of the largest are not seen, and a
small photo is painted on at more than its own size, as its result may be larger."""


@dataclass(frozen=True)
class Rect:
    """Pixels from left and top up to, and without, right and bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top

    @property
    def rows(self) -> slice:
        """Of an array."""
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        """Of an array."""
        return slice(self.left, self.right)

    def within(self, shape: tuple[int, ...]) -> "Rect | None":
        """Return the part in an array of this shape (height, width); None: there is none."""
        height, width = shape[:2]
        cut = Rect(
            max(self.left, 0), max(self.top, 0), min(self.right, width), min(self.bottom, height)
        )
        return cut if cut.width > 0 and cut.height > 0 else None


def bounds(rects: Sequence[Rect]) -> Rect | None:
    """Return the smallest rectangle around all of them; None of none."""
    if not rects:
        return None
    return Rect(
        min(r.left for r in rects), min(r.top for r in rects),
        max(r.right for r in rects), max(r.bottom for r in rects),
    )  # fmt: skip


def divided(products: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return products of two bytes, or sums of them up to 255², divided by 255 and rounded; in place.

    It is exact, and much faster than a division (Blinn 1995, "Three Wrongs Make a Right").
    """
    products += 128
    products += products >> 8
    products >>= 8
    return products


def size_for(width: int, height: int) -> tuple[int, int]:
    """Return the width and height of a mask for a photo of this size: of its shape."""
    long_side = max(width, height)
    scale = min(max(long_side, SHORTEST), LONGEST) / long_side
    return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(eq=False)
class Mask:
    """Pixels that can be changed."""

    pixels: Bytes
    """(H, W): 255 inside, 0 outside."""

    @classmethod
    def blank(cls, width: int, height: int) -> "Mask":
        """Return a mask with nothing inside."""
        return cls(np.zeros((height, width), np.uint8))

    @property
    def all_of_it(self) -> Rect:
        """The whole mask."""
        return Rect(0, 0, self.pixels.shape[1], self.pixels.shape[0])

    def fill(self, value: int = 255) -> None:
        """Put everything inside; 0: nothing."""
        self.pixels[:] = value

    def invert(self) -> None:
        """Exchange inside and outside."""
        np.subtract(255, self.pixels, out=self.pixels)

    def feather(self, sigma: float) -> None:
        """Soften the border: a Gaussian of `sigma` pixels; beyond the mask, its rim goes on."""
        import cv2

        if sigma > 0:
            border = cv2.BORDER_REPLICATE
            cv2.GaussianBlur(self.pixels, (0, 0), sigma, dst=self.pixels, borderType=border)

    def resized(self, width: int, height: int) -> "Mask":
        """Return the mask stretched to another size."""
        import cv2

        if self.pixels.shape == (height, width):
            return Mask(self.pixels.copy())
        smaller = width * height < self.pixels.size
        method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return Mask(np.asarray(cv2.resize(self.pixels, (width, height), interpolation=method)))


def of_picture(picture: Picture) -> Mask:
    """Return a picture as the mask that a run takes it for: its brightness, or a layer's opacity."""
    return of_values(mask_values(picture))


def of_alpha(picture: Picture) -> Mask:
    """Return a picture's opacity as a mask."""
    if picture.alpha is None:
        return Mask(np.full(picture.rgb.shape[:2], 255, np.uint8))
    return of_values(picture.alpha)


def of_values(values: npt.NDArray[np.floating]) -> Mask:
    """Return (H, W) values in [0, 1] as a mask."""
    return Mask(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))
