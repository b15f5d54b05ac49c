"""The entry point: no arguments open the window; a sub-command runs the same engine without a screen."""

import gc
import os
import sys

# Set before torch is imported. Otherwise its threads would spin while waiting for each other, which
# gains nothing on an idle machine (measured: the same rate of convolutions) and makes runs about three
# times slower as soon as another program wants one of the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> int:
    """Run the program on `sys.argv`; return the exit code."""
    try:
        import signal

        # Nothing has begun yet: Ctrl-C just ends the program.
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    except KeyboardInterrupt:
        os._exit(130)
    from cli.guard import guarded

    return guarded(_chosen)


def _chosen() -> int:
    from cli.commands import run, without_a_command

    argv = sys.argv[1:]
    if argv:
        if not {"-h", "--help"}.isdisjoint(argv):
            gc.disable()  # it ends before there is anything to collect
        return run(argv)
    if not has_display():
        return without_a_command()
    try:
        from gui.app import main as window
    except ImportError as error:
        return without_a_command(f"the window cannot be opened ({error})")
    return window()


def has_display() -> bool:
    """Return whether a window could be opened here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


if __name__ == "__main__":
    sys.exit(main())
