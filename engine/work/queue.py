"""Jobs in order, in a file: whichever process ends, and however, none of them is lost.

Several processes take jobs from one queue. Whoever works on one holds a claim: a locked file beside
the queue, which the system releases with the process (`engine.files`). A job whose claim nobody
holds any longer waits again.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.files import sweep, unfinished
from engine.work import queue_file
from engine.work.job_checkpoints import JobCheckpoints

STATES = ("waiting", "running", "done", "failed", "paused")
MOST_DEATHS = 3
"""A job that has killed this many processes is set aside: it would kill all others too."""
_COLUMNS = (
    "id, title, output, bits, open_precision, state, claim, attempts, iteration, total, sentence,"
    " exit_code, figures, drawn, export"
)


@dataclass(frozen=True)
class NewJob:
    """A job to be put into a queue."""

    recipe: Mapping[str, Any]
    """As `Job.recipe` gives it."""
    output: Path
    title: str
    key: str = ""
    """Identifies it when the same jobs are added again."""
    bits: int = 8
    open_precision: bool = False
    """Whether the precision is left to the machine: a picture in either precision is then the same
    job's."""
    export: Mapping[str, Any] = field(default_factory=dict)
    """What of `engine.export.Export` is not as usual."""


@dataclass(frozen=True)
class QueuedJob:
    """A job as it stands in a queue."""

    id: int
    title: str
    output: Path
    bits: int
    open_precision: bool
    state: str
    """One of `STATES`."""
    held: bool
    """Whether some process works on it, even if paused."""
    attempts: int
    iteration: int
    total: int
    """0: not known yet."""
    sentence: str
    """Why it failed."""
    exit_code: int
    """The exit code that the command line would end with."""
    figures: dict[str, Any]
    """The figures of a finished run."""
    drawn: int
    """Increases with each new thumbnail."""
    export: dict[str, Any]
    """What of `engine.export.Export` is not as usual."""


