"""Occlusion: how far a logit or a unit drops when a window of the picture is covered.

Zeiler, Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2.
"""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from engine.attribution.asked import Asked, MethodStep
from engine.attribution.fills import fill
from engine.attribution.square import Square
from engine.attribution.state import (
    Target,
    chosen_of,
    class_numbers,
    copy_of,
    logits_of,
    values_of_unit,
    without_gradients,
)
from engine.attribution.unit import Located, Unit
from engine.networks.classes import probabilities

BATCH = 32
"""How many covered pictures the model sees at a time."""


Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are exclusive."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says before and after something was covered, in its own precision."""

    before: Tensor
    """(N, classes) logits."""
    after: Tensor
    """(N, boxes, classes) logits."""


@dataclass(frozen=True)
class Occluded:
    """What is known after some of the windows, picture by picture and row by row from the top."""

    done: int
    total: int
    """How many covered pictures there are in all, of which `done` have been looked at."""
    drop: Tensor
    """(N, rows, columns) float64 on the CPU: logit of the picture minus that with the window
    covered; NaN where not yet done. The next two are, in Zeiler's figure, (d) and (e)."""
    probability: Tensor
    """(N, rows, columns) float64: the target's probability with the window covered; NaN for a
    unit."""
    label: Tensor
    """(N, rows, columns) int64: the most likely class with the window covered; -1 where not done,
    and for a unit."""
    covers: tuple[Tensor, Tensor]
    """(rows, H) and (columns, W), 1 where a window of that row or column covers the pixel."""

    def map(self) -> Tensor:
        """Return the mean drop over the windows that cover a pixel: (N, H, W), 0 where none is done.

        float64 on the CPU.
        """
        known = (torch.arange(self.total) < self.done).view_as(self.drop)
        summed = self._spread(torch.where(known, self.drop, 0.0))
        return summed / self._spread(known.double()).clamp_min(1)

    def _spread(self, grid: Tensor) -> Tensor:
        rows, columns = self.covers
        return rows.T @ grid @ columns


def occlusion(
    model: nn.Module,
    x: Tensor,
    target: Target,
    window: int | tuple[int, int],
    stride: int | tuple[int, int],
    baseline: float | Tensor = 0.0,
    batch: int = BATCH,
) -> Tensor:
    """Return how far the logit of `target` drops when a pixel is covered, raw.

    Args:
        model: maps `x` to logits (N, classes); run in eval mode and left as it was found.
        x: float (N, 3, H, W) as the model takes it; not changed.
        target: a class number for all pictures, or one for each; or a `Unit`, whose activation then
            takes the logit's place. Without a position it is taken where it is highest with nothing
            covered. Covered pictures are run no deeper than its layer.
        window: side of the square that is covered, in pixels; or height and width.
        stride: pixels from one window to the next; or downwards and to the right. The last window
            of a row or column is cut off at the picture's border.
        baseline: what covers, on the scale of `x`: a number, or a tensor that can be broadcast to
            `x` (0 is the mean colour where pictures are normalized).
        batch: how many covered pictures the model sees at a time.

    Returns:
        (N, H, W), the mean drop over the windows that cover a pixel, in the precision of `x`.

    Raises:
        ValueError: `x`, `target` or what the model returns does not have the form above; a window
            that is larger than the picture, a stride that would leave pixels out, or a baseline
            that does not fit.
    """
    for step in occlusion_steps(model, x, target, window, stride, baseline, batch):
        last = step
    with torch.inference_mode(False):
        return last.map().to(x)


