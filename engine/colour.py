"""Keeping the content's colours: luminance-only transfer and matching of colour distributions.

Gatys, Bethge, Hertzmann, Shechtman 2016 ("Preserving Color in Neural Artistic Style Transfer").
Pictures are (N, 3, H, W) in [0, 1]; results are clamped to it.
"""

import torch
from torch import Tensor

from engine.errors import Mention, Message

LUMA = (0.299, 0.587, 0.114)
"""BT.601 weights of R, G, B."""
_RIDGE = 1e-5
GRAY_NOTE = Message(
    "Photo and style are grey, but the result may have colours: ",
    Mention("recolour", value="gray"), " removes them.",
)  # fmt: skip
"""The note on a result that is not recoloured."""
GRAY_TOLERANCE = 1.5 / 255
"""The most that the channels of a grey picture differ by: colour profiles round."""


def luminance(picture: Tensor) -> Tensor:
    """Return the luma Y (N, 1, H, W) of RGB pictures."""
    weights = picture.new_tensor(LUMA).view(1, 3, 1, 1)
    return (picture * weights).sum(1, keepdim=True)


def gray(picture: Tensor) -> Tensor:
    """Return the luma in all three channels."""
    return luminance(picture).expand(-1, 3, -1, -1).contiguous()


def is_gray(picture: Tensor) -> bool:
    """Return whether no pixel of pictures (N, 3, H, W) has a colour that 8 bits could show."""
    return bool((picture.amax(1) - picture.amin(1)).max() <= GRAY_TOLERANCE)


def matched_luminance(
    style: Tensor, content: Tensor, seen: Tensor | None = None, content_seen: Tensor | None = None
) -> Tensor:
    """Return the style's luma, in three channels, with the content's mean and standard deviation.

    `seen` and `content_seen` weigh the pixels, as in `match_colours`.
    """
    y, target = luminance(style), luminance(content)
    mean, deviation = mean_and_deviation(y, seen)
    target_mean, target_deviation = mean_and_deviation(target, content_seen)
    matched = (y - mean) / deviation.clamp_min(1e-6) * target_deviation + target_mean
    return matched.expand(-1, 3, -1, -1).contiguous()


def mean_and_deviation(x: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of all numbers in x (N, C, H, W), weighted by `seen`."""
    if seen is None:
        return x.mean(), x.std()
    weights = seen.to(x) / seen.mean()
    mean = (x * weights).mean()
    return mean, ((x - mean).square() * weights).mean().sqrt()


def with_luminance_of(picture: Tensor, content: Tensor, strength: float = 1.0) -> Tensor:
    """Return the luma of `picture` with the colours (I, Q) of `content`, mixed in by `strength`.

    As RGB this is the content shifted along grey by the difference of luma: the two colour
    coordinates of YIQ do not change under such a shift.
    """
    recoloured = content + (luminance(picture) - luminance(content))
    return torch.lerp(picture, recoloured, strength).clamp(0, 1)


def match_colours(
    picture: Tensor,
    target: Tensor,
    strength: float = 1.0,
    seen: Tensor | None = None,
    target_seen: Tensor | None = None,
) -> Tensor:
    """Return `picture` with the mean and covariance of `target`'s colours, mixed in by `strength`.

    `seen` and `target_seen`, (1, 1, H, W), weigh the pixels of the two: how visible they are. Where
    the target is grey, so is what is mixed in.

    Of all linear maps that do so this is the symmetric one, which moves colours least (optimal
    transport between Gaussians): Σp^-½ (Σp^½ Σt Σp^½)^½ Σp^-½.
    """
    # Statistics in float64, on the CPU: MPS has none.
    mean, covariance = _statistics(picture, seen)
    target_mean, target_covariance = _statistics(target, target_seen)
    root = _power(covariance, 0.5)
    inverse = _power(covariance, -0.5)
    transport = inverse @ _power(root @ target_covariance @ root, 0.5) @ inverse
    n, _, height, width = picture.shape
    colours = _colours(picture) - mean
    moved = (transport @ colours + target_mean).reshape(3, n, height, width).permute(1, 0, 2, 3)
    if is_gray(target):  # the ridge has left a speck of colour
        moved = gray(moved)
    return torch.lerp(picture, moved.to(picture), strength).clamp(0, 1)


def _colours(picture: Tensor) -> Tensor:
    return picture.cpu().double().permute(1, 0, 2, 3).reshape(3, -1)


def _statistics(picture: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    colours = _colours(picture)
    ridge = _RIDGE * torch.eye(3, dtype=torch.float64)
    if seen is None:
        mean = colours.mean(1, keepdim=True)
        centred = colours - mean
        return mean, centred @ centred.T / colours.shape[1] + ridge
    shares = seen.cpu().double().expand(len(picture), -1, -1, -1).flatten()
    shares = shares / shares.sum()
    mean = (colours * shares).sum(1, keepdim=True)
    centred = colours - mean
    return mean, (centred * shares) @ centred.T + ridge


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(1e-12).pow(exponent)) @ vectors.T
