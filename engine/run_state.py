"""The state of a run: its count, its clock, and what its technique keeps for a checkpoint.

A technique sets up what it works with as if the run were new, hands to `keep` all that its steps
change, and takes its steps from `steps`. In a run that goes on from a checkpoint, stages that are
over are left out, and what is kept becomes what it was; the random state comes last, whatever has
been drawn before.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from engine.checkpoint import DAMAGED, Checkpoint, State, packed, unpacked
from engine.errors import BadInput, Cancelled, Message
from engine.steering import put
from engine.task import Frame, Stage, Task, Technique

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T", bound=Technique)


@runtime_checkable
class Continuable(Protocol):
    """Something that can return its state, and take it up again."""

    def state(self) -> State:
        """Return what the next step depends on, valid until then; copies are made of it."""
        ...

    def take_up(self, state: State) -> None:
        """Become what the state says; its tensors, on the task's device, are taken over."""
        ...


class RunState(Generic[T]):
    """A run under way: from the start, or from where the task's checkpoint was made."""

    def __init__(self, task: Task[T], total: int) -> None:
        """Begin a run of `total` steps. Raises `BadInput` for a checkpoint of another length."""
        self.task, self.total = task, total
        self.first = task.technique
        """The settings that the run began with; `task.technique` has the current ones."""
        self.done = 0
        """Steps done, including the one under way."""
        self.began_stage, self._end = 0, total
        """Steps done when the current stage began, and when it ends."""
        self._parts: dict[str, Any] = {}
        self._past = task.checkpoint
        seconds = 0.0
        if self._past is not None:
            seconds = self._past.seconds
            self._steer_as(self._past)
        self._began = time.perf_counter() - seconds
        self._framed = self.done
        self._kept_stage = -1
        """Steps done when the stage began that `keep` was called in."""
        self._next_begun = self._past is not None and bool(self._past.numbers.get("begun"))
        """Whether the checkpoint was made in the first step of a stage, which was cancelled."""
        self._between_tiles, task.between_tiles = task.between_tiles, self._pause

    def _pause(self) -> None:
        try:
            self._between_tiles()
        except Cancelled:
            if self._framed != self.done:  # the step under way has changed nothing yet
                self.done -= 1
                self.task.generator.set_state(self._before)
            raise

    def _steer_as(self, past: Checkpoint) -> None:
        """Apply the changes of live settings that had been made."""
        self.done = past.iteration
        try:
            if not 0 < self.done <= self.total:
                raise ValueError
            changes = [(int(n), dict(values)) for n, values in past.numbers["changes"]]
            for _, values in changes:
                put(self.task, values)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(DAMAGED) from error
        self.task.changes = changes

    @property
    def continued(self) -> bool:
        """Whether what is kept is still to be taken from a checkpoint."""
        return self._past is not None

    def stages(self, plan: Sequence[Stage]) -> Iterator[tuple[int, Stage]]:
        """Yield the stages with their numbers from 0, without those that were over at the checkpoint.

        One that had just ended is included: the next one begins with its result.
        """
        end = 0
        for index, stage in enumerate(plan):
            begin, end = end, end + stage.iterations
            if self.done < end or (self.done == end and not self._next_begun):
                self.began_stage, self._end = begin, end
                yield index, stage

    def keep(self, **parts: Any) -> None:
        """Let checkpoints hold `parts`, in place of the ones before.

        Each is `Continuable`, or a dataclass of such and of states, or a list of them. In a run
        that goes on, they become what they were; those that are `newer` than the checkpoint's
        version of the program stay as they are.
        """
        self._parts, self._kept_stage = parts, self.began_stage
        if self._past is None:
            return
        past, self._past = self._past, None
        self.task.checkpoint = None  # nothing else needs its memory
        try:
            kept = unpacked(past.numbers["kept"], past.tensors, self.task.device)
            for name, part in parts.items():
                if name in kept or not getattr(part, "newer", False):
                    _take_up(part, kept[name])
            self.task.generator.set_state(past.tensors["generator"])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise BadInput(DAMAGED) from error
        self.task.on_taken_up(self.done)

    def steps(self) -> Iterator[int]:
        """Yield the number, from 1, of each step that is left in the current stage.

        A step that is cancelled between two tiles, before it has changed anything, is not taken: the
        checkpoint of the frame before is still that of the run.
        """
        while self.done < self._end:
            self.done += 1
            self._before = self.task.generator.get_state()
            yield self.done

    def frame(
        self,
        losses: dict[str, float],
        stage: str,
        render: Callable[[], "Tensor"],
        *,
        total: int | None = None,
        film: int = 0,
        note: str | Message = "",
    ) -> Frame:
        """Return the frame of the step that has just been taken; `total` if it ends early."""
        seconds = time.perf_counter() - self._began
        self._framed = self.done
        return Frame(
            self.done, total or self.total, losses, seconds, stage, render, film, note,
            partial(self.checkpoint, self.done, seconds),
        )  # fmt: skip

    def checkpoint(self, iteration: int, seconds: float) -> Checkpoint:
        """Return the checkpoint after `iteration`. Raises `ValueError` when the next has begun."""
        if iteration != self.done:
            raise ValueError(f"iteration {iteration} is over: {self.done} has begun")
        kept = {name: _state_of(part) for name, part in self._parts.items()}
        plain, tensors = packed(kept)
        tensors["generator"] = self.task.generator.get_state()
        changes = [[n, dict(values)] for n, values in self.task.changes]
        numbers = {"kept": plain, "changes": changes}
        if self.done == self._kept_stage > 0:  # what is kept is the next stage's, at its beginning
            numbers["begun"] = True
        return Checkpoint(iteration, seconds, numbers, tensors)


def _state_of(part: Any) -> State:
    if isinstance(part, Continuable):
        return part.state()
    if isinstance(part, (list, tuple)):
        return [_state_of(one) for one in part]
    if is_dataclass(part) and not isinstance(part, type):
        return {f.name: _state_of(getattr(part, f.name)) for f in fields(part)}
    return part


def _take_up(part: Any, state: State) -> None:
    if isinstance(part, Continuable):
        part.take_up(state)
    elif isinstance(part, list):
        for one, own in zip(part, state, strict=True):
            _take_up(one, own)
    elif is_dataclass(part):
        for f in fields(part):
            value = getattr(part, f.name)
            if isinstance(value, Continuable) or is_dataclass(value):
                _take_up(value, state[f.name])
            else:
                setattr(part, f.name, state[f.name])
    else:
        raise TypeError(f"{part!r} cannot be taken up")
