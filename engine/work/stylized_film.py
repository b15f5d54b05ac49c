"""A film stylized in one pass, frame by frame and without flicker, its sound kept."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from engine.film import check_film, partial_film, timed_film
from engine.film_reader import opened_film
from engine.film_sound import Sound
from engine.finish import Finish, Finisher, of_film_frame
from engine.image import from_tensor
from engine.job import Job, opened, prepare
from engine.networks.network import Network
from engine.outputs import Sources, keep_apart
from engine.parameterization.scales import fit, resize_picture
from engine.stylization.steady import Steadied, SteadyPainter
from engine.stylization.stylize import Painted

Shown = Callable[[int, int | None], None]
"""Called with how many frames are done, and of how many, as far as that is known."""


@dataclass(frozen=True)
class StylizedFilm:
    """The result."""

    path: Path
    frames: int
    seconds: float
    """How long it took."""
    scenes: int
    flicker: float
    """Mean change of the pictures, in 255ths, where the film itself stands still."""
    stopped: bool
    """Whether there should have been more; then `path` has `.partial` in its name."""
    size: tuple[int, int]
    """Height and width."""
    note: str = ""


def stylize_film(
    job: Job, source: Path, output: Path, network: Network,
    stopped: Callable[[], bool] = bool, shown: Shown = lambda done, total: None,
) -> StylizedFilm:  # fmt: skip
    """Paint each frame of a film and write them as another, at the same times and with the sound.

    Args:
        job: a stylization in one pass, with its paintings; its photo is each frame in turn.
        source: a film.
        output: a video by its suffix (.mp4, .mkv, .webm), or a folder for single pictures.
        network: the job's.
        stopped: asked after each frame whether to end.
        shown: is told of each frame.

    Raises `BadInput` if the film or a painting cannot be read, or nothing can be written.
    """
    check_film(output)
    keep_apart([output], Sources((source,)))
    began, done, scenes, flickers, ended, size = time.perf_counter(), 0, 0, [], False, (0, 0)
    painter = SteadyPainter(Scenes(job, network).begin)
    with (
        opened_film(source) as film,
        Sound(source) as sound,
        timed_film(output, float(film.rate), lambda: ended, _note(job, film.side), sound) as take,
    ):
        for frame in film.frames():
            photo = sized(frame.picture, job.size, size)
            size = (photo.shape[2], photo.shape[3])
            painted = painter.paint(photo.to(network.device))
            done, scenes = done + 1, scenes + painted.cut
            take(_finished(painted.picture, photo, job.finish, done), frame.at)
            flickers += _known(painted)
            shown(done, film.count)
            if stopped():
                ended = True
                break
    return StylizedFilm(
        partial_film(output) if ended else output,
        done,
        time.perf_counter() - began,
        scenes,
        sum(flickers) / len(flickers) if flickers else 0.0,
        ended,
        size,
        painter.painted.note if painter.painted else "",
    )


class Scenes:
    """Prepares the job for the first frame of each scene, as it would be for a photo."""

    def __init__(self, job: Job, network: Network) -> None:
        """Take a job without a photo; the network is its own."""
        self._job, self._network = job, network

    def begin(self, frame: Tensor) -> Painted:
        """Return what paints the scene that begins with a frame (1, 3, H, W)."""
        inputs = replace(self._job.inputs, content=from_tensor(frame[0].cpu()))
        # The paintings are opened once: they stay as large as the first scene needs them.
        self._job = opened(replace(self._job, size=max(frame.shape[2:]), inputs=inputs))
        return self._job.technique.painter(prepare(self._job, self._network))


def _note(job: Job, side: int) -> str:
    """Return what the film was made with, except its source, which would have to be read twice."""
    inputs = replace(job.inputs, content=None)
    return json.dumps(replace(job, size=min(job.size or side, side), inputs=inputs).recipe())


def _finished(picture: Tensor, photo: Tensor, finish: Finish, number: int) -> Tensor:
    """Return a frame (3, H, W) as it is written."""
    made = picture[0].float().cpu()
    if finish == Finish():
        return made
    return Finisher(from_tensor(photo[0]))(made, of_film_frame(finish, number))


def _known(painted: Steadied) -> list[float]:
    return [] if painted.flicker is None else [painted.flicker]


def sized(picture: Tensor, side: int | None, size: tuple[int, int]) -> Tensor:
    """Return a frame (3, H, W) as (1, 3, H, W), with even sides, at most `side` pixels long.

    All frames have the `size` of the first, even if the film changes its own.
    """
    height, width = picture.shape[1:]
    if size == (0, 0):
        found = fit((height, width), min(side or max(height, width), max(height, width)))
        size = (max(found[0] // 2 * 2, 2), max(found[1] // 2 * 2, 2))
    return picture[None] if size == (height, width) else resize_picture(picture[None], size)
