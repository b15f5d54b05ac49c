"""Many jobs at once: a queue for each output folder, and processes that run its jobs."""

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.batch_report import BatchReport
from cli.batch_worker import ask_to_end, end_all, explained, make_jobs
from cli.cluster_options import read_address
from cli.guard import say
from cli.interrupting import handled
from cli.options import many_exported
from cli.running import Interrupt
from cli.wording import program, worded
from engine.errors import BadInput, PareidoliaError
from engine.image_formats import WRITTEN
from engine.outputs import Sources, keep_apart
from engine.places import data_folder
from engine.work.job_files import Wanted, wanted_of_file
from engine.work.naming import named
from engine.work.queue import NewJob, Queue, QueuedJob
from engine.work.queue_file import delete

if TYPE_CHECKING:
    from engine.work.cluster.address import SchedulerAddress

GLANCE_SECONDS = 0.1
"""Seconds between two checks of what the workers have done."""
MOST_DEATHS = 6
"""How many workers in a row may die, with no job ending in between, before the batch gives up."""
ALONE_SECONDS = 5.0
"""Seconds without a worker before the user is told how to start one."""


def run(options: Any) -> int:
    """Carry out the command `batch`; return the exit code. Raises `PareidoliaError`s."""
    wanted = [each for path in options.jobs for each in wanted_of_file(path)]
    read = Sources(
        tuple(p for p in options.jobs if not p.is_dir()),
        folders=tuple(p for p in options.jobs if p.is_dir()),
    )
    return BatchRun(options, read).run(wanted)


