"""The door: no arguments open the window; a sub-command runs the same engine without a screen."""

import sys


def main() -> int:
    """Run the program on `sys.argv`; return the exit code."""
    from cli.commands import run, without_a_command
    from cli.running import guarded

    argv = sys.argv[1:]
    return guarded(lambda: run(argv) if argv else without_a_command())


if __name__ == "__main__":
    sys.exit(main())
