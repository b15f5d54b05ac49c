"""What the network for any style is trained for, as relative errors that weigh alike at all layers.

Content and style as Huang, Belongie 2017 and Gatys et al. 2015 have them, on the network that ships;
the painting as a photo of its own style gives itself back (Park, Lee 2019, "Arbitrary Style Transfer
with Style-Attentional Networks"); differences between neighbours stay those of the photo (Wu et al.
2022, "CCPL: Contrastive Coherence Preserving Loss"); nothing leaves the range of colours.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.objectives.style import Statistics
from engine.stylization.adain import Moments

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_1"
COHERENT_LAYERS = ("relu2_1", "relu3_1", "relu4_1")
TEMPERATURE = 0.07
ANCHORS = 8
"""Places a picture at which neighbours are compared."""
NOISE, NOISY = 30 / 255, 0.015
"""How much pixels of a noisy photo are off, and which share of them."""
NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]


def features(judge: nn.Sequential, normalised: Tensor) -> dict[str, Tensor]:
    """Return the style layers' activations of normalised pictures; runs no deeper than needed."""
    found: dict[str, Tensor] = {}
    x = normalised
    for name, layer in judge.named_children():
        # Not in place: the way back needs what went in.
        x = torch.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
        if name in STYLE_LAYERS:
            found[name] = x
            if len(found) == len(STYLE_LAYERS):
                break
    return found


def statistics(found: Mapping[str, Tensor]) -> list[Statistics]:
    """Return each style layer's mean (N, C) and second raw moments (N, C, C)."""
    return [Statistics.of(found[name].float()) for name in STYLE_LAYERS]


def content_loss(own: Tensor, photo: Tensor) -> Tensor:
    """Return the mean squared difference of activations, each channel normalized over positions."""
    return F.mse_loss(Moments().normalize(own), Moments().normalize(photo))


def gram_loss(own: Sequence[Statistics], wanted: Sequence[Statistics]) -> Tensor:
    """Return the sum over layers of |G - A|² / |A|², large ones tempered, the mean over pictures."""
    total = own[0].mean.new_zeros(())
    for a, b in zip(own, wanted, strict=True):
        total = total + _relative(a.second.flatten(1), b.second.flatten(1))
    return total


def moment_loss(own: Sequence[Statistics], wanted: Sequence[Statistics]) -> Tensor:
    """Return the same of means and of standard deviations."""
    total = own[0].mean.new_zeros(())
    for a, b in zip(own, wanted, strict=True):
        total = total + _relative(a.mean, b.mean) + _relative(deviation(a), deviation(b))
    return total


def deviation(of: Statistics) -> Tensor:
    """Return the channels' standard deviations (N, C)."""
    variance = of.second.diagonal(dim1=1, dim2=2) - of.mean.square()
    return variance.clamp_min(1e-8).sqrt()


def _relative(own: Tensor, wanted: Tensor) -> Tensor:
    errors = (own - wanted).square().sum(1) / wanted.square().sum(1).clamp_min(1e-12)
    # A style of nearly one colour has errors in the tens, which would outweigh all others.
    return (2 * ((1 + errors).sqrt() - 1)).mean()


def identity_loss(
    made: Tensor, picture: Tensor, own: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> Tensor:
    """Return 50 times the squared error of pixels plus the mean relative one of activations."""
    terms = [
        F.mse_loss(own[name].float(), wanted[name].float())
        / wanted[name].float().square().mean().clamp_min(1e-12)
        for name in STYLE_LAYERS
    ]
    return 50 * F.mse_loss(made, picture) + torch.stack(terms).mean()


def coherence_loss(
    own: Mapping[str, Tensor], photo: Mapping[str, Tensor], generator: torch.Generator
) -> Tensor:
    """Return the cross-entropy of telling, by a neighbour's difference, which pair of places it is.

    The mean over layers and pictures; between 0 and log(8 · 8).
    """
    terms = []
    for name in COHERENT_LAYERS:
        height, width = own[name].shape[2:]
        y = torch.randint(1, height - 1, (ANCHORS,), generator=generator)
        x = torch.randint(1, width - 1, (ANCHORS,), generator=generator)
        pairs = [_differences(maps[name].float(), y, x) for maps in (own, photo)]
        likeness = pairs[0] @ pairs[1].mT / TEMPERATURE
        n, count, _ = likeness.shape
        right = torch.arange(count, device=likeness.device).expand(n, count)
        terms.append(F.cross_entropy(likeness.flatten(0, 1), right.flatten()))
    return torch.stack(terms).mean()


def _differences(maps: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Return (N, anchors · 8, C): anchor minus neighbour, of unit length."""
    anchors = maps[:, :, y, x]
    parts = [anchors - maps[:, :, y + dy, x + dx] for dy, dx in NEIGHBOURS]
    return F.normalize(torch.cat(parts, 2).mT, dim=2)


def speckled(photos: Tensor, generator: torch.Generator) -> Tensor:
    """Return photos in which some pixels are off, as in a noisy film, in [0, 1]."""
    n, colours, height, width = photos.shape
    off = torch.rand(n, 1, height, width, generator=generator) < NOISY
    signs = torch.randint(0, 2, (n, colours, height, width), generator=generator)
    noise: Tensor = off * (2 * signs - 1) * NOISE
    return (photos + noise.to(photos.device)).clamp(0, 1)


def range_loss(made: Tensor) -> Tensor:
    """Return the mean square by which pictures leave [0, 1]."""
    return F.relu((made - 0.5).abs() - 0.5).square().mean()
