"""Figures of results in windows of their own."""

from functools import partial

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QAction, QImage
from PySide6.QtWidgets import QWidget

from engine.errors import PareidoliaError
from engine.image import Picture
from engine.job import Job
from gui.background import Background
from gui.dialogs.figure import FigureWindow
from gui.flow.files import FilesFlow
from gui.flow.result_files import made_figure
from gui.flow.running import RunFlow
from gui.pictures import image_of
from gui.pixels import levels_of
from gui.run.networks import Networks, network_key_of
from gui.run.worker import RunResult
from gui.wording import worded


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
        """Keep the action enabled exactly while there is a figure to show."""
        self._action = action
        self._refresh()

    @Slot()
    def _refresh(self) -> None:
        result = self.running.result
        if self._action is not None:
            has_figure = result is not None and result.job.technique.has_figure
            self._action.setEnabled(has_figure)

    @Slot()
    def show(self) -> None:
        """Make the figure of the last result and open it."""
        result = self.running.result
        if result is None:
            return
        self.said.emit(self.tr("Making the figure…"))
        work = partial(_made, result, self.networks)
        done = partial(self._on_made, result.job)
        self.background.submit(work, done, self._on_failed)

    def _on_made(self, job: Job, made: tuple[Picture, tuple[QImage, ...]]) -> None:
        self.said.emit("")
        title = self.tr("Figure: {0}").format(job.technique.title)
        window = FigureWindow(*made, title, self.window)
        window.save_requested.connect(partial(self._on_save, job))
        window.show()

    def _on_save(self, job: Job, figure: Picture) -> None:
        self.files.save_figure_of(job, lambda: figure)

    def _on_failed(self, error: BaseException) -> None:
        if isinstance(error, (PareidoliaError, OSError)):
            self.failed.emit(worded(error))
        else:
            raise error


def _made(result: RunResult, networks: Networks) -> tuple[Picture, tuple[QImage, ...]]:
    network = networks.get(*network_key_of(result.job))
    figure = made_figure(result, network)
    return figure, levels_of(image_of(figure))
