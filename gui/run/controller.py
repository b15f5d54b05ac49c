"""The run as the window sees it: start, pause, steer, stop; lives in the GUI thread.

Owns the engine's thread and its worker. Panels and tests connect to this, never to the worker.
"""

import threading
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot

from engine.job import Job
from engine.task import Labels, Technique
from gui.run.film_frames import FilmFrames
from gui.run.history import History, Moment
from gui.run.keeping import EVERY, KeepSchedule
from gui.run.mailbox import Mailbox
from gui.run.networks import Networks
from gui.run.pace import Pace
from gui.run.turn import Turn
from gui.run.worker import EngineWorker, RunRequest, RunResult

if TYPE_CHECKING:
    from engine.task import Stage

TICK_MS = 33
"""At most 30 pictures a second reach the screen."""
PATIENCE_MS = 30_000
"""How long closing waits for an iteration to end before it is asked again."""


class State(StrEnum):
    """What the run is doing."""

    IDLE = "idle"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"


class RunController(QObject):
    """One run at a time."""

    state_changed = Signal(object)
    """`State`."""
    begun = Signal(object, str, object)
    """Stages of the run; device and precision in words; the job, its pictures opened."""
    shown = Signal(object)
    """`PreviewImage`: the newest picture."""
    points = Signal(list)
    """New (iteration, losses), none left out."""
    history_changed = Signal()
    steered = Signal(int, object)
    """Iteration, and the live settings that took effect with it."""
    kept = Signal(object)
    """`RunResult` of the current run so far, to be written; None: there is nothing yet."""
    ended = Signal(object)
    """`RunResult`, or None when there is no picture."""
    failed = Signal(str, str)
    """One sentence, and details, perhaps empty."""
    forecast_made = Signal(object)
    """`Forecast`, or a sentence that says why there is none."""

    _run_asked = Signal(object)
    _forecast_asked = Signal(int, object, object)

    def __init__(
        self, networks: Networks, history_bytes: int = 256 << 20, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.state = State.IDLE
        self.history = History(history_bytes)
        self.pace = Pace()
        self.threads = 0
        self.keep_every = EVERY
        """The least time between two checkpoints of the run, in seconds."""
        self.schedule = KeepSchedule(self.keep_every)
        """Of the current run, or of the last one."""
        self._mailbox = Mailbox()
        self._number = 0
        self._request: RunRequest | None = None
        self._question = 0
        self._question_cancelled = threading.Event()
        self._thread = QThread(self)
        self._thread.setObjectName("engine")
        self.turn = Turn()
        """Held by whichever computes: the queue waits for the window."""
        self._worker = EngineWorker(networks, self._mailbox, self.history, self.turn)
        self._worker.moveToThread(self._thread)
        self._run_asked.connect(self._worker.run, Qt.ConnectionType.QueuedConnection)
        self._forecast_asked.connect(self._worker.forecast, Qt.ConnectionType.QueuedConnection)
        self._worker.news.connect(self._on_news)
        self._worker.begun.connect(self._on_begun)
        self._worker.steered.connect(self._on_steered)
        self._worker.kept.connect(self._on_kept)
        self._worker.ended.connect(self._on_ended)
        self._worker.failed.connect(self._on_failed)
        self._worker.forecast_made.connect(self._on_forecast)
        self._tick = QTimer(self)
        self._tick.setSingleShot(True)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self._take)
        self._thread.start()

    # -- requests -------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether a run is under way."""
        return self.state is not State.IDLE

    @property
    def job(self) -> Job | None:
        """The job of the current run."""
        return self._request.job if self._request else None

    @property
    def note(self) -> str:
        """What the user should know if the current run was continued."""
        return self._request.note if self._request else ""

    @property
    def film_frames(self) -> FilmFrames | None:
        """The film of the current run."""
        return self._request.film_frames if self._request else None

    @property
    def labels(self) -> Labels | None:
        """Names of the pictures on the current run's sheet; None: one picture, unnamed."""
        return self._request.labels if self._request else None

    def start(
        self, job: Job, *, paused: bool = False, checkpoint: bytes | None = None,
        moments: Sequence[Moment] = (), film_frames: FilmFrames | None = None,
    ) -> None:  # fmt: skip
        """Begin a run; `paused` holds it before its first iteration. Ignored while one is active.

        Changes and a stop that the job has from its recipe are repeated. With the `checkpoint` of such
        a run, it continues from there; `moments` are those of its timeline and `film_frames` those of
        its film so far.
        """
        if self.active:
            return
        self.cancel_forecast()
        self._mailbox.take()
        self.history.clear()
        for moment in moments:
            self.history.add(moment)
        self.pace = Pace()
        self._number += 1
        self.schedule = KeepSchedule(self.keep_every)
        self._request = RunRequest(
            self._number, job, self.threads, schedule=self.schedule, checkpoint=checkpoint,
            film_frames=FilmFrames() if film_frames is None else film_frames,
        )  # fmt: skip
        if paused:
            self._request.control.pause(True)
            self._request.control.step()
        self._set_state(State.PREPARING)
        self._run_asked.emit(self._request)

    def pause(self) -> None:
        """Hold the run after the current iteration."""
        if self._request and self.state is State.RUNNING:
            self._request.control.pause(True)
            self.pace.pause()
            self._set_state(State.PAUSED)

    def resume(self) -> None:
        """Resume a held run."""
        if self._request and self.state is State.PAUSED:
            self._request.control.pause(False)
            self.pace.resume()
            self._set_state(State.RUNNING)

    def step(self, job: Job) -> None:
        """Do one more iteration of a held run; hold a running one; without a run, begin a held one."""
        if self.state is State.IDLE:
            self.start(job, paused=True)
        elif self.state is State.RUNNING:
            self.pause()
        elif self._request and self.state is State.PAUSED:
            self._request.control.step()

    def stop(self) -> None:
        """End the run after the current iteration; its picture is kept."""
        if self._request and self.active:
            self._request.control.stop()
            self._set_state(State.STOPPING)

    def keep(self) -> None:
        """Have the current run kept after its current iteration; `kept` or `ended` follows."""
        if self._request and self.active:
            self._request.schedule.ask()
            self._request.control.nudge()

    def steer(self, technique: Technique, before: Technique | None = None) -> None:
        """Let a changed technique's live settings take effect at the next iteration.

        With `before`, only those that differ from it.
        """
        if self._request and self.active:
            self._request.steering.change(technique, before)

    def weigh(self, weights: Sequence[float]) -> None:
        """Let other weights of the styles take effect at the next iteration."""
        if self._request and self.active:
            self._request.steering.weigh(weights)

    def ask_forecast(self, job: Job) -> None:
        """Measure what `job` would take, unless a run is active; only the last request counts."""
        self.cancel_forecast()
        if self.active:
            return
        self._question += 1
        self._question_cancelled = threading.Event()
        self._forecast_asked.emit(self._question, job, self._question_cancelled)

    def cancel_forecast(self) -> None:
        """Cancel a forecast that is being made."""
        self._question_cancelled.set()
        self._question += 1

    def close(self, patience_ms: int = PATIENCE_MS) -> bool:
        """Stop, and end the thread; False: an iteration has not ended yet, call again."""
        self.cancel_forecast()
        self.stop()
        self._tick.stop()
        self._thread.quit()
        return bool(self._thread.wait(patience_ms))

    # -- what the worker says -------------------------------------------------------------

    @Slot()
    def _on_news(self) -> None:
        if not self._tick.isActive():
            self._tick.start()

    @Slot()
    def _take(self) -> None:
        shown, points = self._mailbox.take()
        if points:
            self.pace.note(points[-1][0])
            self.points.emit(points)
        if shown is not None and shown.run == self._number:
            self.shown.emit(shown)
            self.history_changed.emit()

    @Slot(int, object, str, object)
    def _on_begun(self, run: int, plan: "list[Stage]", device: str, job: Job) -> None:
        if run != self._number:
            return
        self.pace.plan(plan)
        self.begun.emit(plan, device, job)
        if self.state is State.PREPARING:
            paused = self._request is not None and self._request.control.paused
            self._set_state(State.PAUSED if paused else State.RUNNING)

    @Slot(int, int, object)
    def _on_steered(self, run: int, iteration: int, values: Mapping[str, Any]) -> None:
        if run == self._number:
            self.steered.emit(iteration, values)

    @Slot(int, str, str)
    def _on_failed(self, run: int, sentence: str, details: str) -> None:
        if run == self._number:
            self.failed.emit(sentence, details)

    @Slot(int, object)
    def _on_kept(self, run: int, result: RunResult | None) -> None:
        if run == self._number:
            self._take()  # its losses are kept with it
            self.kept.emit(result)

    @Slot(int, object)
    def _on_ended(self, run: int, result: RunResult | None) -> None:
        if run != self._number:
            return
        self._tick.stop()
        self._take()  # the last picture and the last numbers
        self._request = None
        self._set_state(State.IDLE)
        self.ended.emit(result)

    @Slot(int, object)
    def _on_forecast(self, question: int, answer: object) -> None:
        if question == self._question and not self.active:
            self.forecast_made.emit(answer)

    def _set_state(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit(state)


__all__ = ["RunController", "State"]
