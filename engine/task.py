"""What a technique gets to work with, and the frames that it gives."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from engine.errors import Diverged, Mention, Message

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.image import Picture
    from engine.networks.network import Network


@dataclass(frozen=True)
class Frame:
    """One moment of a run.

    `picture` is made when it is first asked for, and only right until the next frame is drawn from
    the run: who wants to keep it asks in time; who skips frames pays nothing for them.
    """

    iteration: int
    """Steps done, from 1."""
    total: int
    """Steps that the run will take."""
    losses: dict[str, float]
    seconds: float
    """Since the run began."""
    stage: str
    """Which scale or octave is being worked on, in words."""
    render: Callable[[], "Tensor"] = field(repr=False)
    film: int = 0
    """Which frame of a film this picture finishes, from 1; 0: none."""
    note: str | Message = ""
    """What a person should know of the run so far, in a sentence with what may help; of the last
    frame it is about the whole run."""

    @cached_property
    def picture(self) -> "Tensor":
        """The present picture, (3, H, W) float32 in [0, 1] on the CPU."""
        return self.render()


@dataclass(frozen=True)
class Labels:
    """What the pictures of a sheet are, row by row."""

    texts: tuple[str, ...]
    columns: int


def square_labels(texts: Iterable[str]) -> Labels:
    """Return the labels of a sheet that is about square, as `parameterization.sheet` makes it."""
    named = tuple(texts)
    return Labels(named, max(1, math.ceil(math.sqrt(len(named)))))


@dataclass
class Task:
    """A job made ready: pictures opened, network loaded, randomness seeded."""

    technique: Any
    """The settings; replaced between iterations when a person changes a live one."""
    network: "Network"
    size: int
    """Long side of the result in pixels."""
    generator: "torch.Generator"
    """Draws everything random, on the CPU, so that all devices see the same."""
    content: "Picture | None" = None
    styles: "list[tuple[Picture, float]]" = field(default_factory=list)
    guide: "Picture | None" = None
    start: "Picture | None" = None

    @property
    def device(self) -> "torch.device":
        """Where the run computes."""
        return self.network.device

    def noise(self, *shape: int) -> "Tensor":
        """Return standard normal numbers on the task's device."""
        import torch

        return torch.randn(*shape, generator=self.generator).to(self.device)


@dataclass(frozen=True)
class Verdict:
    """What is true of the file that a run's picture was written to."""

    words: str
    """One sentence, without a full stop."""
    numbers: dict[str, Any]
    """For JSON: what takes the place of the run's own figures, or is added to them."""


@dataclass(frozen=True)
class Stage:
    """A part of a run at one picture size."""

    size: tuple[int, int]
    """Height, width."""
    iterations: int


@dataclass(frozen=True)
class Lighter:
    """A technique with less to do in an iteration, from which the whole one's time is told."""

    technique: Any
    times: float
    """An iteration of the whole one takes so many times as long at the same size."""
    together: float = 1.0
    """So many times as much memory."""


def finite(numbers: dict[str, float], iteration: int) -> dict[str, float]:
    """Return `numbers` if all are finite; called before the picture is touched.

    Raises `Diverged` otherwise: the frame before is then still right.
    """
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise Diverged(
                f"the {name} became {value} at iteration {iteration}; the picture before it is kept. "
                "A smaller learning rate or weight, or ",
                Mention("precision", value="fp32"),
                ", would help",
            )
    return numbers


class Technique(Protocol):
    """A frozen dataclass whose fields are settings and that knows how to run."""

    command: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    """What it makes of what, in a line."""
    exact: ClassVar[bool]
    """Whether it needs float32 where the precision is left open: differences would drown else."""
    presets: ClassVar[dict[str, dict[str, Any]]]
    inputs: ClassVar[tuple[str, ...]]
    """Which pictures it takes, of content, styles, guide and start."""

    def suggested_layers(self, network: "Network") -> dict[str, dict[str, float]]:
        """Return what its settings of layers mean on `network` where they are left to themselves.

        Nothing, where it has none such.
        """
        return {}

    def stages(self, task: Task) -> list[Stage]:
        """Return what the run will do, in order."""
        ...

    def at_one_size(self, iterations: int) -> "Technique":
        """Return the same at the final size alone, for `iterations` steps: a measurement."""
        ...

    def frames(self, task: Task) -> Iterator[Frame]:
        """Run; yields after every iteration; closing the generator stops the work."""
        ...
