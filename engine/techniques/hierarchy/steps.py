"""The steps of a hierarchy: layer by layer, all of a layer's channels at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.checkpoint import State
from engine.errors import BadInput, Mention
from engine.figure import Tile, rows
from engine.image import Picture
from engine.objectives.relu_redirect import FIRST_STEPS
from engine.parameterization.sheet import GRAY, sheet, sheet_size, tiles_of
from engine.run_state import RunState
from engine.settings import mention
from engine.task import Frame, Labels, Stage, Steps, Task
from engine.techniques.activation_maximization.steps import Units, parse_numbers, shape_of
from engine.techniques.ascent.steps import GAP, LEAST_SIDE, REMEDY, AscentRun
from engine.techniques.dead_units import silence
from engine.techniques.hierarchy.kept import HierarchyCheckpoint
from engine.techniques.hierarchy.settings import Hierarchy


@dataclass(frozen=True)
class _HierarchyPlan:
    """Which units, and how their pictures lie on the sheet."""

    rows: list[Units]
    columns: int
    side: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the sheet."""
        return sheet_size(len(self.rows) * self.columns, (self.side, self.side), self.columns, GAP)


def _plan(task: Task[Hierarchy]) -> _HierarchyPlan:
    """Return what to do; the first thing to draw from the task's generator are the channels."""
    settings = task.technique
    network = task.network
    names = settings.names(network)
    if not names:
        raise BadInput(f"{network.card.name} suggests no layers; give ", mention(settings, "layer"))
    units = mention(settings, "units")
    numbers = parse_numbers(settings.units, units, "6, or 3,5,12")
    if not numbers or (len(numbers) == 1 and numbers[0] < 1 and "," not in settings.units):
        raise BadInput(units, f" is {settings.units!r}; give a number of channels, at least 1")
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
            Mention("size"),
            f" is {task.size}; {len(rows)} layers of {columns} pictures need at least {least}",
        )
    return _HierarchyPlan(rows, columns, side)


def _looked_at(task: Task[Hierarchy]) -> _HierarchyPlan:
    """Return the plan, without drawing from the task's generator: the run is to draw the same."""
    return _plan(replace(task, generator=task.generator.clone_state()))


def _numbers(units: Units) -> str:
    """Return the setting that asks for just these channels; for one, "7,", as "7" is a count."""
    return ",".join(map(str, units.channels[:: units.copies])) + ","


class _Progress:
    """Where a run is: the row, its ascent, and the pictures so far; those still to come are grey."""

    def __init__(self, task: Task[Hierarchy], plan: _HierarchyPlan) -> None:
        self.task, self.plan = task, plan
        self.pictures = torch.full((len(plan.rows) * plan.columns, 3, plan.side, plan.side), GRAY)
        self.losses: dict[str, float] = {}
        self.silent: dict[str, list[int]] = {}
        """Channels of finished rows that never responded, by layer."""

    def begin(self, row: int) -> None:
        """Go on to the pictures of another row."""
        self.row = row
        self.climb = AscentRun(self.task, self.plan.rows[row], self.plan.side)

    def step(self, number: int) -> None:
        """Move the row's pictures; `number` counts its steps."""
        self.losses = self.climb.step(self.task.technique, number)

    def end(self) -> None:
        """Keep the row's pictures as they are now, and what is to be said about them."""
        self._of_row().copy_(self.climb.pictures())
        self.silent |= self._silent_here()

    def frame(self, run: RunState[Hierarchy]) -> Frame:
        """Return what is to be seen."""
        units, side, rows = self.plan.rows[self.row], self.plan.side, len(self.plan.rows)
        label = f"{units.layer} ({self.row + 1} of {rows}), {units.count} x {side} x {side}"
        note = silence(self.silent | self._silent_here(), REMEDY)
        return run.frame(self.losses, label + self.climb.restarted, self._render, note=note)

    def _silent_here(self) -> dict[str, list[int]]:
        units = self.plan.rows[self.row]
        channels = units.silent(self.climb.watch.silent())
        return {units.layer: channels} if channels else {}

    def _of_row(self) -> Tensor:
        return self.pictures[self.row * self.plan.columns :][: self.plan.rows[self.row].count]

    def _render(self) -> Tensor:
        self._of_row().copy_(self.climb.pictures())
        return sheet(self.pictures, self.plan.columns, GAP)

    def state(self) -> State:
        """Return the rows that are finished, and how far the current one is."""
        finished = self.pictures[: self.row * self.plan.columns]
        return {
            "pictures": finished, "climb": self.climb.state(), "losses": self.losses,
            "silent": self.silent,
        }  # fmt: skip

    def take_up(self, state: State) -> None:
        """Go on from there, in the same row."""
        self.pictures[: len(state["pictures"])] = state["pictures"].cpu()
        self.climb.take_up(state["climb"])
        self.losses, self.silent = state["losses"], state["silent"]


