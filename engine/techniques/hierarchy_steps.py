"""The steps of a hierarchy: layer by layer, all of a layer's channels at once."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.figure import Tile
from engine.parameterization.sheet import GRAY, sheet, sheet_size, tiles_of
from engine.task import Frame, Stage, Task
from engine.techniques.activation_maximization_steps import Units, parse_numbers, shape_of
from engine.techniques.ascent import Ascent
from engine.techniques.ascent_steps import GAP, LEAST_SIDE, Climb
from engine.techniques.hierarchy import Hierarchy

PATIENCE = 32
"""Steps after which a unit that never answered gets other noise to start from."""


@dataclass(frozen=True)
class _Plan:
    """Which units, and how their pictures lie on the sheet."""

    rows: list[Units]
    columns: int
    side: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the sheet."""
        return sheet_size(len(self.rows) * self.columns, (self.side, self.side), self.columns, GAP)


def _plan(task: Task) -> _Plan:
    """Return what to do; the first thing to draw from the task's generator are the channels."""
    settings = cast(Hierarchy, task.technique)
    network = task.network
    names = [name.strip() for name in settings.layer.split(",") if name.strip()]
    names = list(dict.fromkeys(names or network.card.layers))
    if not names:
        raise BadInput(f"{network.card.name} suggests no layers; give --layer")
    numbers = parse_numbers(settings.units, "--units", "6, or 3,5,12")
    if not numbers or (len(numbers) == 1 and numbers[0] < 1 and "," not in settings.units):
        raise BadInput(f"--units is {settings.units!r}; it takes how many channels, at least 1")
    rows = []
    for name in names:
        chosen = numbers
        if len(numbers) == 1 and "," not in settings.units:
            order = torch.randperm(shape_of(network, name)[1], generator=task.generator)
            chosen = sorted(order[: numbers[0]].tolist())
        rows.append(Units(network, name, chosen, copies=settings.copies))
    columns = max(row.count for row in rows)
    most = max(columns, len(rows))
    side = (task.size + GAP) // most - GAP
    if side < LEAST_SIDE:
        least = most * (LEAST_SIDE + GAP) - GAP
        raise BadInput(
            f"--size is {task.size}; {len(rows)} layers of {columns} pictures take at least {least}"
        )
    return _Plan(rows, columns, side)


def stages(settings: Hierarchy, task: Task) -> list[Stage]:
    """Return the one stage of the run."""
    # Only looks: the run itself is to draw the same channels from the task's generator.
    looking = Task(settings, task.network, task.size, task.generator.clone_state())
    plan = _plan(looking)
    return [Stage(plan.size, len(plan.rows) * settings.iterations)]


def frames(task: Task) -> Iterator[Frame]:
    """Yield a frame per iteration; layers that are still to come are gray."""
    began = time.perf_counter()
    each = task.technique.iterations
    plan = _plan(task)
    pictures = torch.full((len(plan.rows) * plan.columns, 3, plan.side, plan.side), GRAY)
    for r, units in enumerate(plan.rows):
        climb = Climb(task, units, plan.side)
        answered = torch.zeros(units.count, dtype=torch.bool, device=task.device)
        label, restarts = f"{units.layer} ({r + 1} of {len(plan.rows)})", 0
        row = pictures[r * plan.columns :][: units.count]
        for i in range(1, each + 1):
            losses = climb.step(cast(Ascent, task.technique), i)
            answered |= climb.values != 0
            if not answered.all():
                climb.redirected = i + 1  # gradients go on past what blocks them
            if i % PATIENCE == 0 and i + PATIENCE <= each:
                if silent := answered.logical_not().nonzero().flatten().tolist():
                    climb.restart(silent, i)
                    restarts += len(silent)
                answered.zero_()
            again = f", {restarts} from other noise" if restarts else ""
            yield Frame(
                r * each + i, len(plan.rows) * each, losses, time.perf_counter() - began,
                f"{label}, {units.count} x {plan.side} x {plan.side}{again}",
                partial(_render, climb, row, pictures, plan.columns),
            )  # fmt: skip
        row.copy_(climb.pictures())


def _render(climb: Climb, row: Tensor, pictures: Tensor, columns: int) -> Tensor:
    """Return the sheet with the present row; `row` is its part of `pictures`."""
    row.copy_(climb.pictures())
    return sheet(pictures, columns, GAP)


def lines(task: Task, picture: Tensor) -> list[tuple[str, list[Tile]]]:
    """Return each layer with its pictures out of the sheet `picture`, and their channels.

    Where a channel is 0 on all of its own picture, its caption says so.
    """
    plan = _plan(task)
    tiles = tiles_of(picture, len(plan.rows) * plan.columns, plan.columns, GAP)
    found = []
    for units, made in zip(plan.rows, tiles.split(plan.columns), strict=True):
        names = [
            f"channel {c}" + ("" if answers else "\n(stays off)")
            for c, answers in zip(units.channels, _answer(units, made[: units.count]), strict=True)
        ]
        found.append((units.layer, [Tile(t, n) for t, n in zip(made, names, strict=False)]))
    return found


@torch.no_grad()
def _answer(units: Units, pictures: Tensor) -> list[bool]:
    """Return for each picture whether its channel is anything but 0 somewhere."""
    side = units.network.card.input_size
    whole = torch.nn.functional.interpolate(
        pictures, size=(side, side), mode="bilinear", antialias=True
    )
    features = units.network.taps(whole, [units.layer])[units.layer]
    own = features.flatten(2) if features.dim() == 4 else features[..., None]
    return [bool(own[i, c].any()) for i, c in enumerate(units.channels)]
