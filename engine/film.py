"""Films: the finished frames of a run as numbered pictures in a folder, or as a video."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.image import from_tensor, save_picture, to_bytes8

if TYPE_CHECKING:
    from torch import Tensor

CODECS = {".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9"}


Take = Callable[["Tensor"], None]
"""Takes the next frame, (3, H, W) in [0, 1]."""


@contextmanager
def film(path: Path | None, rate: float = 24.0) -> Iterator[Take]:
    """Open a film: a video by its suffix (.mp4, .mkv, .webm), else a folder of PNG files.

    None: what is taken is dropped.

    A video is written beside its place and renamed at the end. Raises `BadInput`, also when the
    optional package for videos is not installed.
    """
    if path is None:
        yield lambda picture: None
        return
    if path.suffix.lower() not in CODECS:
        if path.suffix:
            kinds = ", ".join(CODECS)
            raise BadInput(f"{path} is no film: end it in {kinds}, or name a folder")
        yield _Folder(path).add
        return
    if not path.parent.is_dir():
        raise BadInput(f"{path} cannot be written: the folder {path.parent} does not exist")
    try:
        import av
    except ImportError:
        raise BadInput(
            f"{path} needs the package av (pip install av); or name a folder for single pictures"
        ) from None
    beside = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with av.open(str(beside), "w") as container:
            video = _Video(container, CODECS[path.suffix.lower()], rate)
            yield video.add
            video.finish()
        if not video.stream:
            raise BadInput(f"{path} was not written: not a single frame was finished")
        beside.replace(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror or error})") from error
    finally:
        beside.unlink(missing_ok=True)


class _Folder:
    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{folder} cannot be made ({error.strerror})") from error
        self.folder, self.count = folder, 0

    def add(self, picture: "Tensor") -> None:
        self.count += 1
        save_picture(from_tensor(picture), self.folder / f"frame-{self.count:05}.png")


class _Video:
    def __init__(self, container: Any, codec: str, rate: float) -> None:
        self.container, self.codec, self.rate = container, codec, rate
        self.stream: Any = None

    def add(self, picture: "Tensor") -> None:
        import av

        pixels = to_bytes8(picture)
        # The codecs keep colour at half the size: sides must be even.
        pixels = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
        if self.stream is None:
            self.stream = self.container.add_stream(
                self.codec, rate=Fraction(self.rate).limit_denominator(1000)
            )
            self.stream.height, self.stream.width = pixels.shape[:2]
            self.stream.pix_fmt = "yuv420p"
            self.stream.options = {"crf": "18"}
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        if self.stream is not None:
            self.container.mux(self.stream.encode())
