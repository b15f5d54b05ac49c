"""The queue's file: order, states, claims of processes that die, and files that are no queue."""

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import BadInput
from engine.files import unfinished
from engine.work.queue import MOST_DEATHS, NewJob, Queue
from tests.cli.conftest import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "queue.sqlite"


def new(*names: str) -> list[NewJob]:
    return [NewJob({"n": name}, Path(f"/out/{name}.png"), name, key=name) for name in names]


def titles(queue: Queue, *states: str) -> list[str]:
    return [job.title for job in queue.entries() if not states or job.state in states]


def test_jobs_are_taken_in_order_and_end_one_way_or_the_other(path: Path) -> None:
    with Queue(path) as queue, queue.claimant() as me:
        queue.add(new("a", "b", "c"))
        first, second = queue.claim(me), queue.claim(me)
        assert first and second
        assert (first.title, second.title, first.attempts) == ("a", "b", 1)
        assert queue.recipe(first.id) == {"n": "a"}
        assert queue.report(first, me, 3, 10, b"small") == "running"
        queue.finish(first, me, {"seconds": 2.5})
        queue.fail(second, me, "the photo is not there", 2)
        a, b, c = queue.entries()
        assert (a.state, a.figures, a.iteration) == ("done", {"seconds": 2.5}, 10)
        assert (b.state, b.sentence, b.exit_code) == ("failed", "the photo is not there", 2)
        assert (c.state, c.held) == ("waiting", False)
        assert queue.thumbnail(a.id) == b"small"
        assert queue.thumbnail(c.id) is None


def test_what_a_person_does(path: Path) -> None:
    with Queue(path) as queue, queue.claimant() as me:
        a, b, c, d = queue.add(new("a", "b", "c", "d"))
        queue.arrange([d, b, a])
        assert titles(queue) == ["d", "b", "c", "a"]
        queue.pause([d, b])
        taken = queue.claim(me)
        assert taken and taken.title == "c"
        queue.pause([c])
        assert queue.state(taken, me) == "paused"
        queue.resume([c, d])
        assert queue.state(taken, me) == "running"
        assert titles(queue, "waiting") == ["d", "a"]
        queue.remove([c])
        assert queue.state(taken, me) == ""
        queue.finish(taken, me, {})  # too late: it is gone
        assert titles(queue) == ["d", "b", "a"]
        with pytest.raises(BadInput, match="removed"):
            queue.recipe(c)
    assert a


def test_a_failed_job_is_tried_again_after_the_others(path: Path) -> None:
    with Queue(path) as queue, queue.claimant() as me:
        queue.add(new("a", "b"))
        seen = []
        while job := queue.claim(me):
            seen.append(job.title)
            if job.title == "a":
                queue.fail(job, me, "no", 1, retries=2)
            else:
                queue.finish(job, me, {})
        assert seen == ["a", "b", "a", "a"]
        assert titles(queue, "failed") == ["a"]
        queue.retry([job.id for job in queue.entries()])
        assert titles(queue, "waiting") == ["b", "a"]
        assert queue.entries()[1].attempts == 0


def test_two_outputs_of_one_name_are_refused_as_a_whole(path: Path) -> None:
    with Queue(path) as queue:
        queue.add(new("a"))
        with pytest.raises(BadInput, match=r"a\.png is in the queue already"):
            queue.add(new("b", "a"))
        assert titles(queue) == ["a"]


def test_names_that_utf_8_cannot_hold(path: Path) -> None:
    with Queue(path) as queue:
        odd = Path(os.fsdecode(b"/out/\xff.png"))
        queue.add([NewJob({"path": str(odd)}, odd, odd.name)])
        (job,) = queue.entries()
        assert job.output == odd
        assert queue.recipe(job.id) == {"path": str(odd)}


CLAIM = """
import sys, time
from pathlib import Path
from engine.work.queue import Queue
with Queue(Path(sys.argv[1])) as queue, queue.claimant() as me:
    print(queue.claim(me).title, flush=True)
    time.sleep(60)
"""


