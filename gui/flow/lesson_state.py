"""What a lesson's step stores of the window, and how the window returns to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QPainter

from engine.attribution.heat import Heat
from engine.errors import BadInput
from engine.job import Job
from engine.lesson import Figure, Step, picture_bytes
from engine.named_files import digest_of, find_path, find_same
from engine.settings import folders
from gui.flow.input_pictures import kept
from gui.models.map_settings import MapSettings
from gui.pixels import heat_image, to_array
from gui.session import job_from_values, path_of

LONGEST = 1600
"""Long side of the pictures of a step; no projector shows much more."""
SMALLEST_FIGURE = 448
"""The least long side of a composed map: below, it would be coarser than the map itself."""
MOST_CLASSES = 1 << 31
"""The highest count of Qt's lists."""


@dataclass(frozen=True)
class MapSnapshot:
    """A map as shown over the picture."""

    heat: Heat
    colours: str
    threshold: float
    opacity: float
    caption: str


@dataclass(frozen=True)
class WindowSnapshot:
    """What the window shows at one moment."""

    image: QImage
    exact: bool
    """Whether every pixel matters, as for a run's result, which cannot be opened again."""
    maps: tuple[MapSnapshot, ...]
    title: str
    state: dict[str, Any]


@dataclass(frozen=True)
class RestorePoint:
    """What the window needs to return to a step."""

    job: Job | None
    """None: the step's settings cannot be read."""
    map_settings: Mapping[str, Any]
    path: str
    """The picture to show; empty: the job's photo."""


def step_of(seen: WindowSnapshot) -> Step:
    """Return the step, with pictures reduced and maps composed. Takes a while."""
    image = at_most(seen.image, LONGEST)
    figures = tuple(
        Figure(each.caption, picture_bytes(to_array(composed(image, each)))) for each in seen.maps
    )
    picture = picture_bytes(to_array(image), seen.exact)
    state = {**seen.state, "sha256": digests(seen.state)}
    return Step(seen.title, "", False, picture, figures, state)


def digests(state: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the pictures that a step's state names, by path. Reads them."""
    job, shown = (_table(state.get(name)) for name in ("job", "shown"))
    styles = [path for path, _ in job.get("styles", ())]
    own = [path for mask, style, *_ in job.get("regions", ()) for path in (mask, style)]
    single = [job.get(role) for role in ("content", "guide", "start")]
    named = [*single, *styles, *own, shown.get("path")]
    return {path: digest for path in named if path and (digest := digest_of(path))}


def at_most(image: QImage, side: int) -> QImage:
    """Return the image, reduced to at most that long side."""
    if max(image.width(), image.height()) <= side:
        return image
    smooth = Qt.TransformationMode.SmoothTransformation
    return image.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, smooth)


def composed(image: QImage, seen: MapSnapshot) -> QImage:
    """Return a picture with a map over it, as the canvas shows it."""
    size = image.size()
    if max(size.width(), size.height()) < SMALLEST_FIGURE:
        size.scale(QSize(SMALLEST_FIGURE, SMALLEST_FIGURE), Qt.AspectRatioMode.KeepAspectRatio)
    smooth, stretch = (
        Qt.TransformationMode.SmoothTransformation, Qt.AspectRatioMode.IgnoreAspectRatio,
    )  # fmt: skip
    both = image.scaled(size, stretch, smooth)
    both = both.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
    heat = heat_image(seen.heat, seen.colours, seen.threshold)
    painter = QPainter(both)
    painter.setOpacity(seen.opacity)
    painter.drawImage(0, 0, heat.scaled(size, stretch, smooth))
    painter.end()
    return both


def thumbnail(picture: bytes, size: QSize) -> QImage:
    """Return a small image of a picture file."""
    return QImage.fromData(picture).scaled(
        size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )


def map_settings_values(map_settings: MapSettings) -> dict[str, Any]:
    """Return the settings of the maps as plain values."""
    return {each.name: getattr(map_settings, each.name) for each in fields(map_settings)}


def map_settings_from(values: Mapping[str, Any], present: MapSettings) -> MapSettings:
    """Return the settings of the maps from plain values; those left out stay as they are.

    Steps from before occlusion had settings were made with what are now the defaults.
    """
    told: dict[str, Any] = {}
    for each in fields(present):
        of_old = bool(values) and each.name.startswith("occlusion_")
        without = each.default if of_old else getattr(present, each.name)
        value = values.get(each.name, without)
        kind = type(getattr(present, each.name))
        if each.name == "target":
            good = value is None or (type(value) is int and 0 <= value < MOST_CLASSES)
        elif kind is float:
            good = isinstance(value, (int, float)) and 0 <= value <= 1
        else:
            good = type(value) is kind
        if good:
            told[each.name] = value
    return replace(present, **told)


def restore_point(step: Step, folder: Path | None = None) -> RestorePoint:
    """Return how to get back to a step; its own picture replaces a missing file.

    Files that moved together with the lesson are found near its `folder`. Raises `BadInput` if the step
    names a file on another machine, or if its picture cannot be put into the program's folder.
    """
    shown, map_settings = (_table(step.state.get(name)) for name in ("shown", "sight"))
    try:
        job = job_from_values(step.state["job"])
    except (KeyError, TypeError, ValueError, AttributeError, BadInput):
        return RestorePoint(None, map_settings, _own_picture(step))
    known = _table(step.state.get("sha256"))

    def found(path: Any) -> str:
        return find_same(str(path), str(known.get(path, "")), folder)

    job = _job_of_now(job, found, folder)
    if shown.get("kind") == "content":
        content = path_of(job.inputs.content)
        if content is None or not _is_file(content):
            job = replace(job, inputs=replace(job.inputs, content=_own_picture(step)))
        return RestorePoint(job, map_settings, "")
    path = shown.get("path")
    if isinstance(path, str):
        path = found(path)
    there = shown.get("kind") == "input" and isinstance(path, str) and _is_file(path)
    return RestorePoint(job, map_settings, str(path) if there else _own_picture(step))


def _job_of_now(job: Job, found: Callable[[Any], str], folder: Path | None) -> Job:
    """Return a lesson's job with the current places of its files."""
    named = {n: find_path(text, folder) for n, text in folders(job.technique).items()}
    technique: Any = job.technique
    return replace(
        job,
        technique=replace(technique, **named),
        inputs=job.inputs.changed(found),
        weights=None if job.weights is None else find_path(job.weights, folder),
    )


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _own_picture(step: Step) -> str:
    return kept(QImage.fromData(step.picture))


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
