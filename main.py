"""The door: no arguments open the window; a sub-command runs the same engine without a screen."""

import os
import sys

# Before torch is imported. Its threads would else spin while they wait for each other: nothing
# gained on a quiet machine (measured: the same rate of convolutions), and runs about three times
# slower as soon as another program wants one of the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> int:
    """Run the program on `sys.argv`; return the exit code."""
    try:
        from cli.guard import guarded

        return guarded(_chosen)
    except KeyboardInterrupt:  # before `guarded` could take care of it
        return 130


def _chosen() -> int:
    from cli.commands import run, without_a_command

    argv = sys.argv[1:]
    return run(argv) if argv else without_a_command()


if __name__ == "__main__":
    sys.exit(main())
