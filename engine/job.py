"""A job: everything that one run needs, unchangeable, and as JSON the recipe of its picture."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import settings
from engine.errors import BadInput, OutOfMemory
from engine.image import Picture, open_picture
from engine.task import Frame, Task, Technique
from engine.techniques import TECHNIQUES

if TYPE_CHECKING:
    import torch

    from engine.networks.network import Network

FORMAT = 1
"""Version of the recipe; readers refuse higher ones."""

Source = str | Path | Picture
"""An input picture: where it lies, or the picture itself."""


@dataclass(frozen=True)
class Inputs:
    """The pictures of a job."""

    content: Source | None = None
    styles: tuple[tuple[Source, float], ...] = ()
    guide: Source | None = None
    start: Source | None = None


@dataclass(frozen=True)
class Job:
    """Technique, pictures, network, size, seed, device and precision of one run."""

    technique: Technique
    inputs: Inputs = field(default_factory=Inputs)
    network: str = "slim_vgg"
    weights: str | None = None
    size: int = 512
    """Long side of the result in pixels."""
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"

    def recipe(self) -> dict[str, Any]:
        """Return the job as plain values for JSON; pictures by path and SHA-256."""
        return {
            "format": FORMAT,
            "technique": self.technique.command,
            "settings": settings.values(self.technique),
            "inputs": {
                "content": _reference(self.inputs.content),
                "styles": [{**_known(p), "weight": weight} for p, weight in self.inputs.styles],
                "guide": _reference(self.inputs.guide),
                "start": _reference(self.inputs.start),
            },
            "network": self.network,
            "weights": self.weights,
            "size": self.size,
            "seed": self.seed,
            "device": self.device,
            "precision": self.precision,
        }

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any]) -> "Job":
        """Return the job that `recipe` describes. Raises `BadInput`, also when a picture changed."""
        if not isinstance(recipe.get("format"), int) or recipe["format"] > FORMAT:
            raise BadInput(
                f"the recipe has format {recipe.get('format')!r}; "
                f"this version reads up to {FORMAT}: a newer Pareidolia is needed"
            )
        command = recipe.get("technique")
        if command not in TECHNIQUES:
            raise BadInput(f"the recipe is for {command!r}; there are {', '.join(TECHNIQUES)}")
        try:
            inputs = recipe["inputs"]
            return cls(
                settings.make(TECHNIQUES[command], recipe["settings"]),
                Inputs(
                    _opened(inputs["content"]),
                    tuple((_found(s), float(s["weight"])) for s in inputs["styles"]),
                    _opened(inputs["guide"]),
                    _opened(inputs["start"]),
                ),
                recipe["network"],
                recipe["weights"],
                int(recipe["size"]),
                int(recipe["seed"]),
                recipe["device"],
                recipe["precision"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(f"the recipe is damaged ({error!r}); the job cannot be read") from error


def _known(source: Source) -> dict[str, Any]:
    picture = source if isinstance(source, Picture) else open_picture(source)
    if picture.path is None:
        return {"path": None, "sha256": ""}
    return {"path": str(picture.path), "sha256": picture.sha256}


def _reference(source: Source | None) -> dict[str, Any] | None:
    return None if source is None else _known(source)


def _opened(reference: Mapping[str, Any] | None) -> Picture | None:
    return None if reference is None else _found(reference)


def _found(reference: Mapping[str, Any]) -> Picture:
    """Open a picture that a recipe names and see that it is still the same."""
    path = reference["path"]
    if path is None:
        raise BadInput("the recipe's picture was never a file; open the pictures and run again")
    picture = open_picture(path)
    if reference["sha256"] and picture.sha256 != reference["sha256"]:
        raise BadInput(f"{path} is not the picture that the recipe was made with; put that one back")
    return picture


def opened(job: Job) -> Job:
    """Return the job with its pictures opened, so that later changes of the files do not matter."""

    def open_one(source: Source | None) -> Picture | None:
        return source if source is None or isinstance(source, Picture) else open_picture(source)

    i = job.inputs
    styles = tuple(
        (p if isinstance(p, Picture) else open_picture(p), weight) for p, weight in i.styles
    )
    for _, weight in styles:
        if not weight > 0 or not math.isfinite(weight):
            raise BadInput(f"a style has the weight {weight:g}; weights are above 0")
    return replace(
        job, inputs=Inputs(open_one(i.content), styles, open_one(i.guide), open_one(i.start))
    )


def prepare(job: Job, network: "Network | None" = None) -> Task:
    """Open the pictures, load the network (unless given) and seed the randomness.

    Raises `BadInput`, or `WeightsMissing` when the weights are not on this machine.
    """
    import torch

    from engine.device import choose_device, choose_precision
    from engine.networks.loading import load_network

    if job.size < 1:
        raise BadInput(f"--size is {job.size}; it takes a long side of at least 1 pixel")
    device = choose_device(job.device)
    dtype = choose_precision(job.precision, device)
    job = opened(job)
    # A network of the caller's stays as it is; one that was loaded for this run is moved, not copied.
    if network is None:
        network = load_network(job.network, job.weights).move(device, dtype)
    assert not isinstance(job.inputs.content, (str, Path))
    i: Any = job.inputs
    return Task(
        job.technique,
        network.at(device, dtype),
        job.size,
        torch.Generator().manual_seed(job.seed % 2**63),
        i.content,
        list(i.styles),
        i.guide,
        i.start,
    )


class Steering:
    """Changes to live settings of a running job, from any thread; taken at the next iteration."""

    def __init__(self) -> None:
        """Start with nothing changed."""
        self._wanted: Any = None

    def change(self, technique: Technique) -> None:
        """Ask for the live settings of `technique`; the others wait for the next run."""
        self._wanted = technique

    def apply(self, task: Task) -> None:
        """Put what was asked for into the task."""
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            live = {
                name: getattr(wanted, name)
                for name, described in settings.describe(wanted).items()
                if described.live
            }
            task.technique = replace(task.technique, **live)


def run(
    job: Job, network: "Network | None" = None, steering: Steering | None = None
) -> Iterator[Frame]:
    """Yield a `Frame` per iteration. Closing the generator stops the work.

    Same job, device and precision give the same picture. Raises `BadInput`, `WeightsMissing`,
    `OutOfMemory` with the size that would fit, and `Diverged` when numbers stop being finite: the
    last frame's picture is then the last good one.
    """
    from engine.device import release_memory

    task = prepare(job, network)
    from engine.forecasting import check_fits, size_that_fits

    check_fits(task)
    try:
        for frame in task.technique.frames(task):
            yield frame
            if steering is not None:
                steering.apply(task)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        fitting = size_that_fits(task)
        raise OutOfMemory(
            f"{job.network} at {job.size} pixels needs more memory than there is on "
            f"{task.device.type}; --size {fitting} would fit"
        ) from None
    finally:
        release_memory(task.device)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` says that memory ran out (torch has several ways of saying it)."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(w in str(error).lower() for w in words)
