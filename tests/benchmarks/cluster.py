"""python -m tests.benchmarks.cluster: what a cluster adds to a job, and how it grows.

Jobs that wait instead of computing, so that the cores of one machine do not limit, go the whole way:
queue, parcel, scheduler, worker, file. The same with a small picture of each job on the way, as for
the window's queue, and what such a picture costs. Then the scheduler's memory for jobs in flight is
weighed.
"""

import argparse
import json
import os
import secrets
import tempfile
import time
from functools import cache
from pathlib import Path

import psutil
import torch

from engine.image import open_picture, save_picture
from engine.job import Inputs, Job
from engine.techniques.deep_dream import DeepDream
from engine.work.cluster import on_worker
from engine.work.cluster.address import scheduler_address
from engine.work.cluster.connection import Connection
from engine.work.cluster.networks import network_of
from engine.work.cluster.parcel import Returned, pack, pack_returned, parcel_of, unpack
from engine.work.cluster.run import ClusterRun, topic_of
from engine.work.queue import NewJob, Queue
from engine.work.worker import thumbnail_of
from tests.clusters import ROOT, LocalCluster, local_cluster

CAT = ROOT / "resources" / "pictures" / "cat.jpg"
WAIT = "PAREIDOLIA_BENCH_WAIT"
"""The environment variable that tells workers how many seconds a job waits."""
WEIGHED = 1000
"""Jobs that the scheduler is weighed with."""

_encoded: dict[str, bytes] = {}


def wait_parcel(data: bytes) -> bytes:
    """What a worker does here: unpack a job, wait, and return a whole picture."""
    from distributed import get_worker

    worker = get_worker()
    parcel = unpack(data)
    key = str(worker.get_current_task())
    said = {"key": key, "worker": worker.address, "iteration": 0, "total": 0}
    small = {} if parcel.thumbnails is None else {"thumbnail": thumbnail_of(shown())}
    worker.log_event(parcel.topic, {**said, **small})
    return returned(parcel.recipe, parcel.files, worker.address)


@cache
def shown() -> torch.Tensor:
    """What a run of 512 pixels would show."""
    return open_picture(CAT, long_side=512).tensor()


def small_picture() -> tuple[float, int]:
    """A core's seconds to make a small picture of one of 512 pixels, and its bytes."""
    data = thumbnail_of(shown())
    began = time.process_time()
    for _ in range(20):
        thumbnail_of(shown())
    return (time.process_time() - began) / 20, len(data)


def returned(recipe: dict[str, object], files: dict[str, bytes], address: str) -> bytes:
    time.sleep(float(os.environ.get(WAIT, "0.5")))
    if not _encoded:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.png"
            save_picture(open_picture(CAT, long_side=512), path)
            _encoded["picture"] = path.read_bytes()
    figures = {"iterations": 1, "seconds": 0.0, "received": sum(map(len, files.values()))}
    return pack_returned(Returned("done", address, figures, recipe, files=dict(_encoded)))


def recipe_of(seed: int) -> dict[str, object]:
    return Job(DeepDream(), Inputs(CAT), size=512, seed=seed).recipe()


def direct(jobs: int, folder: Path) -> float:
    """Seconds for a job without queue and cluster: read, wait, write and sync the file."""
    returned({}, {}, "")
    began = time.perf_counter()
    for seed in range(jobs):
        recipe = recipe_of(seed)
        parcel = parcel_of(recipe, 8, folder / f"{seed}.png", network_of(recipe)[0], "topic")
        returned(recipe, parcel.files, "")
        with (folder / f"{seed}.png").open("wb") as file:
            file.write(_encoded["picture"])
            file.flush()
            os.fsync(file.fileno())
    return (time.perf_counter() - began) / jobs


def through(
    cluster: LocalCluster, jobs: int, folder: Path, thumbnails: float | None = None
) -> float:
    """Seconds for all jobs of a queue."""
    folder.mkdir()
    path = folder / "queue.sqlite"
    with Queue(path) as queue, queue.claimant() as claimant:
        new = [NewJob(recipe_of(n), folder / f"{n}.png", str(n)) for n in range(jobs)]
        queue.add(new)
        where = scheduler_address(cluster.address)
        with (
            Connection(where, topic_of(path)) as connected,
            ClusterRun(queue, claimant, connected, thumbnails=thumbnails) as run,
        ):
            began = time.perf_counter()
            while run.step():
                connected.wait(0.2)
            took = time.perf_counter() - began
        assert {job.state for job in queue.entries()} == {"done"}
        assert thumbnails is None or all(job.drawn > 0 for job in queue.entries())
    return took


def weigh(folder: Path, size: int) -> float:
    """Bytes of the scheduler's memory for each job in flight, that sends `size` bytes."""
    folder.mkdir()
    with local_cluster(folder, dict(os.environ)) as cluster:
        process = psutil.Process(cluster.processes[0].pid)
        with Connection(scheduler_address(cluster.address), "pareidolia-weighed") as connected:
            connected.send({"pareidolia-weighed-first": (b"x", "cpu")}, {})
            before = process.memory_info().rss
            for _ in range(WEIGHED // 50):
                batch = {
                    f"pareidolia-weighed-{secrets.token_hex(8)}": (secrets.token_bytes(size), "cpu")
                    for _ in range(50)
                }
                connected.send(batch, {})
            return (process.memory_info().rss - before) / WEIGHED


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cluster", description=__doc__)
    parser.add_argument("--jobs", type=int, default=24, help="for each worker")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--seconds", default="0.5", help="that a job waits; 0: what the client can")
    options = parser.parse_args()
    os.environ[WAIT] = options.seconds
    on_worker.MAKE = "tests.benchmarks.cluster:wait_parcel"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PAREIDOLIA_HOME"] = str(folder / "home")
        alone = direct(options.jobs, folder)
        recipe = recipe_of(0)
        data = pack(parcel_of(recipe, 8, folder / "a.png", network_of(recipe)[0], "topic"))
        print(
            json.dumps({"direct_ms": round(1000 * alone, 1), "parcel_bytes": len(data)}), flush=True
        )
        seconds, size = small_picture()
        print(json.dumps({"small_picture_ms": round(1000 * seconds, 2), "bytes": size}), flush=True)
        (folder / "cluster").mkdir()
        with local_cluster(folder / "cluster", dict(os.environ)) as cluster:
            there = 0
            for count in options.workers:
                while there < count:
                    cluster.add_worker()
                    there += 1
                through(cluster, 2 * count, folder / f"warm{count}")
                jobs = options.jobs * count
                took = through(cluster, jobs, folder / f"run{count}")
                each = took * count / jobs
                seen = through(cluster, jobs, folder / f"seen{count}", thumbnails=5.0)
                print(
                    json.dumps(
                        {
                            "workers": count, "jobs": jobs, "jobs_per_second": round(jobs / took, 2),
                            "overhead_ms": round(1000 * (each - alone), 1),
                            "small_picture_ms": round(1000 * (seen - took) * count / jobs, 1),
                        }
                    ),
                    flush=True,
                )  # fmt: skip
        for size in (1_000, 1_000_000) if float(options.seconds) else ():
            found = weigh(folder / f"weigh{size}", size)
            print(json.dumps({"sent_bytes": size, "scheduler_bytes": round(found)}), flush=True)


if __name__ == "__main__":
    main()
