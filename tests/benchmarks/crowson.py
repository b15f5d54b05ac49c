"""Crowson's style transfer (style-transfer-pytorch) as one writes it from its description.

Style is the squared 2-Wasserstein distance between Gaussians of VGG-19's features, whose matrix
square roots come from Newton and Schulz's iteration and their gradients from that of Lin & Maji
2017 ("Improved Bilinear Pooling with CNNs"); Adam, scales by the root of 2, and an average of the
iterates that is what is kept. It imports nothing of the engine but the weights' container.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.networks.network import Network
from tests.benchmarks.plain import PlainNetwork

CONTENT_LAYER = "relu4_2"
STYLE_LAYERS = {"relu1_1": 256.0, "relu2_1": 64.0, "relu3_1": 16.0, "relu4_1": 4.0, "relu5_1": 1.0}
CONTENT_WEIGHT, VARIATION_WEIGHT = 0.015, 2.0
ADDED = 1e-4
"""Added to the diagonal of covariances."""
NEWTON_STEPS = 12
SMALLEST = 128
FIRST_ITERATIONS, LATER_ITERATIONS = 1000, 500
LEARNING_RATE, BETAS, DECAY = 0.02, (0.9, 0.99), 0.99

Gaussian = tuple[Tensor, Tensor]
"""Mean (C,) and covariance (C, C)."""


class Objective:
    """The loss of pictures of one size."""

    def __init__(self, network: Network, content: Tensor, style: Tensor) -> None:
        """Take pictures (1, 3, H, W) in [0, 1]."""
        self.network = PlainNetwork(network, [CONTENT_LAYER, *STYLE_LAYERS], replicate=True)
        with torch.no_grad():
            self.content = self.network.taps(content)[CONTENT_LAYER]
            taps = self.network.taps(style)
            self.styles = {name: gaussian(taps[name]) for name in STYLE_LAYERS}
            self.roots = {name: NewtonRoot.apply(s) for name, (_, s) in self.styles.items()}

    def loss(self, picture: Tensor) -> Tensor:
        """Return the loss of a picture (1, 3, H, W), with approximate square roots."""
        taps = self.network.taps(picture)
        style = picture.new_zeros(())
        for name, weight in STYLE_LAYERS.items():
            mean, covariance = gaussian(taps[name])
            wanted_mean, wanted = self.styles[name]
            root = self.roots[name]
            middle = NewtonRoot.apply(root @ covariance @ root)
            spread = (wanted + covariance - 2 * middle).diagonal().mean()
            style = style + weight * ((mean - wanted_mean).square().mean() + spread)
        style = style / sum(STYLE_LAYERS.values())
        content = F.mse_loss(taps[CONTENT_LAYER], self.content)
        return style + CONTENT_WEIGHT * content + VARIATION_WEIGHT * variation(picture)

    @torch.no_grad()
    def approximately(self, picture: Tensor) -> float:
        """Return the loss as the program computes it: 4 % higher for the photo, 20 % at the end."""
        return float(self.loss(picture))

    @torch.no_grad()
    def exactly(self, picture: Tensor) -> dict[str, float]:
        """Return the terms and their sum, `total`, with square roots by eigenvalues in float64."""
        taps = self.network.taps(picture)
        style = 0.0
        for name, weight in STYLE_LAYERS.items():
            mean, covariance = gaussian(taps[name].double())
            wanted_mean, wanted = (x.double() for x in self.styles[name])
            values, vectors = torch.linalg.eigh(wanted)
            root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
            middle = torch.linalg.eigvalsh(root @ covariance @ root).clamp_min(0).sqrt().sum()
            spread = wanted.trace() + covariance.trace() - 2 * middle
            means = (mean - wanted_mean).square().mean()
            style += weight * float(means + spread / len(mean))
        terms = {
            "content": CONTENT_WEIGHT * float(F.mse_loss(taps[CONTENT_LAYER], self.content)),
            "style": style / sum(STYLE_LAYERS.values()),
            "variation": VARIATION_WEIGHT * float(variation(picture)),
        }
        return {**terms, "total": sum(terms.values())}


def gaussian(features: Tensor) -> Gaussian:
    """Return mean and covariance over the positions of activations (1, C, H, W)."""
    rows = features[0].flatten(1)
    mean = rows.mean(1)
    second = rows @ rows.T / rows.shape[1]
    identity = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
    return mean, second - torch.outer(mean, mean) + ADDED * identity


def variation(picture: Tensor) -> Tensor:
    """Return the weighted mean squared differences to the eight neighbours."""
    x = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    rows, columns = picture.shape[-2:]
    total = picture.new_zeros(())
    for down, right, share in ((0, 1, 1 / 3), (1, 0, 1 / 3), (1, 1, 1 / 12), (1, -1, 1 / 12)):
        shifted = x[..., 1 + down : 1 + down + rows, 1 + right : 1 + right + columns]
        total = total + share * (shifted - picture).square().mean()
    return 2 * total


class NewtonRoot(torch.autograd.Function):
    """The square root of a positive matrix by 12 steps of Newton and Schulz's iteration."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        size = torch.linalg.matrix_norm(matrix)
        identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        y, z = matrix / size, identity
        for _ in range(NEWTON_STEPS):
            correction = (3 * identity - z @ y) / 2
            y, z = y @ correction, correction @ z
        root = y * size.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Solve the Lyapunov equation root X + X root = gradient, by the same iteration."""
        (root,) = ctx.saved_tensors
        size = torch.linalg.matrix_norm(root)
        identity = torch.eye(len(root), dtype=root.dtype, device=root.device)
        a, q = root / size, gradients[0] / size
        for _ in range(NEWTON_STEPS):
            rest = 3 * identity - a @ a
            q = (q @ rest - a.T @ (a.T @ q - q @ a)) / 2
            a = a @ rest / 2
        return q / 2


@dataclass(frozen=True)
class Step:
    """Where a run has got to."""

    iteration: int
    total: int
    picture: Tensor
    """(3, H, W), the average so far."""


def sides(end: int) -> list[int]:
    """Return the long sides of the scales, ascending."""
    found = []
    while (side := round(end / 2 ** (len(found) / 2))) >= min(SMALLEST, end):
        found.append(side)
    return found[::-1]


def resized(picture: Tensor, side: int, mode: str = "bicubic") -> Tensor:
    height, width = picture.shape[-2:]
    factor = side / max(height, width)
    size = (round(height * factor), round(width * factor))
    if size == (height, width):
        return picture
    return F.interpolate(picture, size=size, mode=mode, align_corners=False, antialias=True)


def run(network: Network, content: Tensor, style: Tensor, share: float = 1.0) -> Iterator[Step]:
    """Yield the steps of a transfer of pictures (3, H, W) in [0, 1] at the content's own size.

    `share` shortens every scale.
    """
    content, style = content[None].to(network.device), style[None].to(network.device)
    scales = sides(max(content.shape[-2:]))
    counts = [max(round(share * (LATER_ITERATIONS if i else FIRST_ITERATIONS)), 1)
              for i in range(len(scales))]  # fmt: skip
    average = content
    before: dict[str, Any] | None = None
    done = 0
    for side, count in zip(scales, counts, strict=True):
        target = resized(content, side).clamp(0, 1)
        painting = resized(style, min(side, max(style.shape[-2:]))).clamp(0, 1)
        objective = Objective(network, target, painting)
        picture = nn.Parameter(resized(average, side).clamp(0, 1).clone())
        optimizer = torch.optim.Adam([picture], lr=LEARNING_RATE, betas=BETAS)
        if before is not None:
            size = picture.shape[-2:]
            mean = F.interpolate(before["exp_avg"], size=size, mode="bicubic")
            square = F.interpolate(before["exp_avg_sq"], size=size, mode="bilinear").clamp_min(0)
            optimizer.state[picture] = {
                "step": before["step"], "exp_avg": mean, "exp_avg_sq": square
            }  # fmt: skip
        total, weight = torch.zeros_like(picture), 0.0
        for _ in range(count):
            optimizer.zero_grad()
            objective.loss(picture).backward()
            optimizer.step()
            with torch.no_grad():
                picture.clamp_(0, 1)
                total = DECAY * total + (1 - DECAY) * picture
            weight = DECAY * weight + (1 - DECAY)
            average = total / weight
            done += 1
            yield Step(done, sum(counts), average[0])
        before = optimizer.state[picture]
