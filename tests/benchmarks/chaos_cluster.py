"""python -m tests.benchmarks.chaos_cluster: kills parts of a cluster again and again, and loses nothing.

A batch runs on a scheduler with two workers, all on this machine. At a random moment something dies
(-9): the process that computes, the command `worker` in front of it, both, the client, the
scheduler; or the client's connection breaks, for a moment or for longer than anybody waits for it.
What died is started again. What was finished has to stay as it was. In the end the batch runs
through: all pictures have the very bytes of the plain command's, and no stale file and no process is
left.
"""

import argparse
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from engine.work.cluster.connection import CONNECT_SECONDS
from tests.benchmarks.chaos import PATIENCE, SIZE, Chaos
from tests.clusters import LocalCluster, computing, kill_group, wait_for

ITERATIONS = 60
WORKERS = 2
KINDS = {
    "computing process": 6, "worker's command": 4, "whole worker": 3, "client": 5,
    "connection": 5, "connection for long": 1, "scheduler": 3,
}  # fmt: skip
"""What may die, and how often in proportion."""
EXPECTED = ("workers ended during this job", "does not answer any more", "no scheduler answers")
"""What a client may say that has not made all: each is true, and the next one goes on."""


class Proxy:
    """Between client and scheduler: a wire that can be cut."""

    def __init__(self, port: int) -> None:
        self.port, self.deaf_until = port, 0.0
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seconds: float = 0.0) -> None:
        """Break all connections, and let nobody through for so long."""
        self.deaf_until = time.monotonic() + seconds
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            _reset(end)

    def close(self) -> None:
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                if time.monotonic() < self.deaf_until:
                    raise ConnectionRefusedError
                far = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                _reset(near)
                continue
            with self._lock:
                self._ends |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        with self._lock:
            self._ends -= {one, other}
        _reset(one)
        _reset(other)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    end.close()


