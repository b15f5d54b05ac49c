"""The parts of a project in its folder: files by variant, each written whole or not at all."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from engine.errors import BadInput
from engine.files import read_plain, replacing
from engine.image import Picture, open_picture
from engine.work import losses
from engine.work.losses import LossHistory
from engine.work.project_inputs import ProjectInputs
from engine.work.project_schema import ID, MAX_BYTES, Project, Variant, from_json, to_values

LARGEST_SMALL = 8 * 2**20
"""Most bytes of a thumbnail."""
LARGEST_CHECKPOINT = 64 * 2**30
SUFFIXES = {
    "results": ".png", "thumbnails": ".jpg", "losses": ".safetensors", "checkpoints": ".safetensors",
}  # fmt: skip
"""Folders with a file for each variant, and that file's suffix."""
PARTS = ("inputs", "moments", *SUFFIXES)
"""The folders in a project."""
_MOMENT = re.compile(r"([0-9]{1,10})\.jpg")


class ProjectParts:
    """What lies in a project's folder, by variant; `ProjectFolder` puts it there.

    Its methods may be called by any thread. They raise `BadInput` when the folder cannot be read or
    written.
    """

    def __init__(self, path: Path) -> None:
        """Work on a folder that exists; it may be empty."""
        self.path = path
        self._lock = threading.RLock()
        self._inputs = ProjectInputs(path / "inputs")

    def read(self) -> Project:
        """Return what the folder holds; for an empty one, an empty project."""
        with self._lock:
            project = self._said()
            return replace(project, variants=tuple(self._with_files(v) for v in project.variants))

    def result(self, id: str) -> Picture:
        """Return the last picture of a variant."""
        with self._reading("result of a variant"):
            return open_picture(self._file("results", id))

    def thumbnail(self, id: str) -> bytes | None:
        """Return the small picture of a variant, a JPEG file; None: there is none."""
        return self._bytes(self._file("thumbnails", id), LARGEST_SMALL)

    def moments(self, id: str) -> dict[int, Path]:
        """Return where the small pictures of a variant's timeline lie, JPEG files, by iteration."""
        with self._reading("moments of a variant"):
            folder = self._part("moments") / checked_id(id)
            return {number: folder / f"{number}.jpg" for number in _iterations(folder)}

    def losses(self, id: str) -> LossHistory:
        """Return the losses of a variant's run from its beginning, as far as they were kept."""
        data = self._bytes(self._file("losses", id), losses.LARGEST)
        return LossHistory() if data is None else losses.from_bytes(data)

    def checkpoint(self, id: str) -> bytes | None:
        """Return the checkpoint of a variant, as it was put; None: there is none."""
        return self._bytes(self._file("checkpoints", id), LARGEST_CHECKPOINT)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Keep other threads from changing anything inside the block."""
        with self._lock:
            yield

    def _said(self) -> Project:
        path = self.path / "project.json"
        try:
            return from_json(read_plain(path, MAX_BYTES), str(path))
        except FileNotFoundError as error:
            if not self.path.is_dir():
                raise BadInput(f"the project's folder {self.path} is gone") from error
            return Project()
        except OSError as error:
            raise BadInput(f"{path} cannot be read ({error.strerror})") from error

    def write(self, project: Project) -> None:
        """Keep the description of the project as a whole; `put` and the others are for its parts."""
        with self._lock:
            self._write(project)

    def _write(self, project: Project) -> None:
        text = json.dumps(to_values(project), indent=1).encode()
        if len(text) > MAX_BYTES:
            raise BadInput(f"the project's variants would take more than {MAX_BYTES >> 20} MiB")
        with self._writing(), replacing(self.path / "project.json") as file:
            file.write(text)

    def _part(self, part: str) -> Path:
        return self.path / part

    def _file(self, part: str, id: str) -> Path:
        return self._part(part) / f"{checked_id(id)}{SUFFIXES[part]}"

    def _put(self, part: str, id: str, data: bytes) -> None:
        with self._writing(part), replacing(self._file(part, id)) as file:
            file.write(data)

    def _put_moments(self, id: str, moments: Mapping[int, bytes | None]) -> None:
        with self._writing("moments"):
            folder = self._part("moments") / id
            folder.mkdir(exist_ok=True)
            for number, data in moments.items():
                if data is not None:
                    with replacing(folder / f"{int(number)}.jpg") as file:
                        file.write(data)
            for number in _iterations(folder):
                if number not in moments:
                    (folder / f"{number}.jpg").unlink(missing_ok=True)

    @contextmanager
    def _writing(self, part: str = "inputs") -> Iterator[None]:
        """Make errors name the folder, not its files, whose names nobody has chosen."""
        try:
            if part != "inputs":  # it is made for the first of them
                self._part(part).mkdir(exist_ok=True)
            yield
        except (OSError, BadInput) as error:
            cause = error.__cause__ if isinstance(error, BadInput) else error
            if not isinstance(cause, OSError):
                raise
            raise BadInput(
                f"the project's folder {self.path} cannot be written ({_why(cause)})"
            ) from cause

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except OSError as error:
                raise BadInput(
                    f"the {what} in {self.path} cannot be read ({_why(error)})"
                ) from error

    def _bytes(self, path: Path, limit: int) -> bytes | None:
        with self._reading(path.parent.name):
            try:
                # The whole limit would be allocated at once: no more than is needed.
                return read_plain(path, min(limit, path.stat().st_size))
            except FileNotFoundError:
                return None

    def _with_files(self, variant: Variant) -> Variant:
        id = variant.id
        return replace(
            variant,
            has_result=self._file("results", id).is_file(),
            has_checkpoint=self._file("checkpoints", id).is_file(),
            moments=tuple(_iterations(self._part("moments") / id)),
        )


def checked_id(id: str) -> str:
    """Return the id of a variant. Raises `BadInput` for anything else: it might be a path elsewhere."""
    if not ID.fullmatch(id):
        raise BadInput(f"{id!r} is not the id of a variant")
    return id


def _iterations(folder: Path) -> list[int]:
    try:
        names = [_MOMENT.fullmatch(path.name) for path in folder.iterdir()]
    except OSError:
        return []
    return sorted(int(match[1]) for match in names if match)


def _why(error: OSError) -> str:
    return error.strerror or str(error)
