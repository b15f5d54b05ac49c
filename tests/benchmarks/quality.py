"""What precision costs, and how long the plain way takes to come as far as the engine."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import torch

from engine.image import from_tensor
from engine.job import Job, run
from tests.benchmarks.baseline import CONTENT_LAYERS, STYLE_LAYERS, Baseline, Reached, reach
from tests.benchmarks.inputs import network, painting, photo
from tests.benchmarks.speed import STATISTICS, job
from tests.benchmarks.table import Row, at_most

CONTENT_WEIGHT = 0.25
NAME = "vgg19"
CLOSE = (0.98, 1.02)
"""Final losses of two precisions agree within 2 %."""


def precision_rows(device: torch.device, side: int, iterations: int) -> Iterator[Row]:
    """Yield how the final losses and pictures of bf16 and fp32 compare, both judged in fp32."""
    for statistic in STATISTICS:
        pictures, losses = {}, {}
        for dtype in (torch.float32, torch.bfloat16):
            wanted = job(
                NAME, side, dtype, device, style_statistic=statistic, iterations=iterations
            )
            pictures[dtype] = _last(wanted, device, dtype)
        for dtype, picture in pictures.items():
            losses[dtype] = fp32_loss(picture, device, side, statistic)
        single, half = losses[torch.float32], losses[torch.bfloat16]
        difference = (pictures[torch.float32] - pictures[torch.bfloat16]).abs().mean()
        yield Row(
            f"{NAME} {side} px, {iterations} iterations, {statistic}: loss bf16 / fp32",
            half / single,
            unit="",
            target=CLOSE,
            note=f"{half:.5g} / {single:.5g}; pixels differ by {255 * float(difference):.2f}/255",
            details={"loss_bf16": half, "loss_fp32": single, "pixels": float(difference)},
        )


def _last(wanted: Job, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    (frame,) = deque(run(wanted, network(NAME, device, dtype)), maxlen=1)
    return frame.picture


def fp32_loss(picture: torch.Tensor, device: torch.device, side: int, statistic: str) -> float:
    """Return the engine's loss of a picture, as a run that begins there reports it first."""
    wanted = job(
        NAME, side, torch.float32, device, style_statistic=statistic, start="picture", iterations=1
    )
    wanted = replace(wanted, inputs=replace(wanted.inputs, start=from_tensor(picture)))
    return next(iter(run(wanted, network(NAME, device)))).losses["total"]


def race_rows(device: torch.device, side: int, iterations: int) -> Iterator[Row]:
    """Yield the plain way's times, and the engine's to the same losses judged by the plain way.

    The plain way starts from noise, as the paper does, and once more from the photo, from where it
    gets further in as many iterations; the engine starts as it does by default.
    """
    loaded = network(NAME, device)
    plain = Baseline(loaded, photo(side).tensor(), painting(side).tensor(), CONTENT_WEIGHT)
    starts = {"noise": plain.noise(seed=0), "the photo": plain.content}
    label = f"{NAME} {side} px, gram"
    spent, goals = [], []
    for name, start in starts.items():
        picture, seconds = plain.minimise(start, iterations)
        spent.append(seconds)
        goals.append(plain.of(picture))
        yield Row(
            f"{label}: plain fp32 L-BFGS from {name}, {iterations} iterations",
            seconds,
            note=f"loss {goals[-1]:.5g}",
        )
    reached = engine_reaches(plain, goals, device, side, iterations)
    for name, seconds, one in zip(starts, spent, reached, strict=True):
        yield Row(
            f"{label}: engine's time to the loss from {name} / plain's",
            float("inf") if one.seconds is None else one.seconds / seconds,
            unit="",
            target=at_most(1 / 3),
            note=(
                f"never in {one.iterations} iterations; lowest {one.loss:.5g}"
                if one.seconds is None
                else f"{one.seconds:.3g} s, {one.iterations} iterations"
            ),
            details={"seconds": one.seconds, "iterations": one.iterations, "loss": one.loss},
        )


def engine_reaches(
    plain: Baseline, losses: list[float], device: torch.device, side: int, iterations: int
) -> list[Reached]:
    """Run the engine on the baseline's loss with what minimises it soonest."""
    wanted = job(
        NAME, side, torch.bfloat16, device,
        style_statistic="gram", content_layers=CONTENT_LAYERS, style_layers=STYLE_LAYERS,
        loss_scaling="relative", content_weight=CONTENT_WEIGHT, tv_weight=0.0, padding="zeros",
        optimizer="lbfgs", learning_rate=1.0, history=20, averaging=0.0, iterations=iterations,
    )  # fmt: skip
    frames = run(wanted, network(NAME, device, torch.bfloat16))
    every = max(1, iterations // 60)
    return reach(frames, plain.of, losses, every)
