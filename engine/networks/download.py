"""Downloading a network's published weights: resumable, and verified before use.

Nothing here runs unless a person asks for a download.
"""

import errno
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from engine.errors import BadInput, DownloadCancelled, DownloadFailed
from engine.networks import checksums, weights
from engine.networks.card import Card
from engine.networks.locking import Locked, locked

CHUNK = 1 << 18
SLACK = 1 << 20
"""Bytes by which a file may be larger than its card says, beyond a tenth."""
LARGEST = 8 << 30
"""Most bytes of a file whose size the card does not give."""
MOST_DIGITS = 18
"""Most digits of a length: no file has that many bytes."""
RETRIES = 3
"""How often in a row a connection may break without bringing anything new."""

Progress = Callable[[int, int], None]
"""Bytes done, bytes in all (0: unknown)."""


class _Interrupted(Exception):
    """The connection broke; what has arrived is kept."""


def download(
    card: Card,
    progress: Progress | None = None,
    timeout: float = 30.0,
    cancel: Callable[[], bool] | None = None,
    folder: Path | None = None,
) -> Path:
    """Return the file of `card`'s weights, downloaded into `folder` (default: the user's).

    `timeout`: seconds without any data before the connection counts as broken. What has arrived of
    an unfinished download is kept next to its destination as `.part`, and the next call continues it.
    Raises `BadInput` when the card has no address, `DownloadCancelled` when `cancel` returns True,
    `DownloadFailed` for anything else that goes wrong.
    """
    if urlsplit(card.url).scheme not in ("http", "https"):
        raise BadInput(f"{card.name} cannot be downloaded; import a file of its weights")
    folder = folder or weights.user_folder()
    target = folder / (card.file or card.url.rsplit("/", 1)[-1])
    if target.is_file() and checksums.matches(target, card.sha256):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(target.name + ".part.lock")):
            return _downloaded(
                card, target, progress or (lambda done, total: None), timeout, cancel
            )
    except Locked as error:
        raise DownloadFailed(
            f"{card.name} is already being downloaded by another window or command: wait for it to finish"
        ) from error
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise DownloadFailed(f"{target} cannot be written: {reason}") from error


def _downloaded(
    card: Card,
    target: Path,
    progress: Progress,
    timeout: float,
    cancel: Callable[[], bool] | None,
) -> Path:
    """Return the file, fetched and checked; no one else may be fetching it."""
    part = _Part(target)
    _fetch_all(card, part, progress, timeout, cancel)
    if card.sha256 and not checksums.matches(part.path, card.sha256):
        part.discard()
        raise DownloadFailed(
            f"what {card.url} sent is not the weights of {card.name} "
            f"(its checksum differs from {card.sha256}); it was deleted, try again later"
        )
    part.path.replace(target)
    part.discard()
    return target


class _Part:
    """An unfinished download, and the server's tag of the file version it belongs to."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._mark = target.with_name(target.name + ".part.version")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def version(self) -> str:
        return self._mark.read_text("utf-8") if self._mark.is_file() else ""

    @version.setter
    def version(self, value: str) -> None:
        self._mark.write_text(value, "utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)


def _fetch_all(
    card: Card,
    part: _Part,
    progress: Progress,
    timeout: float,
    cancel: Callable[[], bool] | None,
) -> None:
    """Fetch until everything is there, reconnecting after breaks as long as data comes."""
    failures = 0
    while True:
        if cancel and cancel():  # not only between pieces: there may be no more
            raise _stopped()
        before = part.size
        try:
            _fetch(card, part, progress, timeout, cancel)
            return
        except _Interrupted as error:
            failures = 0 if part.size > before else failures + 1
            if failures >= RETRIES:
                kept = f" ({part.size / 2**20:.1f} MiB have been kept)" if part.size else ""
                raise DownloadFailed(
                    f"downloading {card.name} from {urlsplit(card.url).netloc} was interrupted{kept}: "
                    f"{error}; download it again to resume"
                ) from error


def _fetch(
    card: Card,
    part: _Part,
    progress: Progress,
    timeout: float,
    cancel: Callable[[], bool] | None,
) -> None:
    """Fetch what is missing over one connection."""
    start = part.size
    headers = {"User-Agent": "pareidolia", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if part.version:
            headers["If-Range"] = part.version
    try:
        request = urllib.request.Request(card.url, headers=headers)
        with urllib.request.urlopen(request, timeout=timeout) as response:
            if response.status != http.client.PARTIAL_CONTENT:
                start = 0  # the server sends everything, whatever was asked for
            elif _first_byte(response.headers.get("Content-Range", "")) != start:
                raise DownloadFailed(f"{card.url} sent a different part of the file than requested")
            _receive(card, response, part, start, progress, cancel)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                if error.headers.get("Content-Range", "").endswith(f"/{start}"):
                    return  # everything had arrived
                part.discard()
                raise _Interrupted("the file on the server has changed") from error
            if error.code >= 500:
                raise _Interrupted(f"the server says {error.code} {error.reason}") from error
            reason = f"the server says {error.code} {error.reason}"
            raise DownloadFailed(f"{card.url}: {reason}") from error
    except TimeoutError as error:
        raise _Interrupted(f"nothing came for {timeout:g} seconds") from error
    except urllib.error.URLError as error:
        raise _Interrupted(_plain(error.reason, timeout)) from error
    except (ConnectionError, http.client.HTTPException) as error:
        raise _Interrupted(_plain(error, timeout)) from error


def _receive(
    card: Card,
    response: http.client.HTTPResponse,
    part: _Part,
    start: int,
    progress: Progress,
    cancel: Callable[[], bool] | None,
) -> None:
    """Write the response to `part` from byte `start` on."""
    length = response.headers.get("Content-Length") or ""
    plain = length.isascii() and length.isdigit()
    total = start + int(length[:MOST_DIGITS]) if plain else 0
    most = card.bytes * 1.1 + SLACK if card.bytes else LARGEST
    if total > most:
        raise DownloadFailed(_too_much(card, most))
    _check_space(part.path.parent, (total or card.bytes) - start)
    # Weak ETags do not vouch for single bytes.
    tag = response.headers.get("ETag", "")
    part.version = tag if tag[:2] != "W/" else ""
    done = start
    progress(done, total)
    with part.path.open("ab" if start else "wb") as file:
        while True:
            if cancel and cancel():
                raise _stopped()
            chunk = response.read1(CHUNK)
            if not chunk:
                break
            if done + len(chunk) > most:  # there is no end in sight
                file.close()
                part.discard()
                raise DownloadFailed(_too_much(card, most))
            file.write(chunk)
            done += len(chunk)
            progress(done, total)
    if done < total:
        raise _Interrupted(f"the connection ended at {done} of {total} bytes")


def _too_much(card: Card, most: float) -> str:
    size = f"weigh {card.bytes / 2**20:.0f} MiB" if card.bytes else "are of unknown size"
    return (
        f"{card.url} sends more than {most / 2**20:.0f} MiB, but the weights of {card.name} "
        f"{size}, so this is "
        "something else"
    )


def _stopped() -> DownloadCancelled:
    return DownloadCancelled("the download was stopped; it can be resumed")


def _first_byte(content_range: str) -> int:
    """Return the 5 of "bytes 5-9/10"; -1 when there is none."""
    first = content_range.removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else -1


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadFailed(
            f"{folder} has {free / 2**20:.0f} MiB left, but the download needs {needed / 2**20:.0f} MiB"
        )


def _plain(reason: object, timeout: float) -> str:
    if isinstance(reason, TimeoutError):
        return f"nothing came for {timeout:g} seconds"
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
