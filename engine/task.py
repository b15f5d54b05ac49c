"""What a technique works with, and the frames that it yields."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast

from engine.errors import Message

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.checkpoint import Checkpoint
    from engine.image import Picture
    from engine.networks.network import Network
    from engine.regions import Region
    from engine.stylization.stylize import Painted


@dataclass(frozen=True)
class Frame:
    """One moment of a run.

    `picture` is made when it is first asked for, and valid only until the next frame is drawn from
    the run: to keep it, read it before the next frame; a skipped frame costs nothing.
    """

    iteration: int
    """Steps done, from 1."""
    total: int
    """Steps that the run will take."""
    losses: dict[str, float]
    seconds: float
    """Seconds since the run began."""
    stage: str
    """Which scale or octave is being worked on, in words."""
    render: Callable[[], "Tensor"] = field(repr=False)
    film: int = 0
    """The number of the film frame that this picture finishes, from 1; 0: none."""
    note: str | Message = ""
    """What a person should know about the run so far, in a sentence with what may help; in the last
    frame it is about the whole run."""
    checkpoint: "Callable[[], Checkpoint] | None" = field(default=None, repr=False)
    """Makes what the run can be continued from after this iteration; call it before the next frame
    is drawn, as for `picture`. None: the run cannot be continued."""
    render_film: "Callable[[], Tensor] | None" = field(default=None, repr=False)
    """Makes the picture as it is in the film; None: as it is."""

    @cached_property
    def picture(self) -> "Tensor":
        """The current picture, (3, H, W) float32 in [0, 1] on the CPU."""
        return self.render()

    @property
    def film_picture(self) -> "Tensor":
        """The same for a film, in which each frame has a grain of its own."""
        return self.picture if self.render_film is None else self.render_film()


@dataclass(frozen=True)
class Labels:
    """What the pictures of a sheet are, row by row."""

    texts: tuple[str, ...]
    columns: int


def square_labels(texts: Iterable[str]) -> Labels:
    """Return the labels of a sheet that is about square, as `parameterization.sheet` makes it."""
    named = tuple(texts)
    return Labels(named, max(1, math.ceil(math.sqrt(len(named)))))


@dataclass(frozen=True)
class Verdict:
    """What the written file of a run's picture achieves."""

    words: str
    """One sentence, without a full stop."""
    numbers: dict[str, Any]
    """Makes the picture as it appears in the film; None: unchanged."""


@dataclass(frozen=True)
class Stage:
    """A part of a run at one picture size."""

    size: tuple[int, int]
    """Height, width."""
    iterations: int


@dataclass(frozen=True)
class Technique(ABC):
    """What can be done with a network: a subclass's fields are its settings.

    A subclass defines what it must (command, title, steps, `iterations`, `at_one_size`) and, of the
    rest, what applies to it. How it runs is in its `Steps`, which are imported when first needed:
    they need PyTorch, the settings do not.
    """

    command: ClassVar[str]
    """Its name on the command line and in recipes."""
    title: ClassVar[str]
    steps: ClassVar[str]
    """Where its `Steps` are, as "module:class"."""
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    inputs: ClassVar[tuple[str, ...]] = ()
    """What it takes: of content, styles, guide, start and regions."""
    styles_optional: ClassVar[bool] = False
    """Whether it can do without a style, of those that take some: see `needs_styles`."""
    content_optional: ClassVar[bool] = False
    """Whether it can do without a photo, of those that take one."""
    exact: ClassVar[bool] = False
    """Whether it needs float32 if the precision is left open: differences would drown in rounding."""
    repaints: ClassVar[bool] = False
    """Whether the result is the content itself, changed place by place."""
    goes_on: ClassVar[bool] = False
    """Whether a larger picture can start from a smaller one: see `enlarged`."""
    has_figure: ClassVar[bool] = False
    """Whether a figure explains its result: see `figure`."""
    has_verdict: ClassVar[bool] = False
    """Whether what a written file holds is examined: see `verdict`."""
    in_tiles: ClassVar[bool] = False
    """Whether it looks at pictures in tiles where memory is short."""
    film: ClassVar[str] = ""
    """The setting that says how many pictures a film has; "": it makes no films."""

    # -- what its settings say ------------------------------------------------------------

    @property
    @abstractmethod
    def iterations(self) -> int:
        """Steps of a run, or of each of its rounds: a setting."""

    @abstractmethod
    def at_one_size(self, iterations: int) -> Self:
        """Return the same at the final size alone, for `iterations` steps: a measurement."""

    def lighter(self, share: float) -> "Lighter":
        """Return the same with less work per iteration, at a `share` of the result's size."""
        return Lighter(self)

    def from_the_start(self) -> Self:
        """Return the same technique, but not resuming an interrupted run."""
        return self

    def begun_with_picture(self) -> Self:
        """Return the same, starting from the start picture, at full size at once."""
        return self

    def rounds(self, network: "Network") -> tuple[int, str]:
        """Return how often the iterations are done, and once for each of what ("layer")."""
        return 1, ""

    def suggested_layers(self, network: "Network") -> dict[str, dict[str, float]]:
        """Return the layers that its settings stand for on `network` by default.

        Empty if it has no such settings.
        """
        return {}

    @property
    def needs_start(self) -> bool:
        """Whether it cannot run without a start picture."""
        return False

    @property
    def needs_content(self) -> bool:
        """Whether it cannot run without a photo, as it is set."""
        return "content" in self.inputs

    @property
    def needs_styles(self) -> bool:
        """Whether it cannot run without a style picture, as it is set."""
        return "styles" in self.inputs

    @property
    def film_frames(self) -> int:
        """How many pictures the film of a run has."""
        return 1

    @property
    def style_size(self) -> float:
        """Long side of the styles, relative to the result's."""
        return 1.0

    @property
    def sample_side(self) -> int | None:
        """Long side in pixels to which the content is scaled; None: as the result is."""
        return None

    @property
    def pairs_remembered(self) -> int:
        """How many pairs of pictures the optimizer remembers."""
        return 0

    # -- how it runs ----------------------------------------------------------------------

    def stages(self, task: "Task[Technique]") -> list[Stage]:
        """Return what the run will do, in order. Draws nothing from the task's generator."""
        return self._steps().stages(self._own(task))

    def labels(self, task: "Task[Technique]") -> Labels | None:
        """Return what the pictures of the result are; None: it is a single one."""
        return self._steps().labels(self._own(task))

    def parts(self, task: "Task[Technique]") -> "list[Task[Self]]":
        """Return tasks to be measured one by one, if some steps take longer than others."""
        return self._steps().parts(self._own(task))

    def looked_at(self, task: "Task[Technique]") -> tuple[int, int] | None:
        """Return height and width that the network is shown; None: those of the result."""
        return self._steps().looked_at(self._own(task))

    def enlarged(self, size: int) -> Self:
        """Return what goes on from a smaller result at `size`, if it `goes_on`."""
        return self._steps().enlarged(self, size)

    def frames(self, task: "Task[Technique]") -> Iterator[Frame]:
        """Run; yields after every iteration; closing the generator stops the work.

        Raises `BadInput` if pictures are missing or settings do not go together.
        """
        return self._steps().frames(self._own(task))

    def figure(self, task: "Task[Technique]", picture: "Tensor") -> "Picture":
        """Return the figure that explains the result `picture` (3, H, W), if it `has_figure`."""
        return self._steps().figure(self._own(task), picture)

    def painter(self, task: "Task[Technique]") -> "Painted":
        """Return what paints the task's photo, and the frames that follow it, if it `paints_films`.

        Raises `BadInput` if pictures are missing or settings do not go together.
        """
        return self._steps().painter(self._own(task))

    def verdict(self, task: "Task[Technique]", written: "Picture") -> "Verdict":
        """Return what is true of a file of the result, opened again, if it `has_verdict`."""
        return self._steps().verdict(self._own(task), written)

    def _steps(self) -> "Steps[Self]":
        return _loaded(self.steps)

    def _own(self, task: "Task[Technique]") -> "Task[Self]":
        """Return the task with these settings: the same one, so it can be steered, if it has them."""
        own = task if task.technique == self else replace(task, technique=self)
        return cast("Task[Self]", own)