def occlusion_steps(
    model: nn.Module,
    x: Tensor,
    target: Target,
    window: int | tuple[int, int],
    stride: int | tuple[int, int],
    baseline: float | Tensor = 0.0,
    batch: int = BATCH,
) -> Iterator[Occluded]:
    """Yield what is known after each batch of covered pictures; arguments as in `occlusion`.

    Between batches the model and torch's modes are as the caller left them, so it is safe to stop
    at any time. What was yielded does not change later.

    Raises:
        ValueError: as `occlusion`, at the call; for the model and the target, at the first batch.
    """
    windows, strides = _pair("window", window), _pair("stride", stride)
    with torch.inference_mode(False):
        pictures = copy_of(x)
        cover = _cover(baseline, pictures)
        height, width = pictures.shape[-2:]
        covers = (
            _covers(height, windows[0], strides[0], "high"),
            _covers(width, windows[1], strides[1], "wide"),
        )
    if _whole(batch) < 1:
        raise ValueError(f"batch must be a whole number from 1 upwards, not {batch}")
    goal = target if isinstance(target, Unit) else class_numbers(target, len(x))
    return _steps(model, pictures, goal, cover, covers, batch)


def occluded_logits(
    model: nn.Module,
    x: Tensor,
    boxes: Box | Sequence[Box],
    baseline: float | Tensor = 0.0,
    batch: int = BATCH,
    before: Tensor | None = None,
) -> Answers:
    """Return the model's logits for pictures, and for the same with each of the boxes covered.

    Args:
        model: maps `x` to logits (N, classes); run in eval mode and left as it was found.
        x: float (N, 3, H, W) as the model takes it; not changed.
        boxes: one (left, top, right, bottom) or several, in pixels, right and bottom exclusive.
            They may reach beyond the picture; what lies outside covers nothing.
        baseline: what covers, as in `occlusion`; `fills.fill` makes the usual ones.
        batch: how many covered pictures the model sees at a time.
        before: the logits of the same pictures from an earlier call, which then are not computed.

    Raises:
        ValueError: `x` or what the model returns does not have the form above; a box is not four
            whole numbers, or ends before it begins; or a baseline or `before` does not fit.
    """
    places = _boxes(boxes)
    if _whole(batch) < 1:
        raise ValueError(f"batch must be a whole number from 1 upwards, not {batch}")
    with without_gradients(model):
        pictures = copy_of(x)
        cover = _cover(baseline, pictures)
        if before is None:
            parts = [logits_of(model, part.clone()) for part in pictures.split(batch)]
            before = torch.cat(parts).detach()
        elif before.dim() != 2 or len(before) != len(pictures):
            raise ValueError(
                f"before must be logits ({len(pictures)}, classes), not {tuple(before.shape)}"
            )
        down = torch.arange(pictures.shape[2], device=pictures.device)[:, None]
        across = torch.arange(pictures.shape[3], device=pictures.device)
        after = before.new_empty(len(pictures) * len(places), before.shape[1])
        for start in range(0, len(after), batch):
            number = torch.arange(start, min(start + batch, len(after)))
            picture = number // len(places)
            edges = places[number % len(places)].to(pictures.device)[:, :, None, None, None]
            left, top, right, bottom = edges.unbind(1)
            mask = (across >= left) & (across < right) & (down >= top) & (down < bottom)
            covered = torch.where(mask, cover[picture], pictures[picture])
            after[number] = logits_of(model, covered).detach()
        return Answers(before, after.view(len(pictures), len(places), -1))


def _boxes(boxes: Box | Sequence[Box]) -> Tensor:
    """Return boxes (B, 4) of whole numbers."""
    try:
        given = torch.as_tensor(boxes)
    except (TypeError, ValueError, RuntimeError):
        given = torch.empty(0)
    if given.is_floating_point() or given.dtype == torch.bool or given.shape[-1:] != (4,):
        raise ValueError(
            f"boxes must be (left, top, right, bottom) in whole pixels, or several, not {boxes!r}"
        )
    places = given.long().view(-1, 4)
    for box in places[(places[:, :2] > places[:, 2:]).any(1)].tolist():
        raise ValueError(f"the box {tuple(box)} ends before it begins: left, top, right, bottom")
    return places


