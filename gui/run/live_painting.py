"""The pictures of a camera or film stylized in one pass, one after the other, in a thread of its own."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from engine.job import Job
from gui.pixels import picture_of, to_image
from gui.run.networks import Networks
from gui.run.turn import Turn
from gui.run.worker import become_nice

if TYPE_CHECKING:
    from engine.stylization.steady import SteadyPainter

SIDE = 320
"""The longest side of what is painted, in pixels: more would take too long on a CPU."""


@dataclass(frozen=True)
class PaintedLive:
    """A picture from a source, and the painting made of it."""

    image: QImage
    original: QImage


class LivePainter:
    """Paints the pictures of one source for one job; one thread at a time calls it."""

    def __init__(self, job: Job, networks: Networks, turn: Turn, threads: int = 0) -> None:
        """Nothing is loaded before the first picture."""
        side = min(job.size or SIDE, SIDE)
        self._job = replace(job, size=side, inputs=replace(job.inputs, content=None))
        self._networks, self._turn, self._threads = networks, turn, threads
        self._steady: SteadyPainter | None = None
        self._size = (0, 0)

    def __call__(self, image: QImage) -> PaintedLive:
        """Return the next picture painted. Raises what a run raises."""
        from engine.image import to_bytes8
        from engine.work.stylized_film import sized

        with self._turn.of_window():
            become_nice(self._threads)
            steady = self._steady = self._steady or self._begin()
            photo = sized(picture_of(image).tensor(), self._job.size, self._size)
            self._size = (photo.shape[2], photo.shape[3])
            made = steady.paint(photo)
            pixels = to_bytes8(made.picture[0].float().cpu())
        return PaintedLive(to_image(pixels), image)

    def _begin(self) -> "SteadyPainter":
        from engine.device import choose_device, choose_precision
        from engine.stylization.steady import SteadyPainter
        from engine.work.stylized_film import Scenes

        job = self._job
        device = choose_device(job.device)
        network = self._networks.get(job.network, job.weights, job.preprocessing)
        there = network.at(device, choose_precision(job.precision, device))
        return SteadyPainter(Scenes(job, there).begin)