@cache
def _loaded(steps: str) -> "Steps[Any]":
    module, _, name = steps.partition(":")
    found = getattr(import_module(module), name)()
    assert isinstance(found, Steps)
    return found


T = TypeVar("T", bound=Technique)
AnyTechnique = TypeVar("AnyTechnique", bound=Technique, covariant=True)
"""Covariant: what works with a task of any technique works with one of a particular technique.
Whoever steers a task replaces its settings by others of the same technique."""


@dataclass
class Task(Generic[AnyTechnique]):
    """A job made ready: pictures opened, network loaded, randomness seeded."""

    technique: AnyTechnique
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
    regions: "list[Region]" = field(default_factory=list)
    """Their masks and styles opened and checked; later ones lie on top of earlier ones."""
    changes: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Live settings changed so far: after which iteration, which values from then on."""
    memory: int | None = None
    """How many bytes the run may take beyond what is taken already; None: as many as there are."""
    between_tiles: Callable[[], None] = field(default=lambda: None, repr=False)
    """Called between two tiles of a large picture; may raise `Cancelled` to end the run there."""
    checkpoint: "Checkpoint | None" = None
    """Where the run is continued from; None: it starts from the beginning."""
    on_taken_up: Callable[[int], None] = field(default=lambda iteration: None)
    """Called once the run is back where the checkpoint was made, with that iteration."""

    @property
    def device(self) -> "torch.device":
        """Where the run computes."""
        return self.network.device

    def noise(self, *shape: int) -> "Tensor":
        """Return standard normal numbers on the task's device."""
        import torch

        return torch.randn(*shape, generator=self.generator).to(self.device)


class Steps(ABC, Generic[T]):
    """How a technique runs. Keeps no state: what belongs to a run is in its task and frames.

    Each method is described at the method of `Technique` with the same name.
    """

    @abstractmethod
    def stages(self, task: Task[T]) -> list[Stage]:
        """Return what the run will do, in order."""

    @abstractmethod
    def frames(self, task: Task[T]) -> Iterator[Frame]:
        """Run; yields after every iteration."""

    def labels(self, task: Task[T]) -> Labels | None:
        """Return what the pictures of the result are."""
        return None

    def parts(self, task: Task[T]) -> list[Task[T]]:
        """Return tasks to be measured one by one."""
        return [task]

    def looked_at(self, task: Task[T]) -> tuple[int, int] | None:
        """Return height and width that the network is shown."""
        return None

    def enlarged(self, technique: T, size: int) -> T:
        """Return what goes on from a smaller result."""
        raise NotImplementedError

    def figure(self, task: Task[T], picture: "Tensor") -> "Picture":
        """Return the figure that explains a result."""
        raise NotImplementedError

    def painter(self, task: Task[T]) -> "Painted":
        """Return what paints the task's photo and the frames that follow it."""
        raise NotImplementedError

    def verdict(self, task: Task[T], written: "Picture") -> "Verdict":
        """Return what is true of a file of the result."""
        raise NotImplementedError


@dataclass(frozen=True)
class Lighter:
    """A technique with less work per iteration, from which the time of the full one is estimated."""

    technique: Technique
    times: float = 1.0
    """How many times as long an iteration of the full technique takes at the same size."""
    together: float = 1.0
    """How many times as much memory it takes."""
