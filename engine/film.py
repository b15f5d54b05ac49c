"""Films: the finished frames of a run as numbered pictures in a folder, or as a video."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, Cancelled
from engine.files import check_writable, growing, unfinished_folder
from engine.film_sound import Sound
from engine.image import from_tensor, open_picture, save_picture, to_bytes8

if TYPE_CHECKING:
    from torch import Tensor

CODECS = {".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9"}
CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".webm": "webm"}
# A file that ends anywhere can be played up to there: MP4 in fragments, which a finished film no longer
# needs, Matroska in short clusters. Without delay_moov, pictures come two frames later than the sound.
_IN_PIECES = {
    ".mp4": {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "1000000"},  # µs
    ".mkv": {"cluster_time_limit": "1000"},  # ms
    ".webm": {"cluster_time_limit": "1000"},
}
HD_LINES = 720
"""From here on the matrix is BT.709's, below it BT.601's, as assumed by players that read no tags."""
# Code points of ITU-T H.273, which all three containers carry. sRGB has the primaries of BT.709 in
# films of any size, and every common player shows its samples as BT.709's.
_BT709, _SMPTE170M, _LIMITED = 1, 6, 1

CLOCK = Fraction(1, 90_000)
"""Time base of films whose frames have times: all usual rates divide it evenly."""

Take = Callable[["Tensor"], None]
"""Takes the next frame, (3, H, W) in [0, 1]."""
TimedTake = Callable[["Tensor", Fraction], None]
"""Takes the next frame and when it is shown, in seconds from the beginning."""
Change = Callable[["Tensor", int], "Tensor"]
"""Takes a frame and its number, from 1; returns another frame of the same shape."""


def check_film(path: Path) -> None:
    """Check, before hours of work, that a film can be written.

    Raises:
        BadInput: the suffix is not a video's, the encoder for it is not installed, nothing can be
            written there, or the folder already holds a film.
    """
    suffix = path.suffix.lower()
    if suffix in CODECS:
        _check_codec(path, CODECS[suffix])
        check_writable(path)
        return
    if suffix:
        kinds = ", ".join(CODECS)
        raise BadInput(f"{path} is not a film: end its name in {kinds}, or name a folder")
    if next(path.glob("frame-*.png"), None) is not None:
        raise BadInput(f"{path} already holds the frames of a film: name a new folder")
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise BadInput(f"{path} cannot be made ({there} is a file): name another folder")
    check_writable(there / "frame-00001.png")


def _check_codec(path: Path, codec: str) -> None:
    try:
        import av
    except ImportError:
        raise BadInput(
            f"{path} needs the package av (pip install av); or name a folder for single pictures"
        ) from None
    try:
        av.Codec(codec, "w")
    except ValueError:  # av has been built without it
        raise BadInput(
            f"{path} needs the encoder {codec}, which the installed av lacks; choose another suffix"
            f" of {', '.join(CODECS)}, or name a folder for single pictures"
        ) from None


def read_note(path: Path) -> str:
    """Return a video's comment; empty if it has none. Raises `BadInput` if it is not a video."""
    try:
        import av
    except ImportError:
        raise BadInput(f"{path} needs the package av to be read (pip install av)") from None
    try:
        with av.open(str(path)) as container:
            return str(container.metadata.get("comment", ""))
    except (av.FFmpegError, OSError) as error:
        raise BadInput(f"{path} cannot be read as a video ({error.strerror})") from error


def partial_film(path: Path) -> Path:
    """Return where a film that was stopped goes: for a folder of frames, the folder itself."""
    if path.suffix.lower() not in CODECS:
        return path
    return path.with_name(f"{path.stem}.partial{path.suffix}")


@contextmanager
def timed_film(
    path: Path, rate: float, stopped: Callable[[], bool] = bool, note: str = "",
    sound: Sound | None = None,
) -> Iterator[TimedTake]:  # fmt: skip
    """Open a film whose frames say when they are shown, and that may have sound.

    As `film`, whose folders of pictures have neither times nor sound. `rate` is the average one.
    """
    suffix = path.suffix.lower()
    if suffix not in CODECS:
        with film(path, rate, stopped, note) as take:
            yield lambda picture, at: take(picture)
        return
    with _video(path, rate, stopped, note, sound) as video:
        yield video.add


@contextmanager
def film(
    path: Path | None, rate: float = 24.0, stopped: Callable[[], bool] = bool, note: str = ""
) -> Iterator[Take]:
    """Open a film: a video by its suffix (.mp4, .mkv, .webm), else a folder of PNG files.

    A video grows in `partial_film(path)`, or beside it if that exists, and is renamed at the end. What
    there is of it can be played at any time, also if the program is killed or an error ends it.

    Args:
        path: where to; None: all frames are dropped.
        rate: frames a second.
        stopped: asked at the end whether there should have been more; if so, the video goes to
            `partial_film(path)`.
        note: text that a video carries as its comment.

    Raises:
        BadInput: as `check_film`, or there was not a single frame, or writing failed.
    """
    if path is None:
        yield lambda picture: None
        return
    if path.suffix.lower() not in CODECS:
        check_film(path)
        yield _Folder(path).add
        return
    with _video(path, rate, stopped, note) as video:
        yield video.add


