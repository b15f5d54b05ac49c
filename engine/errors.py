"""What can go wrong for a user: one clear sentence each, and the exit code.

A sentence is made of parts. Where it speaks of a setting or of something to do, the part is a
`Mention` or a `Remedy`, which whoever shows the sentence words: the command line says `--size`, the
window "Size", a notebook `size=`, which is also what `str` gives.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol


class Described(Protocol):
    """What a sentence needs to know of a setting: `engine.settings.Setting` is one."""

    @property
    def label(self) -> str:
        """What a window calls it."""
        ...

    @property
    def option(self) -> str:
        """What a command line calls it."""
        ...


@dataclass(frozen=True)
class Mention:
    """A setting that a sentence speaks of."""

    name: str
    """The field's or argument's name."""
    described: Described | None = None
    """Its description, if it is a technique's setting: other techniques may have one of the same
    name."""
    value: str = ""
    """What it is, or should be, set to; empty if the sentence says so itself."""

    def __str__(self) -> str:
        """Return it as a notebook words it."""
        return f"{self.name}={self.value}"


@dataclass(frozen=True)
class Remedy:
    """An action in the catalogue of networks, as a clause: "see …", "get them with …"."""

    action: Literal["download", "list", "show", "remove"]
    network: str = ""

    def __str__(self) -> str:
        """Return it as a notebook words it."""
        return {
            "download": "get them with engine.networks.download.download("
            f"engine.networks.catalogue.card({self.network!r}))",
            "list": "see engine.networks.catalogue.names()",
            "show": f"see engine.networks.catalogue.card({self.network!r})",
            "remove": f"call engine.networks.importing.remove({self.network!r}) first",
        }[self.action]


Part = str | Mention | Remedy
Wording = Callable[[Mention | Remedy], str]
"""Returns a front door's words for a setting or an action."""


class Message:
    """A sentence that can name settings, and be worded by whoever shows it."""

    def __init__(self, *parts: "Part | Message | PareidoliaError") -> None:
        """Take the parts in order; messages and errors are taken apart into theirs."""
        flat: list[Part] = []
        for part in parts:
            flat += part.parts if isinstance(part, (Message, PareidoliaError)) else (part,)
        self.parts: tuple[Part, ...] = tuple(flat)

    def worded(self, words: Wording = str) -> str:
        """Return the sentence, with `words` for its mentions and remedies."""
        return "".join(part if isinstance(part, str) else words(part) for part in self.parts)

    def __str__(self) -> str:
        """Return it as a notebook words it."""
        return self.worded()

    def __bool__(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.parts)

    def __eq__(self, other: object) -> bool:
        """Whether the other says the same about the same settings."""
        return isinstance(other, Message) and other.parts == self.parts

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Message({', '.join(map(repr, self.parts))})"


class PareidoliaError(Exception):
    """A failure explained in one sentence: what is wrong where, and what would be right."""

    exit_code = 1

    def __init__(self, *parts: "Part | Message | PareidoliaError") -> None:
        """Take the parts of the sentence, as `Message` does."""
        self.message = Message(*parts)
        super().__init__(*self.message.parts)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The sentence's parts."""
        return self.message.parts

    def worded(self, words: Wording = str) -> str:
        """Return the sentence, with `words` for its mentions and remedies."""
        return self.message.worded(words)

    def __str__(self) -> str:
        """Return the sentence as a notebook has it."""
        return str(self.message)


class BadInput(PareidoliaError):
    """A file or setting that cannot be used as given."""

    exit_code = 2


class WeightsMissing(PareidoliaError):
    """Return the sentence as a notebook words it."""

    exit_code = 3


class OutOfMemory(PareidoliaError):
    """The work does not fit; the sentence says what size would."""

    exit_code = 1


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` means that memory ran out, in the words of Python, torch or the system."""
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
    """NaN or infinity appeared; whoever consumed the frames has the last good picture."""

    exit_code = 1


class Cancelled(PareidoliaError):
    """Work was cancelled on request."""

    exit_code = 130


class DownloadFailed(PareidoliaError):
    """A download did not complete, or its content is wrong."""

    exit_code = 1


class DownloadCancelled(DownloadFailed):
    """A download was stopped by the user; what has arrived is kept."""

    exit_code = 130
