"""Handwritten digits of 8 x 8 pixels.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
1998 (CC BY 4.0), as they come with scikit-learn.
"""

import torch
from torch import Tensor

SIDE = 8
"""Of a picture, in pixels."""
ENOUGH = 0.01
"""A digit is found if this share of the samples looks like one of its pictures."""


def load_digits() -> tuple[Tensor, Tensor]:
    """Return 1,797 pictures (N, 64), float32 in [0, 1], white on black, and their digits (N,)."""
    from sklearn import datasets  # type: ignore[import-untyped]

    found = datasets.load_digits()
    pictures = torch.from_numpy(found.data.copy()).float() / 16
    return pictures, torch.from_numpy(found.target.copy()).long()


def usual_distance(pictures: Tensor) -> float:
    """Return the distance within which 95 % of the pictures (N, 64) have their nearest other one."""
    distances = torch.cdist(pictures, pictures).fill_diagonal_(torch.inf)
    return float(distances.amin(1).quantile(0.95))


def digits_found(
    samples: Tensor, pictures: Tensor, digits: Tensor, distance: float
) -> tuple[int, float]:
    """Return how many of the ten digits are among the samples, and which share of them is legible.

    A sample is legible, and is the digit of its nearest picture, if that is within `distance`.

    Args:
        samples: (N, 64).
        pictures: all data (M, 64).
        digits: what the data are (M,).
        distance: such as `usual_distance(pictures)`.
    """
    distances, nearest = torch.cdist(samples, pictures).min(1)
    legible = distances <= distance
    counts = digits[nearest[legible]].bincount(minlength=10)
    return int((counts >= ENOUGH * len(samples)).sum()), float(legible.float().mean())
