"""The pictures that a project's jobs start from: copied into its folder by content.

Where a picture was when it was chosen stays written down as well, so that the recipe of a finished
picture names a place that outlives the project's folder.
"""

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import PareidoliaError
from engine.files import replacing, split_frame
from engine.image import Picture, save_picture
from engine.image_decoding import opened
from engine.named_files import check_local, digest_of, find_same
from engine.recipe_values import Source
from engine.work.project_schema import DIGEST, Project, references

LARGEST_INPUT = 4 * 2**30
"""Most bytes of a picture that is copied into a project."""
_SUFFIX = re.compile(r"\.[0-9a-z]{1,8}")
_NUMBER = re.compile(r"#[0-9]{1,9}$")
log = logging.getLogger("pareidolia.project")


class ProjectInputs:
    """The folder `inputs` of a project: `<sha256>.<suffix>`. For one thread at a time.

    Writing raises OSError and `BadInput`.
    """

    def __init__(self, folder: Path) -> None:
        """Work on the folder, which is made when there is something to put into it."""
        self.folder = folder
        self._digests: dict[tuple[str, int, int], str] = {}
        """Digests of files, by path, size and time of the last change."""

    def inside(self, digest: str) -> Path | None:
        """Return where a picture lies in this folder; None if it is not there."""
        if not DIGEST.fullmatch(digest):
            return None
        return next((path for path in self.folder.glob(f"{digest}*") if path.is_file()), None)

    def is_inside(self, file: Path) -> bool:
        """Whether a file is one of this folder's."""
        return file.parent == self.folder.absolute()

    def take_in(self, source: Source, known: Mapping[str, str]) -> dict[str, Any]:
        """Copy a picture into this folder, if it can be read; return what a recipe says about it.

        `known` says where the pictures in this folder were.
        """
        if isinstance(source, Picture) and source.path is None:
            return {"path": None, "sha256": self._write(source)}
        if isinstance(source, Picture):
            path, digest = Path(source.path or ""), source.sha256
        else:
            path = Path(source)
            digest = self.digest(path)
        file, number = split_frame(path.absolute())
        if self.is_inside(file) and digest:
            return {"path": known.get(digest), "sha256": digest}
        self.copy(file, digest)
        return {"path": f"{file}#{number}" if number else str(file), "sha256": digest}

    def copy(self, file: Path, digest: str) -> None:
        """Copy a picture of this SHA-256, unless it is here; anything but a picture stays outside."""
        if not digest or self.inside(digest) is not None:
            return
        suffix = file.suffix.lower() if _SUFFIX.fullmatch(file.suffix.lower()) else ""
        hashed = hashlib.sha256()
        try:
            _check_picture(file)
            self.folder.mkdir(exist_ok=True)
            # One that is being changed right now is named after what was copied.
            with replacing(lambda: self.folder / f"{hashed.hexdigest()}{suffix}") as copy:
                for block in _blocks(file):
                    hashed.update(block)
                    copy.write(block)
        except _Unreadable as error:
            log.warning("%s does not go into the project: %s", file, error)

    def digest(self, path: Path) -> str:
        """Return a file's SHA-256, which is computed once for each state of it; empty: unreadable."""
        file, _ = split_frame(path)
        try:
            status = file.stat()
        except (OSError, ValueError):
            return ""
        key = str(file.absolute()), status.st_size, status.st_mtime_ns
        if key not in self._digests:
            self._digests[key] = digest_of(str(file))
        return self._digests[key]

    def named_outside(self, recipe: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
        """Copy what a recipe names and is still the same; return it without paths in this folder."""

        def named(reference: Mapping[str, Any]) -> str | None:
            path, digest = reference.get("path"), reference.get("sha256", "")
            if path is None:
                return None
            file, _ = split_frame(path)
            if self.is_inside(file):
                return known.get(digest)
            if digest and self.inside(digest) is None and self.digest(file) == digest:
                self.copy(file, digest)
            return str(path)

        return with_paths(recipe, named)

    def found(self, reference: Mapping[str, Any], near: Path | None) -> str | None:
        """Return where a picture is that a recipe names; `near`: where else it may have moved to.

        Where it was, if it is still the same there; else in this folder. In neither, it is looked
        for near the project's file, and is named where it was if that fails too.
        """
        path, digest = reference.get("path"), reference.get("sha256", "")
        inside = self.inside(digest)
        if path is None:
            return None if inside is None else str(inside)
        if inside is None:
            there = os.path.lexists(split_frame(path)[0])
            return check_local(path) if there else find_same(path, digest, near)
        with suppress(PareidoliaError):
            if self.digest(Path(check_local(path))) == digest:
                return str(path)
        number = _NUMBER.search(path)
        return f"{inside}{number[0] if number else ''}"

    def _write(self, picture: Picture) -> str:
        """Write a picture that never was a file."""
        self.folder.mkdir(exist_ok=True)
        made = save_picture(picture, self.folder / "new.png", bits=16)
        digest = digest_of(str(made))
        made.replace(made.with_name(f"{digest}.png"))
        return digest


class _Unreadable(Exception):
    """A picture that cannot be copied: its drive is gone, say."""


def _check_picture(file: Path) -> None:
    """Check that it is a picture: a stranger's project may name any file, and others are not copied."""
    try:
        with opened(file):
            pass
    except PareidoliaError as error:
        raise _Unreadable(error) from error


def _blocks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as source:
            if os.fstat(source.fileno()).st_size > LARGEST_INPUT:
                raise _Unreadable(f"it is larger than {LARGEST_INPUT >> 30} GiB")
            while block := source.read(2**20):
                yield block
    except (OSError, ValueError) as error:
        raise _Unreadable(error) from error


def with_paths(
    recipe: Mapping[str, Any], named: Callable[[Mapping[str, Any]], str | None]
) -> dict[str, Any]:
    """Return a recipe with other paths for its pictures."""
    inputs = recipe.get("inputs")
    if inputs is None:
        return dict(recipe)

    def one(reference: Any) -> Any:
        return None if reference is None else {**reference, "path": named(reference)}

    styles = [one(style) for style in inputs.get("styles") or []]
    others = {role: one(inputs.get(role)) for role in ("content", "guide", "start")}
    if regions := inputs.get("regions"):
        others["regions"] = [
            {**region, "mask": one(region.get("mask")), "style": one(region.get("style"))}
            for region in regions
        ]
    return {**recipe, "inputs": {**inputs, **others, "styles": styles}}


def paths_by_digest(project: Project) -> dict[str, str]:
    """Return where the pictures of a project were, by their SHA-256."""
    recipes = [each.recipe for each in project.variants]
    if project.job is not None:
        recipes.append(project.job)
    known = (reference for recipe in recipes for reference in references(recipe))
    return {
        each["sha256"]: each["path"] for each in known if each.get("path") and each.get("sha256")
    }
