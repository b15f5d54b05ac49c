"""A job: everything that one run needs, immutable; as JSON it is the recipe of its picture."""

import math
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import settings
from engine.errors import BadInput, Mention, Message
from engine.finish import Finish, Finisher, finish_values, of_film_frame, read_finish
from engine.image import Picture
from engine.named_files import find_path, find_picture
from engine.recipe_values import (
    Source,
    as_flag,
    as_text,
    as_whole,
    change_of,
    check_count,
    reference_to,
    technique_of,
)
from engine.reduced import mask_side, open_for, side_needed
from engine.regions import MOST_REGIONS, Region, check_region
from engine.settings import setting
from engine.steering import STYLE_WEIGHTS, Changes, Steering
from engine.stylization import digests
from engine.stylization.digests import StyleWeights
from engine.task import Frame, Task, Technique
from engine.techniques import TECHNIQUES

if TYPE_CHECKING:
    from torch import Tensor

    from engine.checkpoint import Checkpoint
    from engine.networks.network import Network

FORMAT, WITH_REGIONS = 4, 4
"""Version of the recipe; readers refuse higher ones. What a lower one can express is written as
that: 1 knows no finish and no preprocessing, 2 only the first settings of the finish, 3 no
regions."""

MOST_STYLES, MOST_CHANGES = 256, 20_000
"""Limits for a recipe; a run with that many styles would take weeks."""
LARGEST = 2**31 - 1
"""The longest side that any picture can have, in pixels."""


@dataclass(frozen=True)
class Inputs:
    """The pictures of a job."""

    content: Source | None = None
    styles: tuple[tuple[Source, float], ...] = ()
    guide: Source | None = None
    start: Source | None = None
    regions: tuple[Region, ...] = ()

    @property
    def sources(self) -> list[Source]:
        """All pictures that there are: content, styles, guide, start, masks, styles of regions."""
        i = self
        own = (picture for region in i.regions for picture in (region.mask, region.style))
        each = (i.content, *(style for style, _ in i.styles), i.guide, i.start, *own)
        return [picture for picture in each if picture is not None]

    @property
    def has_style(self) -> bool:
        """Whether there is a style, be it for a region only."""
        return bool(self.styles) or any(r.style is not None and not r.kept for r in self.regions)

    def changed(self, change: Callable[[Any], Any]) -> "Inputs":
        """Return the same with `change` applied to each picture."""

        def one(source: Source | None) -> Any:
            return None if source is None else change(source)

        styles = tuple((change(picture), weight) for picture, weight in self.styles)
        regions = tuple(
            replace(each, mask=change(each.mask), style=one(each.style)) for each in self.regions
        )
        return Inputs(one(self.content), styles, one(self.guide), one(self.start), regions)

    def described(self, name: Callable[[Source], Mapping[str, Any] | None]) -> dict[str, Any]:
        """Return what a recipe says about the pictures; `name` says what it says about each."""

        def one(source: Source | None) -> dict[str, Any] | None:
            return None if source is None or (said := name(source)) is None else dict(said)

        found: dict[str, Any] = {
            "content": one(self.content),
            "styles": [{**(one(p) or {}), "weight": weight} for p, weight in self.styles],
            "guide": one(self.guide),
            "start": one(self.start),
        }
        if self.regions:
            found["regions"] = [
                {
                    "mask": one(r.mask), "style": one(r.style), "weight": r.weight, "kept": r.kept,
                    **({"network_style": r.network_style} if r.network_style else {}),
                }
                for r in self.regions
            ]  # fmt: skip
        return found