class Queue:
    """A queue in a file, for one thread; each process and thread opens its own.

    All methods raise `BadInput` when the file cannot be read or written.
    """

    def __init__(self, path: Path, *, check: bool = False) -> None:
        """Open a queue, or make one; with `check`, a damaged or foreign file is set aside first."""
        self.path = path
        self.checkpoints = JobCheckpoints(path)
        """Where interrupted jobs go on from; those of finished jobs are deleted."""
        self.said = ""
        """What was set aside, in a sentence; empty if nothing was."""
        if check:
            self._database, self.said = queue_file.checked(path)
        else:
            try:
                self._database = queue_file.connect(path)
            except sqlite3.DatabaseError as error:
                raise BadInput(f"the queue {path} cannot be read ({error})") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> "Queue":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what a person does ---------------------------------------------------------------

    def add(self, jobs: Iterable[NewJob]) -> list[int]:
        """Put jobs at the end; return their numbers. Raises `BadInput` for an output taken before."""
        numbers: list[int] = []
        with self._changing() as database:
            (last,) = database.execute("SELECT coalesce(max(place), 0) FROM jobs").fetchone()
            for offset, job in enumerate(jobs, 1):
                try:
                    cursor = database.execute(
                        "INSERT INTO jobs (place, key, title, recipe, output, bits, open_precision,"
                        " export, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting')",
                        (
                            last + offset, job.key, _storable(job.title),
                            json.dumps(job.recipe, allow_nan=False), os.fsencode(job.output),
                            job.bits, job.open_precision, json.dumps(dict(job.export)),
                        ),
                    )  # fmt: skip
                except sqlite3.IntegrityError as error:
                    raise BadInput(f"{job.output} is in the queue already") from error
                numbers.append(int(cursor.lastrowid or 0))
        return numbers

    def entries(self) -> list[QueuedJob]:
        """Return all jobs in order."""
        with self._reading() as database:
            found = database.execute(f"SELECT {_COLUMNS} FROM jobs ORDER BY place, id").fetchall()
        return [_queued(row) for row in found]

    def entry(self, number: int) -> QueuedJob | None:
        """Return a job; None: it is not there any more."""
        with self._reading() as database:
            row = database.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (number,)
            ).fetchone()
        return None if row is None else _queued(row)

    def keys(self) -> dict[str, int]:
        """Return the numbers of the jobs by key."""
        with self._reading() as database:
            return {row["key"]: row["id"] for row in database.execute("SELECT id, key FROM jobs")}

    def keys_sent(self) -> list[str]:
        """Return the keys under which a cluster may know jobs of this queue."""
        with self._reading() as database:
            return [
                row["sent"] for row in database.execute("SELECT sent FROM jobs WHERE sent <> ''")
            ]

    def key_sent(self, number: int) -> str:
        """Return the key under which a cluster may know a job; empty if it was never sent."""
        with self._reading() as database:
            row = database.execute("SELECT sent FROM jobs WHERE id = ?", (number,)).fetchone()
        return "" if row is None else str(row["sent"])

    def waits(self) -> bool:
        """Whether any job waits."""
        with self._reading() as database:
            return (
                database.execute("SELECT 1 FROM jobs WHERE state = 'waiting' LIMIT 1").fetchone()
                is not None
            )

    def recipe(self, number: int) -> dict[str, Any]:
        """Return a job's recipe. Raises `BadInput` when it is not there any more."""
        with self._reading() as database:
            row = database.execute("SELECT recipe FROM jobs WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise BadInput("the job was removed from the queue")
        recipe = _object(row["recipe"])
        if recipe is None:
            raise BadInput(
                "the recipe of this job in the queue is damaged: remove the job, and add it anew"
            )
        return recipe

    def thumbnail(self, number: int) -> bytes | None:
        """Return a small picture of how far a job has come, as a file; None: there is none yet."""
        with self._reading() as database:
            row = database.execute("SELECT thumbnail FROM jobs WHERE id = ?", (number,)).fetchone()
        return None if row is None else row["thumbnail"]

    def remove(self, numbers: Iterable[int]) -> None:
        """Take jobs out; whoever works on one gives it up. Pictures that were written stay."""
        gone = list(numbers)
        self._each("DELETE FROM jobs WHERE id = ?", gone)
        self.checkpoints.forget(gone)

    def retry(self, numbers: Iterable[int]) -> None:
        """Let failed and finished jobs wait again, as if never tried."""
        self._each(
            "UPDATE jobs SET state = 'waiting', attempts = 0, deaths = 0, sentence = '', exit_code ="
            " 0, iteration = 0, total = 0 WHERE id = ? AND state IN ('failed', 'done')",
            numbers,
        )

    def pause(self, numbers: Iterable[int]) -> None:
        """Hold jobs: one that waits is passed over, one that runs stops after its iteration."""
        self._each(
            "UPDATE jobs SET state = 'paused' WHERE id = ? AND state IN ('waiting', 'running')",
            numbers,
        )

    def resume(self, numbers: Iterable[int]) -> None:
        """Let held jobs go on."""
        self._each(
            "UPDATE jobs SET state = CASE WHEN claim IS NULL THEN 'waiting' ELSE 'running' END"
            " WHERE id = ? AND state = 'paused'",
            numbers,
        )

    def arrange(self, numbers: Sequence[int]) -> None:
        """Bring these jobs into this order, within the places that they occupy."""
        with self._changing() as database:
            rows = database.execute("SELECT id, place FROM jobs ORDER BY place, id").fetchall()
            meant = set(numbers)
            rows = [row for row in rows if row["id"] in meant]
            there = {row["id"] for row in rows}
            order = [number for number in numbers if number in there]
            for number, row in zip(order, rows, strict=True):
                database.execute("UPDATE jobs SET place = ? WHERE id = ?", (row["place"], number))

    # -- what a worker does ---------------------------------------------------------------

    @contextmanager
    def claimant(self) -> Iterator[str]:
        """Yield a name to claim jobs with, valid as long as this process lives."""
        with unfinished(self.path) as (beside, _file):
            try:
                yield beside.name
            finally:
                with suppress(BadInput):  # otherwise they wait again once this name is gone
                    self._release_all(beside.name)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Be the only process that fills the queue. Raises `BadInput` if another one does."""
        with unfinished(self.path) as (beside, _file):
            with self._changing() as database:
                row = database.execute("SELECT claim FROM owner").fetchone()
                if row is not None and row["claim"] in self._living():
                    raise BadInput(
                        "another program is filling this queue: wait until it has finished"
                    )
                database.execute("DELETE FROM owner")
                database.execute("INSERT INTO owner VALUES (?)", (beside.name,))
                left = database.execute("SELECT id FROM jobs WHERE state <> 'done'").fetchall()
                self.checkpoints.forget_others({row["id"] for row in left})
            yield

    def claim(self, claimant: str) -> QueuedJob | None:
        """Take the first job that waits; None: there is none."""
        with self._changing() as database:
            self._expire(database)
            row = database.execute(
                "SELECT id FROM jobs WHERE state = 'waiting' ORDER BY place, id LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            database.execute(
                "UPDATE jobs SET state = 'running', claim = ?, attempts = attempts + 1,"
                " iteration = 0, total = 0, sentence = '', exit_code = 0 WHERE id = ?",
                (claimant, row["id"]),
            )
            taken = database.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (row["id"],)
            ).fetchone()
        return _queued(taken)

    def report(
        self, job: QueuedJob, claimant: str, iteration: int, total: int,
        thumbnail: bytes | None = None,
    ) -> str:  # fmt: skip
        """Say how far a claimed job has come; return its state, empty when it was taken away."""
        with self._changing() as database:
            database.execute(
                "UPDATE jobs SET iteration = ?, total = ? WHERE id = ? AND claim = ?",
                (iteration, total, job.id, claimant),
            )
            if thumbnail is not None:
                database.execute(
                    "UPDATE jobs SET thumbnail = ?, drawn = drawn + 1 WHERE id = ? AND claim = ?",
                    (thumbnail, job.id, claimant),
                )
        return self.state(job, claimant)

    def state(self, job: QueuedJob, claimant: str) -> str:
        """Return the state of a claimed job; empty when it was taken away."""
        with self._reading() as database:
            row = database.execute(
                "SELECT state FROM jobs WHERE id = ? AND claim = ?", (job.id, claimant)
            ).fetchone()
        return "" if row is None else str(row["state"])

    def states(self, claimant: str) -> dict[int, str]:
        """Return the states of all jobs claimed under a name, by number."""
        with self._reading() as database:
            rows = database.execute("SELECT id, state FROM jobs WHERE claim = ?", (claimant,))
            return {row["id"]: row["state"] for row in rows}

    def finish(
        self, job: QueuedJob, claimant: str, figures: Mapping[str, Any],
        thumbnail: bytes | None = None,
    ) -> None:  # fmt: skip
        """Say that a claimed job is done."""
        with self._changing() as database:
            database.execute(
                "UPDATE jobs SET state = 'done', claim = NULL, sent = '', figures = ?, iteration = total,"
                " thumbnail = coalesce(?, thumbnail), drawn = drawn + 1 WHERE id = ? AND claim = ?",
                (json.dumps(figures), thumbnail, job.id, claimant),
            )
        self.checkpoints.forget([job.id])

    def kept(self, job: QueuedJob, claimant: str) -> None:
        """Say that a claimed job has a newer checkpoint, so it does more than kill programs."""
        with self._changing() as database:
            database.execute(
                "UPDATE jobs SET deaths = 0 WHERE id = ? AND claim = ?", (job.id, claimant)
            )

    def fail(
        self, job: QueuedJob, claimant: str, sentence: str, exit_code: int = 1, retries: int = 0
    ) -> None:
        """Say why a claimed job failed; after fewer than `retries` repetitions it waits again, last."""
        again = job.attempts <= retries
        with self._changing() as database:
            database.execute(
                "UPDATE jobs SET state = ?, claim = NULL, sent = '', sentence = ?, exit_code = ?,"
                " place = CASE"
                " WHEN ? THEN (SELECT max(place) + 1 FROM jobs) ELSE place END"
                " WHERE id = ? AND claim = ?",
                (
                    "waiting" if again else "failed", _storable(sentence), exit_code, again, job.id,
                    claimant,
                ),
            )  # fmt: skip

    def sent(self, job: QueuedJob, claimant: str, key: str) -> None:
        """Note the key under which a claimed job is given to a cluster; empty: it no longer is."""
        with self._changing() as database:
            database.execute(
                "UPDATE jobs SET sent = ? WHERE id = ? AND claim = ?", (key, job.id, claimant)
            )

    def died(self, job: QueuedJob, claimant: str) -> int:
        """Count that a worker of a cluster died during a claimed job; return how many have."""
        with self._changing() as database:
            database.execute(
                "UPDATE jobs SET deaths = deaths + 1 WHERE id = ? AND claim = ?", (job.id, claimant)
            )
            row = database.execute("SELECT deaths FROM jobs WHERE id = ?", (job.id,)).fetchone()
        return 0 if row is None else int(row["deaths"])

    def release(self, job: QueuedJob, claimant: str) -> None:
        """Give a claimed job back: it waits again, or stays paused. The attempt does not count."""
        with self._changing() as database:
            database.execute(f"{_RELEASE} WHERE claim = ? AND id = ?", (claimant, job.id))

    def expire(self) -> None:
        """Let jobs whose process has ended wait again."""
        with self._changing() as database:
            self._expire(database)

    # -- within ---------------------------------------------------------------------------

    def _release_all(self, claimant: str) -> None:
        with self._changing() as database:
            database.execute(f"{_RELEASE} WHERE claim = ?", (claimant,))

    def _living(self) -> set[str]:
        """Return the claimants whose processes live: files of others can be swept away."""
        sweep(self.path.parent)
        return {path.name for path in self.path.parent.glob(".*.part")}

    def _expire(self, database: sqlite3.Connection) -> None:
        claimed = database.execute(
            "SELECT DISTINCT claim FROM jobs WHERE claim NOT NULL"
        ).fetchall()
        if not claimed:
            return
        living = self._living()
        for (claim,) in claimed:
            if claim not in living:
                # A program that only sent a job away did not die of it.
                database.execute(
                    "UPDATE jobs SET deaths = deaths + (sent = ''), attempts = attempts - 1,"
                    " claim = NULL,"
                    " state = CASE WHEN state = 'running' THEN 'waiting' ELSE state END"
                    " WHERE claim = ?",
                    (claim,),
                )
        database.execute(
            "UPDATE jobs SET state = 'failed', exit_code = 1, sentence = ?"
            " WHERE state = 'waiting' AND deaths >= ?",
            (
                f"{MOST_DEATHS} times the program ended during this job, perhaps for lack of "
                "memory: choose a smaller size, or retry this job alone",
                MOST_DEATHS,
            ),
        )

    def _each(self, statement: str, numbers: Iterable[int]) -> None:
        with self._changing() as database:
            database.executemany(statement, [(number,) for number in numbers])

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: either everything done inside it counts, or nothing."""
        with self._reading() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._database
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise BadInput(f"the queue {self.path} cannot be used ({error})") from error


_RELEASE = (
    "UPDATE jobs SET claim = NULL, attempts = attempts - 1, iteration = 0,"
    " state = CASE WHEN state = 'running' THEN 'waiting' ELSE state END"
)


def _storable(text: str) -> str:
    """Return text without what UTF-8 cannot hold, which file names may contain."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _queued(row: sqlite3.Row) -> QueuedJob:
    try:
        output = Path(os.fsdecode(row["output"]))
    except TypeError as error:
        raise BadInput("the queue is damaged: a job's picture has no path") from error
    return QueuedJob(
        id=row["id"], title=row["title"], output=output, bits=row["bits"],
        open_precision=bool(row["open_precision"]), state=row["state"],
        held=row["claim"] is not None, attempts=row["attempts"], iteration=row["iteration"],
        total=row["total"], sentence=row["sentence"], exit_code=row["exit_code"],
        figures=_object(row["figures"]) or {}, drawn=row["drawn"],
        export=_object(row["export"]) or {},
    )  # fmt: skip


def _object(text: Any) -> dict[str, Any] | None:
    """Return the object that a column holds as JSON; None: its bytes are damaged."""
    try:
        values = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return values if isinstance(values, dict) else None
