"""The queue's file: a SQLite database, made if it is missing and set aside if it is not ours.

The journal is a write-ahead log: readers never wait for a writer, and a program that is killed in
the middle of a change leaves the file as it was before it (https://www.sqlite.org/wal.html).
"""

import os
import sqlite3
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from engine.errors import BadInput
from engine.work.job_checkpoints import JobCheckpoints

APPLICATION = 0x50444C51
"""Identifies, in the file's header, whose database it is ("PDLQ")."""
VERSION = 3
"""Version of the tables; an older file is upgraded to it, a newer one is set aside."""
PATIENCE = 20.0
"""Seconds to wait while another process writes: a write takes milliseconds."""
SIBLINGS = ("", "-wal", "-shm")
"""The files of a database in WAL mode, by the end of their names."""

TABLES = """
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    place REAL NOT NULL,
    key TEXT NOT NULL,
    title TEXT NOT NULL,
    recipe TEXT NOT NULL,
    output BLOB NOT NULL UNIQUE,
    bits INTEGER NOT NULL,
    open_precision INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'paused')),
    claim TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0,
    iteration INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    sentence TEXT NOT NULL DEFAULT '',
    exit_code INTEGER NOT NULL DEFAULT 0,
    figures TEXT NOT NULL DEFAULT '{}',
    thumbnail BLOB,
    drawn INTEGER NOT NULL DEFAULT 0,
    sent TEXT NOT NULL DEFAULT '',
    export TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX by_state ON jobs (state, place);
CREATE INDEX by_key ON jobs (key);
CREATE TABLE owner (claim TEXT NOT NULL);
"""
STEPS = {
    1: "ALTER TABLE jobs ADD COLUMN sent TEXT NOT NULL DEFAULT ''",
    2: "ALTER TABLE jobs ADD COLUMN export TEXT NOT NULL DEFAULT '{}'",
}
"""What a file of each older version lacks: the key under which a cluster knows a job, empty for none;
how the picture is written, as far as that is not as usual."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a queue's file, which is made when there is none.

    Raises:
        BadInput: it cannot be opened or made.
        sqlite3.DatabaseError: it is damaged or something else; `set_aside` helps.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise BadInput(f"the queue {path} is not a plain file: move it away")
        database = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise BadInput(f"the queue {path} cannot be opened ({reason(error)})") from error
    try:
        _prepare(database)
    except sqlite3.OperationalError as error:  # not damaged: locked, read-only, a full disk
        database.close()
        raise BadInput(f"the queue {path} cannot be opened ({reason(error)})") from error
    except UnicodeDecodeError as error:  # sqlite3 cannot even say what is wrong with its tables
        database.close()
        raise sqlite3.DatabaseError("it is damaged") from error
    except BaseException:
        database.close()
        raise
    return database


def checked(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open a queue's file as `connect` does; set aside what is damaged or not a queue.

    Returns:
        The database, and a sentence that says what was set aside; empty: nothing was.

    Raises:
        BadInput: it cannot be opened, made or set aside.
    """
    said = ""
    for _ in range(3):  # somebody else may set it aside in the meantime
        before = _identity(path)
        try:
            database = connect(path)
        except sqlite3.DatabaseError as error:
            said = set_aside(path, before, reason(error)) or said
            continue
        try:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            database.execute("SELECT count(*) FROM jobs").fetchone()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            found = reason(error)
        if found == "ok":
            return database, said
        database.close()
        said = set_aside(path, before, "it is damaged") or said
    raise BadInput(f"the queue {path} is damaged and cannot be set aside: move it away")


def set_aside(path: Path, known: tuple[int, int] | None, why: str) -> str:
    """Rename a file that is not a queue, with what belongs to it; return a sentence that says so.

    Args:
        path: the file.
        known: which file it was when it was examined; any other one stays.
        why: what is wrong with it.

    Raises:
        BadInput: it cannot be renamed.
    """
    if known is None or _identity(path) != known:
        return ""
    when = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    kept = path.with_name(f"{path.name}.set-aside-{when}")
    try:
        for end in SIBLINGS:
            with suppress(FileNotFoundError):
                os.replace(f"{path}{end}", f"{kept}{end}")  # noqa: PTH105
    except OSError as error:
        raise BadInput(
            f"{path} is not a queue of this program ({why}) and cannot be renamed ({reason(error)}):"
            " move it away"
        ) from error
    return (
        f"{path} is not a queue that this version can read ({why}); it was set aside as {kept.name}"
        " and an empty queue was started"
    )


def delete(path: Path) -> None:
    """Delete a queue that nobody uses any more, with what belongs to it."""
    JobCheckpoints(path).delete()
    for end in SIBLINGS:
        with suppress(OSError):
            Path(f"{path}{end}").unlink(missing_ok=True)


def reason(error: Exception) -> str:
    """Return in words what went wrong with a file or a database."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _prepare(database: sqlite3.Connection) -> None:
    """Set a connection up, and make the tables of a new file."""
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA synchronous = FULL")  # what was added outlives a power cut
    database.execute("PRAGMA trusted_schema = OFF")  # the file may come from anybody
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    if not version or (version < VERSION and application == APPLICATION):
        database.execute("BEGIN IMMEDIATE")
        try:
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (before,) = database.execute("PRAGMA user_version").fetchone()
            if 0 < before < VERSION and tables:  # still: another process may have been quicker
                if not database.execute(
                    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'jobs'"
                ).fetchone():
                    raise sqlite3.DatabaseError("it holds no jobs")
                for step in range(before, VERSION):
                    database.execute(STEPS[step])
                database.execute(f"PRAGMA user_version = {VERSION}")
            if not tables:
                for statement in TABLES.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA application_id = {APPLICATION}")
                database.execute(f"PRAGMA user_version = {VERSION}")
            database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise
        (version,) = database.execute("PRAGMA user_version").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION:
        raise sqlite3.DatabaseError("it belongs to another program")
    if version != VERSION:
        raise sqlite3.DatabaseError(f"its version is {version}, not {VERSION}")
    database.execute("PRAGMA journal_mode = WAL")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
