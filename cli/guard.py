"""The last resort: errors become one line on standard error and an exit code, never a traceback."""

import errno
import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from cli.interrupting import Ended, end, handled
from cli.wording import worded
from engine.errors import OutOfMemory, PareidoliaError, is_out_of_memory
from engine.places import log_folder

INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""The system's error numbers for a disk that is full or gone."""
LONGEST = 1000
"""The most letters of a sentence: values from outside may be of any length."""


def guarded(action: Callable[[], int]) -> int:
    """Call `action`, whose result is the exit code; explain what it raises."""
    _print_what_can_be_printed()
    _print_notes()
    try:
        try:
            with handled(end):
                code = action()
        except SystemExit as asked:  # argparse after --help
            code = asked.code if isinstance(asked.code, int) else 0
        if sys.stdout:
            sys.stdout.flush()
        return code
    except PareidoliaError as error:
        say(worded(error))
        return error.exit_code
    except Ended as ended:
        return ended.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _close_quietly()
        return 1
    except Exception as error:  # nobody should see a traceback
        if is_out_of_memory(error):
            say("there is not enough free memory for this: close other programs and try again")
            return OutOfMemory.exit_code
        if isinstance(error, OSError) and error.errno in FULL:
            what = error.filename or "what there is to print"
            say(f"{what} cannot be written ({error.strerror})")
            _close_quietly()
            return 1
        say(f"unexpected error ({error!r}); details in {log_error()}")
        return 1


def say(sentence: str) -> None:
    """Print one line of bearable length on standard error."""
    line = " ".join(sentence.splitlines())
    if len(line) > LONGEST:
        line = f"{line[: LONGEST * 2 // 3]} … {line[-LONGEST // 3 :]}"
    with suppress(OSError):  # nobody is listening; the exit code says it too
        print("pareidolia:", line, file=sys.stderr)


class _Notes(logging.Handler):
    """Prints what was found in a given weight file."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def _print_notes() -> None:
    log = logging.getLogger("pareidolia.networks")
    log.setLevel(logging.INFO)
    if not any(isinstance(handler, _Notes) for handler in log.handlers):
        log.addHandler(_Notes())


def _print_what_can_be_printed() -> None:
    """Escape characters that the console or pipe cannot encode, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _close_quietly() -> None:
    """Discard what is still to be printed: nobody reads it any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def log_error() -> str:
    """Append the current traceback to the log file and return its path."""
    import traceback

    file = log_folder() / "pareidolia.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
    except OSError:
        traceback.print_exc()
        return "standard error (the log folder cannot be written)"
    return str(file)
