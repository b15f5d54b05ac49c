"""What the editors of all kinds of settings have in common."""

from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from engine.settings import Setting


class Editor(QWidget):
    """What all editors have in common: a value that is always valid, and a signal for edits."""

    edited = Signal(object)
    """The new value, when the user changed it; not emitted by `set_value`."""

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setting = setting
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)

    def value(self) -> Any:
        """Return the current value."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value; `edited` is not emitted."""
        raise NotImplementedError

    def _adopt(self, *widgets: QWidget) -> None:
        for widget in widgets:
            self._line.addWidget(widget)
            widget.setAccessibleName(self.setting.label)
            widget.setAccessibleDescription(self.setting.help)
            # The wheel scrolls the form; it changes a field only after a click into it.
            widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            widget.installEventFilter(self)
        self.setFocusProxy(widgets[-1])

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Leave the wheel to the scroll area, unless the field has the focus."""
        if (
            event.type() == QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return super().eventFilter(watched, event)
