"""A worker and the trouble it meets: full disks, pictures that go, jobs that are taken away."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from engine.image import read_recipe
from engine.job import Inputs, Job
from engine.techniques.deep_dream import DeepDream
from engine.work.job_files import wanted_of_photos
from engine.work.making import partial
from engine.work.queue import NewJob, Queue, QueuedJob
from engine.work.worker import Worker
from tests.cli.conftest import noise


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    (tmp_path / "photos").mkdir()
    (tmp_path / "out").mkdir()
    for seed, name in enumerate("abc"):
        noise(24, 32, 3, seed).save(tmp_path / "photos" / f"{name}.png")
    job = Job(DeepDream(iterations=2), Inputs("photos"), size=32, device="cpu", precision="fp32")
    wanted = wanted_of_photos(job, tmp_path / "photos")
    made = Queue(tmp_path / "queue.sqlite")
    made.add(NewJob(w.recipe, tmp_path / "out" / f"{w.name}.png", w.title) for w in wanted)
    return made


def work(queue: Queue, **options: object) -> list[QueuedJob]:
    with queue.claimant() as claimant:
        Worker(queue, claimant, **options).work()  # type: ignore[arg-type]
    return queue.entries()


def states(jobs: list[QueuedJob]) -> list[str]:
    return [job.state for job in jobs]


def test_a_full_disk_fails_what_it_hits_and_leaves_nothing(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, calls = os.fsync, []

    def full_at_first(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr("engine.files.os.fsync", full_at_first)
    jobs = work(queue)
    assert states(jobs) == ["failed", "done", "done"]
    assert "No space left on device" in jobs[0].sentence
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["b.png", "c.png"]
    queue.retry([jobs[0].id])
    assert states(work(queue)) == ["done"] * 3
    queue.close()


def test_pictures_and_folders_that_go(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "photos" / "a.png").unlink()
    noise(24, 32, 3, 9).save(tmp_path / "photos" / "b.png")
    jobs = work(queue)
    assert states(jobs) == ["failed", "failed", "done"]
    assert "a.png" in jobs[0].sentence
    assert "is not the picture that" in jobs[1].sentence
    shutil.rmtree(tmp_path / "out")
    queue.retry([jobs[2].id])
    (_, _, last) = work(queue)
    assert "does not exist" in last.sentence
    queue.close()


def test_what_somebody_put_there_meanwhile_stays(queue: Queue, tmp_path: Path) -> None:
    noise(5, 5, 3, 0).save(tmp_path / "out" / "b.png")
    before = (tmp_path / "out" / "b.png").read_bytes()
    jobs = work(queue)
    assert states(jobs) == ["done", "failed", "done"]
    assert "b.png already exists" in jobs[1].sentence
    assert (tmp_path / "out" / "b.png").read_bytes() == before
    queue.close()


def test_a_job_that_is_removed_while_it_runs_leaves_nothing(queue: Queue, tmp_path: Path) -> None:
    first = queue.entries()[0]

    def remove(job: QueuedJob) -> None:
        if job.id == first.id:
            queue.remove([job.id])

    assert states(work(queue, changed=remove)) == ["done", "done"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["b.png", "c.png"]
    queue.close()


def test_an_end_in_the_middle_keeps_the_picture_so_far_until_the_whole_is_there(
    queue: Queue, tmp_path: Path
) -> None:
    ends = iter([False, True, True, True, True])
    jobs = work(queue, asked=lambda: next(ends, True))
    assert states(jobs) == ["waiting"] * 3
    unfinished = partial(jobs[0].output)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [unfinished.name]
    assert states(work(queue)) == ["done"] * 3
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "c.png"]
    recipe = read_recipe(jobs[0].output)
    assert recipe is not None
    assert recipe["settings"]["iterations"] == 2
    queue.close()
