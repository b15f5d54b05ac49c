"""Shows the original while a key is held."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent

from gui.canvas.canvas import Canvas


class ShowOriginalFlow(QObject):
    """While O is held on the canvas, the original is shown."""

    def __init__(self, canvas: Canvas, original: QAction, parent: QObject | None = None) -> None:
        """`original`: the action that switches the original on and off."""
        super().__init__(parent)
        self._canvas, self._original = canvas, original
        canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show the original while the key is down; leave all other keys to the canvas."""
        if isinstance(event, QKeyEvent) and not event.isAutoRepeat():
            if event.key() == Qt.Key.Key_O and not event.modifiers():
                pressed = event.type() == QEvent.Type.KeyPress
                self._canvas.set_showing_original(pressed or self._original.isChecked())
        elif event.type() == QEvent.Type.FocusOut:
            self._canvas.set_showing_original(self._original.isChecked())
        return super().eventFilter(watched, event)
