"""What a worker does with a job that arrives: as a queue's worker, but with bytes, not files."""

import math
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine import settings
from engine.errors import BadInput, Message, OutOfMemory, PareidoliaError, is_out_of_memory
from engine.export import Export
from engine.files import unfinished_folder
from engine.job import Job
from engine.stylization.digests import digest_of_style_network
from engine.work.cluster.networks import Arriving, SentNetwork, at_home, found_here, store
from engine.work.cluster.parcel import Parcel, Returned, failed, pack_returned, unpack, with_paths
from engine.work.making import Frames, MakeRequest, figure, make, partial
from engine.work.worker import thumbnail_of

if TYPE_CHECKING:
    from distributed import Worker

MAKE = "engine.work.cluster.on_worker:make_parcel"
"""The name that tells a scheduler what to run: it needs only Dask, nothing of this program."""
REPORT_SECONDS = 2.0
"""Seconds between two progress reports: a scheduler passes them all on."""


class _Told(Protocol):
    """Tells how far a job has come, and perhaps what it looks like, as a small JPEG file."""

    def __call__(self, iteration: int, total: int, thumbnail: bytes | None = None) -> None: ...


_ended: set[str] = set()
"""Keys of jobs that are to end."""
_arriving: dict[str, Arriving] = {}


def make_parcel(data: bytes) -> bytes:
    """Make the picture of a job; return the result as bytes. Known failures are returned, not raised."""
    from distributed import get_worker

    worker = get_worker()
    key = str(worker.get_current_task())
    address = str(worker.address)
    renamed: dict[str, str] = {}
    try:
        returned = _made(worker, unpack(data), key, renamed)
    except PareidoliaError as error:
        returned = failed(address, error, renamed)
    except Exception as error:
        if is_out_of_memory(error):
            lacking = OutOfMemory("there is not enough free memory for this")
            returned = failed(address, lacking, renamed)
        else:
            said = Message(f"unexpected error on {worker.name} ({error!r})")
            returned = Returned("failed", address, failure=said, traceback=traceback.format_exc())
    finally:
        _ended.discard(key)
    return pack_returned(returned)


def end(key: str) -> None:
    """Let a job end after its current iteration, without a result."""
    _ended.add(key)


def receive(values: Mapping[str, Any], number: int, data: bytes) -> str:
    """Take part `number` of a network's file, from 0; an empty one ends it.

    Returns a sentence that says what is wrong; empty if nothing is.
    """
    try:
        sent = SentNetwork.of_plain(values)
        if number == 0:
            _forget(sent.key)
            _arriving[sent.key] = Arriving(sent)
        arriving = _arriving.get(sent.key)
        if arriving is None:
            return "the parts of a network's file arrived out of order"
        if data:
            arriving.take(data)
        else:
            del _arriving[sent.key]
            arriving.close(complete=True)
    except (PareidoliaError, OSError, ValueError) as error:
        return str(error)
    return ""


def _forget(key: str) -> None:
    with suppress(KeyError):
        _arriving.pop(key).close(complete=False)


def _made(worker: "Worker", parcel: Parcel, key: str, renamed: dict[str, str]) -> Returned:
    def told(iteration: int, total: int, thumbnail: bytes | None = None) -> None:
        said = {"key": key, "worker": worker.address, "iteration": iteration, "total": total}
        worker.log_event(
            parcel.topic, said if thumbnail is None else {**said, "thumbnail": thumbnail}
        )

    told(0, 0)
    found = found_here(parcel.network)
    if found is None:
        return Returned("missing", worker.address)
    with _folder() as folder:
        recipe = _unpacked(parcel, folder, renamed)
        output = folder / f"picture{parcel.suffix}"
        places = _places(output)
        for name, there in _places(Path(parcel.output)).items():
            renamed[str(places[name])] = str(there)
        try:
            with at_home(found):
                check_style_networks(parcel)
                job = Job.from_recipe({**recipe, "weights": found.weights})
                return _run(worker.address, parcel, job, output, key, renamed, told)
        except PareidoliaError as error:  # what was made up to there is kept
            told_of = failed(worker.address, error, renamed)
            left = {name: p.read_bytes() for name, p in places.items() if p.is_file()}
            return replace(told_of, files=left)


def check_style_networks(parcel: Parcel) -> None:
    """Raise `BadInput` if this program ships other style networks than the sender of the job has."""
    for name, digest in parcel.style_networks.items():
        if digest_of_style_network(name) != digest:
            raise BadInput(
                f"a worker has another {name}: give all machines the same version of Pareidolia"
            )


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder, deleted afterwards along with what killed workers have left."""
    try:
        store().mkdir(parents=True, exist_ok=True)
        with unfinished_folder(store()) as folder:
            yield folder
    except OSError as error:
        raise BadInput(f"a worker cannot write into {store()} ({error.strerror})") from error


def _unpacked(parcel: Parcel, folder: Path, renamed: dict[str, str]) -> dict[str, Any]:
    """Write the input pictures; return the recipe with the paths that they have here."""
    places = {}
    for number, (path, data) in enumerate(parcel.files.items()):
        here = folder / f"{number}{Path(path).suffix}"
        here.write_bytes(data)
        places[path] = str(here)
        renamed[str(here)] = path

    inputs = with_paths(parcel.recipe["inputs"], lambda path: _swapped(path, places))
    return {**parcel.recipe, "inputs": inputs}


def _swapped(path: str, known: Mapping[str, str]) -> str:
    """Return `known`'s name for a file; the path may mean one picture of it (FILE#2)."""
    for whole, number in ((path, ""), path.rpartition("#")[::2]):
        if whole in known:
            return f"{known[whole]}#{number}" if number else known[whole]
    return path


def _places(output: Path) -> dict[str, Path]:
    """Return the files that may be written for a picture, by their names on the way."""
    return {"figure": figure(output), "partial": partial(output), "picture": output}


def _run(
    address: str, parcel: Parcel, job: Job, output: Path, key: str, renamed: Mapping[str, str],
    told: _Told,
) -> Returned:  # fmt: skip
    def carried(run: Job) -> dict[str, Any]:
        """Return the recipe that the picture would carry if it were made where it comes from."""
        own = run.recipe()
        inputs = with_paths(own["inputs"], lambda path: _swapped(path, renamed))
        return {**own, "inputs": inputs, "weights": parcel.recipe["weights"]}

    def watched(_job: Job, frames: Frames) -> Frames:
        reported = drawn = -math.inf
        for frame in frames:
            now = time.monotonic()
            if now - reported >= REPORT_SECONDS:
                small = None
                if parcel.thumbnails is not None and now - drawn >= parcel.thumbnails:
                    small, drawn = thumbnail_of(frame.picture), now
                told(frame.iteration, frame.total, small)
                reported = now
            yield frame

    export = settings.make(Export, parcel.export)
    order = MakeRequest(job, output, parcel.bits, export=export, recipe=carried)
    made = make(order, lambda: key in _ended, watched)
    if made.stopped or made.frame is None:
        return Returned("stopped", address)
    note = Message(made.frame.note) if made.frame.note else Message()
    files = {name: p.read_bytes() for name, p in _places(output).items() if p.is_file()}
    files["thumbnail"] = thumbnail_of(made.frame.picture)
    return Returned(
        "done", address, dict(made.figures), carried(made.job), note, files=files
    )  # fmt: skip
