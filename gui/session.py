"""What is remembered between sessions: the job, recent files, the user's presets, preferences.

One JSON file, written beside and renamed; what cannot be read is left out, never fatal. Several windows
share it: each adds its changes to what the others have written since. Window geometry alone is kept by
QSettings.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QLockFile

from engine import settings
from engine.errors import BadInput
from engine.files import read_plain, write_json
from engine.finish import read_finish
from engine.image import Picture
from engine.job import Inputs, Job
from engine.named_files import check_local
from engine.places import data_folder
from engine.recipe_values import Source
from engine.regions import Region
from engine.settings import setting
from engine.task import Technique
from engine.techniques import TECHNIQUES

VERSION = 1
MOST_RECENT = 10
MAX_BYTES = 64 * 2**20
"""Of the file."""
PATIENCE_MS = 2000
"""For another window that is writing."""
log = logging.getLogger("pareidolia.session")


@dataclass(frozen=True)
class Preferences:
    """How the window behaves, whatever the job."""

    theme: str = setting(
        "dark", "Theme", "Colours of the window.",
        choices=("dark", "light", "system"), group="Look",
    )  # fmt: skip
    text_size: int = setting(
        100, "Text size", "Size of all text in the window; View › Large text makes it larger for "
        "an audience.", low=75, high=250, step=5, unit="%", group="Look",
    )  # fmt: skip
    forecast: bool = setting(
        True, "Forecast", "Estimate the time and memory of a run before it starts.",
        group="Run",
    )  # fmt: skip
    follow: bool = setting(
        True, "Update automatically", "Stylization in one pass: the result follows every change of "
        "the photo, the paintings and the settings, without Run. Style transfer: new pictures are "
        "shown stylized in one pass, as a preview.", group="Run",
    )  # fmt: skip
    threads: int = setting(
        0, "Threads", "Processor threads for runs; 0 uses all. One fewer keeps other programs "
        "responsive.", low=0, high=256, group="Run",
    )  # fmt: skip
    history_mib: int = setting(
        256, "History", "Memory for the moments that the timeline keeps of a run.",
        low=16, high=65536, unit="MiB", log=True, group="Run",
    )  # fmt: skip
    pictures_in_projects: bool = setting(
        True, "Pictures inside", "Put the photos and paintings into the project's file, so that it can "
        "be opened on another computer.", group="Projects",
    )  # fmt: skip


Presets = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class SavedSession:
    """Presets and preferences as they are in the file."""

    presets: Presets = field(default_factory=dict)
    preferences: Preferences = field(default_factory=Preferences)


@dataclass
class Session:
    """Everything remembered, as the window holds it."""

    job: Job | None = None
    recent: list[str] = field(default_factory=list)
    presets: Presets = field(default_factory=dict)
    """The user's presets: command of the technique, name, settings."""
    preferences: Preferences = field(default_factory=Preferences)
    folded: list[str] | None = None
    """Titles of the folded groups of settings; None: as at the first start."""
    techniques: dict[str, tuple[Technique, int | None]] = field(default_factory=dict)
    """Each technique's last settings and size, by command."""

    base: "SavedSession" = field(default_factory=lambda: SavedSession(), compare=False, repr=False)
    """The presets and preferences in the file; whatever differs was changed here."""

    def remember_file(self, path: str) -> None:
        """Put a picture or project first among the recent ones."""
        self.recent = [path, *(p for p in self.recent if p != path)][:MOST_RECENT]


def file() -> Path:
    """Return where the session is kept."""
    return data_folder() / "session.json"


def load() -> Session:
    """Return the last session; parts that cannot be read are as on the first start."""
    session, values = Session(), _read()
    for name, read in (
        ("job", job_from_values),
        ("techniques", _techniques),
        ("recent", _texts),
        ("presets", _presets),
        ("preferences", _preferences),
        ("folded", _maybe_texts),
    ):
        try:
            if name in values:  # an older version lacks some of them
                setattr(session, name, read(values[name]))
        except (KeyError, TypeError, ValueError, AttributeError, BadInput) as error:
            log.warning("%s in %s is ignored: %r", name, file(), error)
    session.base = SavedSession(deepcopy(session.presets), session.preferences)
    return session


