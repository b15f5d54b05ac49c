"""One network for any painting: adaptive instance normalization at every depth of a small decoder.

An encoder that is never trained (the first layers of SlimVGG) sees photo and painting. Of the
painting, only the moments of four layers are kept, as its code; styles mix as their raw moments do.
The decoder works back from the photo's deepest layer and, at each depth, adopts the painting's
moments of the layer at that depth, adjusted by what a small perceptron reads from the code (Huang,
Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization";
Dumoulin, Shlens, Kudlur 2017, "A Learned Representation for Artistic Style"; Ghiasi et al. 2017).
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.networks.architectures.slim_vgg import slim_vgg
from engine.networks.card import IMAGENET
from engine.stylization.adain import Moments, mean_and_variance
from engine.stylization.framing import framed, unframed
from engine.stylization.giving_up import check_wanted
from engine.stylization.network import StyleKind, StyleNetwork
from engine.stylization.regions import spread

LEVELS = {"relu1_1": 32, "relu2_1": 64, "relu3_1": 128, "relu4_1": 256}
"""The encoder's layers whose moments are a style, with their channels."""
DECODED = 2
"""The first of the levels whose activations are decoded; of earlier ones only moments are needed."""
CODE = 2 * sum(LEVELS.values())
"""How many numbers a style has: the channels' means, then the means of their squares."""
HIDDEN = 128
MULTIPLE = 8
"""What a picture's sides are rounded up to a multiple of, in pixels."""
PADDING: Final = "replicate"
"""The padding of all convolutions of a photo: zeros paint a frame around the picture, 50 pixels
wide, and a border that would hide it costs a third more. A painting's moments are taken with zeros,
as in the network's training."""

# Normalized layers in order: name, channels, the level whose moments its scale and shift begin with.
# A residual branch begins switched off: its last scale is 0.
NORMS: tuple[tuple[str, int, int | None], ...] = (
    ("conv4", 128, 2),
    ("res1_1", 128, None), ("res1_2", 128, None),
    ("res2_1", 128, None), ("res2_2", 128, None),
    ("conv3", 64, 1), ("conv2_1", 64, 1), ("conv2_2", 32, 0), ("conv1", 32, 0),
)  # fmt: skip
AFFINE = 2 * sum(width for _, width, _ in NORMS)