def claimed_elsewhere(path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "a\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
def test_a_job_whose_process_died_waits_again_and_not_before(path: Path) -> None:
    with Queue(path) as queue, queue.claimant() as me:
        queue.add(new("a"))
        for deaths in range(1, MOST_DEATHS + 1):
            with claimed_elsewhere(path) as process:
                assert queue.claim(me) is None
                process.send_signal(signal.SIGKILL)
            queue.expire()
            (job,) = queue.entries()
            assert job.state == ("waiting" if deaths < MOST_DEATHS else "failed")
            assert not job.held
        assert "choose a smaller size" in job.sentence
    assert [p.name for p in path.parent.glob(".*")] == []


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
def test_a_paused_job_stays_paused_when_its_process_dies(path: Path) -> None:
    with Queue(path) as queue:
        (number,) = queue.add(new("a"))
        with claimed_elsewhere(path) as process:
            queue.pause([number])
            process.send_signal(signal.SIGKILL)
        queue.expire()
        assert [(j.state, j.held) for j in queue.entries()] == [("paused", False)]


def test_a_worker_that_ends_gives_its_jobs_back(path: Path) -> None:
    with Queue(path) as queue:
        queue.add(new("a"))
        with queue.claimant() as me:
            assert queue.claim(me)
        (job,) = queue.entries()
        assert (job.state, job.attempts) == ("waiting", 0)


def test_no_job_is_claimed_twice(path: Path) -> None:
    with Queue(path) as queue:
        queue.add(new(*(f"j{n}" for n in range(60))))

    def take_all(_: int) -> list[str]:
        seen = []
        with Queue(path) as mine, mine.claimant() as me:
            while job := mine.claim(me):
                seen.append(job.title)
                mine.finish(job, me, {})
        return seen

    with ThreadPoolExecutor(4) as pool:
        found = [title for titles in pool.map(take_all, range(4)) for title in titles]
    assert sorted(found) == sorted(f"j{n}" for n in range(60))


def test_only_one_fills_a_queue(path: Path) -> None:
    with Queue(path) as one, Queue(path) as other:
        with (
            one.owned(),
            pytest.raises(BadInput, match="wait until it has finished"),
            other.owned(),
        ):
            pass
        with other.owned():
            pass


# -- files that are no queue -----------------------------------------------------------------------


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE songs (name TEXT)")
        database.execute("INSERT INTO songs VALUES ('mine')")
    database.close()


def text(path: Path) -> None:
    path.write_bytes(b"dear diary, " * 1000)


def torn(path: Path) -> None:
    with Queue(path) as queue:
        queue.add(new(*(f"j{n}" for n in range(500))))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 3))


def cut(path: Path) -> None:
    with Queue(path) as queue:
        queue.add(new(*(f"j{n}" for n in range(500))))
    os.truncate(path, path.stat().st_size // 2)


def newer(path: Path) -> None:
    Queue(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize("spoil", [foreign, text, torn, cut, newer])
def test_what_is_no_queue_is_set_aside_and_kept(path: Path, spoil: object) -> None:
    path.parent.mkdir()
    assert callable(spoil)
    spoil(path)
    before = path.read_bytes()
    with Queue(path, check=True) as queue:
        assert "was set aside as queue.sqlite.set-aside-" in queue.said
        assert "\n" not in queue.said
        queue.add(new("a"))
        assert titles(queue) == ["a"]
    (kept,) = path.parent.glob("queue.sqlite.set-aside-*")
    assert kept.read_bytes() == before
    with Queue(path, check=True) as queue:
        assert queue.said == ""
        assert titles(queue) == ["a"]


def test_an_empty_file_becomes_a_queue(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with Queue(path, check=True) as queue:
        queue.add(new("a"))
        assert queue.said == ""


def test_a_place_that_cannot_be_written(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(BadInput, match="is not a plain file"):
        Queue(path, check=True)
    (path / "file").write_text("x")
    with pytest.raises(BadInput, match="cannot be opened"):
        Queue(path / "file" / "queue.sqlite", check=True)


@pytest.mark.parametrize(("version", "lacks"), [(1, ("sent", "export")), (2, ("export",))])
def test_a_queue_of_an_older_version_goes_on(
    tmp_path: Path, version: int, lacks: tuple[str, ...]
) -> None:
    path = tmp_path / "queue.sqlite"
    with Queue(path) as queue:
        queue.add(new("a"))
    with closing(sqlite3.connect(path)) as database:
        for column in lacks:
            database.execute(f"ALTER TABLE jobs DROP COLUMN {column}")
        database.execute(f"PRAGMA user_version = {version}")
        database.commit()
    with Queue(path, check=True) as queue, queue.claimant() as claimant:
        assert queue.said == ""
        taken = queue.claim(claimant)
        assert taken is not None and taken.export == {}
        queue.sent(taken, claimant, "key")
        assert queue.keys_sent() == ["key"]


def test_a_program_that_ends_takes_no_job_along_that_it_had_sent_away(tmp_path: Path) -> None:
    with Queue(tmp_path / "queue.sqlite") as queue:
        queue.add(new("a", "b"))
        for _ in range(MOST_DEATHS):
            with unfinished(tmp_path / "queue.sqlite") as (living, _file):
                here, away = queue.claim(living.name), queue.claim(living.name)
                assert here is not None and away is not None
                queue.sent(away, living.name, "key")
            queue.expire()
        assert [entry.state for entry in queue.entries()] == ["failed", "waiting"]
        with queue.claimant() as claimant:
            taken = queue.claim(claimant)
            assert taken is not None
            assert [queue.died(taken, claimant) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 100_000])
def test_a_damaged_recipe_in_a_queue_gets_a_sentence(path: Path, text: str) -> None:
    with Queue(path) as queue:
        (number,) = queue.add(new("a"))
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE jobs SET recipe = ?, figures = ?", (text, text))
        database.commit()
    with Queue(path, check=True) as queue:
        assert [entry.figures for entry in queue.entries()] == [{}]
        with pytest.raises(BadInput, match="recipe of this job in the queue is damaged"):
            queue.recipe(number)


def test_a_queue_whose_tables_are_no_text_is_set_aside(path: Path) -> None:
    with Queue(path) as queue:
        queue.add(new("a"))
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE jobs", b"CREATE TABLE \xffobs", 1))
    with Queue(path, check=True) as queue:
        assert "set aside" in queue.said
        assert queue.entries() == []
