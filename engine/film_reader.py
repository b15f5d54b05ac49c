"""Films read frame by frame, upright and with their times; their sound, to be written along again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput

if TYPE_CHECKING:
    from av import VideoFrame
    from torch import Tensor

ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv")
"""Suffixes that are films; GIF and WebP may also be pictures, and count as such."""


def is_film(path: str | Path | None) -> bool:
    """Return whether a name is that of a film."""
    return path is not None and Path(path).suffix.lower() in ENDINGS


@dataclass(frozen=True)
class FilmFrame:
    """One picture of a film."""

    picture: "Tensor"
    """(3, H, W), RGB in [0, 1], float32, upright, with square pixels."""
    at: Fraction
    """Seconds from the film's beginning."""


@dataclass
class Film:
    """An opened film."""

    path: Path
    rate: Fraction
    """Frames per second, on average."""
    count: int | None
    """How many frames there are, as far as the file says so."""
    container: Any
    stream: Any

    @property
    def side(self) -> int:
        """Long side of its pictures in pixels."""
        wide = self.stream.width * (self.stream.sample_aspect_ratio or 1)
        return max(round(wide), self.stream.height)

    def frames(self) -> Iterator[FilmFrame]:
        """Yield the frames in order, leaving out those that cannot be read from a damaged film.

        Raises `BadInput` if none can be read.
        """
        start = Fraction(self.container.start_time or 0, 1_000_000)
        last: Fraction | None = None
        for frame in decoded(self.container, self.stream):
            at = None
            if frame.pts is not None and frame.time_base is not None:
                at = frame.pts * frame.time_base - start
            if at is None or (last is not None and at <= last):
                at = Fraction(0) if last is None else last + 1 / self.rate
            last = max(at, Fraction(0))
            yield FilmFrame(_upright(frame, self.stream.sample_aspect_ratio), last)
        if last is None:
            raise BadInput(f"{self.path} holds no picture that can be read")


@contextmanager
def opened_film(path: Path) -> Iterator[Film]:
    """Open a film. Raises `BadInput` if it is not one, or the package av is missing."""
    try:
        import av
    except ImportError:
        raise BadInput(f"{path} needs the package av to be read (pip install av)") from None
    try:
        # Absolute, so that no name is taken for an address in the network.
        container = av.open(str(path.absolute()))
    except (av.FFmpegError, OSError) as error:
        raise BadInput(f"{path} cannot be read as a film ({error.strerror})") from error
    with container:
        if not container.streams.video:
            raise BadInput(f"{path} holds no pictures")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        yield Film(path, rate, _count(container, stream, rate), container, stream)


def decoded(container: Any, stream: Any) -> "Iterator[VideoFrame]":
    """Yield a stream's pictures without those that cannot be read."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except StopIteration:
            return
        except av.FFmpegError:  # a broken file: `demux` ends by itself where it cannot go on
            continue
        yield from frames


def _count(container: Any, stream: Any, rate: Fraction) -> int | None:
    if stream.frames:
        return int(stream.frames)
    if stream.duration and stream.time_base:
        return round(stream.duration * stream.time_base * rate) or None
    if container.duration:
        return round(Fraction(container.duration, 1_000_000) * rate) or None
    return None


def _upright(frame: "VideoFrame", aspect: Fraction | None) -> "Tensor":
    import numpy as np
    import torch

    width = max(round(frame.width * (aspect or 1)), 1)
    rgb = frame.reformat(width=width, height=frame.height, format="rgb24").to_ndarray()
    turned = np.rot90(rgb, round(frame.rotation / 90) % 4)  # av counts counterclockwise, as NumPy
    pixels = torch.from_numpy(np.ascontiguousarray(turned)).permute(2, 0, 1)
    return pixels.float() / 255
