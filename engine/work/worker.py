"""A worker: takes jobs from a queue and makes them, one after the other."""

import io
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import settings
from engine.errors import BadInput, Message, OutOfMemory, PareidoliaError, is_out_of_memory
from engine.export import Export
from engine.image import open_picture, to_bytes8
from engine.job import Job
from engine.task import Frame, Task, Technique
from engine.work.keep_times import SECONDS, KeepTimes
from engine.work.making import Frames, MakeRequest, make
from engine.work.naming import forget_partial, is_complete, is_made
from engine.work.queue import Queue, QueuedJob

if TYPE_CHECKING:
    from torch import Tensor

REPORT_SECONDS = 0.5
"""Seconds between two progress reports."""
WAIT_SECONDS = 0.1
"""Seconds between two checks whether a held job may go on."""
THUMBNAIL = 160
"""Long side of a thumbnail in pixels."""


log = logging.getLogger("pareidolia.queue")


class _TakenAway(BaseException):
    """Somebody removed the job from the queue while it ran: no failure, nothing is kept of it."""


def _explained(error: Exception) -> str:
    return f"unexpected error ({error!r})"


class Worker:
    """Makes the jobs of a queue in this process and thread."""

    def __init__(
        self,
        queue: Queue,
        claimant: str,
        *,
        asked: Callable[[], bool] = bool,
        wait: Callable[[], None] = lambda: None,
        retries: int = 0,
        worded: Callable[[str | Message | PareidoliaError], str] = str,
        explained: Callable[[Exception], str] = _explained,
        changed: Callable[[QueuedJob], None] = lambda job: None,
        thumbnails: float | None = None,
        keep_every: float = SECONDS,
    ) -> None:
        """Work on `queue` under a name from `Queue.claimant`.

        Args:
            queue: this thread's own.
            claimant: whose claims they are.
            asked: asked after each iteration whether to end; the job then waits again.
            wait: called before each job and after each iteration; may block.
            retries: how often a failed job is tried again.
            worded: puts a known failure, or a note, into words.
            explained: puts an unexpected one into words.
            changed: told after each report.
            thumbnails: seconds between two small pictures of a running job; None: only of the
                result.
            keep_every: least number of seconds between two checkpoints of a running job; 0: it has
                none.
        """
        self.queue, self.claimant = queue, claimant
        self.asked, self.wait, self.retries = asked, wait, retries
        self.worded, self.explained, self.changed = worded, explained, changed
        self.thumbnails, self.keep_every = thumbnails, keep_every

    def work(self) -> None:
        """Make one job after the other until none waits."""
        while self.make_one():
            pass

    def make_one(self) -> bool:
        """Make the first job that waits; False: there is none, or an end was asked for.

        Raises `BadInput` when the queue itself cannot be used.
        """
        self.wait()
        if self.asked():
            return False
        job = self.queue.claim(self.claimant)
        if job is None:
            return False
        self.changed(job)
        try:
            done = self._make(job)
        except _TakenAway:
            self.queue.checkpoints.forget([job.id])  # of which one may just have been written
        except PareidoliaError as error:
            self._fail(job, self.worded(error), error.exit_code)
        except Exception as error:
            if is_out_of_memory(error):
                self._fail(job, "there is not enough free memory for this", OutOfMemory.exit_code)
            else:
                self._fail(job, self.explained(error), 1)
        else:
            if not done:
                self.queue.release(job, self.claimant)
        self.changed(job)
        return True

    def _fail(self, job: QueuedJob, sentence: str, exit_code: int) -> None:
        self.queue.fail(job, self.claimant, sentence, exit_code, self.retries)

    def _make(self, queued: QueuedJob) -> bool:
        """Make a job; return whether it came to its end."""
        recipe = self.queue.recipe(queued.id)
        output = queued.output
        if is_made(output, recipe, queued.bits, queued.open_precision):
            if is_complete(output, recipe):
                figures: dict[str, Any] = {"output": str(output), "skipped": True}
                self.queue.finish(queued, self.claimant, figures, _thumbnail_of(output))
                return True
        elif output.exists():
            raise BadInput(
                f"{output} already exists and was made differently: move it, or choose another folder"
            )
        kept = self.queue.checkpoints
        order = MakeRequest(
            Job.from_recipe(recipe), output, queued.bits, export=settings.make(Export, queued.export),
            checkpoint=partial(kept.read, queued.id, recipe), exactly=True,
            keep=partial(self._keep, queued, recipe, KeepTimes(self.keep_every)),
        )  # fmt: skip
        made = make(order, self.asked, lambda _job, frames: self._told(queued, frames))
        if made.stopped or made.frame is None:
            return False
        forget_partial(output, made.job.recipe(), queued.open_precision)
        said = dict(made.figures)
        if made.frame.note:
            said["note"] = self.worded(made.frame.note)
        if made.resumed_at:
            said["resumed_at"] = made.resumed_at
        self.queue.finish(queued, self.claimant, said, thumbnail_of(made.frame.picture))
        return True

    def _keep(
        self, queued: QueuedJob, recipe: Mapping[str, Any], times: KeepTimes,
        job: Job, task: Task[Technique], frame: Frame, last: bool,
    ) -> None:  # fmt: skip
        """Write a checkpoint of a running job if it is time to, or if it ends early.

        A failure to write costs no picture: at worst the job begins again.
        """
        over = frame.iteration >= frame.total or frame.iteration == job.stop_after
        if over or not self.keep_every or frame.checkpoint is None:
            return
        if not last and not times.due():
            return
        from engine.work.checkpoint_file import encode

        with times.taken():
            try:
                data = encode(frame.checkpoint(), job, task)
                self.queue.checkpoints.write(queued.id, recipe, data)
                self.queue.kept(queued, self.claimant)
            except ValueError:  # it has come to its end sooner than planned
                pass
            except BadInput as error:
                log.warning("%s is not kept: %s", queued.title, error)

    def _told(self, job: QueuedJob, frames: Frames) -> Frames:
        reported = drawn = time.monotonic()
        first = True
        for frame in frames:
            now = time.monotonic()
            if first or now - reported >= REPORT_SECONDS:
                small = None
                if self.thumbnails is not None and (first or now - drawn >= self.thumbnails):
                    small, drawn = thumbnail_of(frame.picture), now
                self._hold(job, frame, small)
                reported, first = now, False
            self.wait()
            yield frame

    def _hold(self, job: QueuedJob, frame: Frame, small: bytes | None) -> None:
        """Report, and wait for as long as a person pauses the job."""
        state = self.queue.report(job, self.claimant, frame.iteration, frame.total, small)
        self.changed(job)
        while state == "paused" and not self.asked():
            time.sleep(WAIT_SECONDS)
            self.wait()  # others may compute meanwhile
            state = self.queue.state(job, self.claimant)
        if not state:
            raise _TakenAway


def thumbnail_of(picture: "Tensor") -> bytes:
    """Return a picture (3, H, W) in [0, 1] as a small JPEG file."""
    from PIL import Image

    image = Image.fromarray(to_bytes8(picture))
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


def _thumbnail_of(path: Path) -> bytes | None:
    try:
        return thumbnail_of(open_picture(path, long_side=THUMBNAIL).tensor())
    except PareidoliaError:
        return None
