"""Collects garbage only in the GUI thread, between events.

Python's collector runs in whichever thread happens to allocate: in a worker it would delete Qt's
objects where they do not live, and `gc.freeze` while another thread's collection waits for the
interpreter's lock breaks the collector's lists (a crash of Python 3.11, seen).
"""

import atexit
import gc
import threading
import time

from PySide6.QtCore import QObject, QTimer, Slot

EVERY = 250
"""Milliseconds between two checks of how much has accumulated."""
FROZEN_AT_MOST = 2
"""How often everything is frozen: once the first network is loaded, and once the first run has imported
the rest."""
MANY = 10_000
"""This many new objects between two checks most likely mean that modules are being imported."""
BURSTS_AT_MOST = 3
"""How often so many are frozen too. Garbage among them is never freed, so there must be a limit."""
LONG = 0.015
"""Seconds that a full collection may hold up the window's thread. It takes longer once a library was
imported later (Dask, or scikit-learn for the first job that groups pictures): 60 ms after each run."""
LONG_AT_MOST = 4
"""How often what is left after such a collection is frozen too."""
_freeze = threading.Event()
_collect = threading.Event()


def freeze_soon() -> None:
    """Have the GUI thread exempt from collection what exists now, early in the program's life.

    The objects of PyTorch and Qt stay for good; going through them would hold up the window for a tenth
    of a second each time. Any thread may ask.
    """
    _freeze.set()


def collect_soon() -> None:
    """Have the GUI thread collect everything. Any thread may ask."""
    _collect.set()


class Garbage(QObject):
    """Collects on a timer, at the thresholds at which Python would collect by itself."""

    _frozen = _bursts = _long = 0
    _to_unfreeze = False

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._by_itself = gc.isenabled()
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    @Slot()
    def look(self) -> None:
        """Collect what is due."""
        if _freeze.is_set():
            _freeze.clear()
            self._freeze_all()
        if _collect.is_set():
            _collect.clear()
            began = time.thread_time()
            gc.collect()
            took = time.thread_time() - began
            self._freeze_all()
            if took > LONG and Garbage._long < LONG_AT_MOST:
                # Counting the objects instead would break tuples that other threads are just making.
                Garbage._long += 1
                self._leave_out()
            return
        due = [i for i, (n, most) in enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True))
               if n > most]  # fmt: skip
        if due:
            many = gc.get_count()[0] > MANY
            gc.collect(max(due))
            if many and Garbage._bursts < BURSTS_AT_MOST and Garbage._frozen < FROZEN_AT_MOST:
                Garbage._bursts += 1
                self._leave_out()

    def _freeze_all(self) -> None:
        if Garbage._frozen < FROZEN_AT_MOST:
            Garbage._frozen += 1
            self._leave_out()

    def _leave_out(self) -> None:
        """Exempt what exists now from later collections."""
        if not Garbage._to_unfreeze:
            Garbage._to_unfreeze = True
            atexit.register(gc.unfreeze)  # or libraries would report leaks
        gc.freeze()

    def close(self) -> None:
        """Leave collecting to Python again, if Python did it before."""
        self._timer.stop()
        if self._by_itself:
            gc.enable()
