"""python -m tests.benchmarks.window: how the window behaves while the engine runs.

How long its thread works without a pause, lateness of a timer there, from an iterate to its pixels,
what the window costs the run, how soon a stop is a stop, memory over runs, and the start.
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QApplication

from engine.job import Job, run
from gui.main_window import MainWindow
from gui.run.controller import State
from gui.run.mailbox import PreviewImage
from gui.studio import SAMPLES
from tests.benchmarks.inputs import ROOT
from tests.benchmarks.opened import closed, job, opened, spin
from tests.benchmarks.stretches import stretch_rows
from tests.benchmarks.table import Row, at_most, render, write_json

PAINTINGS = ("brush_strokes.jpg", "mosaic.jpg")
START = """
import time
began = time.perf_counter()
import os
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
from PySide6.QtWidgets import QApplication
app = QApplication([])
from gui import session, theme
from gui.main_window import MainWindow
window = MainWindow(session.load(), lambda name: theme.apply(app, name))
window.show()
app.processEvents()
print(time.perf_counter() - began)
window.close()
os._exit(0)
"""


class Lateness(QObject):
    """How much later than every 10 ms the GUI thread gets to act."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._last = time.perf_counter()
        self._timer.start(10)

    @Slot()
    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, now - self._last - 0.010))
        self._last = now

    def stop(self) -> list[float]:
        """Return the latenesses in seconds, ascending."""
        self._timer.stop()
        return sorted(self.late)


class Pixels(QObject):
    """From the worker having an iterate to the canvas having painted it."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__()
        self.window, self.seconds, self.moments = window, [], []
        window.controller.shown.connect(self.on_shown)

    @Slot(object)
    def on_shown(self, shown: PreviewImage) -> None:
        self.window.canvas.viewport().repaint()
        self.seconds.append(time.perf_counter() - shown.made)


class Marks(QObject):
    """When iterations were done, as the run itself says."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__()
        self.shown: list[PreviewImage] = []
        window.controller.shown.connect(self.on_shown)

    @Slot(object)
    def on_shown(self, shown: PreviewImage) -> None:
        self.shown.append(shown)


def run_rows(wanted: Job, iterations: int) -> list[Row]:
    """Measure a run in the window, and the same one without."""
    window = opened(wanted)
    pixels, marks = Pixels(window), Marks(window)
    window.running.start()
    spin(lambda: len(marks.shown) >= 2)
    late = Lateness()
    spin(lambda: window.controller.state is State.IDLE)
    latenesses = late.stop()
    shown = [s for s in marks.shown if s.iteration >= 2]
    each = (shown[-1].seconds - shown[0].seconds) / (shown[-1].iteration - shown[0].iteration)

    window.studio.set_setting("iterations", 10_000)
    stops = []
    for _ in range(5):
        before = len(marks.shown)
        window.running.start()
        spin(lambda before=before: len(marks.shown) >= before + 2)
        began = time.perf_counter()
        window.run_bar.stop.click()
        spin(lambda: window.controller.state is State.IDLE)
        stops.append(time.perf_counter() - began)
    network = window.networks.get(wanted.network, wanted.weights)
    closed(window)
    frames = list(islice(run(wanted, network), iterations))
    alone = (frames[-1].seconds - frames[1].seconds) / (len(frames) - 2)
    label = f"{wanted.network} {wanted.size} px"
    p99 = latenesses[int(0.99 * (len(latenesses) - 1))]
    return [
        Row(f"{label}: lateness of a 10 ms timer, p99", p99, target=at_most(0.033)),
        Row(f"{label}: the same, worst", latenesses[-1], target=at_most(0.100),
            note=f"{len(latenesses)} ticks"),
        Row(f"{label}: iterate to pixels, median", statistics.median(pixels.seconds),
            target=at_most(0.050), note=f"worst {max(pixels.seconds):.3f} s"),
        Row(f"{label}: iteration in the window / headless", each / alone, unit="",
            target=at_most(1.05), note=f"{each:.3f} / {alone:.3f} s"),
        Row(f"{label}: stop, longest of {len(stops)}", max(stops), target=at_most(each + 0.05),
            note=f"an iteration takes {each:.3f} s"),
    ]  # fmt: skip


