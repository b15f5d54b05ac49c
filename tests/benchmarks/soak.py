"""python -m tests.benchmarks.soak: half an hour of scripted use of the window, and what it leaves behind.

In rounds: runs to their end, stopped and paused ones, other techniques, networks and settings, undo,
exports, live maps, the queue. After each round memory, threads and open files are noted, and how
late the window's thread was. Now and then the project is saved and another one begun: a project may
hold what it has, but it has to take that with it. After a warm-up all should stay flat; from project
to project memory may not grow by more than `MIB_PER_HOUR`.
"""

import argparse
import ctypes
import gc
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import psutil
from PySide6.QtWidgets import QApplication

from engine.job import Inputs, Job
from engine.techniques import TECHNIQUES
from engine.techniques.style_transfer import StyleTransfer
from gui.main_window import MainWindow
from gui.run.controller import State
from gui.studio import SAMPLES
from tests.benchmarks.inputs import ROOT, data_file
from tests.benchmarks.opened import closed, opened, spin
from tests.benchmarks.stretches import LONGEST, Stretches
from tests.benchmarks.table import Absent, Row, at_most, render, write_json
from tests.benchmarks.window import Lateness

WARM_UP = 0.2
"""Share of the rounds in which caches fill and libraries are loaded."""
MIB_PER_HOUR = 60.0
PROJECT_ROUNDS = 8
"""After so many rounds another project is begun."""
SIZE = 96
NEEDS: dict[str, dict[str, Any]] = {
    "class-visualization": {"target": "panda"},
    "langevin": {"target": "panda"},
    "multifaceted": {"target": "panda", "folder": str(SAMPLES), "copies": 2},
    "adversarial": {"target": "panda"},
}
"""What a technique asks of a person before it runs."""


@dataclass(frozen=True)
class Sample:
    """What the program holds after a round."""

    minutes: float
    memory: float
    """MiB of this process."""
    threads: int
    files: int
    late: float
    """How late the window's thread was in this round at worst, in seconds."""
    late_p99: float
    work: float
    """How long the window's thread computed at a time at most, in ms: that is the window's own part."""
    variants: int
    """That the project holds."""
    load: float
    """Programs that wanted a core, on average of a minute: with more than there are, all are late."""


class Soak:
    """A person who never tires."""

    def __init__(self, window: MainWindow, folder: Path, seed: int) -> None:
        self.window, self.folder, self.chance = window, folder, random.Random(seed)
        self.process, self.began = psutil.Process(), time.monotonic()
        self.done: dict[str, int] = {}
        self.networks: list[tuple[str, str | None]] = [("slim_vgg", None)]
        try:
            self.networks.append(("squeezenet1_1", str(data_file("weights/squeezenet1_1.pth"))))
        except Absent:  # a single network is switched to itself
            print("no second network: squeezenet1_1.pth is not here", flush=True)
        window.queue_flow.take_folder(folder / "queue")

    # -- what a person does ---------------------------------------------------------------

    def idle(self) -> None:
        spin(lambda: self.window.controller.state is State.IDLE)

    def run(self) -> None:
        """To the end; short, whatever has been undone."""
        studio = self.window.studio
        studio.set_setting("iterations", 6)
        studio.set_setting("size", SIZE * (4 if studio.technique.command == "hierarchy" else 1))
        self.window.running.start()
        self.idle()

    def have_picture(self) -> None:
        """Go back to a dream where there is none: what was undone may have led to anything."""
        if self.window.files.ready() is None or self.window.running.missing():
            self.window.studio.set_technique("deep-dream")
            self.window.studio.set_network("slim_vgg")
            spin(lambda: self.window.layers.here is not None)
            self.run()

    def stopped(self) -> None:
        """Stopped in the middle, after a pause and a step."""
        window = self.window
        if window.studio.technique.command == "stylize" or window.running.missing():
            window.studio.set_technique("deep-dream")  # not over at once, and it can begin
        window.studio.set_setting("iterations", 400)
        window.running.start()
        spin(lambda: window.controller.state is State.RUNNING)
        window.running.pause()
        spin(lambda: window.controller.state is State.PAUSED)
        window.running.step()
        window.running.pause()
        window.controller.stop()
        self.idle()
        window.studio.set_setting("iterations", 6)

    def technique(self) -> None:
        """Another technique, run once."""
        command = self.chance.choice(list(TECHNIQUES))
        self.window.studio.set_technique(command)
        self.window.studio.set_settings("Soak", NEEDS.get(command, {}))
        self.run()

    def network(self) -> None:
        """Another network, and back to a technique that needs no classes."""
        name, weights = self.chance.choice(self.networks)
        self.window.studio.set_technique("deep-dream")
        self.window.studio.set_network(name, weights)
        spin(lambda: self.window.layers.here is not None)
        self.run()
        self.window.studio.set_network("slim_vgg")
        spin(lambda: self.window.layers.here is not None)

    def undo(self) -> None:
        """A dozen edits, undone and done again."""
        stack = self.window.studio.undo_stack
        for number in range(12):
            self.window.studio.set_setting("seed", number)
        for _ in range(6):
            stack.undo()
        for _ in range(3):
            stack.redo()

    def export(self) -> None:
        """The picture on the canvas, in each format."""
        self.have_picture()
        for suffix in (".png", ".jpg", ".webp", ".tif"):
            path = self.folder / f"export{suffix}"
            self.window.files.write_picture(path)
            spin(path.exists)
        for path in self.folder.glob("export*"):
            path.unlink()

    def maps(self) -> None:
        """Live maps on and off."""
        self.have_picture()
        window = self.window
        for name in ("saliency", "grad_cam"):
            window.actions_table[name].setChecked(True)
        spin(lambda: len(window.canvas.overlays()) == 2)
        for name in ("saliency", "grad_cam"):
            window.actions_table[name].setChecked(False)
        spin(lambda: not window.canvas.overlays())

    def queue(self) -> None:
        """A job in the queue, made and removed."""
        self.have_picture()
        window = self.window
        window.studio.set_setting("seed", self.chance.randrange(2**31))
        window.queue_flow.add_job()
        made: list[Path] = []

        def finished() -> bool:
            made[:] = (self.folder / "queue").glob("*.png")
            return bool(made) and not window.queue.busy

        spin(finished)
        for path in made:
            path.unlink()

    def project(self) -> None:
        """Save the project, and begin another."""
        path = self.folder / "soak.pareidolia"
        path.unlink(missing_ok=True)
        self.window.project.write(path)
        spin(lambda: path.exists() and not self.window.project.modified)
        self.window.project.new()
        spin(lambda: not self.window.variants.entries and self.window.project.path is None)
        self.window.studio.set_technique("deep-dream")
        self.window.studio.set_setting("iterations", 6)
        self.window.studio.set_setting("size", SIZE)

    # -- rounds ---------------------------------------------------------------------------

    def round(self) -> Sample:
        """Do everything once, in another order each time; return what is held afterwards."""
        late, stretches = Lateness(), Stretches()
        acts: list[Callable[[], None]] = [
            self.run, self.stopped, self.technique, self.network, self.undo, self.export, self.maps,
            self.queue,
        ]  # fmt: skip
        self.chance.shuffle(acts)
        for act in acts:
            act()
            self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
        latenesses, work = late.stop(), stretches.longest()
        return self.sample(latenesses, work)

    def sample(self, latenesses: Sequence[float], work: float) -> Sample:
        """Note what is held, after what nobody refers to has gone."""
        app = QApplication.instance()
        assert app is not None
        app.processEvents()
        gc.collect()
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)
        files = self.process.num_fds() if hasattr(self.process, "num_fds") else 0
        return Sample(
            (time.monotonic() - self.began) / 60,
            self.process.memory_info().rss / 2**20,
            threading.active_count(),
            files,
            latenesses[-1],
            latenesses[int(0.99 * (len(latenesses) - 1))],
            work,
            len(self.window.variants.entries),
            os.getloadavg()[0],
        )


