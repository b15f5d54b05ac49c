"""How long the window's thread works at a time, during which it answers nobody.

Counted is the thread's own processor time between two ticks of a timer: what other programs and
other threads take away is not the window's doing, and is told by the lateness rows.
"""

import contextlib
import os
import time

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QApplication

from gui.flow.cut_out import cut_out_dialog
from gui.flow.layers import networks_here
from gui.panels.embedding_view import MapView
from tests.benchmarks.inputs import folder
from tests.benchmarks.opened import closed, job, opened, shown, spin
from tests.benchmarks.table import Absent, Row, at_most

TICK = 5
"""Milliseconds."""
QUIET = 1.5
"""Seconds for what follows by itself."""
LONGEST = 33.0
"""Milliseconds: two pictures of a screen."""
PICTURES = 2000
"""On the map."""


class Stretches(QObject):
    """Processor time of the GUI thread between ticks, in milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[float] = []
        self._last = time.thread_time()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK)

    @Slot()
    def _tick(self) -> None:
        now = time.thread_time()
        self.found.append((now - self._last) * 1000)
        self._last = now

    def longest(self) -> float:
        """End, and return the longest."""
        self._timer.stop()
        return max(self.found, default=0.0)

    def row(self, what: str) -> Row:
        """Wait for what still follows; return the longest."""
        live(QUIET)
        self._timer.stop()
        note = ", ".join(f"{each:.0f}" for each in sorted(self.found)[-2:-5:-1])
        return Row(
            f"longest work of the window's thread: {what}", max(self.found), unit="ms",
            target=at_most(LONGEST), note=f"next {note}",
        )  # fmt: skip


def live(seconds: float) -> None:
    """Let the window live for a while."""
    end = time.monotonic() + seconds
    spin(lambda: time.monotonic() > end)


def stretch_rows() -> list[Row]:
    """Measure the start, other networks, the cut-out dialog and the map of a folder."""
    rows = [_start()]
    window = opened(job("slim_vgg", 256, 10))
    live(QUIET)
    for name in (*_others(), "slim_vgg"):
        stretches = Stretches()
        window.studio.set_network(name)
        spin(lambda: window.layers.here is not None)
        rows.append(stretches.row(f"change to {name}"))
    stretches = Stretches()
    dialog = cut_out_dialog(window)
    assert dialog is not None
    dialog.open()
    spin(lambda: dialog.selection is not None)
    rows.append(stretches.row("cut-out dialog"))
    dialog.close()
    closed(window)
    rows.append(_zoom())
    return rows


def _others() -> list[str]:
    """Return networks to change to, as far as their weights are here."""
    with contextlib.suppress(Absent):
        os.environ.setdefault("PAREIDOLIA_NETWORKS", str(folder() / "weights"))
    return [name for name in ("googlenet_bvlc", "squeezenet1_1") if name in networks_here()]


def _start() -> Row:
    """From the first painting on: before, there is nothing to answer to."""
    window = shown(job("slim_vgg", 256, 10))
    QApplication.processEvents()
    stretches = Stretches()
    spin(lambda: window.layers.here is not None and window.canvas_content.content() is not None)
    row = stretches.row("start")
    closed(window)
    return row


def _zoom() -> Row:
    random = np.random.default_rng(0)
    view = MapView()
    view.resize(900, 700)
    view.show()
    view.show_map(
        random.normal(size=(PICTURES, 2)).astype(np.float32),
        random.integers(0, 255, (PICTURES, 96, 96, 3), dtype=np.uint8),
        [str(number) for number in range(PICTURES)],
        [number % 9 for number in range(PICTURES)],
    )
    live(QUIET)
    stretches = Stretches()
    for factor in (0.8, 0.8, 0.8, 1.25, 1.25, 1.25):
        view.getViewBox().scaleBy((factor, factor))
        live(0.3)
    row = stretches.row(f"zoom of a map of {PICTURES} pictures")
    view.close()
    view.deleteLater()
    return row
