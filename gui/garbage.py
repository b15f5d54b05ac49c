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
"""Milliseconds between two looks at what has come together."""
FROZEN_AT_MOST = 2
"""Times: when the first network has come, and after the first run has brought the rest."""
MANY = 10_000
"""Objects that come together between two looks: modules being imported, most likely."""
BURSTS_AT_MOST = 3
"""Times that so many are left out too. What is garbage among them is never given back, so that
there must be an end to it."""
LONG = 0.015
"""Seconds of the window's thread for a round through everything. It takes longer when a library came
later (scikit-learn with the first job that groups pictures, Dask): 60 ms, after each run from then on."""
LONG_AT_MOST = 4
"""Times that what such a round has left is left out as well."""
_freeze = threading.Event()
_collect = threading.Event()


def freeze_soon() -> None:
    """Have the GUI thread leave what is there now out of the collector's rounds, in the beginning.

    What PyTorch and Qt have brought stays for good; looking through it would hold the window up for
    a tenth of a second each time. Any thread may ask.
    """
    _freeze.set()


def collect_soon() -> None:
    """Have the GUI thread collect everything. Any thread may ask."""
    _collect.set()


class Garbage(QObject):
    """Collects by a timer, when as much has come together as Python itself waits for."""

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
                # To count the objects instead would break tuples that other threads are just making.
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
        """Leave what is there now out of the rounds to come."""
        if not Garbage._to_unfreeze:
            Garbage._to_unfreeze = True
            atexit.register(gc.unfreeze)  # or libraries would report it as never given back
        gc.freeze()

    def close(self) -> None:
        """Leave it to Python again, if it was before."""
        self._timer.stop()
        if self._by_itself:
            gc.enable()