def maps_row(wanted: Job) -> Row:
    """Measure what live maps cost a run."""
    seconds = {}
    for on in (False, True):
        window = opened(wanted)
        marks = Marks(window)
        if on:
            window.actions_table["saliency"].setChecked(True)
            window.actions_table["grad_cam"].setChecked(True)
            spin(lambda window=window: len(window.canvas.overlays()) == 2)
        window.running.start()
        spin(lambda window=window: window.controller.state is State.IDLE)
        late = [s for s in marks.shown if s.iteration > 3]
        seconds[on] = (late[-1].seconds - late[0].seconds) / (
            late[-1].iteration - late[0].iteration
        )
        closed(window)
    return Row(
        f"{wanted.network} {wanted.size} px: iteration with live maps / without",
        seconds[True] / seconds[False], unit="", target=at_most(1.10),
        note=f"{seconds[True]:.3f} / {seconds[False]:.3f} s",
    )  # fmt: skip


def preview_rows(wanted: Job, times: int = 8) -> list[Row]:
    """Measure how soon another painting is seen on the photo, stylized in one pass."""
    window = opened(wanted)
    window.follow.switch(True)
    seconds, latenesses = [], []
    for turn in range(times):
        shown: list[float] = []

        def note(shown: list[float] = shown) -> None:
            current = window.canvas_content.current
            if current is not None and current.kind == "preview":
                window.canvas.viewport().repaint()
                shown.append(time.perf_counter())

        window.canvas_content.changed.connect(note)
        late, began = Lateness(), time.perf_counter()
        name = PAINTINGS[turn % len(PAINTINGS)]
        window.studio.set_inputs("", styles=((str(SAMPLES / name), 1.0),))
        spin(lambda shown=shown: bool(shown) and not window.follow.busy)
        window.canvas_content.changed.disconnect(note)
        if turn >= len(PAINTINGS):  # before, networks are loaded and paintings looked at
            seconds.append(shown[-1] - began)
            latenesses += late.stop()
    closed(window)
    label = f"preview of style transfer, {wanted.size} px"
    return [
        Row(f"{label}: from another painting to its pixels", statistics.median(seconds),
            target=at_most(0.5), note=f"worst {max(seconds):.3f} s"),
        Row(f"{label}: lateness of a 10 ms timer meanwhile, worst", max(latenesses),
            target=at_most(0.033)),
    ]  # fmt: skip


def memory_row(wanted: Job, runs: int = 10) -> Row:
    """Measure the memory that runs in a row leave behind, after the first two."""
    window = opened(wanted)
    sizes = []
    for _ in range(runs + 2):
        window.running.start()
        spin(lambda: window.controller.state is State.IDLE)
        gc.collect()
        sizes.append(psutil.Process().memory_info().rss)
    closed(window)
    grown = (sizes[-1] - sizes[1]) / 2**20
    return Row(
        f"memory grown over {runs} runs", grown, unit="MiB", target=at_most(20.0),
        note=", ".join(f"{(s - sizes[1]) / 2**20:.0f}" for s in sizes[2:]),
    )  # fmt: skip


def start_row() -> Row:
    """Measure from the start of Python to a painted window, twice; the second counts."""
    seconds = []
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "PAREIDOLIA_HOME": home}
        for _ in range(3):
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", START], cwd=ROOT, env=environment, check=True,
                capture_output=True, text=True,
            )  # fmt: skip
            assert time.perf_counter() > began
            seconds.append(float(done.stdout.splitlines()[-1]))
    return Row("start to painted window", min(seconds[1:]), target=at_most(3.0))


def main() -> None:
    """Print the table and write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.window", description=__doc__)
    parser.add_argument("--network", default="vgg19", help="default: vgg19")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--iterations", type=int, default=25)
    parser.add_argument("--json", type=Path, default=ROOT / "out" / "bench-gui.json")
    options = parser.parse_args()
    rows = [start_row()]
    app = QApplication([])
    with tempfile.TemporaryDirectory() as home:
        os.environ["PAREIDOLIA_HOME"] = home
        wanted = job(options.network, options.size, options.iterations)
        rows += stretch_rows()  # first of all, so that its start is one
        rows += run_rows(wanted, options.iterations)
        rows.append(maps_row(job("slim_vgg", options.size, 40)))  # these weights have classes
        rows += preview_rows(job("slim_vgg", options.size, 12))
        rows.append(memory_row(job("slim_vgg", 256, 12)))
    print(render(rows))
    write_json(options.json, rows, platform=app.platformName())
    print(f"\n{options.json}")


if __name__ == "__main__":
    main()