def with_inputs(recipe: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with other pictures, as `Inputs.described` gives them, in the right format."""
    version = recipe["format"]
    if inputs.get("regions"):
        version = max(version, WITH_REGIONS)
    return {**recipe, "format": version, "inputs": dict(inputs)}


@dataclass(frozen=True)
class Job:
    """Technique, pictures, network, size, seed, device and precision of one run."""

    technique: Technique
    inputs: Inputs = field(default_factory=Inputs)
    network: str = "slim_vgg"
    weights: str | None = None
    size: int | None = setting(
        512, "Size", "Long side of the result; of class visualization, activation maximization and "
        "Langevin sampling, of each of its pictures. photo: as large as the photo.",
        low=1, high=65536, step=64, unit="px", log=True, group="Output", by_itself="photo",
    )  # fmt: skip
    seed: int = setting(
        0, "Seed", "Same seed, same picture.", low=-(2**63), high=2**63 - 1, group="Output"
    )
    device: str = setting(
        "auto", "Device", "Where to compute; auto takes a GPU where there is one.",
        choices=("auto", "cpu", "cuda", "mps"), group="Output",
    )  # fmt: skip
    precision: str = setting(
        "auto", "Precision", "auto takes bf16 where that is faster.",
        choices=("auto", "fp32", "bf16"), group="Output",
    )  # fmt: skip
    changes: Changes = ()
    """Live settings that were changed during the run: after which iteration, which values.

    Besides a technique's settings there are the weights of its styles (`STYLE_WEIGHTS`)."""
    stop_after: int | None = None
    """The iteration after which a person stopped the run."""
    finish: Finish = Finish()  # noqa: RUF009 - it cannot be changed
    """What is done to the result afterwards."""
    preprocessing: str | None = None
    """How pictures are prepared for the network, as `known_preprocessing` takes it; None: as the
    weights require."""
    memory: int | None = setting(
        None, "Memory", "How much memory the program may take for a run. Style transfer, texture "
        "synthesis, DeepDream and feature inversion look at a picture that needs more in tiles; it "
        "comes out the same. auto: 60 % of what is free.",
        low=256, high=16_777_216, step=256, unit="MiB", log=True, group="Output",
        by_itself="auto",
    )  # fmt: skip
    style_weights: tuple[StyleWeights, ...] = field(default=(), compare=False)
    """What painted, or will paint; known for a job that was opened or read from a recipe."""

    def recipe(self) -> dict[str, Any]:
        """Return the job as plain values for JSON; pictures by path and SHA-256."""
        steered: dict[str, Any] = {}
        if self.changes:
            steered["changes"] = [[iteration, dict(values)] for iteration, values in self.changes]
        if self.stop_after is not None:
            steered["stop_after"] = self.stop_after
        version = 1
        if self.finish != Finish():
            steered["finish"], first = finish_values(self.finish)
            version = 2 if first else 3
        if self.preprocessing is not None:
            steered["preprocessing"] = self.preprocessing
            version = max(version, 2)
        if self.memory is not None:
            steered["memory"] = self.memory
        if painted := digests.to_recipe(self.technique, self.style_weights):
            steered["style_networks"] = painted
        recipe = {
            "format": version,
            "technique": self.technique.command,
            "settings": {
                **settings.values(self.technique),
                **settings.placed(
                    self.technique, lambda text: str(Path(text).expanduser().absolute())
                ),
            },
            "inputs": {},
            "network": self.network,
            "weights": None if self.weights is None else str(Path(self.weights).absolute()),
            "size": _side_of(self.size, self.inputs.content),
            "seed": self.seed,
            "device": self.device,
            "precision": self.precision,
            **steered,
        }
        return with_inputs(recipe, self.inputs.described(reference_to))

    @classmethod
    def from_recipe(
        cls,
        recipe: Mapping[str, Any],
        folder: Path | None = None,
        find: Callable[[Mapping[str, Any], Path | None, int, bool], Source] = find_picture,
    ) -> "Job":
        """Return the job that `recipe` describes. Raises `BadInput`, also if a picture has changed.

        What the recipe names is also looked for near `folder`, where the recipe lies. `find`
        returns the pictures, opened or by path, and takes what `find_picture` takes.
        """
        version = recipe.get("format")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise BadInput(f"the recipe is damaged: its format is {_short(version)}, not {FORMAT}")
        if version > FORMAT:
            raise BadInput(
                f"the recipe has format {version}; this version reads up to {FORMAT}: "
                "update Pareidolia"
            )
        command = recipe.get("technique")
        if not isinstance(command, str) or command not in TECHNIQUES:
            raise BadInput(
                f"the recipe is for {_short(command)}; there are {', '.join(TECHNIQUES)}"
            )
        try:
            inputs, styles = recipe["inputs"], recipe["inputs"]["styles"]
            stop, changes = recipe.get("stop_after"), recipe.get("changes", ())
            check_count(styles, MOST_STYLES, "styles")
            check_count(changes, MOST_CHANGES, "changes")
            regions = inputs.get("regions", ())
            check_count(regions, MOST_REGIONS, "regions")
            painted = recipe.get("style_networks", ())
            check_count(painted, MOST_STYLES, "style networks")
            weights = recipe["weights"]
            technique = technique_of(TECHNIQUES[command], recipe["settings"], folder)
            size = settings.describe(cls)["size"].check(as_whole(recipe["size"]))
            side = side_needed(technique, size)

            def found(name: str, square: bool = False) -> Source | None:
                reference = inputs[name]
                return None if reference is None else find(reference, folder, side, square)

            def region(values: Mapping[str, Any]) -> Region:
                style = values["style"]
                return Region(
                    find(values["mask"], folder, mask_side(size), False),
                    None if style is None else find(style, folder, side, False),
                    float(values["weight"]),
                    as_flag(values["kept"]),
                    as_text(values.get("network_style", "")),
                )

            return cls(
                technique,
                Inputs(
                    found("content"),
                    tuple((find(s, folder, side, False), float(s["weight"])) for s in styles),
                    found("guide", square=True),
                    found("start", square=True),
                    tuple(map(region, regions)),
                ),
                as_text(recipe["network"]),
                None if weights is None else find_path(as_text(weights), folder),
                size,
                as_whole(recipe["seed"]),
                as_text(recipe["device"]),
                as_text(recipe["precision"]),
                tuple(change_of(TECHNIQUES[command], len(styles), c) for c in changes),
                None if stop is None else as_whole(stop),
                read_finish(recipe.get("finish", {})),
                None if recipe.get("preprocessing") is None else as_text(recipe["preprocessing"]),
                memory=_memory_of(recipe),
                style_weights=digests.of_recipe(technique, painted),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadInput(
                f"the recipe is damaged ({_short(error)}): the job cannot be read"
            ) from error


def _memory_of(recipe: Mapping[str, Any]) -> int | None:
    memory = recipe.get("memory")
    if memory is None:
        return None
    return int(settings.describe(Job)["memory"].check(as_whole(memory)))


def _short(value: Any) -> str:
    """Return a value from a recipe, or what is wrong with it, short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:100]}…"


def _side_of(size: int | None, content: Source | None) -> int:
    """Return the long side of the result. Raises `BadInput` if it depends on a missing photo."""
    if size is not None:
        return size
    if content is None:
        raise BadInput(
            Mention("size", value="photo"),
            " needs a photo, and there is none: give a number of pixels",
        )
    return open_for(content, 1).long_side if not isinstance(content, Picture) else content.long_side


def opened(job: Job) -> Job:
    """Return the job with its pictures opened, as large as needed, size and precision decided.

    Later changes to the files then do not matter, and its recipe says which precision was used: the
    faster one is found by measuring, and may be another next time.
    """
    check_size(job.size)
    i = job.inputs
    size = _side_of(job.size, i.content)
    side = side_needed(job.technique, size)

    known: dict[tuple[str, bool], Picture] = {}

    def open_picture(source: Source, square: bool = False) -> Picture:
        """Open each file once: several regions may have the same style."""
        if isinstance(source, Picture):
            return open_for(source, side, square)
        key = str(source), square
        if key not in known:
            known[key] = open_for(source, side, square)
        return known[key]

    def open_one(source: Source | None, square: bool = False) -> Picture | None:
        return None if source is None else open_picture(source, square)

    styles = tuple((open_picture(p), weight) for p, weight in i.styles)
    for picture, weight in styles:
        if not weight > 0 or not math.isfinite(weight):
            name = picture.path or "picture"
            raise BadInput(f"the style {name} has the weight {weight:g}; it must be above 0")
    content, regions = open_one(i.content), i.regions if "regions" in job.technique.inputs else ()
    if len(regions) > MOST_REGIONS:
        raise BadInput(f"there are {len(regions)} regions; {MOST_REGIONS} are possible")
    opened_regions = [
        replace(r, mask=open_for(r.mask, mask_side(size)), style=open_one(r.style)) for r in regions
    ]
    for number, region in enumerate(opened_regions, 1):
        check_region(region, number, content)
    inputs = Inputs(
        content, styles, open_one(i.guide, True), open_one(i.start, True), tuple(opened_regions)
    )
    masks = [region.mask for region in opened_regions]
    for source in inputs.sources:
        if source in masks:  # where it is transparent is outside
            continue
        if isinstance(source, Picture) and source.alpha is not None and not source.alpha.any():
            name = source.path or "the picture"
            raise BadInput(f"{name} is completely transparent: there is nothing to see in it")
    from engine.device import choose_device, choose_precision, name_of  # torch: not for a mistake

    wanted = job.precision
    if wanted == "auto" and job.technique.exact:
        wanted = "fp32"
    precision = name_of(choose_precision(wanted, choose_device(job.device)))
    painted = digests.style_weights(job.technique, job.style_weights)
    return replace(job, inputs=inputs, size=size, precision=precision, style_weights=painted)


def check_size(size: int | None) -> None:
    """Refuse, by `BadInput`, a long side that no picture can have."""
    if size is not None and size < 1:
        raise BadInput(Mention("size"), f" is {size}; it must be at least 1 pixel, or photo")
    if size is not None and size > LARGEST:
        raise BadInput(
            Mention("size"), f" has {len(str(size))} digits; no picture is as large as that"
        )


def prepare(job: Job, network: "Network | None" = None) -> Task[Technique]:
    """Open the pictures, load the network (unless given) and seed the randomness.

    Raises `BadInput`, or `WeightsMissing` when the weights are not on this machine.
    """
    import torch

    from engine.device import (
        MIB,
        allowed_memory,
        choose_device,
        choose_precision,
        return_large_blocks,
    )
    from engine.networks.loading import load_network

    job = opened(job)
    assert job.size is not None
    device = choose_device(job.device)
    dtype = choose_precision(job.precision, device)
    return_large_blocks()
    # The caller's network stays as it is; one loaded for this run is moved, not copied, unless its
    # answers have to be checked in float32.
    if network is None:
        network = load_network(job.network, job.weights, preprocessing=job.preprocessing)
        if not job.technique.exact:
            network.move(device, dtype)
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
        regions=list(i.regions),
        memory=allowed_memory(None if job.memory is None else job.memory * MIB, device),
    )


def run(
    job: Job,
    network: "Network | None" = None,
    steering: Steering | None = None,
    checkpoint: "Checkpoint | None" = None,
) -> Generator[Frame, None, None]:
    """Yield a `Frame` per iteration. Closing the generator stops the work.

    The same job, device and precision give the same picture, even for a run that was steered or
    stopped: `job.changes` and `job.stop_after` say how; `steering.applied` collects all changes,
    the job's and new ones. Raises `BadInput`, `WeightsMissing`, `OutOfMemory` with the size that
    would fit, and `Diverged` when numbers stop being finite: the last frame's picture is then the
    last good one.

    With the `checkpoint` of a frame of the same job, as it was at the start, the run goes on with
    the next iteration, bit for bit as if it had never been interrupted.
    """
    frames = frames_of(job, prepare(job, network), steering, checkpoint)
    del checkpoint  # its memory is needed once only
    yield from frames


def frames_of(
    job: Job,
    task: Task[Technique],
    steering: Steering | None = None,
    checkpoint: "Checkpoint | None" = None,
) -> Generator[Frame, None, None]:
    """Yield what `run` does, for a task that `prepare` has made; works once."""
    from engine.colour import GRAY_NOTE
    from engine.device import release_memory
    from engine.memory import check_fits, explained

    check_fits(task)
    finisher = Finisher(task.content)
    differs = digests.changed(job.technique, job.style_weights)
    steering = steering or Steering()
    begun = 0 if checkpoint is None else checkpoint.iteration
    changes = deque(change for change in job.changes if not begun or change[0] >= begun)
    if job.changes or job.stop_after is not None:
        # The run is repeated from its beginning, from which the changes and the stop are counted.
        task.technique = task.technique.from_the_start()
    if begun and job.stop_after is not None and job.stop_after <= begun:
        return

    def steer(iteration: int) -> None:
        while changes and changes[0][0] <= iteration:
            steering.take(task, *changes.popleft())
        steering.apply(task, iteration)

    def go_on(iteration: int) -> None:
        steering.applied[:] = task.changes
        steer(iteration)

    task.checkpoint, task.on_taken_up = checkpoint, go_on
    del checkpoint
    try:
        with explained(task):
            for frame in task.technique.frames(task):
                if frame.iteration <= begun:
                    raise BadInput(f"{task.technique.title} cannot be continued: begin it anew")
                if job.finish != Finish():
                    render = partial(_finished, frame, finisher, job.finish)
                    of_film = of_film_frame(job.finish, frame.film)
                    in_film = partial(_finished, frame, finisher, of_film) if frame.film else None
                    told = frame.note != GRAY_NOTE or job.finish.recolour == "none"
                    note = frame.note if told else ""
                    frame = replace(frame, render=render, render_film=in_film, note=note)
                if differs:
                    told_before = (frame.note, " ") if frame.note else ()
                    frame = replace(frame, note=Message(*told_before, differs))
                yield frame
                if frame.iteration == job.stop_after:
                    break
                steer(frame.iteration)
    finally:
        release_memory(task.device)


def _finished(frame: Frame, finisher: Finisher, finish: Finish) -> "Tensor":
    return finisher(frame.picture, finish)


def carried(job: Job) -> Picture | None:
    """Return the picture whose EXIF, and transparency if it has any, the result of `job` carries.

    It is the photo, but its transparency is kept only for what is made of the whole photo, place by
    place.
    """
    content = job.inputs.content
    if not isinstance(content, Picture):
        return None
    return content if job.technique.repaints else replace(content, alpha=None)


def enlarged(job: Job, size: int, result: Source) -> Job:
    """Return the job of the same picture at a larger `size`, given its current `result`.

    A technique that is able to goes on from the result, with its settings as they were at the end;
    others run again at the new size.
    """
    technique = job.technique
    if not technique.goes_on:
        return replace(job, size=size)
    styles = job.inputs.styles
    for _, values in job.changes:
        own = {name: value for name, value in values.items() if name != STYLE_WEIGHTS}
        technique = replace(technique, **own)
        weights = values.get(STYLE_WEIGHTS)
        if weights is not None:
            styles = tuple((p, w) for (p, _), w in zip(styles, weights, strict=True))
    inputs = replace(job.inputs, styles=styles, start=result)
    technique = technique.enlarged(size)
    return replace(job, technique=technique, inputs=inputs, size=size, changes=(), stop_after=None)
