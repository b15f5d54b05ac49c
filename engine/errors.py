"""What can go wrong for a person: one clear sentence each, and the exit code that it ends with."""

import errno


class PareidoliaError(Exception):
    """A failure explained in one sentence: what is wrong where, and what would be right."""

    exit_code = 1


class BadInput(PareidoliaError):
    """A file, setting or option that cannot be used as given."""

    exit_code = 2


class WeightsMissing(PareidoliaError):
    """A network's weights are not on this machine; the sentence names the command that gets them."""

    exit_code = 3


class OutOfMemory(PareidoliaError):
    """The work does not fit; the sentence says what size would."""

    exit_code = 1


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` says that memory ran out: Python, torch and the system's own ways."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    words = (
        "out of memory",  # also torch.OutOfMemoryError, which may be asked for before torch is there
        "can't allocate memory",
        "cannot allocate memory",
        "not enough memory",
        "failed to map segment",  # of a library
    )
    kinds = (RuntimeError, OSError, ImportError)
    return isinstance(error, kinds) and any(w in str(error).lower() for w in words)


class Diverged(PareidoliaError):
    """NaN or infinity appeared; the last good picture is kept by whoever consumed the frames."""

    exit_code = 1


class Cancelled(PareidoliaError):
    """Work was given up because somebody asked for it."""

    exit_code = 130


class DownloadFailed(PareidoliaError):
    """A download did not come to its end, or was not what it should be."""

    exit_code = 1


class DownloadCancelled(DownloadFailed):
    """A download was stopped by a person; what has arrived is kept."""

    exit_code = 130
