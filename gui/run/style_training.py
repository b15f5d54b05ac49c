"""A style network trained in a thread of its own, which can be held, resumed or stopped at any step."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QImage

from engine.image import Picture, to_bytes8
from gui.background import Background
from gui.pixels import to_image
from gui.run.turn import Turn
from gui.run.worker import become_nice

if TYPE_CHECKING:
    from engine.stylization.network import StyleNetwork
    from engine.training.styles.kept import Kept
    from engine.training.styles.settings import Order
    from engine.training.styles.train import Progress

TELL_EVERY = 0.2
"""The least number of seconds between two reports."""
PREVIEW_EVERY = 4.0
"""The least number of seconds between two previews,"""
PREVIEW_SHARE = 0.05
"""and the share of the time that they may take."""


@dataclass(frozen=True)
class TrainingNews:
    """The progress of a training, for the window."""

    stage: str
    share: float
    step: int
    seconds: float
    left: float | None
    losses: dict[str, float]
    note: str
    image: QImage | None = None
    """The photo as the network paints it now; None: not painted this time."""


class _Control:
    """Tells the training's thread what the window wants."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.held = self.ended = False

    def set(self, held: bool, ended: bool = False) -> None:
        with self._condition:
            self.held, self.ended = held, self.ended or ended
            self._condition.notify_all()

    def wait(self) -> None:
        """Return once the training may go on or must end."""
        with self._condition:
            self._condition.wait_for(lambda: self.ended or not self.held)


class StyleTrainingController(QObject):
    """One training at a time, as the window sees it; lives in the GUI thread."""

    news = Signal(object)
    """`TrainingNews`."""
    changed = Signal()
    """The training was started, held or resumed, or has ended."""
    finished = Signal(object)
    """The `Order` whose network is finished."""
    stopped = Signal(object)
    """The `Order` whose training was stopped early, and is kept."""
    failed = Signal(object)
    """The exception that ended the training."""

    _told = Signal(object)

    def __init__(self, turn: Turn, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.threads = 0
        self._turn = turn
        self._background = Background(self, threads=1)
        self._control = _Control()
        self._order: Order | None = None
        self._told.connect(self._on_told, Qt.ConnectionType.QueuedConnection)

    @property
    def active(self) -> bool:
        """Whether a training is running or held."""
        return self._order is not None

    @property
    def held(self) -> bool:
        """Whether the training is held."""
        return self.active and self._control.held

    def start(
        self, order: "Order", kept: "Kept | None", photo: Callable[[], Picture] | None
    ) -> None:
        """Start, or continue from what was kept; `photo` opens the photo for previews."""
        assert not self.active
        self._order, self._control = order, _Control()
        self._background.submit(
            lambda: self._train(order, kept, photo), self._on_done, self._on_failed
        )
        self.changed.emit()

    def hold(self, on: bool) -> None:
        """Hold after the current step, keeping what has been learned, or go on."""
        self._control.set(held=on)
        self.changed.emit()

    def stop(self) -> None:
        """End after the current step, keeping what has been learned."""
        self._control.set(held=False, ended=True)
        self.changed.emit()

    def close(self) -> bool:
        """Stop; False: the current step has not ended yet, call again."""
        self.stop()
        if self.active:
            return False
        self._background.close()
        return True

    # -- in the training's thread ---------------------------------------------------------

    def _train(
        self, order: "Order", kept: "Kept | None", photo: Callable[[], Picture] | None
    ) -> bool:
        """Train; return whether the network is finished."""
        from engine.training.styles.train import train

        become_nice(self.threads)
        previews = _Previews(photo)
        stage, told = "", 0.0
        with closing(train(order, kept)) as steps:
            while (progress := self._next(steps)) is not None:
                image = previews.next(progress)
                stage, now = progress.stage, time.monotonic()
                if image is not None or stage == "done" or now - told >= TELL_EVERY:
                    told = now
                    self._told.emit(_news(progress, image))
                if self._control.held and progress.keep is not None:
                    progress.keep()
                self._control.wait()
                if self._control.ended:
                    break
        return stage == "done"

    def _next(self, steps: "Iterator[Progress]") -> "Progress | None":
        """Take a step; the queue waits for it, and may run before the next."""
        with self._turn.of_window():
            return next(steps, None)

    # -- in the window's thread -----------------------------------------------------------

    @Slot(object)
    def _on_told(self, news: TrainingNews) -> None:
        if self.active:
            self.news.emit(news)

    def _on_done(self, finished: bool) -> None:
        order, self._order = self._order, None
        self.changed.emit()
        (self.finished if finished else self.stopped).emit(order)

    def _on_failed(self, error: BaseException) -> None:
        self._order = None
        self.changed.emit()
        self.failed.emit(error)


class _Previews:
    """Paints a photo now and then with the network in its current state."""

    def __init__(self, photo: Callable[[], Picture] | None) -> None:
        self._open = photo
        self._photo: Picture | None = None
        self._due = 0.0

    def next(self, progress: "Progress") -> QImage | None:
        """Return the painted photo, if it is time for a preview."""
        now = time.monotonic()
        if self._open is None or progress.network is None:
            return None
        if now < self._due and progress.stage != "done":
            return None
        image = self._painted(progress.network())
        took = time.monotonic() - now
        self._due = time.monotonic() + max(PREVIEW_EVERY, took / PREVIEW_SHARE)
        return image

    def _painted(self, network: "StyleNetwork") -> QImage:
        from engine.stylization.stylize import stylize

        assert self._open is not None
        if self._photo is None:
            self._photo = self._open()
        device = next(network.parameters()).device
        return to_image(to_bytes8(stylize(self._photo, network=network, device=device)[0].cpu()))


def _news(progress: "Progress", image: QImage | None) -> TrainingNews:
    return TrainingNews(
        progress.stage, progress.share, progress.step, progress.seconds, progress.left,
        dict(progress.losses), progress.note, image,
    )  # fmt: skip
