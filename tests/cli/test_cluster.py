"""A batch on a cluster gives the very files of the plain command, whoever dies on the way."""

import io
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import safetensors.torch
import torch
from PIL import Image

from engine.job import Inputs, Job
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.techniques.deep_dream import DeepDream
from engine.work.cluster import connection, offering
from engine.work.cluster.address import scheduler_address
from engine.work.cluster.connection import Connection
from engine.work.cluster.run import ClusterRun, topic_of
from engine.work.queue import MOST_DEATHS, NewJob, Queue
from engine.work.queue_file import delete
from tests.cli.conftest import ROOT, Program, environment, noise, one_line
from tests.clusters import (
    LocalCluster,
    certificates,
    computing,
    kill_group,
    local_cluster,
    needs_dask,
    wait_for,
)

pytestmark = needs_dask
SMALL = {"size": 32, "device": "cpu", "precision": "fp32"}
OPTIONS = ("--size", "32", "--device", "cpu", "--precision", "fp32", "--quiet")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with local_cluster(folder, environment(folder)) as made:
        yield made


@pytest.fixture
def photos(folder: Path) -> Path:
    made = folder / "photos"
    shutil.rmtree(made, ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    shutil.rmtree(folder / "alone", ignore_errors=True)
    made.mkdir()
    (folder / "alone").mkdir()
    for seed in range(4):
        noise(24, 32, 3, seed).save(made / f"{seed}.png")
    return made


def write_jobs(folder: Path, *jobs: dict[str, object]) -> None:
    (folder / "jobs.json").write_text(json.dumps([{**SMALL, **job} for job in jobs]))


def dream(photo: str, iterations: int = 30, **others: object) -> dict[str, object]:
    settings = {"iterations": iterations}
    return {
        "technique": "deep-dream", "settings": settings, "inputs": {"content": photo}, **others
    }  # fmt: skip


def batch(folder: Path, cluster: LocalCluster, *words: str) -> subprocess.Popen[bytes]:
    command = [str(ROOT / "main.py"), "batch", "jobs.json", "-o", "out", "--scheduler"]
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, *command, cluster.address, "--quiet", *words],
            cwd=folder, env=environment(folder / "home"), start_new_session=True,
            stdout=said, stderr=said,
        )  # fmt: skip


def plainly(folder: Path, *commands: tuple[str, ...]) -> None:
    """The plain commands, one after the other in a process of their own: PyTorch is loaded once."""
    code = (
        "import json, sys; from cli.commands import run; [run(c) for c in json.loads(sys.argv[1])]"
    )
    subprocess.run(
        [sys.executable, "-c", code, json.dumps([[*c, *OPTIONS] for c in commands])],
        cwd=folder, env={**environment(folder / "home"), "PYTHONPATH": str(ROOT)}, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def same(folder: Path, *names: str) -> bool:
    """Whether the plain commands have made the very files in `alone` that are in `out`."""
    return all((folder / d / n).read_bytes() for d in ("out", "alone") for n in names) and all(
        (folder / "out" / n).read_bytes() == (folder / "alone" / n).read_bytes() for n in names
    )


def test_a_worker_is_killed_and_nothing_is_lost_or_different(
    program: Program, folder: Path, photos: Path, cluster: LocalCluster
) -> None:
    write_jobs(folder, *(dream(f"photos/{n}.png", output=f"{n}.png") for n in range(4)))
    first, _second = cluster.add_worker(), cluster.add_worker()
    process = batch(folder, cluster)
    try:
        wait_for("a picture", lambda: list((folder / "out").glob("*.png")) or process.poll())
        for child in computing(first):
            child.kill()
        kill_group(first)
        assert process.wait() == 0, (folder / "said").read_text()
    finally:
        kill_group(process)
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        f"{n}.png" for n in range(4)
    ]
    plain = ("deep-dream", "--iterations", "30")
    plainly(folder, *((*plain, f"photos/{n}.png", "-o", f"alone/{n}.png") for n in range(4)))
    assert same(folder, *(f"{n}.png" for n in range(4)))
    left = [path for path in (folder / "home").rglob("*") if path.is_file()]
    assert not left, "the queue goes with its last job"


