"""A camera or film, stylized as it plays while stylization in one pass is the technique."""

from functools import partial

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QImage

from engine.errors import PareidoliaError
from engine.job import Job
from engine.techniques.stylize import Stylize
from gui.background import Background
from gui.flow.following import FollowFlow
from gui.flow.live import LiveFlow
from gui.run.latest import LatestOnly
from gui.run.live_painting import LivePainter, PaintedLive
from gui.wording import worded


class LivePaintingFlow(QObject):
    """Paints a source's pictures; of those that arrive meanwhile, it takes the newest."""

    def __init__(self, live: LiveFlow, follow: FollowFlow, parent: QObject) -> None:
        super().__init__(parent)
        self.live, self.follow = live, follow
        self.studio = follow.studio
        self._painter: LivePainter | None = None
        self._failed = False
        """Whether painting with the current settings failed, which is reported once."""
        self._background = Background(self, threads=1)
        self._latest = LatestOnly(self._background, self._on_painted, self._on_failed, self)
        live.painting = self.take
        live.changed.connect(self._on_live)
        self.studio.changed.connect(self._on_job)

    def take(self, image: QImage) -> bool:
        """Paint a picture and show the painting; return False if the picture is to be shown as it is."""
        if self._failed or not self.follow.on or self._lacks():
            return False
        if self._painter is None:
            controller = self.follow.controller
            self._painter = LivePainter(
                self.studio.job, self.follow.networks, controller.turn, controller.threads
            )
        self._latest.ask(partial(self._painter, image))
        return True

    def _lacks(self) -> bool:
        """Whether the job is no stylization, or one without a painting."""
        technique, inputs = self.studio.technique, self.studio.job.inputs
        return not isinstance(technique, Stylize) or (
            technique.needs_styles and not inputs.has_style
        )

    def close(self) -> bool:
        """End the thread; False: its current picture is not done yet, call again."""
        self._latest.cancel()
        if self._latest.busy:
            return False
        self._background.close()
        return True

    # -- events ---------------------------------------------------------------------------

    def _on_painted(self, made: PaintedLive) -> None:
        self.live.show(made.image, made.original)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            raise error
        if not self._failed:  # the next picture was already on its way
            self._failed = True
            self.live.failed.emit(worded(error))

    @Slot(bool)
    def _on_live(self, _on: bool) -> None:
        self._painter, self._failed = None, False
        self._latest.cancel()

    @Slot(object, object)
    def _on_job(self, _before: Job, _after: Job) -> None:
        # The picture in progress is still shown: while a slider moves there would be nothing else.
        self._painter, self._failed = None, False