class ClusterChaos(Chaos):
    def __init__(self, folder: Path, photos: int, seed: int) -> None:
        super().__init__(folder, photos, seed)
        place = folder / "cluster"
        place.mkdir()
        self.cluster = LocalCluster(place, self.environment)
        self.cluster.begin()
        self.port = urlsplit(self.cluster.address).port or 0
        self.proxy = Proxy(self.port)
        self.scheduler = self.cluster.processes[0]
        self.workers = {n: self.cluster.add_worker(n) for n in range(WORKERS)}
        self.client: subprocess.Popen[bytes] | None = None
        self.clients = 0
        photos_in = sorted((folder / "photos").iterdir())
        job = {
            "technique": "deep-dream", "size": 48, "device": "cpu", "precision": "fp32",
            "settings": {"iterations": ITERATIONS},
        }  # fmt: skip
        jobs = [
            {**job, "inputs": {"content": f"photos/{p.name}"}, "output": p.name} for p in photos_in
        ]
        (folder / "jobs.json").write_text(json.dumps(jobs))

    def start(self) -> subprocess.Popen[bytes]:
        words = ("batch", "jobs.json", "-o", "out", "--scheduler", self.proxy.address, "--quiet")
        self.clients += 1
        with (self.folder / "err").open("wb") as err:
            return subprocess.Popen(
                self.command(*words), cwd=self.folder, env=self.environment, start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=err,
            )  # fmt: skip

    def round(self) -> None:
        """Let something die, and see that what was finished stays."""
        if self.client is not None and self.client.poll() is not None:
            self.ended()
        if self.client is None:
            self.make_room()
            self.client = self.start()
            time.sleep(self.chance.uniform(0, 3))
        time.sleep(self.chance.uniform(0.2, 5))
        kind = self.chance.choices(list(KINDS), list(KINDS.values()))[0]
        self.hit[kind] = self.hit.get(kind, 0) + 1
        self.kill(kind)
        self.check()

    def kill(self, kind: str) -> None:
        number = self.chance.randrange(WORKERS)
        worker = self.workers[number]
        if kind == "computing process":
            for child in computing(worker):  # none: it is just being started again
                child.kill()
        elif kind == "worker's command":
            worker.kill()
            worker.wait()
        elif kind == "whole worker":
            kill_group(worker)
        elif kind == "client":
            assert self.client is not None
            kill_group(self.client)
            self.client = None
        elif kind == "connection":
            self.proxy.cut()
        elif kind == "connection for long":
            self.proxy.cut(CONNECT_SECONDS + self.chance.uniform(1, 10))
        else:
            kill_group(self.scheduler)
            time.sleep(self.chance.uniform(0, 2))
            self.cluster.begin(port=self.port)
            self.scheduler = self.cluster.processes[-1]
        if worker.poll() is not None:
            self.workers[number] = self.cluster.add_worker(number)

    def ended(self) -> int:
        """See that the client which has ended said what is true."""
        assert self.client is not None
        code, said = self.client.wait(PATIENCE), (self.folder / "err").read_text()
        self.client = None
        assert "Traceback" not in said, said
        for line in said.splitlines():
            assert any(words in line for words in EXPECTED), said
        assert (code == 0) == (not said), (code, said)
        return code

    def end(self) -> None:
        """Run through, compare with the plain command, and see what is left."""
        for _ in range(5):  # a scheduler that has just come back, jobs that were set aside
            self.client = self.client or self.start()
            if self.ended() == 0 and len(list((self.folder / "out").iterdir())) == len(
                list((self.folder / "photos").iterdir())
            ):
                break
        self.check()
        photos = sorted(path.name for path in (self.folder / "photos").iterdir())
        there = sorted(path.name for path in (self.folder / "out").iterdir())
        assert there == photos, there
        self.compare(photos)
        for worker in self.workers.values():
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers.values():
            assert worker.wait(PATIENCE) == 128 + signal.SIGTERM
        self.scheduler.terminate()
        self.scheduler.wait(PATIENCE)
        wait_for("the end of all processes", lambda: not self.alive())
        homes = (self.folder / "home", self.folder / "cluster")
        left = [path for home in homes for path in home.rglob("*") if path.is_file()]
        left = [p for p in left if p.suffix not in (".err", ".lock") and p.name != "scheduler.json"]
        assert not left, f"left over: {left}"

    def compare(self, photos: list[str]) -> None:
        (self.folder / "alone").mkdir()
        plain = ("deep-dream", *SIZE, "--iterations", str(ITERATIONS))
        for name in photos:
            words = (*plain, f"photos/{name}", "-o", f"alone/{name}")
            subprocess.run(
                self.command(*words), cwd=self.folder, env=self.environment, check=True,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            alone, among = ((self.folder / d / name).read_bytes() for d in ("alone", "out"))
            assert alone == among, f"{name} is another file"

    def alive(self) -> list[int]:
        """Return the processes that were begun here and live."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if str(self.folder) in process.environ().get("PAREIDOLIA_HOME", ""):
                    found.append(process.pid)
        return [pid for pid in found if pid != os.getpid()]

    def close(self) -> None:
        """Leave nothing behind, also after a failure."""
        self.proxy.close()
        if self.client is not None:
            kill_group(self.client)
        self.cluster.end()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.chaos_cluster", description=__doc__
    )
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--photos", type=int, default=12)
    parser.add_argument("--seed", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chaos = ClusterChaos(Path(folder), options.photos, options.seed)
        try:
            for number in range(1, options.kills + 1):
                chaos.round()
                print(f"kill {number} of {options.kills}: {chaos.hit}", flush=True)
            chaos.end()
        finally:
            chaos.close()
        print(
            json.dumps(
                {"kills": chaos.hit, "clients": chaos.clients, "pictures": len(chaos.finished), "lost": 0}
            )
        )  # fmt: skip


if __name__ == "__main__":
    main()