class AnyStyle(StyleNetwork):
    """A network that paints in the style of any picture; see the module."""

    kind = StyleKind.ANY

    def __init__(self) -> None:
        """Build it with an untrained decoder; the encoder's weights are loaded like all others."""
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for name, layer in slim_vgg().named_children():
            layers[name] = layer
            if name == "relu4_1":
                break
        self.encoder = nn.Sequential(layers).requires_grad_(False)
        self.conv4 = _conv(256, 128)
        self.detail = nn.Conv2d(128, 128, 1, bias=False)
        self.res1_1, self.res1_2 = _conv(128, 128), _conv(128, 128)
        self.res2_1, self.res2_2 = _conv(128, 128), _conv(128, 128)
        self.conv3 = _conv(128, 64)
        self.conv2_1, self.conv2_2 = _conv(64, 64), _conv(64, 32)
        self.conv1 = _conv(32, 32)
        self.out = nn.Conv2d(32, 3, 3, padding=1, padding_mode=PADDING)
        self.hidden, self.affine = nn.Linear(CODE, HIDDEN), nn.Linear(HIDDEN, AFFINE)
        for zero in (self.detail.weight, self.affine.weight, self.affine.bias):
            nn.init.zeros_(zero)
        self.register_buffer("code_mean", torch.zeros(CODE))
        self.register_buffer("code_scale", torch.ones(CODE))
        self.register_buffer("mean", torch.tensor(IMAGENET.mean).view(1, 3, 1, 1), False)
        self.register_buffer("std", torch.tensor(IMAGENET.std).view(1, 3, 1, 1), False)
        self.code_mean: Tensor
        self.code_scale: Tensor
        self.mean: Tensor
        self.std: Tensor

    def in_precision(self, dtype: torch.dtype) -> "AnyStyle":
        """Compute in `dtype` from now on, except for the few numbers read from a style, in float32."""
        for name, part in self.named_children():
            if name not in ("hidden", "affine"):
                part.to(dtype)
        return self

    # -- styles ---------------------------------------------------------------------------

    def levels(self, picture: Tensor, padding: str = PADDING) -> list[Tensor]:
        """Return the encoder's four layers of RGB pictures (N, 3, H, W) in [0, 1].

        `padding` is that of its convolutions: "zeros" or "replicate".
        """
        return list(self._climbed(picture, padding))

    def _climbed(self, picture: Tensor, padding: str = PADDING) -> Iterator[Tensor]:
        """Yield the four layers as soon as they are known: the first ones are the largest."""
        x = (picture - self.mean.to(picture)) / self.std.to(picture)
        x = x.to(self.out.weight.dtype, memory_format=torch.channels_last)
        for name, layer in self.encoder.named_children():
            check_wanted()
            if isinstance(layer, nn.Conv2d) and padding != "zeros":
                x = F.conv2d(F.pad(x, (1, 1, 1, 1), padding), layer.weight, layer.bias)
            else:
                x = layer(x)
            if name in LEVELS:
                yield x

    @torch.no_grad()
    def encode(self, painting: Tensor) -> Tensor:
        """Return the code (1, CODE) of a painting (1, 3, h, w) RGB in [0, 1], in float32."""
        levels = self.levels(framed(painting, 0, MULTIPLE), "zeros")
        return code_of([mean_and_variance(level) for level in levels])

    def code_of(self, moments: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the codes of pictures by mean and variance (N, C, 1, 1) of their four levels."""
        return code_of(moments)

    def affines(self, code: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each normalized layer's gamma and beta, (N, C) each, for codes (N, CODE)."""
        means, deviations = split_code(code)
        features = torch.cat([*means, *(d.log() for d in deviations)], 1)
        features = (features - self.code_mean.float()) / self.code_scale.float()
        hidden = torch.relu(self.hidden(features.to(self.hidden.weight.dtype)))
        parts = self.affine(hidden).float().split([w for _, w, _ in NORMS for _ in range(2)], 1)
        found = []
        for i, (name, _, level) in enumerate(NORMS):
            gamma, beta = parts[2 * i], parts[2 * i + 1]
            if level is not None:
                found.append((deviations[level] * (1 + gamma), means[level] + beta))
            else:
                found.append((gamma if name.endswith("_2") else 1 + gamma, beta))
        return found

    # -- painting -------------------------------------------------------------------------

    def forward(
        self,
        photo: Tensor,
        code: Tensor,
        strength: float = 1.0,
        detail: float = 1.0,
        moments: Moments | None = None,
        shares: Tensor | None = None,
    ) -> Tensor:
        """Return photos (N, 3, H, W) of any size, RGB in [0, 1], painted in the style of a code.

        Args:
            photo: RGB in [0, 1].
            code: of one style for all photos (1, CODE), or of one for each (N, CODE).
            strength: 1 uses the style's moments, less mixes in the photo's own; below a half the
                photo itself shows through more and more, and 0 is the photo.
            detail: how much of the photo's finer structure comes through besides the coarse one.
            moments: those of the whole picture, if this is a part of it or a frame.
            shares: (1, K, H, W), how much of each of K styles there is at each place of one photo;
                they sum to 1, and `code` is then (K, CODE).
        """
        size = (photo.shape[2], photo.shape[3])
        shares = None if shares is None else framed(shares, 0, MULTIPLE)
        painted = self.paint(framed(photo, 0, MULTIPLE), code, strength, detail, moments, shares)
        return faded(photo, unframed(painted, size, 0), strength)

    def paint(
        self,
        photo: Tensor,
        code: Tensor,
        strength: float = 1.0,
        detail: float = 1.0,
        moments: Moments | None = None,
        shares: Tensor | None = None,
    ) -> Tensor:
        """Do what `forward` does, for photos whose sides are multiples of 8, without clamping."""
        moments, own = moments or Moments(), []
        deep: list[Tensor] = []
        for index, level in enumerate(self._climbed(photo)):
            own.append(moments.of(level))
            if index >= DECODED:
                deep.append(level)
            del level  # the large ones need not wait for the others
        return self._decoded(deep[-2], deep[-1], own, code, strength, detail, moments, shares)

    def decode(
        self,
        levels: Sequence[Tensor],
        code: Tensor,
        strength: float = 1.0,
        detail: float = 1.0,
        moments: Moments | None = None,
    ) -> Tensor:
        """Return what `paint` returns, given the encoder's `levels` of the photos."""
        moments = moments or Moments()
        own = [moments.of(level) for level in levels]
        return self._decoded(levels[2], levels[3], own, code, strength, detail, moments)

    def _decoded(
        self,
        fine: Tensor,
        deepest: Tensor,
        own: Sequence[tuple[Tensor, Tensor]],
        code: Tensor,
        strength: float,
        detail: float,
        moments: Moments,
        shares: Tensor | None = None,
    ) -> Tensor:
        """Return the picture made from the third and the fourth level, given all levels' own moments."""
        if strength < 1:
            mine = self.code_of(own)
            code = torch.lerp(mine if shares is None else mine.expand_as(code), code, strength)
        affines = iter(self.affines(code))

        def normalize(x: Tensor) -> Tensor:
            gamma, beta = (spread(numbers, shares, x) for numbers in next(affines))
            return moments.normalize(x, gamma, beta, fresh=True)

        def active(x: Tensor) -> Tensor:
            return torch.relu(normalize(x)) if torch.is_grad_enabled() else normalize(x).relu_()

        means, deviations = split_code(code[:, :CODE])
        gamma, beta = (spread(each[3], shares, deepest) for each in (deviations, means))
        x = Moments([own[3]]).normalize(deepest, gamma, beta)
        x = _twice(active(self.conv4(x)))
        x = x + self.detail(Moments([own[2]]).normalize(fine)) * detail
        for first, second in ((self.res1_1, self.res1_2), (self.res2_1, self.res2_2)):
            x = x + normalize(second(active(first(x))))
        x = _twice(active(self.conv3(x)))
        x = active(self.conv2_1(x))
        x = _twice(active(self.conv2_2(x)))
        x = active(self.conv1(x))
        result: Tensor = self.out(x)
        return result


def faded(photo: Tensor, painted: Tensor, strength: float) -> Tensor:
    """Return `painted` in [0, 1]; with the photo mixed in if the strength is below a half."""
    painted = painted.to(photo.dtype).clamp(0, 1)
    return painted if strength >= 0.5 else torch.lerp(photo, painted, 2 * strength)


def code_of(moments: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return codes (N, CODE) from mean and variance (N, C, 1, 1) of each of the four levels."""
    means = [mean.flatten(1) for mean, _ in moments]
    squares = [(variance + mean.square()).flatten(1) for mean, variance in moments]
    return torch.cat([*means, *squares], 1)


def split_code(code: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return each level's means and standard deviations, (N, C) each, from codes (N, CODE)."""
    widths = list(LEVELS.values())
    means, squares = (part.split(widths, 1) for part in code.float().chunk(2, 1))
    variances = (s - m.square() for m, s in zip(means, squares, strict=True))
    return list(means), [v.clamp_min(1e-8).sqrt() for v in variances]


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a convolution without bias: the normalization after it would cancel one."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, padding_mode=PADDING)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
