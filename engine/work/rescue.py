"""A finished picture whose place is gone, or full, is written elsewhere rather than lost."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import PareidoliaError
from engine.export import Export
from engine.export_files import export_picture
from engine.image import Picture
from engine.places import data_folder

FOLDER = "rescued"
"""The folder within the program's own."""


def rescue(
    picture: Picture, lost: Path, export: Export, recipe: dict[str, Any], photo: Path | None
) -> Path | None:
    """Write a picture that cannot be written at `lost`; return where it is; None for nowhere.

    It is tried in the program's own folder, in the system's for temporary files, and where the
    program was started; as it was wanted, or else as PNG.
    """
    for folder in _folders():
        for suffix in dict.fromkeys((lost.suffix, ".png")):
            plain = export if suffix == lost.suffix else replace(export, profile="srgb")
            with suppress(PareidoliaError, OSError):
                folder.mkdir(parents=True, exist_ok=True)
                place = _free(folder, f"{lost.stem}{suffix}")
                return export_picture(picture, place, plain, recipe, photo)
    return None


def _folders() -> Iterator[Path]:
    yield data_folder() / FOLDER
    with suppress(OSError):
        yield Path(tempfile.gettempdir())
    with suppress(OSError):
        yield Path.cwd()


def _free(folder: Path, name: str) -> Path:
    """Return a file that is not there yet."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path
