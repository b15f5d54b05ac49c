"""Figures of results in windows of their own."""

import logging
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QAction, QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from engine.errors import BadInput, PareidoliaError
from engine.image import Picture, save_picture
from engine.job import figure_of
from gui.background import Background
from gui.dialogs.figure import FigureWindow
from gui.flow.files import PICTURES, FilesFlow
from gui.flow.running import RunFlow
from gui.pictures import image_of
from gui.run.networks import Networks
from gui.run.worker import Result

log = logging.getLogger("pareidolia.files")


class FigureFlow(QObject):
    """Makes the figure of the last result and shows it."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(
        self, running: RunFlow, files: FilesFlow, networks: Networks, background: Background,
        window: QWidget,
    ) -> None:  # fmt: skip
        super().__init__(window)
        self.running, self.files, self.networks = running, files, networks
        self.background, self.window = background, window
        self._action: QAction | None = None
        running.finished.connect(self._refresh)
        running.controller.state_changed.connect(self._refresh)
        running.controller.shown.connect(self._refresh)

    def bind(self, action: QAction) -> None:
        """Keep the action enabled exactly when there is a figure to show."""
        self._action = action
        self._refresh()

    @Slot()
    def _refresh(self) -> None:
        result = self.running.result
        if self._action is not None:
            has_figure = result is not None and hasattr(result.job.technique, "figure")
            self._action.setEnabled(has_figure)

    @Slot()
    def show(self) -> None:
        """Make the figure of the last result and open it."""
        result = self.running.result
        if result is None:
            return
        self.said.emit(self.tr("Making the figure…"))
        work = partial(_made, result, self.networks)
        done = partial(self._on_made, result.job.technique.title)
        self.background.submit(work, done, self._on_failed)

    def _on_made(self, title: str, made: tuple[Picture, QImage]) -> None:
        self.said.emit("")
        window = FigureWindow(*made, self.tr("Figure: {0}").format(title), self.window)
        window.save_requested.connect(self._on_save)
        window.show()

    @Slot(object)
    def _on_save(self, figure: Picture) -> None:
        name = self.files.suggestion().with_suffix(".figure.png")
        path, _ = QFileDialog.getSaveFileName(
            QApplication.activeWindow() or self.window, self.tr("Save figure"), str(name), PICTURES
        )
        target = self.files.with_suffix(path, ".png")
        if target is not None:
            self.write(figure, target)

    def write(self, figure: Picture, path: Path) -> None:
        """Write a figure."""
        work = partial(save_picture, figure, path)
        self.background.submit(work, self._on_saved, self._on_failed, keep=True)

    def _on_saved(self, path: Path) -> None:
        log.info("saved %s", path)
        self.said.emit(self.tr("Saved {0}").format(path))

    def _on_failed(self, error: BaseException) -> None:
        if isinstance(error, (PareidoliaError, OSError)):
            self.failed.emit(str(error))
        else:
            raise error


def _made(result: Result, networks: Networks) -> tuple[Picture, QImage]:
    job = result.job
    network = networks.get(job.network, job.weights)
    figure = figure_of(job, result.picture.tensor(), network)
    if figure is None:
        raise BadInput(f"{job.technique.title} has no figure besides its picture")
    return figure, image_of(figure)