def _read() -> dict[str, Any]:
    """Return what the file holds; if it is unusable, put it aside and return nothing."""
    try:
        values = json.loads(read_plain(file(), MAX_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, BadInput) as error:
        log.warning("%s cannot be read (%s): starting afresh", file(), error)
        _put_aside(".damaged")
        return {}
    if not isinstance(values, dict) or values.get("version") != VERSION:
        log.warning("%s is of another version: starting afresh", file())
        _put_aside(".other")
        return {}
    return values


def _put_aside(mark: str) -> None:
    with suppress(OSError):
        file().replace(file().with_suffix(f"{mark}.json"))


def save(session: Session, whole: bool = True) -> None:
    """Write the session, with what other windows have written of presets and preferences.

    Args:
        session: what to write; it gets the others' presets as well.
        whole: whether to write the job and the rest too, as when the window closes.

    Raises `BadInput` or OSError.
    """
    path = file()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = QLockFile(str(path.with_suffix(".lock")))
    lock.tryLock(PATIENCE_MS)  # whoever holds it longer has hung
    try:
        there = _read()
        values = {**_values(session), **({} if whole else _others(there))}
        values["presets"] = _merged_presets(session, there.get("presets"))
        values["preferences"] = _merged_preferences(session, there.get("preferences"))
        recent = there.get("recent")
        theirs = [p for p in recent if isinstance(p, str)] if isinstance(recent, list) else []
        values["recent"] = list(dict.fromkeys([*session.recent, *theirs]))[:MOST_RECENT]
        write_json(path, values)
    finally:
        lock.unlock()
    session.presets = _presets(values["presets"])
    session.base = SavedSession(deepcopy(session.presets), session.preferences)


def _values(session: Session) -> dict[str, Any]:
    return {
        "version": VERSION,
        "job": job_to_values(session.job) if session.job else None,
        "techniques": {
            command: {"settings": settings.values(technique), "size": size}
            for command, (technique, size) in session.techniques.items()
        },
        "folded": session.folded,
    }


def _others(there: Mapping[str, Any]) -> dict[str, Any]:
    return {name: there[name] for name in ("job", "techniques", "folded") if name in there}


def merged(base: Presets, own: Presets, theirs: Presets) -> Presets:
    """Return `theirs` with the changes that led from `base` to `own`."""
    found = deepcopy(theirs)
    for command in {*base, *own}:
        before, now = base.get(command, {}), own.get(command, {})
        place = found.setdefault(command, {})
        for name in before.keys() - now.keys():
            place.pop(name, None)
        for name, preset in now.items():
            if name not in before or before[name] != preset:
                place[name] = preset
    return {command: named for command, named in found.items() if named}


def _merged_presets(session: Session, there: Any) -> Presets:
    """Return the presets to write; those that this version does not understand are kept too."""
    if not isinstance(there, dict):
        return session.presets
    tables = {c: dict(named) for c, named in there.items() if isinstance(named, dict)}
    return merged(session.base.presets, session.presets, tables)


def _merged_preferences(session: Session, there: Any) -> dict[str, Any]:
    own, base = settings.values(session.preferences), settings.values(session.base.preferences)
    if not isinstance(there, dict):
        return own
    return {**own, **there, **{n: value for n, value in own.items() if value != base[n]}}


def path_of(source: Source | None) -> str | None:
    """Return the path of an input."""
    if isinstance(source, Picture):
        return None if source.path is None else str(source.path)
    return None if source is None else str(source)


def with_paths(job: Job) -> Job:
    """Return the job with its pictures given by path, as the window keeps them."""
    i = job.inputs
    styles = tuple((path, weight) for p, weight in i.styles if (path := path_of(p)) is not None)
    regions = tuple(
        replace(region, mask=path, style=path_of(region.style))
        for region in i.regions
        if (path := path_of(region.mask)) is not None
    )
    inputs = Inputs(path_of(i.content), styles, path_of(i.guide), path_of(i.start), regions)
    return replace(job, inputs=inputs)


def job_to_values(job: Job) -> dict[str, Any]:
    """Return a job as plain values. Unlike for a recipe, pictures are not read and need not exist."""
    i = job.inputs
    return {
        "technique": job.technique.command,
        "settings": settings.values(job.technique),
        "content": path_of(i.content),
        "styles": [[path_of(p), weight] for p, weight in i.styles],
        "guide": path_of(i.guide),
        "start": path_of(i.start),
        "regions": [
            [path_of(r.mask), path_of(r.style), r.weight, r.kept, r.network_style]
            for r in i.regions
        ],
        "network": job.network,
        "weights": job.weights,
        "preprocessing": job.preprocessing,
        **{name: getattr(job, name) for name in settings.describe(Job)},
        "finish": settings.values(job.finish),
    }


def job_from_values(values: Mapping[str, Any]) -> Job:
    """Return the job; raises what reading plain values raises."""
    own = {name: d.check(values[name]) for name, d in settings.describe(Job).items()}
    return Job(
        settings.make(TECHNIQUES[values["technique"]], values["settings"]),
        Inputs(
            _path(values["content"]),
            tuple((str(_path(path)), float(weight)) for path, weight in values["styles"]),
            _path(values["guide"]),
            _path(values["start"]),
            tuple(
                Region(str(_path(mask)), _path(style), float(weight), bool(kept), *map(str, own))
                for mask, style, weight, kept, *own in values.get("regions", ())
            ),
        ),
        str(values["network"]),
        _path(values["weights"]),
        finish=read_finish(values.get("finish", {})),
        preprocessing=_path(values.get("preprocessing")),
        **own,
    )


def _maybe_texts(values: Any) -> list[str] | None:
    return None if values is None else _texts(values)


def _path(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(f"{value!r} is no path")
    return value


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list):
        raise TypeError("no list")
    return [str(v) for v in values]


def _presets(values: Any) -> dict[str, dict[str, dict[str, Any]]]:
    kept: dict[str, dict[str, dict[str, Any]]] = {}
    for command, named in values.items():
        if not isinstance(named, dict):
            continue
        for name, preset in named.items():
            with suppress(KeyError, TypeError, AttributeError, BadInput):
                made = settings.make(TECHNIQUES[command], preset)
                for folder in settings.folders(made).values():
                    check_local(folder)
                kept.setdefault(command, {})[name] = preset
    return kept


def _techniques(values: Any) -> dict[str, tuple[Technique, int | None]]:
    kept: dict[str, tuple[Technique, int | None]] = {}
    size = settings.describe(Job)["size"]
    for command, left in values.items():
        try:
            technique = settings.make(TECHNIQUES[command], left["settings"])
            kept[command] = technique, size.check(left["size"])
        except (BadInput, KeyError, TypeError, AttributeError) as error:
            log.warning("the settings of %s are ignored: %r", command, error)
    return kept


def _preferences(values: Any) -> Preferences:
    return settings.make(Preferences, values)
