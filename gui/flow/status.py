"""The status bar: messages, what is under the pointer, zoom."""

import logging
import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QLabel

if TYPE_CHECKING:
    from gui.main_window import MainWindow

MESSAGE_MS = 8000


class StatusFlow(QObject):
    """Says in one line what was done, what failed, and what is under the pointer."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window = window
        self._warned = ""
        """What went wrong, while it is shown."""
        self._since = 0.0
        self.pixel = QLabel()
        self.pixel.setAccessibleName(self.tr("Pixel under the pointer"))
        self.zoom = QLabel()
        self.zoom.setAccessibleName(self.tr("Zoom"))
        bar = window.statusBar()
        bar.addPermanentWidget(self.pixel)
        bar.addPermanentWidget(self.zoom)
        window.canvas.hovered.connect(self._on_hover)
        window.canvas.left.connect(self.pixel.clear)
        window.canvas.zoom_changed.connect(self._on_zoom)
        window.files.said.connect(self.say)
        window.files.failed.connect(self.warn)
        window.input_pictures.problem.connect(self.warn)
        window.input_pictures.said.connect(self.say)
        window.options.refused.connect(self.warn)
        window.layers.status.connect(self.say)
        window.running.failed.connect(self._on_failed)
        window.running.said.connect(self.say)
        window.studio.changed.connect(self._on_remedy)
        window.controller.state_changed.connect(self._on_remedy)
        window.layers.loaded.connect(self._on_remedy)

    @Slot(str)
    def say(self, text: str) -> None:
        """Show a message for a while."""
        bar = self.window.statusBar()
        if text:
            bar.showMessage(text, 0 if text.endswith("…") else MESSAGE_MS)
        elif bar.currentMessage().endswith("…"):  # the work is done
            bar.clearMessage()

    @Slot(str)
    def warn(self, text: str) -> None:
        """Show what went wrong, and keep it in the log."""
        logging.getLogger("pareidolia").warning("%s", text)
        self._keep(text)

    def _keep(self, text: str) -> None:
        """Show what went wrong until something is done about it."""
        self._warned, self._since = text, time.monotonic()
        self.window.statusBar().showMessage(text)

    @Slot()
    def _on_remedy(self) -> None:
        """Dismiss what went wrong: the user has changed what it was about, or started a new run."""
        bar = self.window.statusBar()
        if self._warned and bar.currentMessage() == self._warned:
            left = MESSAGE_MS - round(1000 * (time.monotonic() - self._since))
            if left > 0:  # give time to read it
                bar.showMessage(self._warned, left)
            else:
                bar.clearMessage()
        self._warned = ""

    @Slot(str, str)
    def _on_failed(self, sentence: str, details: str) -> None:
        from gui.dialogs.error import error_box

        self._keep(sentence)
        error_box(sentence, details, self.window).open()

    @Slot(int, int)
    def _on_hover(self, x: int, y: int) -> None:
        image = self.window.canvas.picture()
        size = self.window.canvas.logical_size()
        text = f"{x}, {y}"
        if image is not None and not size.isEmpty():
            # A coarse scale is stretched: its pixel is elsewhere.
            column = min(image.width() - 1, x * image.width() // size.width())
            row = min(image.height() - 1, y * image.height() // size.height())
            colour = image.pixelColor(column, row)
            text += f"   {colour.red()} {colour.green()} {colour.blue()}"
        self.pixel.setText(text)

    @Slot(float)
    def _on_zoom(self, zoom: float) -> None:
        self.zoom.setText(f"{100 * zoom:.0f} %")
        self.zoom.setAlignment(Qt.AlignmentFlag.AlignRight)
