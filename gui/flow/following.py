"""A result that follows what is set up, without Run, where one pass makes it; or a preview of one."""

from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, QSize, QTimer, Slot
from PySide6.QtWidgets import QWidget

from engine.errors import PareidoliaError
from engine.finish import Finish, Finisher
from engine.job import Inputs, Job
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.stylize import Stylize
from gui.background import Background
from gui.flow.live import LiveFlow
from gui.flow.readiness import missing
from gui.flow.running import RunFlow
from gui.flow.shown_run import RunRecord
from gui.run.controller import State
from gui.run.following import Followed, followed
from gui.run.history import Moment
from gui.run.latest import LatestOnly
from gui.run.networks import Networks
from gui.run.pace import words
from gui.run.referenced import photo_of
from gui.run.worker import RunResult
from gui.wording import worded

SETTLE_MS = 50
"""Changes that come together are one question."""
STANDS_MS = 10_000
"""A result that is looked at so long becomes a variant."""
FIRST_PREVIEW, PREVIEW_SIZE = 256, 512
"""Pixels of a preview's longer side, at most: of the one that comes at once, and of the better one."""
CARRIED = {"colour": "colour", "colour_strength": "colour_strength", "style_scale": "stroke_size"}
"""Settings of style transfer, and which of stylization in one pass mean the same."""