def rows(samples: Sequence[Sample]) -> list[Row]:
    """Return how what is held has changed since the warm-up."""
    later = samples[int(len(samples) * WARM_UP) :]
    # Each technique brings libraries and caches of its own the first time, whenever that is.
    late = samples[len(samples) // 2 :]
    least = min((sample.variants for sample in late), default=0)
    fresh = [sample for sample in late if sample.variants <= 2 * least] or list(late)
    minutes = [sample.minutes for sample in fresh]
    memory = [sample.memory for sample in fresh]
    slope = 60 * float(np.polyfit(minutes, memory, 1)[0]) if len(fresh) > 2 else float("nan")
    half = len(later) // 2

    def grown(name: str) -> float:
        values = [float(getattr(sample, name)) for sample in later]
        return statistics.median(values[half:]) - statistics.median(values[:half] or values)

    return [
        Row("memory of young projects, second half, growth per hour", slope, unit="MiB",
            target=at_most(MIB_PER_HOUR),
            note=f"{memory[0]:.0f} MiB in the middle, {memory[-1]:.0f} at the end"),
        Row("threads, second half less first", grown("threads"), unit="", target=at_most(0)),
        Row("open files, second half less first", grown("files"), unit="", target=at_most(0)),
        Row("lateness, second half less first", grown("late_p99"), target=at_most(0.005),
            note=f"p99 of the last round {later[-1].late_p99:.4f} s, load {later[-1].load:.1f}"),
        Row("lateness, worst of all rounds", max(s.late for s in later), target=at_most(0.100)),
        Row("longest work of the window's thread", max(s.work for s in later), unit="ms",
            target=at_most(LONGEST),
            note=f"median of the rounds {statistics.median(s.work for s in later):.0f}"),
    ]  # fmt: skip


def main() -> None:
    """Use the window, print the table and write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--json", type=Path, default=ROOT / "out" / "soak.json")
    options = parser.parse_args()
    app = QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PAREIDOLIA_HOME"] = str(Path(folder) / "home")
        technique = StyleTransfer(iterations=6, smallest_scale=65536)
        inputs = Inputs(str(SAMPLES / "cat.jpg"), ((str(SAMPLES / "mosaic.jpg"), 1.0),))
        window = opened(Job(technique, inputs, size=SIZE))
        soak, samples = Soak(window, Path(folder), options.seed), list[Sample]()
        window.options.build_ahead()  # as the program does
        while time.monotonic() - soak.began < 60 * options.minutes:
            if len(samples) % PROJECT_ROUNDS == PROJECT_ROUNDS - 1:
                soak.project()
            samples.append(soak.round())
            print(samples[-1], flush=True)
        closed(window)
        found = rows(samples)
    print(render(found))
    print(soak.done)
    write_json(options.json, found, platform=app.platformName(), rounds=len(samples))


if __name__ == "__main__":
    main()
