"""python -m tests.benchmarks.chaos: kills a batch again and again, and sees that nothing is lost.

Each round starts the same batch and kills (-9) at a random moment, mostly while it makes pictures,
the whole of it, the process in front, or one of its workers. What was finished before must stay as it
was; now and then half of it is deleted, so that there is work. In the end the batch runs through: all
pictures are there, equal to those of the plain command, and nothing else.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SIZE = ("--size", "48", "--iterations", "20", "--precision", "fp32", "--device", "cpu", "--quiet")
PATIENCE = 600.0
"""Seconds for the last run."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=80)
    parser.add_argument("--photos", type=int, default=10)
    parser.add_argument("--seed", type=int, default=16)
    return parser.parse_args()


class Chaos:
    def __init__(self, folder: Path, photos: int, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PAREIDOLIA")}
        self.environment = {
            **kept, "PAREIDOLIA_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        (folder / "photos").mkdir()
        generator = np.random.default_rng(seed)
        for number in range(photos):
            noise = generator.integers(0, 256, (36, 48, 3), np.uint8)
            Image.fromarray(noise).save(folder / "photos" / f"{number}.png")
        self.finished: dict[str, bytes] = {}
        self.hit: dict[str, int] = {}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, str(ROOT / "main.py"), *words]

    def start(self) -> subprocess.Popen[bytes]:
        words = ("deep-dream", "photos", "-o", "out", *SIZE, "--workers", "2", "--json")
        return subprocess.Popen(
            self.command(*words), cwd=self.folder, env=self.environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=(self.folder / "err").open("ab"),
        )  # fmt: skip

    def round(self) -> None:
        """Start, kill, and see that what was finished stays."""
        self.make_room()
        process = self.start()
        if self.chance.random() < 0.6:  # a busy machine needs long to begin
            self.wait_for_picture(process)
        time.sleep(self.chance.uniform(0.2, 5))
        kind = self.chance.choice(("all", "front", "worker"))
        children = []
        with suppress(psutil.Error):  # it has just ended by itself
            children = [
                child
                for child in psutil.Process(process.pid).children()
                if "spawn_main" in " ".join(child.cmdline())
            ]
        if kind == "worker" and not children:
            kind = "all"
        self.hit[kind] = self.hit.get(kind, 0) + 1
        if kind == "worker":
            self.chance.choice(children).kill()
            time.sleep(self.chance.uniform(0.2, 3))
        if kind == "front":
            process.kill()
            psutil.wait_procs(children, 60)
        else:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.check()

    def wait_for_picture(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a picture more, or for the end."""
        before, until = len(self.pictures()), time.monotonic() + PATIENCE
        while len(self.pictures()) <= before and process.poll() is None:
            assert time.monotonic() < until, (self.folder / "err").read_text()[-3000:]
            time.sleep(0.02)

    def pictures(self) -> list[Path]:
        """Return what is there, finished or not."""
        return list((self.folder / "out").glob("*.png"))

    def make_room(self) -> None:
        """Delete pictures when most are there: else soon nothing would be left to do."""
        if len(self.finished) > 0.7 * len(list((self.folder / "photos").iterdir())):
            for name in list(self.finished)[::2]:
                (self.folder / "out" / name).unlink()
                del self.finished[name]

    def check(self) -> None:
        """See that finished pictures are whole, and the bytes that they were."""
        for path in self.pictures():
            with Image.open(path) as picture:
                picture.load()
            if ".partial" in path.name:
                continue
            data = path.read_bytes()
            assert self.finished.setdefault(path.name, data) == data, f"{path.name} has changed"
        lost = [name for name in self.finished if not (self.folder / "out" / name).exists()]
        assert not lost, f"lost: {lost}"

    def end(self) -> None:
        """Run through, and compare with the plain command."""
        process = self.start()
        assert process.wait(PATIENCE) == 0, (self.folder / "err").read_text()
        self.check()
        photos = sorted(path.name for path in (self.folder / "photos").iterdir())
        there = sorted(path.name for path in (self.folder / "out").iterdir())
        assert there == photos, there
        left = [p.name for p in (self.folder / "home").rglob("*") if p.is_file()]
        assert not left, f"left over: {left}"
        self.compare(photos)

    def compare(self, photos: list[str]) -> None:
        """See that the plain command makes the same pictures."""
        for name in photos:
            words = ("deep-dream", f"photos/{name}", "-o", "alone.png", *SIZE)
            subprocess.run(
                self.command(*words), cwd=self.folder, env=self.environment, check=True,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            alone, among = (
                np.asarray(Image.open(self.folder / path)) for path in ("alone.png", f"out/{name}")
            )
            assert (alone == among).all(), f"{name} is another picture"


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(Path(folder), options.photos, options.seed)
        for number in range(1, options.kills + 1):
            chaos.round()
            print(f"kill {number} of {options.kills}: {len(chaos.finished)} finished", flush=True)
        chaos.end()
        print(json.dumps({"kills": chaos.hit, "pictures": len(chaos.finished), "lost": 0}))


if __name__ == "__main__":
    main()
