"""Networks on their way to other machines, known by their checksums, sent only where they are missing.

What arrives is kept on the worker's disk, in a folder per network that is laid out like a user's
own (`engine.places`): a name looked up there means the very network that it means where the job
comes from.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.files import unfinished
from engine.named_files import find_path
from engine.networks import catalogue, weights
from engine.places import data_folder

PART = 32 << 20
"""Bytes of a weight file that are sent at a time."""
LARGEST = 64 << 30
"""Most bytes of a weight file."""
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SentNetwork:
    """What tells another machine which network a job means."""

    name: str
    sha256: str
    """SHA-256 of the weight file."""
    file: str
    """The weight file's name, without folder."""
    given: str
    """Where it lies at home, if the job names its file; empty if it is found by the network's
    name."""
    card: str
    """The network's card in JSON, if it has one of its own (an imported network)."""

    def plain(self) -> dict[str, str]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def of_plain(cls, values: Mapping[str, Any]) -> "SentNetwork":
        """Return what `plain` gave. Raises `ValueError` for values that no network can have."""
        found = cls(**{name: str(value) for name, value in values.items()})
        plain_names = Path(found.file).name == found.file and Path(found.name).name == found.name
        if not _HEX.fullmatch(found.sha256) or not plain_names or found.file.startswith("."):
            raise ValueError(f"no network is {found.name!r} in {found.file!r}")
        if Path(found.file).suffix not in weights.SUFFIXES:
            raise ValueError(f"{found.file!r} holds no network")
        return found

    @property
    def key(self) -> str:
        """What tells it from all others."""
        text = json.dumps([self.name, self.sha256, self.file, bool(self.given), self.card])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def network_of(recipe: Mapping[str, Any]) -> tuple[SentNetwork, Path]:
    """Return the network that a recipe means here, and where its file is.

    Raises `BadInput`, or `WeightsMissing` when it is not on this machine.
    """
    name, given = recipe["network"], recipe["weights"]
    card = catalogue.card(name)
    path = weights.find(card, None if given is None else find_path(given))
    own = catalogue.card_file(name)
    text = own.read_text("utf-8") if own is not None and own.parent != weights.SHIPPED else ""
    file = path.name if path.suffix in weights.SUFFIXES else f"{path.name}.pth"
    return SentNetwork(name, sha256_of(path), file, str(given or ""), text), path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, computed once for as long as it does not change."""
    try:
        status = path.stat()
        return _sha256(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror})") from error


@lru_cache(maxsize=256)
def _sha256(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parts_of(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, `PART` at a time. Raises `BadInput`."""
    try:
        with path.open("rb") as file:
            while data := file.read(PART):
                yield data
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror})") from error


# -- on the worker -----------------------------------------------------------------------------


@lru_cache(maxsize=1)
def store() -> Path:
    """Return where a worker keeps what was sent; to be asked before `at_home` changes that."""
    return (data_folder() / "cluster").absolute()


@dataclass(frozen=True)
class FoundNetwork:
    """A network that is on the worker."""

    weights: str | None
    """The job's weights; None: found by the network's name."""
    home: Path | None
    """The folder to use as the user's own while it works; None: this worker's own."""


def found_here(sent: SentNetwork) -> FoundNetwork | None:
    """Return where a network is on this machine; None if it has to be sent.

    Raises `BadInput` if this program ships another network of that name.
    """
    if sent.given:
        same = Path(sent.given)
        if not sent.card and same.is_file() and sha256_of(same) == sent.sha256:
            return FoundNetwork(sent.given, None)
    elif own := _own(sent):
        return own
    file = _file(sent)
    if not file.is_file():
        return None
    return FoundNetwork(str(file) if sent.given else None, store() / sent.key)


def _own(sent: SentNetwork) -> FoundNetwork | None:
    try:
        path = weights.find(catalogue.card(sent.name))
        card = catalogue.card_file(sent.name)
    except Exception:  # not here, or not readable: it can be sent
        return None
    shipped = path.parent == weights.SHIPPED
    text = card.read_text("utf-8") if card is not None and not shipped else ""
    if sha256_of(path) == sent.sha256 and text == sent.card:
        return FoundNetwork(None, None)
    if shipped:
        raise BadInput(
            f"a worker has another {sent.name}: give all machines the same version of Pareidolia"
        )
    return None


def _file(sent: SentNetwork) -> Path:
    return store() / sent.key / ("given" if sent.given else "networks") / sent.file


@contextmanager
def at_home(found: FoundNetwork) -> Iterator[None]:
    """Look networks up where `found` is. One job at a time runs in a worker's process."""
    before = os.environ.get("PAREIDOLIA_HOME")
    if found.home is None:
        yield
        return
    os.environ["PAREIDOLIA_HOME"] = str(found.home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PAREIDOLIA_HOME"]
        else:
            os.environ["PAREIDOLIA_HOME"] = before


class Arriving:
    """A weight file that arrives in parts."""

    def __init__(self, sent: SentNetwork) -> None:
        self.sent = sent
        self._digest, self._size = hashlib.sha256(), 0
        target = _file(sent)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{target.parent} cannot be made ({error.strerror})") from error
        self._unfinished = unfinished(target)
        self._beside, self._opened = self._unfinished.__enter__()

    def take(self, data: bytes) -> None:
        """Write the next part. Raises `BadInput`."""
        self._size += len(data)
        if self._size > LARGEST:
            raise BadInput(f"{self.sent.file} is larger than {LARGEST >> 30} GiB")
        self._digest.update(data)
        self._opened.write(data)

    def close(self, complete: bool) -> None:
        """Put the file in its place if it arrived complete; raise `BadInput` if it did not."""
        try:
            if complete:
                self._finish()
        finally:
            self._unfinished.__exit__(None, None, None)

    def _finish(self) -> None:
        if self._digest.hexdigest() != self.sent.sha256:
            raise BadInput(f"{self.sent.file} arrived damaged")
        self._opened.flush()
        os.fsync(self._opened.fileno())
        target = _file(self.sent)
        if self.sent.card:  # first: the file in its place says that all is there
            folder = store() / self.sent.key / "networks"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{self.sent.name}.json").write_text(self.sent.card, "utf-8")
        self._beside.replace(target)