@contextmanager
def _video(
    path: Path, rate: float, stopped: Callable[[], bool], note: str, sound: Sound | None = None,
    kept: bool = True,
) -> "Iterator[_Video]":  # fmt: skip
    """Open a video; `kept`: what there is of it stays if an error ends it."""
    import av

    check_film(path)
    suffix = path.suffix.lower()
    video: _Video | None = None
    try:
        with (
            growing(path, lambda: partial_film(path) if stopped() else path,
                    lambda: kept and video is not None and bool(video.stream)) as file,
            av.open(file, "w", format=CONTAINERS[suffix], options=_IN_PIECES[suffix]) as container,
        ):  # fmt: skip
            if note:
                container.metadata["comment"] = note
            video = _Video(container, CODECS[suffix], rate, sound)
            try:
                yield video
            except BaseException:
                with suppress(av.FFmpegError, OSError, ValueError):
                    video.finish(whole=False)
                raise
            video.finish(whole=not stopped())
            if not video.stream:
                raise BadInput(f"{path} was not written: not a single frame was finished")
    except av.FFmpegError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror})") from error


def assemble(
    pictures: Sequence[Path], path: Path, rate: float = 24.0,
    moved: Callable[[int], None] | None = None, cancelled: Callable[[], bool] = bool,
    change: Change | None = None,
) -> Path:  # fmt: skip
    """Make a film of pictures in files, all of one size; return its path.

    Unlike the frames of a run, a folder of them is complete or not there at all.

    Args:
        pictures: the frames, in order.
        path: a video by its suffix, or a folder that does not exist yet or is empty.
        rate: frames a second.
        moved: called with the number of frames done.
        cancelled: asked before each frame whether to give up.
        change: what is done to each frame before it is written.

    Raises `BadInput` as `film` does, and `Cancelled`; neither leaves anything behind.
    """
    if not pictures:
        raise BadInput(f"{path} was not written: not a single frame was finished")
    if path.suffix:
        _fill(path, pictures, rate, moved, cancelled, change)
        return path
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise BadInput(f"{path} exists and is not empty: name a new folder for the frames")
    try:
        with unfinished_folder(path.parent) as beside:
            frames = beside / "frames"  # with the usual permissions, unlike the folder around it
            _fill(frames, pictures, rate, moved, cancelled, change)
            if path.exists():
                path.rmdir()
            frames.rename(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be made ({error.strerror})") from error
    return path


@contextmanager
def _assembled(path: Path, rate: float) -> Iterator[Take]:
    """Open a film of which nothing stays if it is not finished: its pictures are still there."""
    if path.suffix.lower() not in CODECS:
        with film(path, rate) as take:
            yield take
        return
    with _video(path, rate, bool, "", kept=False) as video:
        yield video.add


def _fill(
    path: Path, pictures: Sequence[Path], rate: float, moved: Callable[[int], None] | None,
    cancelled: Callable[[], bool], change: Change | None,
) -> None:  # fmt: skip
    with _assembled(path, rate) as take:
        for done, picture in enumerate(pictures, 1):
            if cancelled():
                raise Cancelled(f"{path} was not written")
            frame = open_picture(picture).tensor()
            take(frame if change is None else change(frame, done))
            if moved is not None:
                moved(done)


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
    def __init__(self, container: Any, codec: str, rate: float, sound: Sound | None = None) -> None:
        self.container, self.codec, self.rate, self.sound = container, codec, rate, sound
        self.stream: Any = None

    def add(self, picture: "Tensor", at: Fraction | None = None) -> None:
        import av

        pixels = to_bytes8(picture)
        # The codecs keep colour at half the size: sides must be even.
        pixels = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
        if not pixels.size:
            raise BadInput(
                f"{picture.shape[2]} x {picture.shape[1]} pixels are too few for a video;"
                " name a folder for single pictures"
            )
        if self.stream is None:
            self.stream = self.container.add_stream(
                self.codec, rate=Fraction(self.rate).limit_denominator(1000)
            )
            self.stream.height, self.stream.width = pixels.shape[:2]
            self.stream.pix_fmt = "yuv420p"
            self.stream.options = {"crf": "18"}
            codec = self.stream.codec_context
            codec.colorspace = _BT709 if len(pixels) >= HD_LINES else _SMPTE170M
            codec.color_primaries = codec.color_trc = _BT709
            codec.color_range = _LIMITED
            if at is not None:
                codec.time_base = CLOCK
            if self.sound is not None:
                self.sound.begin(self.container)
        # Converted here to match the tags: encoding an RGB frame converts by BT.601 whatever they
        # say.
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=self.stream.codec_context.colorspace,
            dst_color_range=_LIMITED,
        )  # fmt: skip
        if at is not None:
            frame.pts, frame.time_base = round(at / CLOCK), CLOCK
        self.container.mux(self.stream.encode(frame))
        if self.sound is not None and at is not None:
            self.sound.write(at)

    def finish(self, whole: bool) -> None:
        if self.stream is not None:
            self.container.mux(self.stream.encode())
            if self.sound is not None:
                self.sound.finish(whole)