def _frames(task: Task[Hierarchy]) -> Iterator[Frame]:
    """Yield a frame per iteration; a resumed run begins by repeating the frame that was kept."""
    as_begun = task.technique
    kept = HierarchyCheckpoint(task) if as_begun.resume else None
    again = False
    if kept is not None and task.checkpoint is None:
        task.checkpoint = kept.load()
        again = task.checkpoint is not None
    plan = _plan(task)
    stages = [Stage(plan.size, as_begun.iterations)] * len(plan.rows)
    run = RunState(task, len(stages) * as_begun.iterations)
    progress = _Progress(task, plan)
    unchanged = True
    for row, stage in run.stages(stages):
        progress.begin(row)
        run.keep(progress=progress)
        if again:
            again = False
            yield progress.frame(run)
        for done in run.steps():
            # Once live settings have changed it, it is no longer the run that the key stands for.
            unchanged = unchanged and not task.changes and task.technique == as_begun
            progress.step(done - run.began_stage)
            frame = progress.frame(run)
            last = done == run.total
            if kept is not None:
                if last:
                    kept.remove()
                elif unchanged and kept.due(done - run.began_stage == stage.iterations):
                    kept.save(run.checkpoint(done, frame.seconds))
            try:
                yield frame
            except GeneratorExit:
                if kept is not None and unchanged and not last:
                    kept.save(run.checkpoint(done, frame.seconds))
                raise
        progress.end()


def lines(task: Task[Hierarchy], picture: Tensor) -> list[tuple[str, list[Tile]]]:
    """Return each layer with its pictures from the sheet `picture`, and their channels.

    If a channel is 0 everywhere on its own picture, its caption says so.
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


class HierarchySteps(Steps[Hierarchy]):
    """Hierarchy of features: a sheet with a row of pictures per layer, one layer after another."""

    def stages(self, task: Task[Hierarchy]) -> list[Stage]:
        """Return the one stage of the run."""
        plan = _looked_at(task)
        return [Stage(plan.size, len(plan.rows) * task.technique.iterations)]

    def frames(self, task: Task[Hierarchy]) -> Iterator[Frame]:
        """Yield a frame per iteration."""
        return _frames(task)

    def labels(self, task: Task[Hierarchy]) -> Labels:
        """Return layer and channel of each place on the sheet; nothing if there is no picture."""
        plan = _looked_at(task)
        texts: list[str] = []
        for units in plan.rows:
            texts += [f"{units.layer}\nchannel {c}" for c in units.channels]
            texts += [""] * (plan.columns - units.count)
        return Labels(tuple(texts), plan.columns)

    def parts(self, task: Task[Hierarchy]) -> list[Task[Hierarchy]]:
        """Return tasks for the first and the other steps of each row, with pictures as in the run.

        Deeper layers take longer than others, first steps longer than those that follow.
        """
        plan = _looked_at(task)
        settings = task.technique
        first = min(FIRST_STEPS, settings.iterations)
        found = []
        for units in plan.rows:
            row = replace(settings, layer=units.layer, units=_numbers(units), iterations=first)
            later = replace(row, iterations=settings.iterations - first, steady=True)
            size = units.count * (plan.side + GAP) - GAP
            found += [replace(task, technique=t, size=size) for t in (row, later) if t.iterations]
        return found

    def figure(self, task: Task[Hierarchy], picture: Tensor) -> Picture:
        """Return the sheet as a figure with layers and channels."""
        return rows(lines(task, picture), title=task.network.card.title)
