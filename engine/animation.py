"""The timeline of a run as a film: MP4, or a GIF or WebP that loops.

The moments kept of a run lie closer together near its start, where it changes most. A film shows
them one by one and cross-fades from each to the next.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.errors import BadInput, Cancelled
from engine.export import Export
from engine.files import replacing
from engine.film import check_film, film
from engine.finish import Finish, Finisher, grain_of, of_film_frame
from engine.image import to_bytes8
from engine.image_metadata import GIF_MARK, recipe_json, recipe_xmp

Bytes = npt.NDArray[np.uint8]
Moments = Sequence[Callable[[], Bytes]]
"""Each returns a picture, (H, W, 3), when it is needed."""
COLOURS = 256
"""How many colours a GIF's frame has."""
SAMPLE = 128
"""Long side of the sample that they are chosen from."""


def frame_count(export: Export) -> int:
    """Return how many frames are drawn: the last number that `write_timeline` gives to `moved`."""
    return max(2, round(export.seconds * export.rate))


def places(moments: int, export: Export) -> list[float]:
    """Return each frame's place among the moments, from 0 to their number minus one.

    There are `seconds` times `rate` frames, including the first and the last moment.
    """
    count = frame_count(export)
    times = [frame / (count - 1) for frame in range(count)]
    if export.ease != "linear":
        times = [t * t * (3 - 2 * t) for t in times]  # eased: starts and ends at rest
    return [t * (moments - 1) for t in times]


def durations(export: Export, unit: int) -> list[int]:
    """Return how long each frame stays, in milliseconds that are multiples of `unit`.

    The last one stays `hold` longer. Together they last as long as was asked for.
    """
    count = frame_count(export)
    ends = [unit * round(1000 * frame / (export.rate * unit)) for frame in range(count + 1)]
    shown = [after - before for before, after in pairwise(ends)]
    shown[-1] += unit * round(1000 * export.hold / unit)
    return shown


def write_timeline(
    moments: Moments,
    path: Path,
    export: Export,
    recipe: Mapping[str, Any] | None = None,
    moved: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] = bool,
    grain: Finish = Finish(),  # noqa: B008 - it cannot be changed
) -> Path:
    """Write the film of a run; return its path.

    Args:
        moments: the pictures, in order. All are resized to the last one's size, reduced to
            `export.film_size`.
        path: ends in .mp4, .gif or .webp.
        export: how.
        recipe: that of the last picture, written into the file.
        moved: called with the number of frames done.
        cancelled: asked before each frame whether to give up.
        grain: the finish whose grain is drawn anew for each frame, also while the film fades.

    Raises `BadInput` if it cannot be written, and `Cancelled`; neither leaves a file behind.
    """
    if not moments:
        raise BadInput(f"{path} was not written: there is no moment of the run.")
    text = None if recipe is None else recipe_json(recipe)
    video = path.suffix.lower() == ".mp4"
    held = round(export.hold * export.rate) if video else 0
    frames = _frames(moments, export, moved, cancelled, grain_of(grain), held)
    if video:
        check_film(path)
        _write_video(path, frames, export, text)
        return path
    with replacing(path) as file:
        if path.suffix.lower() == ".gif":
            _write_gif(file, frames, export, text)
        else:
            _write_webp(file, frames, export, text)
    return path


def _frames(
    moments: Moments, export: Export, moved: Callable[[int], None] | None,
    cancelled: Callable[[], bool], grain: Finish, held: int,
) -> Iterator[Bytes]:  # fmt: skip
    """Yield all frames, then the last one `held` more times."""
    size = _reduced(moments[-1](), export.film_size).shape[1::-1]
    ready: dict[int, Bytes] = {}

    def at(index: int) -> Bytes:
        if index not in ready:
            for old in [i for i in ready if i < index - 1]:
                del ready[old]
            image = Image.fromarray(moments[index]())
            if image.size != size:
                image = image.resize(size, Image.Resampling.LANCZOS)
            ready[index] = np.asarray(image)
        return ready[index]

    going = places(len(moments), export)
    for done, place in enumerate([*going, *[going[-1]] * held], 1):
        if cancelled():
            raise Cancelled("the film was not written")
        index = min(int(place), len(moments) - 1)
        share = np.float32(place - index)
        frame = at(index)
        if share > 0:
            frame = np.rint(frame * (1 - share) + at(index + 1) * share).astype(np.uint8)
        yield frame if grain == Finish() else _grained(frame, of_film_frame(grain, done))
        if moved is not None and done <= len(going):
            moved(done)


def _grained(frame: Bytes, grain: Finish) -> Bytes:
    import torch

    picture = torch.from_numpy(frame.copy()).permute(2, 0, 1).float() / 255
    return to_bytes8(Finisher(None)(picture, grain))


def _reduced(pixels: Bytes, side: int) -> Bytes:
    """Return a picture at the size of the film: even sides, which a video needs."""
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = tuple(max(2, round(each * scale) // 2 * 2) for each in (width, height))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _write_video(path: Path, frames: Iterator[Bytes], export: Export, text: str | None) -> None:
    import torch

    with film(path, export.rate, note=text or "") as take:
        for frame in frames:
            take(torch.from_numpy(frame.copy()).permute(2, 0, 1).float() / 255)


def _write_gif(file: IO[bytes], frames: Iterator[Bytes], export: Export, text: str | None) -> None:
    kept = (_with_palette(frame) for frame in frames)
    comment = {} if text is None else {"comment": GIF_MARK + text.encode()}
    next(kept).save(
        file, "GIF", save_all=True, append_images=kept, duration=durations(export, 10), loop=0,
        optimize=False, disposal=1, **comment,
    )  # fmt: skip


def _with_palette(frame: Bytes) -> Image.Image:
    image = Image.fromarray(frame)
    sample = image.copy()
    sample.thumbnail((SAMPLE, SAMPLE), Image.Resampling.NEAREST)  # using all pixels takes seconds
    palette = sample.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    return image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)


def _write_webp(file: IO[bytes], frames: Iterator[Bytes], export: Export, text: str | None) -> None:
    images = (Image.fromarray(frame) for frame in frames)
    xmp = {} if text is None else {"xmp": recipe_xmp(text)}
    next(images).save(
        file, "WEBP", save_all=True, append_images=images, duration=durations(export, 1), loop=0,
        quality=export.quality, lossless=export.lossless, **xmp,
    )  # fmt: skip
