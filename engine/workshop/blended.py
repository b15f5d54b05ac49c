"""Handwritten digits, and the same blended with pieces of photos: two domains with one task.

The blend, |digit - piece|, is that of MNIST-M (Y. Ganin et al., "Domain-Adversarial Training of
Neural Networks", JMLR 2016): the digit's strokes are where the piece's colours are inverted.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

SIDE = 16
"""Of a picture, in pixels."""
PHOTOS = Path(__file__).resolve().parents[2] / "resources" / "pictures"
SHIPPED = ("cat.jpg", "mosaic.jpg", "brush_strokes.jpg")


@cache
def photos() -> tuple[Tensor, ...]:
    """Return the pictures that come with the program, each (3, H, W), float32 in [0, 1]."""
    found = []
    for name in SHIPPED:
        with Image.open(PHOTOS / name) as opened:
            pixels = np.asarray(opened.convert("RGB"), np.float32) / np.float32(255)
        found.append(torch.from_numpy(pixels).permute(2, 0, 1).contiguous())
    return tuple(found)


def pieces(count: int, generator: torch.Generator) -> Tensor:
    """Cut pieces (count, 3, 16, 16) at random places out of random photos, float32 on the CPU."""
    kept = photos()
    chosen = torch.randint(len(kept), (count,), generator=generator).tolist()
    places = torch.rand(count, 2, generator=generator)
    found = []
    for which, place in zip(chosen, places.tolist(), strict=True):
        photo = kept[which]
        top, left = (int(p * (n - SIDE + 1)) for p, n in zip(place, photo.shape[1:], strict=True))
        found.append(photo[:, top : top + SIDE, left : left + SIDE])
    return torch.stack(found)


def enlarged(digits: Tensor) -> Tensor:
    """Return digits (N, 64) of 8 x 8 pixels as pictures (N, 3, 16, 16)."""
    small = digits.view(-1, 1, 8, 8)
    large = F.interpolate(small, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return large.expand(-1, 3, -1, -1).contiguous()


def blended(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Return |picture - piece| for pictures (N, 3, 16, 16) and a random piece of a photo for each."""
    return (pictures - pieces(len(pictures), generator).to(pictures)).abs()
