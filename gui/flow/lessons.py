"""Lessons: steps taken from the window, ordered, revisited and played."""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from engine.errors import PareidoliaError
from engine.lesson import Step
from gui.background import Background
from gui.dialogs.lesson_player import LessonPlayer
from gui.flow.files import FilesFlow
from gui.flow.lesson_capture import LessonCapture
from gui.flow.lesson_document import LessonDocument
from gui.flow.lesson_state import (
    RestorePoint,
    map_settings_from,
    map_settings_values,
    restore_point,
    thumbnail,
)
from gui.flow.live_maps import LiveMapsFlow
from gui.panels.lesson import THUMB, LessonPanel
from gui.studio import Studio
from gui.wording import worded

Network = tuple[str, str | None]


class LessonsFlow(QObject):
    """Connects the lesson and its panel with what the window shows."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(
        self, studio: Studio, live_maps: LiveMapsFlow, files: FilesFlow, background: Background,
        panel: LessonPanel, window: QWidget,
    ) -> None:  # fmt: skip
        super().__init__(window)
        self.studio, self.live_maps, self.background = studio, live_maps, background
        self.panel, self.window = panel, window
        self.document = LessonDocument(files, background, window)
        self.taking = LessonCapture(studio, live_maps, background, self)
        self.player: LessonPlayer | None = None
        self._thumbs: dict[bytes, QImage | None] = {}
        self._map_settings: tuple[Network, Mapping[str, Any]] | None = None
        """What to ask for as soon as this network is loaded."""
        panel.add_requested.connect(self.add)
        panel.replace_requested.connect(self.renew)
        panel.move_requested.connect(self.move)
        panel.remove_requested.connect(self.remove)
        panel.edited.connect(self._on_edited)
        panel.renamed.connect(self._on_renamed)
        panel.go_requested.connect(self.go)
        panel.new_requested.connect(self.document.new)
        panel.open_requested.connect(self.document.choose)
        panel.save_requested.connect(self.document.save)
        panel.export_requested.connect(self.document.export)
        panel.play_requested.connect(self.play)
        self.document.opened.connect(self._on_document)
        self.taking.made.connect(self._on_made)
        for part in (self.document, self.taking):
            part.said.connect(self.said)
            part.failed.connect(self.failed)
        live_maps.layers.loaded.connect(self._on_network)

    # -- steps ----------------------------------------------------------------------------

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the lesson."""
        return self.document.lesson.steps

    @Slot()
    def _on_document(self) -> None:
        self.taking.cancel()
        self._show(0 if self.steps else -1)

    def _change(self, steps: tuple[Step, ...], row: int) -> None:
        self.document.lesson = replace(self.document.lesson, steps=steps)
        self._show(min(row, len(steps) - 1))

    def _show(self, row: int) -> None:
        before = self._thumbs
        self._thumbs = {step.picture: before.get(step.picture) for step in self.steps}
        thumbs = [self._thumbs[step.picture] for step in self.steps]
        self.panel.show_lesson(self.document.lesson, thumbs, row)
        for picture in self._thumbs:
            if picture not in before:
                work = partial(thumbnail, picture, THUMB)
                self.background.submit(work, partial(self._on_thumb, picture))

    def _on_thumb(self, picture: bytes, thumb: QImage) -> None:
        if picture in self._thumbs:
            self._thumbs[picture] = thumb
            for place, step in enumerate(self.steps):
                if step.picture == picture:
                    self.panel.set_thumb(place, thumb)

    @Slot()
    def add(self) -> None:
        """Make a step of what is shown now, after the selected one."""
        self.taking.take(-1)

    @Slot(int)
    def renew(self, row: int) -> None:
        """Replace a step's picture and maps by those shown now; its words stay."""
        if 0 <= row < len(self.steps):
            self.taking.take(row)

    @Slot(int, object)
    def _on_made(self, row: int, step: Step) -> None:
        if row < 0:
            place = self.panel.row() + 1
            self._change((*self.steps[:place], step, *self.steps[place:]), place)
            self.said.emit(self.tr("Step {0}: {1}").format(place + 1, step.title))
        elif row < len(self.steps):
            old = self.steps[row]
            new = replace(step, title=old.title, text=old.text, hidden=old.hidden)
            self._change((*self.steps[:row], new, *self.steps[row + 1 :]), row)
            self.said.emit(
                self.tr("Step {0} now holds the current picture and maps.").format(row + 1)
            )

    @Slot(int, int)
    def move(self, place: int, to: int) -> None:
        """Move a step."""
        steps = list(self.steps)
        if 0 <= place < len(steps) and 0 <= to < len(steps):
            steps.insert(to, steps.pop(place))
            self._change(tuple(steps), to)

    @Slot(int)
    def remove(self, row: int) -> None:
        """Remove a step."""
        if 0 <= row < len(self.steps):
            self._change(self.steps[:row] + self.steps[row + 1 :], row)

    @Slot(int, str, str, bool)
    def _on_edited(self, row: int, title: str, text: str, hidden: bool) -> None:
        steps = list(self.steps)
        changed = replace(steps[row], title=title, text=text, hidden=hidden)
        if changed != steps[row]:
            steps[row] = changed
            self._change(tuple(steps), row)

    @Slot(str)
    def _on_renamed(self, title: str) -> None:
        self.document.lesson = replace(self.document.lesson, title=title)

    # -- going back -----------------------------------------------------------------------

    @Slot(int)
    def go(self, row: int) -> None:
        """Bring the window back to what a step shows."""
        if self.live_maps.canvas_content.run_active:
            self.failed.emit(self.tr("Stop the run first: it is using the canvas."))
        elif 0 <= row < len(self.steps):
            file = self.document.file
            work = partial(
                restore_point, self.steps[row], file.parent if file is not None else None
            )
            self.background.submit(work, partial(self._on_way_back, row), self._on_failed)

    def _on_way_back(self, row: int, back: RestorePoint) -> None:
        if self.live_maps.canvas_content.run_active:
            return
        if back.job is not None:
            own = self.studio.job
            job = replace(back.job, device=own.device, precision=own.precision)  # this machine's
            changes = {each.name: getattr(job, each.name) for each in fields(job)}
            self._map_settings = ((job.network, job.weights), back.map_settings)
            self.studio.edit(self.tr("Back to step {0}").format(row + 1), **changes)
            self.said.emit(self.tr("Back to step {0}").format(row + 1))
        else:
            self.failed.emit(
                self.tr("The settings of this step cannot be read; only its picture is shown.")
            )
        if back.path:
            self.live_maps.canvas_content.show_input(back.path)
        else:
            self.live_maps.canvas_content.show_content()
        if self.live_maps.layers.here is not None:
            self._on_network(None)

    def asked(self) -> tuple[str, str | None, Mapping[str, Any]]:
        """Return the network, its weights and the settings of the maps, current or about to apply."""
        if self._map_settings is not None:
            return *self._map_settings[0], self._map_settings[1]
        job = self.studio.job
        return job.network, job.weights, map_settings_values(self.live_maps.panel.map_settings())

    def ask_when_there(self, network: Network, map_settings: Mapping[str, Any]) -> None:
        """Ask for the maps that plain values describe, as soon as their network is loaded."""
        self._map_settings = network, map_settings
        if self.live_maps.layers.here is not None:
            self._on_network(None)

    @Slot(object)
    def _on_network(self, _loaded: object) -> None:
        """Ask for a step's maps, if its network is the one loaded."""
        wanted, self._map_settings = self._map_settings, None
        job = self.studio.job
        if wanted is not None and wanted[0] == (job.network, job.weights):
            panel = self.live_maps.panel
            panel.set_map_settings(map_settings_from(wanted[1], panel.map_settings()))

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(worded(error))

    # -- playing --------------------------------------------------------------------------

    @Slot()
    def play(self) -> None:
        """Show the lesson full screen from its first step on."""
        if not self.steps:
            self.failed.emit(self.tr("The lesson has no steps yet."))
        elif self.player is None:
            lesson = self.document.lesson
            self.player = LessonPlayer(lesson, self.background, 0, self.window)
            self.player.closed.connect(self._on_played)
            self.player.setGeometry(self.window.screen().geometry())  # the screen of the window
            self.player.showFullScreen()

    @Slot(int)
    def _on_played(self, row: int) -> None:
        player, self.player = self.player, None
        if player is not None:
            player.deleteLater()
        self.panel.list.setCurrentRow(row)
