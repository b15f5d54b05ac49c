"""Where dropped files belong: each goes to its place, or a sentence says why not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from engine import settings
from engine.image_formats import SUFFIXES as PICTURES
from engine.lesson import SUFFIX as LESSON
from engine.networks.style_cards import SUFFIXES as STYLE_NETWORKS
from engine.networks.weights import SUFFIXES as WEIGHTS
from engine.preset_file import ENDING as PRESET
from engine.project import ENDING
from engine.task import Technique


@dataclass
class DroppedFiles:
    """What to do with dropped files."""

    pictures: list[str] = field(default_factory=list)
    """In the order of their places: the photo, then styles."""
    project: str | None = None
    lesson: str | None = None
    preset: str | None = None
    weights: str | None = None
    folder: str | None = None
    refused: list[str] = field(default_factory=list)
    """Sentences about files that belong nowhere."""


def belongings(paths: Sequence[str], technique: Technique, places: int | None) -> DroppedFiles:
    """Return where dropped files and folders belong.

    Args:
        paths: what was dropped, in order.
        technique: the current one, which may take styles and a folder.
        places: how many pictures are accepted; None: any number.
    """
    found = DroppedFiles()
    for text in paths:
        path = Path(text)
        name, suffix = path.name, path.suffix.lower()
        if path.is_dir():
            _only_one(found, "folder", text)
        elif suffix in (ENDING, ".json"):
            _only_one(found, "project", text)
        elif suffix == LESSON:
            _only_one(found, "lesson", text)
        elif suffix == PRESET:
            _only_one(found, "preset", text)
        elif suffix in (*WEIGHTS, *STYLE_NETWORKS):
            _only_one(found, "weights", text)
        elif suffix and suffix not in PICTURES:
            words = _words("{0} is not a picture, project, lesson, preset, weight file or folder.")
            found.refused.append(words.format(name))
        elif places is not None and len(found.pictures) >= places:
            words = _words("{0} was ignored: {1} takes only one picture here.")
            found.refused.append(words.format(name, technique.title))
        else:
            found.pictures.append(text)
    return found


def folder_setting(technique: Technique) -> str | None:
    """Return the setting of a technique that names a folder, if there is one."""
    return next((n for n, d in settings.describe(technique).items() if d.picks == "folder"), None)


def _only_one(found: DroppedFiles, kind: str, path: str) -> None:
    if getattr(found, kind) is None:
        setattr(found, kind, path)
    else:
        first, name = Path(getattr(found, kind)).name, Path(path).name
        words = _words("{0} was ignored: only one can be opened at a time, and {1} came first.")
        found.refused.append(words.format(name, first))


def _words(text: str) -> str:
    return QCoreApplication.translate("Dropping", text)
