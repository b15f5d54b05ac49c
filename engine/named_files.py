"""Finding files named by a recipe, project, lesson or preset, even after they moved together.

Such a file may come from anybody. It may not make the program reach for another machine (on
Windows, that hands over the person's name and a hash of the password) or for a device.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from engine.errors import BadInput
from engine.files import split_frame
from engine.image import Picture
from engine.reduced import open_for

_ELSEWHERE = re.compile(r"[\\/]{2}|[A-Za-z][A-Za-z0-9+.-]+:[\\/]{2}")
_DEVICES = ("/dev/", "/proc/", "/sys/")
LONGEST = 4096
"""Letters of a path (Linux, PATH_MAX; other systems allow fewer)."""
DEPTH = 3
"""How many folders up, and how many parts of its path, a moved file is looked for."""


def check_local(path: str) -> str:
    """Return a path that, as far as it tells, lies on this machine's disks.

    Raises `BadInput` for one on another machine (a UNC path, an address), of a device, or too long
    for any file.
    """
    if len(path) > LONGEST:
        raise BadInput(
            f"a path of {len(path)} letters is named, {path[:60]!r} and so on; no file has so long a one"
        )
    plain = os.path.normpath(path.strip()) + "/"
    device = plain.startswith(_DEVICES)
    if sys.platform == "win32":
        device = PureWindowsPath(path).is_reserved()
    if _ELSEWHERE.match(path.strip()) or device:
        raise BadInput(
            f"{path} is on another machine or a device, where nothing is opened that a file only"
            " names: copy it to a disk of this machine and choose it there"
        )
    return path


def nearby(path: str, folder: Path | None) -> Iterator[Path]:
    """Yield where a file or folder may be if it has moved together with `folder`.

    Its name alone is tried there first, then more and more of its path; then the same in the
    folders above.
    """
    if folder is None:
        return
    windows = "\\" in path or PureWindowsPath(path).drive
    whole: PurePath = PureWindowsPath(path) if windows else PurePosixPath(path)
    parts = whole.parts[1:] if whole.anchor else whole.parts
    if not parts or ".." in parts:
        return
    here = folder.absolute()
    for above in (here, *here.parents[: DEPTH - 1]):
        for count in range(1, min(DEPTH, len(parts)) + 1):
            yield above.joinpath(*parts[-count:])


def find_picture(
    reference: Mapping[str, Any], folder: Path | None, side: int, square: bool = False
) -> Picture:
    """Open the picture that a recipe names by `path` and `sha256`, as large as `open_for` does.

    The same picture beside the recipe, which lies in `folder`, takes precedence over the one at the
    old path.

    Raises:
        BadInput: it is in neither place, or another picture has taken its place.
    """
    path, digest = reference["path"], reference["sha256"]
    if path is None:
        raise BadInput("the recipe's picture was never a file; open the pictures and run again")
    if not isinstance(path, str) or not isinstance(digest, str):
        raise TypeError(f"{path!r} with {digest!r} should be texts")
    for candidate in nearby(path, folder):
        if digest and _digest(candidate) == digest:
            return open_for(candidate, side, square)
    check_local(path)
    if folder is not None and not os.path.lexists(split_frame(path)[0]):
        raise BadInput(
            f"{path} is missing, and {folder} does not hold the same "
            "picture: put it back, or next to the recipe"
        )
    picture = open_for(path, side, square)
    if digest and picture.sha256 != digest:
        raise BadInput(
            f"{path} is not the picture that the recipe was made with; put that one back"
        )
    return picture


def find_path(path: str, folder: Path | None = None) -> str:
    """Return a path that a recipe names, or where its file or folder is now. Raises `BadInput`."""
    try:
        check_local(path)
        if Path(path).exists():
            return path
    except BadInput:
        found = next((near for near in nearby(path, folder) if near.exists()), None)
        if found is None:
            raise
        return str(found)
    return str(next((near for near in nearby(path, folder) if near.exists()), path))


def find_same(path: str, digest: str, folder: Path | None) -> str:
    """Return the path of the file with this SHA-256 near `folder`; if there is none, `path`.

    Raises `BadInput` for a path that is not on this machine.
    """
    for candidate in nearby(path, folder):
        if digest and _digest(candidate) == digest:
            return str(candidate)
    return check_local(path)


def digest_of(path: str) -> str:
    """Return the SHA-256 of a file, hexadecimal; empty when it cannot be read."""
    return _digest(Path(path)) or ""


def _digest(path: Path) -> str | None:
    path, _ = split_frame(path)
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
