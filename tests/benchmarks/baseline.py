"""The plain way: Gatys, Ecker, Bethge (2015) as one writes it from the paper, and the race with it.

Float32, contiguous tensors, autograd, mean squared Gram differences, L-BFGS from torch. It imports
nothing of the engine but the weights' container, so that what it measures is another program's.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.networks.network import Network
from tests.benchmarks.plain import PlainNetwork

CONTENT_LAYERS = {"relu4_2": 1.0}
STYLE_LAYERS = dict.fromkeys(("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), 1.0)


class Baseline:
    """The losses of the paper with each term relative to its target's size, and their minimiser."""

    def __init__(
        self, network: Network, content: Tensor, style: Tensor, content_weight: float
    ) -> None:
        """Take pictures (3, H, W) in [0, 1]."""
        self.content_weight = content_weight
        self.network = PlainNetwork(network, [*CONTENT_LAYERS, *STYLE_LAYERS])
        self.content = content.to(network.device)[None]
        with torch.no_grad():
            taps = self.network.taps(self.content)
            self.kept = {name: taps[name] for name in CONTENT_LAYERS}
            taps = self.network.taps(style.to(network.device)[None])
            self.grams = {name: gram(taps[name]) for name in STYLE_LAYERS}

    def loss(self, x: Tensor) -> Tensor:
        """Return the loss of a picture (1, 3, H, W)."""
        taps = self.network.taps(x)
        content = style = x.new_zeros(())
        for name, target in self.kept.items():
            weight = CONTENT_LAYERS[name] / sum(CONTENT_LAYERS.values())
            content = content + weight * F.mse_loss(taps[name], target) / target.square().mean()
        for name, target in self.grams.items():
            weight = STYLE_LAYERS[name] / sum(STYLE_LAYERS.values())
            error = F.mse_loss(gram(taps[name]), target)
            style = style + weight * error / target.square().mean()
        return self.content_weight * content + style

    @torch.no_grad()
    def of(self, picture: Tensor) -> float:
        """Return the loss of a finished picture (3, H, W); infinity at another size."""
        if picture.shape[1:] != self.content.shape[2:]:
            return float("inf")  # a coarser scale's
        return float(self.loss(picture.to(self.content.device)[None].clamp(0, 1)))

    def noise(self, seed: int) -> Tensor:
        """Return white noise (1, 3, H, W) with the photo's mean and standard deviation."""
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(self.content.shape, generator=generator).to(self.content)
        return (noise * self.content.std() + self.content.mean()).clamp(0, 1)

    def minimise(self, start: Tensor, iterations: int) -> tuple[Tensor, float]:
        """Return the picture (3, H, W) from a start (1, 3, H, W), and the seconds that it took."""
        x = start.clone().requires_grad_(True)
        # Tolerances of 0: the losses are means, whose gradients torch's defaults take for zero.
        optimizer = torch.optim.LBFGS(
            [x], lr=1, max_iter=1, tolerance_grad=0, tolerance_change=0, history_size=100
        )

        def closure() -> Tensor:
            with torch.no_grad():
                x.clamp_(
                    0, 1
                )  # as in PyTorch's tutorial; without it, clipping at the end costs loss
            optimizer.zero_grad()
            loss = self.loss(x)
            loss.backward()
            return loss

        began = time.perf_counter()
        for _ in range(iterations):
            optimizer.step(closure)
        picture = x.detach()[0].clamp(0, 1).cpu()
        return picture, time.perf_counter() - began


def gram(features: Tensor) -> Tensor:
    _, channels, height, width = features.shape
    rows = features.view(channels, height * width)
    return rows @ rows.T / (height * width)


@dataclass(frozen=True)
class Reached:
    """When a run came below a loss."""

    iterations: int
    seconds: float | None
    """None: it never did."""
    loss: float
    """The lowest seen."""


def reach(
    frames: Iterator[Any], judge: Callable[[Tensor], float], losses: Sequence[float], every: int
) -> list[Reached]:
    """Draw frames until `judge` finds a picture at or below each of `losses`; judging is not counted."""
    spent, lowest, iteration = 0.0, float("inf"), 0
    found: dict[float, Reached] = {}
    began = time.perf_counter()
    for frame in frames:
        iteration = frame.iteration
        if iteration % every == 0 or iteration == frame.total:
            picture = frame.picture
            spent += time.perf_counter() - began
            lowest = min(lowest, judge(picture))
            for loss in losses:
                if lowest <= loss and loss not in found:
                    found[loss] = Reached(iteration, spent, lowest)
            if len(found) == len(set(losses)):
                break
            began = time.perf_counter()
    never = Reached(iteration, None, lowest)
    return [found.get(loss, never) for loss in losses]