class BatchRun:
    """Makes many pictures into one folder."""

    def __init__(self, options: Any, read: Sources) -> None:
        """Take the options of `cli.options` for batches and files, and --output, --quiet and --json.

        The files `read` must not be overwritten.
        """
        self.folder = Path(options.output)
        self.workers, self.retries = options.workers, options.retry
        self.keep_every: float = options.checkpoint_every
        self.export, self.suffix = many_exported(options)
        self.quiet = options.quiet
        self.report = BatchReport(self.folder, quiet=options.quiet, json=options.json)
        self.read = read
        self.scheduler: SchedulerAddress | None = None
        """The scheduler whose workers make the pictures; None: this machine."""
        if getattr(options, "scheduler", None):
            self.scheduler = read_address(options.scheduler, options)
            if self.workers != 1:
                raise BadInput(
                    "--workers counts processes here; a scheduler has workers of its own"
                )
        self._deaths = 0
        """How many workers have died since a job last ended."""

    def run(self, wanted: Sequence[Wanted]) -> int:
        """Make the pictures; return the exit code. Raises `BadInput` if nothing can be started."""
        wanted = [self._exported(each) for each in wanted]
        make_folder(self.folder)
        path = queue_of(self.folder)
        empty = False
        try:
            with Queue(path, check=True) as queue:
                if queue.said:
                    say(queue.said)
                try:
                    with queue.owned():
                        self._fill(queue, wanted)
                        if self.scheduler is not None:
                            return self._work_elsewhere(queue, self.scheduler)
                        return self._work(queue, path)
                finally:
                    empty = all(job.state == "done" for job in queue.entries())
        finally:
            if empty:
                delete(path)

    # -- the jobs -------------------------------------------------------------------------

    def _exported(self, wanted: Wanted) -> Wanted:
        """Return how a picture is exported by the options; a name in a list stays."""
        if self.suffix and not wanted.chosen:
            wanted = replace(wanted, suffix=self.suffix)
        if wanted.bits == 16 and WRITTEN[wanted.suffix] not in ("PNG", "TIFF"):
            raise BadInput(
                f"{wanted.suffix} cannot hold 16 bits per channel: choose png or tiff, or 8 bits"
            )
        return replace(wanted, export=self.export) if self.export else wanted

    def _fill(self, queue: Queue, wanted: Sequence[Wanted]) -> None:
        """Put the jobs into the queue; report and skip those already made."""
        queue.expire()
        there = queue.entries()
        if not wanted:
            queue.remove(job.id for job in there if job.state == "done")
            queue.retry(job.id for job in there if job.state == "failed")
            queue.resume(job.id for job in there if job.state == "paused")
            self.report.count = sum(job.state != "done" for job in there)
            if not self.report.count:
                raise BadInput(f"nothing is left to do for {self.folder}: name the jobs to make")
            return
        keys = _keys(wanted)
        open_jobs = {job.id: job for job in there if job.state in ("waiting", "running", "paused")}
        known = {key: open_jobs[n] for key, n in queue.keys().items() if n in open_jobs}
        kept = {key: known[key] for key in keys if key in known}
        numbers = {job.id for job in kept.values()}
        queue.remove(job.id for job in there if job.id not in numbers)
        queue.resume(numbers)
        settled = {n: kept[key].output for n, key in enumerate(keys) if key in kept}
        places = named(wanted, self.folder, settled)
        new = [
            NewJob(
                each.recipe,
                place.path.absolute(),
                each.title,
                key,
                each.bits,
                each.open_precision,
                each.export,
            )
            for key, each, place in zip(keys, wanted, places, strict=True)
            if key not in kept and not place.made
        ]
        keep_apart([job.output for job in new], self.read)
        by_key = dict(zip((job.key for job in new), queue.add(new), strict=True))
        by_key |= {key: job.id for key, job in kept.items()}
        queue.arrange([by_key[key] for key in keys if key in by_key])
        self.report.count = len(wanted)
        for place in places:
            if place.made:
                self.report.tell_made(place.path)

    # -- running --------------------------------------------------------------------------

    def _work(self, queue: Queue, path: Path) -> int:
        interrupt = Interrupt(self.quiet)
        children: list[BaseProcess] = []
        asked_to_end = False
        with handled(interrupt), self.report.bar() as bar:
            try:
                while True:
                    began = time.monotonic()
                    jobs = queue.entries()
                    took = time.monotonic() - began
                    if self.report.tell(jobs, bar):
                        self._deaths = 0
                    self._bury(children)
                    open_jobs = [j for j in jobs if j.state in ("waiting", "running")]
                    if interrupt.asked:
                        if not asked_to_end:
                            ask_to_end(children)
                            asked_to_end = True
                        if not children:
                            break
                    elif not open_jobs and not children:
                        break
                    else:
                        self._start(children, open_jobs, path)
                        if not children:
                            queue.expire()  # another batch's worker may just have died
                    time.sleep(max(GLANCE_SECONDS, 10 * took))  # rarer, the longer the queue
            finally:
                end_all(children)
        self.report.tell(queue.entries(), None)
        return self.report.summed_up(interrupt)

    def _work_elsewhere(self, queue: Queue, scheduler: "SchedulerAddress") -> int:
        """Have a scheduler's workers make the jobs."""
        from engine.work.cluster.connection import Connection
        from engine.work.cluster.run import ClusterRun, topic_of

        interrupt = Interrupt(self.quiet, "stopping; Ctrl-C again stops at once")
        left, alone_since = 0, time.monotonic()
        with (
            handled(interrupt),
            self.report.bar() as bar,
            Connection(scheduler, topic_of(queue.path)) as connection,
            queue.claimant() as claimant,
            ClusterRun(
                queue, claimant, connection, retries=self.retries, worded=worded,
                explained=explained,
            ) as work,
        ):  # fmt: skip
            more = True
            while more and not interrupt.asked:
                more = work.step()
                alone_since = time.monotonic() if work.workers else alone_since
                if time.monotonic() - alone_since > ALONE_SECONDS and not self.quiet:
                    alone_since = float("inf")  # until there is a worker again
                    say(
                        f"there is no worker at {scheduler.address}: start one with "
                        f"{program()} worker {scheduler.address}"
                    )
                began = time.monotonic()
                self.report.tell(queue.entries(), bar)
                took = time.monotonic() - began
                connection.wait(max(2 * GLANCE_SECONDS, 10 * took) if more else 0)
            if interrupt.asked:
                left = work.leave()
        self.report.tell(queue.entries(), None)
        if left and not self.quiet:
            say(f"{left} more are still with the workers: the same command fetches them")
        return self.report.summed_up(interrupt)

    def _start(self, children: list[BaseProcess], jobs: list[QueuedJob], path: Path) -> None:
        waiting = sum(job.state == "waiting" for job in jobs)
        if not waiting:
            return
        context = multiprocessing.get_context("spawn")
        while len(children) < min(self.workers, len(jobs)):
            child = context.Process(
                target=make_jobs, daemon=False,
                args=(str(path), self.retries, self.workers, self.keep_every),
            )  # fmt: skip
            child.start()
            children.append(child)

    def _bury(self, children: list[BaseProcess]) -> None:
        """Forget workers that have ended. Raises `PareidoliaError` if workers keep dying."""
        for child in [each for each in children if not each.is_alive()]:
            children.remove(child)
            code = child.exitcode
            child.close()
            self._deaths += bool(code)
            if self._deaths > MOST_DEATHS * self.workers:
                raise PareidoliaError(
                    f"the workers end before they finish a job (exit code {code})"
                )


def queue_of(folder: Path) -> Path:
    """Return the file of the queue that fills a folder: in the program's data folder, not in that one."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16]
    return data_folder() / "queues" / f"{name}.sqlite"


def make_folder(folder: Path) -> None:
    """Create the folder for the pictures. Raises `BadInput`."""
    if folder.suffix.lower() in WRITTEN and not folder.is_dir():
        raise BadInput(f"{folder} is the name of a picture: for many, -o takes a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput(f"{folder} is a file: for many pictures, -o takes a folder") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{folder} cannot be created ({reason}): choose another folder") from error


def _keys(wanted: Sequence[Wanted]) -> list[str]:
    """Return a key for each picture that tells it from the others, and is the same next time."""
    seen: dict[str, int] = {}
    keys = []
    for each in wanted:
        said = [each.recipe, each.name, each.suffix, each.bits]
        if each.export:
            said.append(dict(each.export))
        text = json.dumps(said, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        seen[digest] = seen.get(digest, 0) + 1
        keys.append(f"{digest}-{seen[digest]}")
    return keys
