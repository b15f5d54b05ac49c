"""Crowson's style transfer and the engine's preset with the same objective, one after the other.

Both work on VGG-19 in float32 or what the engine takes by itself, on the same pictures. The finished
pictures and those on the way are judged by the other program's formula with exact square roots.
CPU-seconds count both programs' work alone: other load on the machine matters less for them. Threads
that wait for one another by spinning count too; OMP_WAIT_POLICY=passive keeps them from it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.device import choose_precision
from engine.image import Picture, open_picture
from engine.job import Inputs, Job
from engine.job import run as run_engine
from engine.settings import make
from engine.techniques.style_transfer import StyleTransfer
from tests.benchmarks import crowson
from tests.benchmarks.inputs import data_file, network, painting
from tests.benchmarks.style import error, grams
from tests.benchmarks.table import Row, at_most

PRESET = "Fine strokes"
TARGET = 1 / 5
MARKS = 40
"""How often a run is judged on its way."""


@dataclass(frozen=True)
class Mark:
    """A judged picture, and the time that it took."""

    iteration: int
    cpu: float
    seconds: float
    picture: Tensor
    loss: float


def rows(device: torch.device, side: int, share: float) -> Iterator[Row]:
    """Yield both programs' times and errors; `share` shortens both."""
    photo = open_picture(data_file("images/photos/cat_1080p.jpg")).resized(side)
    style = painting(side)
    plain = network("vgg19", device)
    pictures = [photo.tensor()[None].to(device), style.tensor()[None].to(device)]
    judge = crowson.Objective(plain, *pictures)

    def of(picture: Tensor) -> float:
        if picture.shape[1:] != pictures[0].shape[2:]:
            return float("inf")  # a coarser scale's
        return judge.exactly(picture[None].to(device).clamp(0, 1))["total"]

    wanted = grams(plain, style.tensor())

    def row(what: str, mark: Mark) -> Row:
        taps = judge.network.taps(mark.picture[None].to(device).clamp(0, 1))
        kept, content = taps[crowson.CONTENT_LAYER], judge.content
        errors = {
            "objective": mark.loss,
            "objective_as_printed": judge.approximately(mark.picture[None].to(device).clamp(0, 1)),
            "style_error": error(plain, mark.picture.clamp(0, 1), wanted),
            "content_error": float(F.mse_loss(kept, content) / content.square().mean()),
        }
        return Row(
            f"vgg19 {side} px: {what}, {mark.iteration} iterations",
            mark.cpu,
            "CPU-s",
            note=f"{mark.seconds:,.0f} s; own objective {mark.loss:,.0f} "
            f"({errors['objective_as_printed']:,.0f} with approximate roots); "
            f"VGG-19's style error {errors['style_error']:.3g}, "
            f"content error {errors['content_error']:.3g}",
            details={"seconds": mark.seconds, **errors},
        )

    steps = crowson.run(plain, photo.tensor(), style.tensor(), share)
    other = judged(((s.iteration, s.total, s.picture) for s in steps), of)[-1]
    yield row("Crowson's style transfer", other)
    marks = judged(_engine(device, photo, style, share), of)
    yield row(f"preset {PRESET!r}", marks[-1])
    there = next((mark for mark in marks if mark.loss <= other.loss), None)
    yield Row(
        f"vgg19 {side} px: CPU-seconds to its final objective / its",
        float("inf") if there is None else there.cpu / other.cpu,
        unit="",
        target=at_most(TARGET),
        note="never"
        if there is None
        else f"{there.cpu:,.0f} CPU-s, {there.iteration} iterations, {there.loss:,.0f}",
        details={"curve": [[m.iteration, m.cpu, m.loss] for m in marks if m.loss < float("inf")]},
    )


def _engine(
    device: torch.device, photo: Picture, style: Picture, share: float
) -> Iterator[tuple[int, int, Tensor]]:
    technique = make(StyleTransfer, StyleTransfer.presets[PRESET])
    technique = replace(technique, iterations=max(round(share * technique.iterations), 1))
    size = max(photo.width, photo.height)
    job = Job(
        technique, Inputs(content=photo, styles=((style, 1.0),)), "vgg19",
        size=size, device=device.type,
    )  # fmt: skip
    loaded = network("vgg19", device, choose_precision("auto", device))
    for frame in run_engine(job, loaded):
        yield frame.iteration, frame.total, frame.picture


def judged(
    steps: Iterable[tuple[int, int, Tensor]], judge: Callable[[Tensor], float]
) -> list[Mark]:
    """Run to the end and return the judged pictures; the time that judging takes is not counted."""
    marks: list[Mark] = []
    cpu = seconds = 0.0
    began = time.process_time(), time.perf_counter()
    for iteration, total, picture in steps:
        if iteration % max(total // MARKS, 1) and iteration != total:
            continue
        cpu += time.process_time() - began[0]
        seconds += time.perf_counter() - began[1]
        marks.append(Mark(iteration, cpu, seconds, picture.clone(), judge(picture)))
        began = time.process_time(), time.perf_counter()
    return marks
