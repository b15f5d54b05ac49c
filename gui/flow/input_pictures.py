"""Input pictures: chosen, dropped, pasted, or dragged from one slot to another."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QBuffer, QIODevice, QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication, QImage, QImageWriter
from PySide6.QtWidgets import QWidget

from engine import settings
from engine.files import replacing
from engine.image_formats import SUFFIXES
from engine.job import Job
from engine.places import data_folder
from engine.regions import Region
from gui.background import Background
from gui.canvas.drops import local_paths
from gui.dialogs.file_dialogs import file_to_open
from gui.flow.dropped_files import DroppedFiles, belongings, folder_setting
from gui.panels.input_slot import InputKey
from gui.panels.inputs import InputsPanel
from gui.pictures import OpenedPicture, Pictures
from gui.session import Session, path_of
from gui.studio import Studio

FILTER = f"({' '.join(f'*{suffix}' for suffix in sorted(SUFFIXES))})"
MANY = 10**6
"""The index of a slot after all styles."""
log = logging.getLogger("pareidolia.pictures")


class InputPicturesFlow(QObject):
    """Connects the inputs panel, drops and the clipboard with the job."""

    problem = Signal(str)
    said = Signal(str)
    """A sentence about a new picture."""
    project_dropped = Signal(str)
    lesson_dropped = Signal(str)
    preset_dropped = Signal(str)
    weights_dropped = Signal(str)
    folder_dropped = Signal(str)
    """A folder that belongs to no setting of the technique."""

    def __init__(
        self, studio: Studio, session: Session, pictures: Pictures, panel: InputsPanel,
        background: Background, window: QWidget,
    ) -> None:  # fmt: skip
        super().__init__(window)
        self.background = background
        self.studio, self.session, self.pictures = studio, session, pictures
        self.panel, self.window = panel, window
        self.regions_for: Callable[[OpenedPicture], tuple[Region, ...]] = self._same_regions
        """What the job's regions become with another photo."""
        self._coming: list[tuple[InputKey, str]] = []
        """Pictures being opened, with the slots they are for."""
        panel.dropped.connect(self.drop_at)
        panel.choose_requested.connect(self.choose)
        panel.removed.connect(self.remove)
        panel.weight_edited.connect(self._on_weight)
        pictures.arrived.connect(self._on_arrived)
        studio.changed.connect(self._on_job)
        self._show()

    def _same_regions(self, _photo: OpenedPicture) -> tuple[Region, ...]:
        return self.studio.job.inputs.regions

    def _show(self) -> None:
        i = self.studio.job.inputs
        styles = [(str(path_of(p)), weight) for p, weight in i.styles]
        takes = self.studio.technique.inputs
        self.panel.show_inputs(
            takes, path_of(i.content), styles, path_of(i.guide), path_of(i.start)
        )

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        kinds_differ = type(before.technique) is not type(after.technique)
        if before.inputs != after.inputs or kinds_differ:
            self._show()

    @Slot(str)
    def _on_arrived(self, path: str) -> None:
        opened = self.pictures.get(path)
        if opened is not None and opened.problem:
            log.error("%s", opened.problem)
            self.problem.emit(opened.problem)
        elif opened is not None and opened.note:
            self.said.emit(opened.note)
        self._put_what_has_come()

    @Slot(object, str)
    def put(self, place: InputKey, path: str) -> None:
        """Put a picture into a slot."""
        self.session.remember_file(path)
        name = Path(path).name
        if place.role == "style":
            styles = list(self.studio.job.inputs.styles)
            if place.index < len(styles):
                styles[place.index] = (path, styles[place.index][1])
            else:
                styles.append((path, 1.0))
            self.studio.set_inputs(self.tr("Style {0}").format(name), styles=tuple(styles))
        else:
            text = self.tr("Picture {0}").format(name)
            changes: dict[str, Any] = {place.role: path}
            if place.role == "content" and self.studio.job.inputs.regions:
                opened = self.pictures.get(path)
                if opened is None:  # they must fit it
                    self.take(place, path)
                    return
                if not opened.problem:
                    changes["regions"] = self.regions_for(opened)
            self.studio.set_inputs(text, **changes)

    @Slot(object)
    def remove(self, place: InputKey) -> None:
        """Empty a slot."""
        text = self.tr("Remove picture")
        if place.role == "style":
            styles = list(self.studio.job.inputs.styles)
            del styles[place.index]
            self.studio.set_inputs(text, styles=tuple(styles))
        elif place.role == "start":
            # as `branch` had set it: from this picture, at full size at once
            described = settings.describe(self.studio.technique)
            usual = {n: described[n].default for n in ("start", "smallest_scale") if n in described}
            technique = replace(self.studio.technique, **usual)
            inputs = replace(self.studio.job.inputs, start=None)
            self.studio.edit(text, technique=technique, inputs=inputs)
        else:
            none: dict[str, Any] = {place.role: None}
            self.studio.set_inputs(text, **none)

    @Slot(int, float)
    def _on_weight(self, index: int, weight: float) -> None:
        styles = list(self.studio.job.inputs.styles)
        styles[index] = (styles[index][0], weight)
        text = self.tr("Weight of a style")
        self.studio.set_inputs(text, merge=f"style weight {index}", styles=tuple(styles))

    @Slot(object)
    def choose(self, place: InputKey) -> None:
        """Ask for a file for a slot."""
        title, kinds = self.tr("Choose a picture"), self.tr("Pictures {0}").format(FILTER)
        path = file_to_open(self.window, place.role, title, kinds)
        if path is not None:
            self.take(place, str(path))

    @Slot()
    def choose_content(self) -> None:
        """Ask for another photo."""
        self.choose(InputKey("content"))

    @Slot()
    def choose_style(self) -> None:
        """Ask for another style."""
        self.choose(InputKey("style", len(self.studio.job.inputs.styles)))

    @Slot(list)
    def drop(self, paths: list[str]) -> None:
        """Take dropped files: the first picture is the photo to work on, the others are styles.

        Projects, lessons, presets, weights and folders go where they belong. The rest is refused with a
        sentence, and nothing is replaced.
        """
        several = "styles" in self.studio.technique.inputs
        found = belongings(paths, self.studio.technique, None if several else 1)
        self._hand_on(found)
        for number, path in enumerate(found.pictures):
            self.take(InputKey("style", MANY) if number else InputKey("content"), path)

    @Slot(object, list)
    def drop_at(self, place: InputKey, paths: list[str]) -> None:
        """Take files dropped on a slot: the first picture goes there, others follow as styles."""
        found = belongings(paths, self.studio.technique, None if place.role == "style" else 1)
        self._hand_on(found)
        for number, path in enumerate(found.pictures):
            self.take(InputKey("style", MANY) if number else place, path)

    def _hand_on(self, found: DroppedFiles) -> None:
        """Pass everything but pictures to where it belongs, and say what belongs nowhere."""
        if found.project is not None:
            self.project_dropped.emit(found.project)
        if found.lesson is not None:
            self.lesson_dropped.emit(found.lesson)
        if found.preset is not None:
            self.preset_dropped.emit(found.preset)
        if found.weights is not None:
            self.weights_dropped.emit(found.weights)
        if found.folder is not None:
            name = folder_setting(self.studio.technique)
            if name is not None:
                self.studio.set_setting(name, found.folder)
            else:
                self.folder_dropped.emit(found.folder)
        if found.refused:
            self.problem.emit(" ".join(found.refused))

    def take(self, place: InputKey, path: str) -> None:
        """Put a picture into a slot once it has been opened; otherwise say why it cannot be."""
        self._coming.append((place, path))
        opened = self.pictures.get(path)
        if opened is not None and opened.problem:  # opened before
            self.problem.emit(opened.problem)
        self._put_what_has_come()

    def _put_what_has_come(self) -> None:
        """Put the opened pictures in their slots, in the order in which they were given."""
        while self._coming:
            place, path = self._coming[0]
            opened = self.pictures.get(path)
            if opened is None:
                return
            del self._coming[0]
            if not opened.problem:
                self.put(place, path)

    @Slot(QImage)
    def drop_image(self, image: QImage) -> None:
        """Take a picture without a file, and write one, so that the job can be repeated."""
        work = partial(kept, image)
        self.background.submit(work, partial(self.put, InputKey("content")), self._on_not_kept)

    def _on_not_kept(self, error: BaseException) -> None:
        self.problem.emit(self.tr("The picture cannot be saved: {0}").format(error))

    @Slot()
    def paste(self) -> None:
        """Take a picture or a file from the clipboard as the photo to work on."""
        data = QGuiApplication.clipboard().mimeData()
        files = local_paths(data) if data is not None else []
        if files:
            self.drop(files)
        elif data is not None and data.hasImage():
            self.drop_image(QGuiApplication.clipboard().image())
        else:
            self.problem.emit(self.tr("There is no picture on the clipboard."))


def kept(image: QImage) -> str:
    """Write an image into the program's own folder, once for the same pixels; return its path."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, b"PNG").write(image)
    data = bytes(buffer.data().data())
    folder = data_folder() / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.png"
    if not path.exists():
        with replacing(path) as file:
            file.write(data)
    return str(path)
