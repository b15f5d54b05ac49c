"""A run, from the click to the finished picture: bar, canvas, losses, timeline, forecast."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from engine import settings
from engine.finish import Finish, Finisher
from engine.image import Picture
from engine.job import Job
from engine.steering import STYLE_WEIGHTS
from engine.work.losses import LossHistory
from gui.background import Background
from gui.flow.branching import Branching
from gui.flow.canvas_content import CanvasContent
from gui.flow.finish import FinishFlow
from gui.flow.readiness import missing, same_pictures, waiting, wanted
from gui.flow.shown_run import RunRecord, ShownRun
from gui.panels.editors import commit_typed
from gui.panels.losses import LossPanel
from gui.panels.run_bar import RunBar
from gui.panels.timeline import TimelinePanel
from gui.run.controller import RunController, State
from gui.run.history import Moment
from gui.run.mailbox import Point, PreviewImage
from gui.run.pace import words
from gui.run.variant_entry import VariantEntry
from gui.run.variants import Variants
from gui.run.worker import RunResult
from gui.session import path_of
from gui.studio import Studio
from gui.wording import worded

if TYPE_CHECKING:
    from engine.forecasting import Forecast
    from engine.task import Stage

FORECAST_DELAY_MS = 900
"""Milliseconds after the last change of a setting; while a slider moves, the user is not done."""
HISTORY_MS = 400
MARKED_SCALES = 40
"""The most scales that are marked: a film goes through all of them in every frame, which would fill the
plot."""
BAR_MS = 250

log = logging.getLogger("pareidolia.run")


class RunFlow(ShownRun):
    """Connects the controller with everything that shows a run."""

    notes_changed = Signal(dict)
    """Settings that wait for the next run, each with the note to show beside it."""
    failed = Signal(str, str)
    said = Signal(str)
    """A sentence for the status bar."""
    wanted = Signal(str)
    """A setting that must be filled in before the run."""
    finished = Signal()
    """A run has ended and left its result."""
    turned = Signal()
    """The canvas now shows another run's pictures."""

    def __init__(
        self, studio: Studio, controller: RunController, canvas_content: CanvasContent, bar: RunBar,
        losses: LossPanel, timeline: TimelinePanel, variants: Variants, background: Background,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(canvas_content, parent)
        self.studio, self.controller = studio, controller
        self.bar, self.losses, self.timeline = bar, losses, timeline
        self._coming: RunRecord | None = None
        """A run that has nothing to show yet: until it does, the last one stays."""
        self._last: RunRecord | None = None
        """The timeline's run: the current one, or the last that was made or shown."""
        self._made: RunRecord | None = None
        """The run whose moments are in the controller's history."""
        self._sentence = ""
        self.variants, self.branching = variants, Branching(self)
        self.finishing = FinishFlow(studio, canvas_content, background, self.finisher_of, self)
        canvas_content.finishing = self.finishing
        self.forecasts = True
        self._history_timer = self._timer(HISTORY_MS, self._show_history)
        self._bar_timer = self._timer(BAR_MS, self._show_pace)
        self._bar_timer.setSingleShot(False)
        self._forecast_timer = self._timer(FORECAST_DELAY_MS, self._ask_forecast)
        bar.run_requested.connect(self.start)
        bar.pause_requested.connect(self.pause)
        bar.step_requested.connect(self.step)
        bar.stop_requested.connect(controller.stop)
        controller.state_changed.connect(self._on_state)
        controller.begun.connect(self._on_begun)
        controller.shown.connect(self._on_shown)
        controller.points.connect(self._on_points)
        controller.history_changed.connect(self._on_history)
        controller.steered.connect(self._on_steered)
        controller.kept.connect(self._on_kept)
        controller.ended.connect(self._on_ended)
        controller.failed.connect(self._on_failed)
        controller.forecast_made.connect(self._on_forecast)
        studio.changed.connect(self._on_job)
        timeline.moment_selected.connect(self._on_moment)
        timeline.live_requested.connect(self._on_live)

    def _timer(self, interval: int, act: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(act)
        return timer

    # -- the user's requests --------------------------------------------------------------

    @Slot()
    def start(self) -> None:
        """Start a run of the current job, or say what is missing."""
        commit_typed()
        if not self._lacks():
            self._begin(self.studio.job)
            self.controller.start(self.studio.job)

    @Slot(object)
    def run(self, job: Job) -> None:
        """Start a run of a job other than the current one, which stays as it is."""
        if not self.controller.active:
            self._begin(job)
            self.controller.start(job)

    def go_on(
        self, entry: VariantEntry, job: Job, checkpoint: bytes, moments: list[Moment],
        losses: LossHistory,
    ) -> None:  # fmt: skip
        """Continue a variant's run from a checkpoint, with its moments and losses so far."""
        if self.controller.active:
            return
        same = self._made is not None and self._made.entry is entry
        moments = self.controller.history.moments() if same else moments
        film = self._made.film_frames if same and self._made is not None else None
        self._begin(job, entry, losses)
        self.controller.start(job, checkpoint=checkpoint, moments=moments, film_frames=film)

    def _lacks(self) -> bool:
        """Return whether something is missing; if so, say what, and ask for a missing setting."""
        lacks = self.missing()
        if not lacks:
            return False
        self.bar.say(lacks)
        name = wanted(self.studio.technique)
        if name is not None:
            self.wanted.emit(name)
        return True

    @Slot()
    def step(self) -> None:
        """Do a single iteration; without a run, start a held one."""
        commit_typed()
        if self._lacks():
            return
        if not self.controller.active:
            self._begin(self.studio.job)
        self.controller.step(self.studio.job)

    @Slot()
    def pause(self) -> None:
        """Pause the run, or resume it."""
        if self.controller.state is State.PAUSED:
            self.controller.resume()
        else:
            self.controller.pause()
        self.bar.show_state(self.controller.state)

    def missing(self) -> str:
        """Return in a sentence what keeps the job from running; empty: nothing."""
        return missing(self.studio.job)

    def finish(self) -> Finish:
        """Return how results are finished now."""
        return self.studio.job.finish

    def _begin(
        self, job: Job, entry: VariantEntry | None = None, losses: LossHistory | None = None
    ) -> None:
        if self.controller.active:
            return
        self._forecast_timer.stop()
        self._coming, self._sentence = RunRecord(job, entry=entry), ""
        if entry is not None:
            self._coming.changes = [c for c in job.changes if c[0] < entry.iteration]
        if losses is not None:
            self._coming.losses = losses
        self._show_losses(self._coming)
        self.notes_changed.emit({})
        log.info("%s, %s", job.technique.title, job.network)

    # -- what the run says ----------------------------------------------------------------

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.bar.show_state(state)
        self.canvas_content.run_active = state is not State.IDLE
        if state in (State.RUNNING, State.PAUSED):
            self._show_pace()
            self._bar_timer.start()
        elif state is State.IDLE:
            self._bar_timer.stop()

    @Slot(object, str, object)
    def _on_begun(self, plan: "list[Stage]", device: str, job: Job) -> None:
        if self._coming is not None:
            self._coming.job = job
            self._coming.film_frames = self.controller.film_frames
            self._coming.labels = self.controller.labels
            self._coming.total = sum(stage.iterations for stage in plan)
            content = job.inputs.content
            self._coming.finisher = Finisher(content if isinstance(content, Picture) else None)
        self.bar.begin(sum(stage.iterations for stage in plan), device)
        if self.controller.note:
            self.said.emit(self.controller.note)
            log.warning("%s", self.controller.note)
        if self._coming is not None:
            self._coming.losses.marks = _scales(plan)
            self._show_losses(self._coming)

    @Slot(object)
    def _on_shown(self, shown: PreviewImage) -> None:
        self._arrive()
        record = self._last
        if record is not None and record.entry is not None and record.entry.thumbnail.isNull():
            self.variants.show_first(record.entry, shown.image)
        if self.timeline.is_live() and self.record is self._last:
            self.canvas_content.show_frame(shown)

    def _arrive(self) -> None:
        """Let the new run replace the last one, now that it has something to show."""
        if self._coming is not None:
            record, self._coming = self._coming, None
            if record.entry is None:
                branched = self.branching.of(record.job)
                record.entry = self.variants.begin(
                    record.job, record.total, record.labels, self.finish(), branched
                )
            else:
                self.variants.begin_again(record.entry)
            self._made = record
            self._follow(record)

    def _follow(self, record: RunRecord) -> None:
        """Show a run's moments in the timeline, and its pictures on the canvas."""
        self._last = record
        self._turn_to(record)
        self.timeline.clear()
        for iteration, values in record.changes:
            for text in self._in_short(values):
                self.timeline.mark_change(iteration, text)

    def _turn_to(self, record: RunRecord) -> None:
        """Show a run's pictures on the canvas."""
        self.record = record
        self.turned.emit()
        self.canvas_content.run_content = path_of(record.job.inputs.content)
        self.canvas_content.run_labels = record.labels

    def show_moment(self, moment: Moment) -> None:
        """Show a moment of the timeline's run."""
        if self._last is not None:
            self._turn_to(self._last)
        self.canvas_content.show_moment(moment)

    @Slot(object)
    def _on_moment(self, moment: Moment) -> None:
        self.show_moment(moment)

    def take_up(self, record: RunRecord, image: QImage) -> None:
        """Show a run's result and its timeline; a current run goes on all the same.

        `image` is the result before it is finished.
        """
        if self._made is not None and self._made.entry is record.entry and self._made.result:
            record = self._made  # it knows more
        result = record.result
        assert result is not None
        if self.controller.active:
            self._turn_to(record)
        else:
            self._follow(record)
            self._show_losses(record)
            self._show_history()
        if record.entry is not None:
            self.studio.edit(self.tr("Show {0}").format(record.entry.name),
                             finish=record.entry.finish)  # fmt: skip
        self.canvas_content.show_result(image, result)

    def follow(self) -> None:
        """Show the current run again."""
        if self._made is not None and self._coming is None:
            self._follow(self._made)
            self._show_losses(self._made)
            self._show_history()
            self._on_live()

    def let_go(self) -> None:
        """Show the photo, as the variant on the canvas was deleted."""
        if self._last is self.record:
            self._last = None
            self.timeline.clear()
            self.losses.clear()
        self.record = None
        self.canvas_content.show_content()
        self.turned.emit()

    def forget(self) -> None:
        """Show no run any more, as there is another project."""
        self.record = self._last = self._made = None
        self.controller.history.clear()
        self.timeline.clear()
        self.losses.clear()
        self.bar.finish("")
        self.canvas_content.run_content, self.canvas_content.run_labels = None, None
        self.canvas_content.show_content()
        self.turned.emit()

    def moments_by_variant(self) -> dict[str, list[Moment]]:
        """Return the moments in memory, by the id of their variant."""
        if self._made is None or self._made.entry is None:
            return {}
        return {self._made.entry.id: self.controller.history.moments()}

    @Slot(list)
    def _on_points(self, points: list[Point]) -> None:
        record = self._coming or self._made
        if record is not None:
            record.losses.add(points)
        self.losses.add(points)

    def _show_losses(self, record: RunRecord) -> None:
        """Show a run's curves so far, and their marks."""
        self.losses.clear()
        self.losses.add(record.losses.points())
        for iteration, scale in record.losses.marks:
            self.losses.mark_scale(iteration, scale)
        for iteration, values in record.changes:
            for text in self._in_short(values):
                self.losses.mark_change(iteration, text)

    @Slot()
    def _on_history(self) -> None:
        if not self._history_timer.isActive():
            self._history_timer.start()

    @Slot()
    def _show_history(self) -> None:
        self._history_timer.stop()
        moments = self.moments()
        if moments and self._coming is None:
            self.timeline.set_moments(moments)

    def moments(self) -> list[Moment]:
        """Return the moments of the timeline's run."""
        if self._last is None:
            return []
        if self._last.moments is not None:
            return self._last.moments
        return self.controller.history.moments()

    @Slot()
    def _show_pace(self) -> None:
        from engine.device import choose_device, peak_memory  # torch is loaded, as a run is active

        job = self.controller.job
        memory = peak_memory(choose_device(job.device)) if job else 0
        self.bar.show_pace(self.controller.state, self.controller.pace, memory)
        if self._coming is None and self._made is not None and self._made.entry is not None:
            self.variants.show_reached(self._made.entry, self.controller.pace.iteration)

    @Slot(int, object)
    def _on_steered(self, iteration: int, values: Mapping[str, Any]) -> None:
        record = self._coming or self._made
        if record is not None:
            record.changes.append((iteration, values))
        for text in self._in_short(values):
            self.losses.mark_change(iteration, text)
            self.timeline.mark_change(iteration, text)
            log.info("from iteration %d: %s", iteration + 1, text)

    def _in_short(self, values: Mapping[str, Any]) -> list[str]:
        """Return changed settings in short, for marks."""
        described = settings.describe(self.studio.technique)
        texts = []
        for name, value in values.items():
            label = described[name].label if name in described else name
            if name == STYLE_WEIGHTS:
                label, value = self.tr("Styles"), " : ".join(f"{weight:g}" for weight in value)
            texts.append(f"{label} {value}")
        return texts

    @Slot(object)
    def _on_kept(self, result: RunResult | None) -> None:
        if result is None:
            return
        self._arrive()
        if self._made is not None and self._made.entry is not None:
            moments = self.controller.history.moments()
            written = self.controller.schedule.written
            self.variants.keep(self._made.entry, result, moments, self._made.losses, written)

    @Slot(object)
    def _on_ended(self, result: RunResult | None) -> None:
        self.notes_changed.emit({})
        if result is None:
            self._coming = None
            if self._last is not None:
                self._show_losses(self._last)
            self.bar.finish(self._sentence or self.tr("stopped; there is no picture yet"))
            return
        self._arrive()
        record = self._made
        if record is not None and record.entry is not None:
            record.result = replace(result, checkpoint=None)  # only the file needs it
            if self.record is record:  # else it keeps the finish that it had
                record.entry.finish = self.finish()
            self.variants.end(record.entry)
            moments = self.controller.history.moments()
            self.variants.keep(record.entry, result, moments, record.losses)
            if self.record is record and self.finish() != Finish():
                self.finishing.refresh()
        self._show_history()
        end = self.tr("done") if result.complete else self.tr("stopped")
        one = result.iteration == 1
        count = (
            self.tr("1 iteration") if one else self.tr("{0} iterations").format(result.iteration)
        )
        text = self.tr("{0}: {1} in {2}").format(end, count, words(result.seconds))
        if result.complete:  # perhaps sooner than planned
            self.bar.progress.setRange(0, result.iteration)
        self.bar.finish(text, result.iteration)
        self.finished.emit()
        log.info("%s", text)
        if result.note:
            note = worded(result.note)
            log.warning("%s", note)
            self.said.emit(note)

    @Slot(str, str)
    def _on_failed(self, sentence: str, details: str) -> None:
        log.error("%s", sentence)
        self._sentence = sentence
        self.bar.finish(sentence)
        self.failed.emit(sentence, details)

    @Slot()
    def _on_live(self) -> None:
        moments = self.moments()
        if moments:
            self.show_moment(moments[-1])

    # -- changes during a run, forecast without one ---------------------------------------

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if self.record is not None and self.record.entry is not None:
            self.variants.finish(self.record.entry, after.finish)
        running = self.controller.job
        if running is None:
            if replace(before, finish=after.finish) != after:
                self.wait_for_forecast()
            return
        self.controller.steer(after.technique, before.technique)
        if before.network != after.network:
            self.said.emit(self.tr("The next run will use {0}.").format(after.network))
        elif before.inputs != after.inputs:
            if same_pictures(running.inputs, after.inputs):
                self.controller.weigh([weight for _, weight in after.inputs.styles])
            else:
                new = replace(running.inputs, regions=after.inputs.regions)
                regions = same_pictures(new, after.inputs)
                self.said.emit(
                    self.tr("The next run will use the new regions.")
                    if regions
                    else self.tr("The next run will use the new pictures.")
                )
        self.notes_changed.emit(waiting(running, after))

    @Slot()
    def wait_for_forecast(self) -> None:
        """Measure the job once it has not changed for a moment."""
        self.controller.cancel_forecast()
        if self.forecasts and not self.controller.active:
            self._forecast_timer.start()

    def forgo_forecast(self) -> None:
        """Measure nothing, as the result itself is about to come."""
        self._forecast_timer.stop()
        self.controller.cancel_forecast()
        self.bar.tell("")

    @Slot()
    def _ask_forecast(self) -> None:
        if self.controller.active or not self.forecasts:
            return
        lacks = self.missing()
        if lacks:
            self.bar.tell(lacks)
            return
        self.bar.tell(self.tr("measuring…"))
        self.controller.ask_forecast(self.studio.job)

    @Slot(object)
    def _on_forecast(self, answer: "Forecast | str") -> None:
        if isinstance(answer, str):
            self.bar.tell(answer)
            return
        memory, room = answer.memory / 2**20, answer.available / 2**20
        text = self.tr("about {0}, {1:.0f} MiB").format(words(answer.seconds), memory)
        if not answer.fits:
            text = self.tr("not enough memory: {0:.0f} MiB needed, {1:.0f} MiB available").format(
                memory, room
            )
        self.bar.tell(text)


def _scales(plan: "list[Stage]") -> list[tuple[int, str]]:
    """Return the iteration at which each scale of a run begins, and its size in words."""
    found, begins = [], 1
    for stage in plan if 1 < len(plan) <= MARKED_SCALES else []:
        found.append((begins, f"{stage.size[1]}x{stage.size[0]}"))
        begins += stage.iterations
    return found