def test_a_failure_says_its_sentence_and_a_network_is_brought_along(
    program: Program, folder: Path, photos: Path, cluster: LocalCluster
) -> None:
    cluster.worker()
    torch.manual_seed(0)
    safetensors.torch.save_file(slim_vgg(3).state_dict(), folder / "birds.safetensors")
    assert program("networks", "import", "birds.safetensors").returncode == 0
    (photos / "torn.png").write_bytes((photos / "0.png").read_bytes()[:200])
    write_jobs(
        folder,
        dream("photos/torn.png"),
        dream("photos/1.png", 2, network="birds", output="birds.png"),
        dream("photos/2.png", 2, weights="birds.safetensors", output="given.png"),
    )
    done = program("batch", "jobs.json", "-o", "out", "--scheduler", cluster.address, "--json")
    assert done.returncode == 2
    said = {row["state"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(said) == {"done", "failed"}
    assert str(photos / "torn.png") in said["failed"]["error"]
    assert "Traceback" not in done.stderr
    assert "cluster" not in said["failed"]["error"]
    plain = ("deep-dream", "--iterations", "2")
    plainly(
        folder,
        (*plain, "photos/1.png", "--network", "birds", "-o", "alone/birds.png"),
        (*plain, "photos/2.png", "--weights", "birds.safetensors", "-o", "alone/given.png"),
    )
    assert same(folder, "birds.png", "given.png")
    brought = [path.name for path in cluster.folder.rglob("cluster/*/networks/*")]
    assert sorted(brought) == ["birds.json", "birds.safetensors"]


@pytest.fixture
def queue(folder: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """A queue with three jobs, the first of which would take for ever."""
    monkeypatch.setenv("PAREIDOLIA_HOME", str(folder / "home"))
    (folder / "out").mkdir()
    kinds = (100_000, 2, 2)
    with Queue(folder / "queue.sqlite") as made:
        for n, iterations in enumerate(kinds):
            job = Job(DeepDream(iterations=iterations), Inputs(photos / f"{n}.png"), **SMALL)
            made.add([NewJob(job.recipe(), folder / "out" / f"{n}.png", str(n))])
        yield made
    delete(folder / "queue.sqlite")


@contextmanager
def at_work(
    queue: Queue, cluster: LocalCluster, thumbnails: float | None = None
) -> Iterator[ClusterRun]:
    address = scheduler_address(cluster.address)
    with (
        Connection(address, topic_of(queue.path)) as connected,
        queue.claimant() as claimant,
        ClusterRun(queue, claimant, connected, thumbnails=thumbnails) as run,
    ):
        yield run


def step_until(what: str, run: ClusterRun, condition: Callable[[], object]) -> None:
    def stepped() -> bool:
        run.step()
        return bool(condition())

    wait_for(what, stepped)


def titles(run: ClusterRun) -> set[str]:
    return {worker.title for worker in run.working() if worker.title}


def states(queue: Queue) -> list[str]:
    return [job.state for job in queue.entries()]


def drawn(queue: Queue, number: int) -> int:
    job = queue.entry(number)
    return 0 if job is None else job.drawn


def test_who_comes_back_finds_what_was_finished_meanwhile(
    queue: Queue, folder: Path, cluster: LocalCluster
) -> None:
    cluster.worker()
    queue.remove([queue.entries()[0].id])
    with at_work(queue, cluster) as run:
        step_until("the jobs to be sent", run, lambda: len(queue.keys_sent()) == 2)
        sent = queue.keys_sent()
    assert states(queue) == ["waiting"] * 2
    assert [job.drawn for job in queue.entries()] == [0, 0], "nobody asked for small pictures"
    address = scheduler_address(cluster.address)
    with Connection(address, topic_of(queue.path)) as connected:
        assert connected.published() == set(sent)
        futures = [connected.adopt(key) for key in sent]
        wait_for("the pictures", lambda: all(future.done() for future in futures))
    assert not list((folder / "out").iterdir())
    with at_work(queue, cluster) as run:
        run.step()
        assert queue.keys_sent() in (sent, [])  # nothing was sent anew
        step_until("the pictures", run, lambda: states(queue) == ["done"] * 2)
        assert run.connection.published() == set()
    assert len(list((folder / "out").iterdir())) == 2


def test_a_paused_job_ends_and_a_job_that_kills_its_workers_is_set_aside(
    queue: Queue, folder: Path, cluster: LocalCluster
) -> None:
    (murderer, *_) = queue.entries()
    process = cluster.worker()
    with at_work(queue, cluster, thumbnails=0.0) as run:
        step_until("its beginning", run, lambda: "0" in titles(run))
        step_until("two small pictures", run, lambda: drawn(queue, murderer.id) > 1)
        with Image.open(io.BytesIO(queue.thumbnail(murderer.id) or b"")) as small:
            assert (small.format, small.size) == ("JPEG", (32, 24))
        queue.pause([murderer.id])
        step_until("the others", run, lambda: states(queue) == ["paused", "done", "done"])
        queue.resume([murderer.id])
        for _ in range(MOST_DEATHS):
            step_until("its beginning", run, lambda: titles(run))
            for child in computing(process):
                child.kill()
            step_until("its end", run, lambda: not titles(run))
        step_until("the end of it", run, lambda: states(queue)[0] == "failed")
        assert not run.step()
    job = queue.entry(murderer.id)
    assert job is not None
    assert job.sentence.startswith("3 workers ended during this job")


def test_tls_and_whoever_lacks_a_certificate(
    program: Program, folder: Path, photos: Path, tmp_path: Path
) -> None:
    certificates(tmp_path, "one", "other")
    (tmp_path / "foreign").mkdir()
    certificates(tmp_path / "foreign", "stranger")

    def words(ca: str, name: str) -> tuple[str, ...]:
        return (
            "--tls-ca", str(tmp_path / ca), "--tls-cert", str(tmp_path / f"{name}.pem"),
            "--tls-key", str(tmp_path / f"{name}.key"),
        )  # fmt: skip

    ca, cert, key = (str(tmp_path / name) for name in ("ca.pem", "one.pem", "one.key"))
    dask = ("--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key)
    write_jobs(folder, dream("photos/0.png", 2, output="0.png"))
    with local_cluster(tmp_path, environment(tmp_path), words("ca.pem", "one"), dask) as cluster:
        assert cluster.address.startswith("tls://")
        cluster.add_worker()
        command = ("batch", "jobs.json", "-o", "out", "--quiet", "--scheduler", cluster.address)
        refused = program(*command, *words("foreign/ca.pem", "foreign/stranger"))
        assert refused.returncode == 2
        assert "not trusted" in one_line(refused)
        done = program(*command, *words("ca.pem", "other"))
        assert (done.returncode, done.stderr) == (0, "")
    plainly(folder, ("deep-dream", "photos/0.png", "--iterations", "2", "-o", "alone/0.png"))
    assert same(folder, "0.png")


def test_nobody_answers(
    in_process: Program, folder: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(offering, "CONNECT_SECONDS", 0.5)
    write_jobs(folder, dream("photos/0.png", 2))
    done = in_process("batch", "jobs.json", "-o", "out", "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert one_line(done).startswith("no scheduler answers at tcp://127.0.0.1:9")
    done = in_process("worker", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert one_line(done).startswith("no scheduler answers at tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("tcp://192.0.2.1:8786",), "--insecure"),
        (("tls://192.0.2.1:8786",), "--tls-ca"),
        (("http://127.0.0.1:8786",), "is not the address of a scheduler"),
        (("tcp://127.0.0.1:99999",), "is not the address of a scheduler"),
        (("tcp://127.0.0.1:8786", "--tls-ca", "ca.pem"), "write tls://"),
        (("tls://127.0.0.1", "--tls-ca", "ca.pem", "--tls-cert", "own.pem"), "ca.pem is missing"),
    ],
)
def test_a_worker_goes_nowhere_unprotected(
    in_process: Program, words: tuple[str, ...], part: str
) -> None:
    done = in_process("worker", *words)
    assert done.returncode == 2
    assert part in one_line(done)


def test_a_worker_ends_when_it_is_told_to(cluster: LocalCluster) -> None:
    process = cluster.worker()
    (child,) = computing(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    wait_for("the worker's process to end", lambda: not child.is_running())