class FollowFlow(QObject):
    """Asks for the newest job's result; what has become stale is given up.

    Of style transfer, which takes its time, it is a preview: never more than a picture on the canvas.
    """

    def __init__(
        self, running: RunFlow, networks: Networks, live: LiveFlow, window: QWidget
    ) -> None:
        super().__init__(window)
        self.running, self.networks, self.live, self.window = running, networks, live, window
        self.studio, self.controller = running.studio, running.controller
        self.on = False
        self.previews = True
        """Whether style transfer is previewed."""
        self._preview_size = FIRST_PREVIEW
        self._number = 0
        """Of the newest question; whatever belongs to another is stale. Any thread may read it."""
        self._given_up = False
        """Whether not even a first picture is wanted; so may this."""
        self._missed = False
        """Whether something was changed while a run was under way."""
        self._record: RunRecord | None = None
        """A finished result that is no variant yet."""
        self._background = Background(self, threads=1)
        self._latest = LatestOnly(
            self._background, self._on_done, self._on_failed, self, self._on_way
        )
        self._settling = self._timer(SETTLE_MS, self._ask)
        self._standing = self._timer(STANDS_MS, self.keep)
        self.studio.changed.connect(self._on_job)
        self.controller.state_changed.connect(self._on_state)
        live.changed.connect(self._on_live)

    def _timer(self, interval: int, act: object) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(act)
        return timer

    @property
    def busy(self) -> bool:
        """Whether a result is on its way."""
        return self._settling.isActive() or self._latest.busy

    @property
    def follows(self) -> bool:
        """Whether there is anything to follow now."""
        return self.on and not self.live.active and self._wanted(self.studio.job) is not None

    def _wanted(self, job: Job) -> Job | None:
        """Return what is painted of a job without Run; None: nothing is."""
        if missing(job):
            return None
        if isinstance(job.technique, Stylize):
            return job
        return preview_of(job, self._preview_size) if self.previews else None

    def switch(self, on: bool) -> None:
        """Follow what is set up from now on, or no more."""
        if on != self.on:
            self.on = on
            self.forget()
            if on and self.window.isVisible() and isinstance(self.studio.technique, Stylize):
                self._wait()

    def begin(self) -> None:
        """Ask for the result of what the window has been opened with, unless it shows one."""
        if self.running.record is None and isinstance(self.studio.technique, Stylize):
            self._wait()

    def forget(self) -> None:
        """Give up what is on its way."""
        if self.busy and not self.controller.active:
            self.running.bar.finish("")  # it says that something is painted
        self._number += 1
        self._given_up = True
        self._settling.stop()
        self._latest.cancel()

    @Slot()
    def keep(self) -> None:
        """Make a variant of the finished result on the canvas, unless it is one already."""
        self._standing.stop()
        record, self._record = self._record, None
        if record is None or record is not self.running.record or record.result is None:
            return
        variants, running = self.running.variants, self.running
        record.entry = variants.begin(
            record.job, record.total, None, running.finish(), running.branching.of(record.job)
        )
        variants.end(record.entry)
        variants.keep(record.entry, record.result, record.moments or (), record.losses)
        running.turned.emit()

    def close(self) -> bool:
        """End the thread; False where its present step has not ended yet: ask again."""
        self._standing.stop()
        self.forget()
        if self._latest.busy:
            return False
        self._background.close()
        return True

    # -- what happens ---------------------------------------------------------------------

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if replace(before, finish=after.finish) == after:
            return
        self._standing.stop()
        self._record = None
        wanted, own = self._wanted(after), isinstance(after.technique, Stylize)
        if self.controller.active:
            self._missed = own
        elif self.studio.loading or wanted is None:
            self._give_up()
        elif isinstance(before.technique, Stylize) and not own:
            self.forget()  # its result stays on the canvas: it can still be exported
        elif own or wanted != self._wanted(before):
            self._wait()

    def _give_up(self) -> None:
        """Forget what is on its way, and show no preview of what is not set up any more."""
        self.forget()
        current = self.running.canvas_content.current
        if current is not None and current.kind == "preview":
            self.running.canvas_content.show_content()

    @Slot(object)
    def _on_state(self, state: State) -> None:
        if state is State.PREPARING:
            self._standing.stop()
            self._missed, self._record = False, None
            self.forget()
        elif state is State.IDLE and self._missed:
            self._missed = False
            self._wait()

    @Slot(bool)
    def _on_live(self, on: bool) -> None:
        if on:
            self.forget()

    def _wait(self) -> None:
        """Ask soon; what is under way is stale now, but its next picture may still be of use."""
        self._number += 1
        self._preview_size = FIRST_PREVIEW
        if self.follows:
            self.running.forgo_forecast()
            self._settling.start()

    @Slot()
    def _ask(self) -> None:
        job = self._wanted(self.studio.job)
        if self.controller.active or not self.follows or job is None:
            return
        number = self._number

        def stale() -> bool:
            return self._number != number

        def useless() -> bool:
            return self._given_up or not self._is_of_now(job)

        self._given_up = False
        if isinstance(self.studio.technique, Stylize):
            self.running.bar.finish(self.tr("painting…"))
        self._latest.ask(
            partial(
                followed, number, job, self.networks, self.controller.turn, stale, useless,
                self.controller.threads,
            )
        )  # fmt: skip

    def _on_way(self, made: Followed) -> None:
        """Show a picture on its way, also one that a slider in motion has left behind."""
        content = self.running.canvas_content
        if not self.follows or self.controller.active or not self._is_of_now(made.job):
            return
        if isinstance(self.studio.technique, Stylize):
            height, width = made.size
            content.show_preview(made.image, QSize(width, height))
        elif content.current is None or content.current.kind not in ("input", "live"):
            size = content.size_of_result() or made.image.size()
            content.show_preview(made.image, size, self.tr("Preview: stylized in one pass"))

    def _is_of_now(self, job: Job) -> bool:
        now = self._wanted(self.studio.job)
        return now is not None and (job.inputs, job.network, job.size) == (
            now.inputs, now.network, now.size
        )  # fmt: skip

    def _on_done(self, made: Followed | None) -> None:
        own = isinstance(self.studio.technique, Stylize)
        if made is not None and made.result is not None:
            if made.number != self._number:
                self._on_way(made)
            elif own:
                self._take_up(made, made.result)
            else:
                self._on_way(made)
                self._ask_better(made.job)
        if not own and not self.busy:
            self.running.wait_for_forecast()

    def _ask_better(self, shown: Job) -> None:
        """Ask for a larger preview than the one that is shown, if there is any."""
        self._preview_size = PREVIEW_SIZE
        if self._wanted(self.studio.job) != shown:
            self._ask()

    def _take_up(self, made: Followed, result: RunResult) -> None:
        moment = Moment(result.iteration, result.total, "", made.image)
        record = RunRecord(
            result.job, result=result, finisher=Finisher(photo_of(result)), moments=[moment],
            total=result.total,
        )  # fmt: skip
        self._record = record
        self.running.take_up(record, made.image)
        text = self.tr("done in {0}").format(words(result.seconds))
        self.running.bar.finish(text, self.running.bar.progress.maximum())
        self.running.finished.emit()
        if result.note:
            self.running.said.emit(worded(result.note))
        self._standing.start()

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            raise error
        if isinstance(self.studio.technique, Stylize):
            self.running.bar.finish(worded(error))
        else:
            self.running.wait_for_forecast()  # which says the same, or has nothing against it


def preview_of(job: Job, side: int = PREVIEW_SIZE) -> Job | None:
    """Return the stylization in one pass that foretells a style transfer; None of other techniques.

    `side`: pixels of its longer side, at most.
    """
    technique = job.technique
    if not isinstance(technique, StyleTransfer) or not job.inputs.content:
        return None
    carried = {other: getattr(technique, name) for name, other in CARRIED.items()}
    return replace(
        job,
        technique=Stylize(**carried),
        inputs=Inputs(job.inputs.content, job.inputs.styles, regions=job.inputs.regions),
        size=min(job.size or side, side),
        changes=(),
        stop_after=None,
        finish=Finish(),
    )
