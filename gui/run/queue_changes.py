"""What is done to the queue in the background: it is listed, changed and added to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtGui import QImage

from engine.errors import BadInput
from engine.outputs import Sources, keep_apart
from engine.work.job_files import Wanted
from engine.work.naming import named
from engine.work.project_schema import references
from engine.work.queue import NewJob, Queue, QueuedJob


@dataclass
class Listing:
    """What the queue holds, and the new thumbnails."""

    jobs: list[QueuedJob] = field(default_factory=list)
    thumbnails: dict[int, QImage] = field(default_factory=dict)
    said: str = ""


@dataclass(frozen=True)
class Addition:
    """What was added to the queue."""

    added: int
    there: int
    """How many pictures existed already."""
    said: str


def checked(path: Path) -> None:
    """Check that the queue can be read, and let jobs wait again if the program running them has ended.

    Raises `BadInput`, also where a damaged file was set aside.
    """
    with Queue(path, check=True) as queue:
        queue.expire()
        said = queue.said
    if said:
        raise BadInput(said)


def changed(path: Path, change: Callable[[Queue], None]) -> None:
    """Change the queue. Raises `BadInput`."""
    with Queue(path) as queue:
        change(queue)


def added(path: Path, make: Callable[[], Sequence[Wanted]], folder: Path) -> Addition:
    """Append the jobs that `make` returns, with pictures in `folder`. Raises `BadInput`."""
    wanted = make()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made ({error.strerror})") from error
    with Queue(path, check=True) as queue:
        there = queue.entries()
        places = named(wanted, folder, taken=[j.output for j in there if j.state != "done"])
        new = [
            NewJob(
                each.recipe, place.path.absolute(), each.title, bits=each.bits,
                open_precision=each.open_precision, export=each.export,
            )
            for each, place in zip(wanted, places, strict=True)
            if not place.made
        ]  # fmt: skip
        keep_apart([job.output for job in new], _read(wanted))
        again = {job.output for job in new}  # jobs whose picture was deleted
        queue.remove(job.id for job in there if job.output in again)
        queue.add(new)
        return Addition(len(new), len(wanted) - len(new), queue.said)


def _read(wanted: Sequence[Wanted]) -> Sources:
    files: set[Path] = set()
    for each in wanted:
        files.update(Path(each["path"]) for each in references(each.recipe))
    return Sources(tuple(sorted(files)) if len(files) < 200 else ())


def listing(path: Path, known: Mapping[int, int]) -> Listing:
    """Read the queue; `known` says which thumbnail of each job was read already. Raises `BadInput`."""
    with Queue(path) as queue:
        jobs = queue.entries()
        thumbnails = {}
        for job in jobs:
            if job.drawn != known.get(job.id, 0):
                data = queue.thumbnail(job.id)
                image = QImage.fromData(data) if data is not None else QImage()
                if not image.isNull():
                    thumbnails[job.id] = image
    return Listing(jobs, thumbnails)