def _steps(
    model: nn.Module,
    pictures: Tensor,
    asked: Tensor | Unit,
    cover: Tensor,
    covers: tuple[Tensor, Tensor],
    batch: int,
) -> Iterator[Occluded]:
    rows, columns = len(covers[0]), len(covers[1])
    windows = rows * columns
    total = len(pictures) * windows
    with without_gradients(model):
        drop = torch.full((total,), torch.nan, dtype=torch.float64)
        probability, label = drop.clone(), torch.full((total,), -1)
        down, across = (axis.bool().to(pictures.device) for axis in covers)
        whole, goal = _uncovered(model, pictures, asked, batch)
    for done in range(0, total, batch):
        number = torch.arange(done, min(done + batch, total))
        picture, place = number // windows, number % windows
        with without_gradients(model):
            mask = down[place // columns, None, :, None] & across[place % columns, None, None, :]
            covered = torch.where(mask, cover[picture], pictures[picture])
            if isinstance(goal, Located):
                values, _ = values_of_unit(model, covered, goal.of(picture))
                drop[number] = whole[picture] - values.cpu().double()
            else:
                logits, classes = logits_of(model, covered).cpu().double(), goal[picture]
                drop[number] = whole[picture] - chosen_of(logits, classes)
                probability[number] = probabilities(logits).gather(1, classes[:, None])[:, 0]
                label[number] = logits.argmax(1)
            grids = [grid.clone().view(-1, rows, columns) for grid in (drop, probability, label)]
        yield Occluded(min(done + batch, total), total, grids[0], grids[1], grids[2], covers)


def _uncovered(
    model: nn.Module, pictures: Tensor, asked: Tensor | Unit, batch: int
) -> tuple[Tensor, Tensor | Located]:
    """Return the logits (or activations) (N,) with nothing covered, and what they are of."""
    parts = pictures.split(batch)
    if isinstance(asked, Tensor):
        logits = torch.cat([logits_of(model, part.clone()).cpu().double() for part in parts])
        return chosen_of(logits, asked), asked
    found = [values_of_unit(model, part.clone(), asked) for part in parts]
    places = torch.cat([located.places for _, located in found])
    values = torch.cat([values for values, _ in found]).cpu().double()
    return values, replace(found[0][1], places=places)


def _covers(side: int, window: int, stride: int, word: str) -> Tensor:
    """Return (count, side): 1 where the n-th window along a side covers it; the last may be cut off."""
    if window > side:
        raise ValueError(f"the window is {window} pixels {word}, the picture only {side}")
    if stride > window < side:
        raise ValueError(
            f"stride {stride} would leave out pixels between windows {window} {word}; "
            "take one up to the size of the window"
        )
    count = -(-(side - window) // stride) + 1
    offset = torch.arange(side) - stride * torch.arange(count)[:, None]
    return ((offset >= 0) & (offset < window)).double()


def _cover(baseline: float | Tensor, x: Tensor) -> Tensor:
    """Return what covers each picture, in the shape of `x`."""
    try:
        if not isinstance(baseline, Tensor):  # a number, in the precision of the pictures
            return torch.full_like(x, baseline)
        return baseline.detach().to(x).expand_as(x)
    except (TypeError, ValueError, RuntimeError):
        given = tuple(baseline.shape) if isinstance(baseline, Tensor) else repr(baseline)
        raise ValueError(
            f"baseline must be a number or fit pictures {tuple(x.shape)}, not {given}"
        ) from None


def _pair(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    """Return height and width, both at least 1."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    sides = tuple(_whole(side) for side in pair)
    if len(sides) != 2 or min(sides) < 1:
        raise ValueError(f"{name} must be one or two whole numbers from 1 upwards, not {value}")
    return sides[0], sides[1]


def _whole(value: object) -> int:
    """Return a whole number as an int; anything else as 0."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return 0


def occluded(asked: Asked) -> Iterator[MethodStep]:
    """Yield what is known after each batch, and finally the map of `occlusion`.

    As `engine.attribution.registry` calls it.
    """
    about, x = asked.question, asked.x
    window, stride = Square().pixels((x.shape[2], x.shape[3]), about.window)
    cover = fill(asked.network, x, about.fill)
    steps = occlusion_steps(asked.model, x, asked.target, window, about.stride or stride, cover)
    for found in steps:
        last = found.done == found.total
        yield MethodStep(found.done, found.total, found.map() if last else None, found)
