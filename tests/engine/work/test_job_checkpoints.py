"""A queue's job that is broken off goes on from its checkpoint, to the same file, or begins anew."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.files import unfinished
from engine.job import Inputs, Job
from engine.techniques.deep_dream import DeepDream
from engine.work import checkpoint_file
from engine.work.job_files import wanted_of_photos
from engine.work.making import Frames
from engine.work.queue import MOST_DEATHS, NewJob, Queue, QueuedJob
from engine.work.worker import Worker
from tests.cli.conftest import noise

ITERATIONS = 6


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """One job, and a queue that makes it in `out`."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "out").mkdir()
    noise(24, 32, 3, 0).save(tmp_path / "photos" / "a.png")
    dream = DeepDream(iterations=ITERATIONS, octaves=1)
    job = Job(dream, Inputs("photos"), size=32, device="cpu", precision="fp32")
    (wanted,) = wanted_of_photos(job, tmp_path / "photos")
    made = Queue(tmp_path / "queue.sqlite")
    made.add([NewJob(wanted.recipe, tmp_path / "out" / "a.png", wanted.title)])
    return made


class Killed(BaseException):
    """As good as the end of a process: nobody tidies up."""


class Dying(Worker):
    """Keeps its job after each iteration, and dies before the next one after so many."""

    after = 3

    def _told(self, job: QueuedJob, frames: Frames) -> Frames:
        for frame in frames:
            yield frame
            if frame.iteration == self.after:
                raise Killed


def broken_off(queue: Queue) -> None:
    """Let the job be broken off after its third iteration."""
    with pytest.raises(Killed), queue.claimant() as claimant:
        Dying(queue, claimant, keep_every=1e-9).work()


def made(queue: Queue) -> tuple[QueuedJob, bytes]:
    """The job as it ended, and the bytes of its picture."""
    with queue.claimant() as claimant:
        Worker(queue, claimant).work()
    (job,) = queue.entries()
    assert job.state == "done", job.sentence
    return job, job.output.read_bytes()


def again(queue: Queue) -> None:
    """Let the finished job be made once more."""
    (job,) = queue.entries()
    job.output.unlink()
    queue.retry([job.id])


@pytest.fixture
def whole(queue: Queue) -> bytes:
    """The picture of a job that nobody breaks off."""
    _, data = made(queue)
    again(queue)
    return data


def kept(queue: Queue) -> list[Path]:
    return sorted(queue.checkpoints.folder.glob("*"))


def test_it_goes_on_to_the_same_bytes_and_keeps_nothing(
    queue: Queue, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.work.keep_times.SHARE", 1e9)  # however long it takes
    broken_off(queue)
    assert len(kept(queue)) == 1
    job, data = made(queue)
    assert job.figures["resumed_at"] == Dying.after
    assert data == whole
    assert not queue.checkpoints.folder.exists()


def test_one_that_was_stopped_or_paused_away_goes_on_as_well(queue: Queue, whole: bytes) -> None:
    ends = iter([False, False, True])
    with queue.claimant() as claimant:
        Worker(queue, claimant, asked=lambda: next(ends, True)).work()
    assert len(kept(queue)) == 1
    job, data = made(queue)
    assert 0 < job.figures["resumed_at"] < ITERATIONS
    assert data == whole


def damaged(queue: Queue) -> None:
    (file,) = kept(queue)
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)


def of_another_machine(queue: Queue) -> None:
    (file,) = kept(queue)
    kept_there = checkpoint_file.decode(file.read_bytes())
    place = {**kept_there.belongs["place"], "threads": "77 threads"}
    file.write_bytes(
        checkpoint_file.to_bytes(kept_there.checkpoint, {**kept_there.belongs, "place": place})
    )


def of_another_job(queue: Queue) -> None:
    (file,) = kept(queue)
    kept_there = checkpoint_file.decode(file.read_bytes())
    file.write_bytes(
        checkpoint_file.to_bytes(kept_there.checkpoint, {**kept_there.belongs, "job": "0" * 64})
    )


def no_longer_a_file(queue: Queue) -> None:
    (file,) = kept(queue)
    file.unlink()
    file.mkdir()


def lacking_a_part(queue: Queue) -> None:
    (file,) = kept(queue)
    found = checkpoint_file.decode(file.read_bytes())
    del found.checkpoint.tensors["generator"]  # type: ignore[attr-defined]
    file.write_bytes(checkpoint_file.to_bytes(found.checkpoint, found.belongs))


@pytest.mark.parametrize(
    "spoil", [damaged, of_another_machine, of_another_job, no_longer_a_file, lacking_a_part]
)
def test_what_does_not_fit_lets_it_begin_anew(
    queue: Queue, whole: bytes, spoil: Callable[[Queue], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.work.keep_times.SHARE", 1e9)
    broken_off(queue)
    spoil(queue)
    job, data = made(queue)
    assert "resumed_at" not in job.figures
    assert data == whole


def test_it_goes_with_the_job(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.work.keep_times.SHARE", 1e9)
    broken_off(queue)
    (file,) = kept(queue)
    other = file.with_name(f"99-{'0' * 16}.safetensors")  # what a killed program has left
    other.write_bytes(file.read_bytes())
    with queue.owned():
        assert kept(queue) == [file]
    (job,) = queue.entries()
    queue.remove([job.id])
    assert not queue.checkpoints.folder.exists()


def test_a_folder_that_cannot_be_written_costs_no_picture(queue: Queue, whole: bytes) -> None:
    queue.checkpoints.folder.write_text("in the way")
    with queue.claimant() as claimant:
        Worker(queue, claimant, keep_every=1e-9).work()
    (job,) = queue.entries()
    assert (job.state, job.output.read_bytes()) == ("done", whole)


def test_a_job_that_got_further_between_two_deaths_is_not_set_aside(queue: Queue) -> None:
    for _ in range(MOST_DEATHS + 1):
        with unfinished(queue.path) as (beside, _file):  # gone afterwards, as with its process
            job = queue.claim(beside.name)
            assert job is not None
            queue.kept(job, beside.name)
    queue.expire()
    assert [job.state for job in queue.entries()] == ["waiting"]
