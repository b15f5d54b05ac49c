"""A Dask cluster on this machine for tests: real processes, free ports, none of them left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 110.0
"""Seconds after which something has gone wrong, however busy the machine is."""

needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="needs Dask: pip install distributed"
)


def wait_for(what: str, condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)


@dataclass
class LocalCluster:
    """A scheduler that knows nothing of this program, and workers of this program."""

    folder: Path
    environment: Mapping[str, str]
    tls: tuple[str, ...] = ()
    """Options of the program."""
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, dask_tls: tuple[str, ...] = (), port: int = 0) -> None:
        """Start the scheduler; port 0: any that is free."""
        told = self.folder / "scheduler.json"
        told.unlink(missing_ok=True)
        words = (
            "-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard",
            "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(told),
        )  # fmt: skip
        self._start([*words, *dask_tls, *(("--protocol", "tls") if dask_tls else ())], cwd="/")
        wait_for("the scheduler", lambda: told.exists() and told.read_text().endswith("}"))
        self.address = json.loads(told.read_text())["address"]

    def add_worker(self, number: int | None = None) -> subprocess.Popen[bytes]:
        """Start one; in the home of an earlier one whose number is given."""
        number = len(self.processes) if number is None else number
        words = [str(ROOT / "main.py"), "worker", self.address, *self.tls]
        home = {"PAREIDOLIA_HOME": str(self.folder / f"home{number}")}
        process = self._start(words, self.folder, **home)
        said = self.folder / f"{len(self.processes) - 1}.err"
        wait_for("a worker", lambda: b"Ctrl-C ends it" in said.read_bytes())
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        """A worker that lives."""
        living = [p for p in self.processes[1:] if p.poll() is None]
        return living[0] if living else self.add_worker()

    def _start(
        self, words: list[str], cwd: Path | str, **variables: str
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{len(self.processes)}.err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, *words], cwd=cwd, env={**self.environment, **variables},
                stdout=err, stderr=err, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a group, with all that it has begun."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def computing(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes of a worker that make pictures."""
    children = psutil.Process(worker.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@contextmanager
def local_cluster(
    folder: Path, environment: Mapping[str, str], tls: tuple[str, ...] = (),
    dask_tls: tuple[str, ...] = (),
) -> Iterator[LocalCluster]:  # fmt: skip
    made = LocalCluster(folder, environment, tls)
    try:
        made.begin(dask_tls)
        yield made
    finally:
        made.end()


def certificates(folder: Path, *names: str) -> None:
    """Make an authority (ca.pem) and certificates with keys (NAME.pem, NAME.key) that it has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl(
        "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    for name in names:
        openssl(
            "req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"
        )
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
            "-CAcreateserial", "-out", f"{name}.pem",
        )  # fmt: skip
