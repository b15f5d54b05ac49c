"""The checkpoints of a queue's jobs, beside its file: an interrupted job goes on from there.

`NUMBER-DIGEST.safetensors` belongs to the job with this number whose recipe has this digest: a new
queue counts from 1 again, and what another one has left fits none of its jobs.
"""

import hashlib
import json
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.files import read_plain, replacing

LARGEST = 64 * 2**30
"""Most bytes of a checkpoint."""
_NAME = re.compile(r"([0-9]{1,19})-[0-9a-f]{16}\.safetensors")
log = logging.getLogger("pareidolia.queue")


class JobCheckpoints:
    """A folder with one file for each job that is under way; it is there only while there are any."""

    def __init__(self, queue: Path) -> None:
        """Keep the checkpoints of the queue in this file."""
        self.folder = queue.with_name(f"{queue.name}.checkpoints")

    def read(self, number: int, recipe: Mapping[str, Any]) -> bytes | None:
        """Return the checkpoint of a job; None: there is none that can be read."""
        path = self._path(number, recipe)
        try:
            return read_plain(path, min(LARGEST, path.stat().st_size))
        except FileNotFoundError:
            return None
        except (OSError, BadInput) as error:  # then the job begins again, as it did without
            log.warning("%s cannot be read: %s", path, error)
            return None

    def write(self, number: int, recipe: Mapping[str, Any], data: bytes) -> None:
        """Keep the checkpoint of a job in place of its last one. Raises `BadInput`."""
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise BadInput(f"{self.folder} cannot be made ({error.strerror})") from error
        with replacing(self._path(number, recipe)) as file:
            file.write(data)

    def forget(self, numbers: Iterable[int]) -> None:
        """Delete the checkpoints of jobs that are over."""
        over = set(numbers)
        self._delete(path for number, path in self._there() if number in over)

    def forget_others(self, numbers: Collection[int]) -> None:
        """Delete all but those of these jobs: what programs that were killed have left."""
        self._delete(path for number, path in self._there() if number not in numbers)

    def delete(self) -> None:
        """Delete all."""
        self.forget_others(())

    def _path(self, number: int, recipe: Mapping[str, Any]) -> Path:
        text = json.dumps(recipe, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self.folder / f"{number}-{digest}.safetensors"

    def _there(self) -> list[tuple[int, Path]]:
        try:
            found = [(_NAME.fullmatch(path.name), path) for path in self.folder.iterdir()]
        except OSError:
            return []
        return [(int(match[1]), path) for match, path in found if match]

    def _delete(self, paths: Iterable[Path]) -> None:
        for path in paths:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        with suppress(OSError):  # there are others in it, or it was never made
            self.folder.rmdir()
