"""Full screen: the picture alone, until Escape."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QObject, Qt, Slot
from PySide6.QtGui import QAction, QShortcut
from PySide6.QtWidgets import QDockWidget, QToolBar, QWidget

if TYPE_CHECKING:
    from gui.main_window import MainWindow


class FullScreen(QObject):
    """Hides everything but the canvas, and restores it."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window = window
        self._action: QAction | None = None
        self._docks: QByteArray | None = None
        self._away: list[QWidget] = []
        self._maximized = False
        self._escape = QShortcut(Qt.Key.Key_Escape, window)
        self._escape.setEnabled(False)
        self._escape.activated.connect(self.leave)

    def bind(self, action: QAction) -> None:
        """Keep the action in step."""
        self._action = action

    @property
    def on(self) -> bool:
        """Whether the picture is alone now."""
        return self._docks is not None

    @Slot(bool)
    def switch(self, on: bool) -> None:
        """Show the picture alone, or everything again."""
        if on and not self.on:
            self._enter()
        elif not on and self.on:
            self._leave()

    @Slot()
    def leave(self) -> None:
        """Show everything again."""
        if self._action is not None:
            self._action.setChecked(False)
        self.switch(False)

    def _enter(self) -> None:
        window, own = self.window, Qt.FindChildOption.FindDirectChildrenOnly
        self._docks = window.saveState()
        self._maximized = window.isMaximized()
        bars: list[QWidget] = [window.menuBar(), window.statusBar(), window.run_bar]
        bars += window.findChildren(QToolBar, options=own)
        bars += window.findChildren(QDockWidget, options=own)
        self._away = [bar for bar in bars if not bar.isHidden()]
        for bar in self._away:
            bar.hide()
        self._escape.setEnabled(True)
        window.showFullScreen()
        window.canvas.setFocus()

    def _leave(self) -> None:
        window, docks = self.window, self._docks
        self._docks = None
        self._escape.setEnabled(False)
        if self._maximized:
            window.showMaximized()
        else:
            window.showNormal()
        for bar in self._away:
            bar.show()
        self._away = []
        if docks is not None:
            window.restoreState(docks)
        window.layout_of_docks.tidy_soon()
