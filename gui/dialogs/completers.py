"""Completion of the name being typed in a list of names."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QCompleter, QLineEdit


class ClickThrough(QObject):
    """Lets a click outside a list of suggestions have its normal effect.

    Qt's completer swallows the click that closes its list, so that a button would need a second one.
    """

    def __init__(self, completer: QCompleter) -> None:
        super().__init__(completer)
        self._popup = completer.popup()
        assert self._popup is not None  # the popup of a completer with a list
        self._popup.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Close the list and press the button that was clicked, if it was one."""
        if watched is not self._popup or not isinstance(event, QMouseEvent):
            return False
        outside = not self._popup.rect().contains(event.position().toPoint())
        if event.type() == QEvent.Type.MouseButtonPress and outside:
            under = QApplication.widgetAt(event.globalPosition().toPoint())
            if isinstance(under, QAbstractButton) and under.isEnabled():
                self._popup.hide()
                under.setFocus(Qt.FocusReason.MouseFocusReason)
                under.click()
                return True
        return False


class SeveralCompleter(QCompleter):
    """Completes the last of several names separated by commas."""

    def __init__(self, names: Sequence[str], line: QLineEdit) -> None:
        super().__init__(list(names), line)
        self.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setFilterMode(Qt.MatchFlag.MatchContains)
        ClickThrough(self)

    def splitPath(self, path: str) -> list[str]:
        """Return the name being typed."""
        return [path.rpartition(",")[2].strip()]

    def pathFromIndex(self, index: QModelIndex | QPersistentModelIndex) -> str:
        """Return the line with the chosen name in place of the part typed."""
        line = self.widget()
        before = line.text().rpartition(",")[0] if isinstance(line, QLineEdit) else ""
        return (
            f"{before}, {super().pathFromIndex(index)}" if before else super().pathFromIndex(index)
        )


class UnitsCompleter(SeveralCompleter):
    """Completes the layer of the last of several units, as LAYER:CHANNEL or with :ROW,COLUMN."""

    def __init__(self, layers: Sequence[str], line: QLineEdit) -> None:
        super().__init__([f"{layer}:" for layer in layers], line)

    def splitPath(self, path: str) -> list[str]:
        """Return the layer being typed; while a unit's column is typed, a text that matches no layer."""
        before = path.rpartition(",")[0].rpartition(",")[2]
        return [path] if before.count(":") == 2 else super().splitPath(path)
