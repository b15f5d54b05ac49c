"""Signals that end the program: Ctrl-C, a request to end, a closed terminal.

All are treated alike; the exit code is 128 plus the signal's number, as in shells.
"""

import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
"""The signals that exist on this system."""
Handler = Callable[[int, FrameType | None], None]


class Ended(KeyboardInterrupt):
    """A signal asks the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def leave(number: int, _frame: FrameType | None = None) -> None:
    """End the program at once: a handler for before any work has begun."""
    os._exit(128 + number)


def end(number: int, frame: FrameType | None = None) -> None:
    """Raise `Ended`: a handler for work that cleans up after itself."""
    let_go_of_terminal(number)
    if _importing(frame):
        # C libraries print what is raised while they are loaded, and go on without it.
        leave(number)
    raise Ended(number)


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Let `handler` handle all signals that end the program; only in the main thread."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # A signal that the program was started to ignore (`nohup`) must not end it. SIGINT is handled all
    # the same: scripts start every background process with it ignored.
    taken = [n for n in SIGNALS if before[n] != signal.SIG_IGN or n == signal.SIGINT]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number] or signal.SIG_DFL)


def let_go_of_terminal(number: int) -> None:
    """After a hang-up nobody reads: let output vanish rather than fail."""
    if number != getattr(signal, "SIGHUP", None):
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
