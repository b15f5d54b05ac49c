"""The docks around the canvas: where they are at first, and how large."""

from itertools import pairwise

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabBar, QWidget

TOGETHER = ("settings", "sight", "inspect", "lesson")
"""One behind the other, the first in front."""


class Docks(QObject):
    """Keeps a window's docks by name."""

    LEFT = Qt.DockWidgetArea.LeftDockWidgetArea
    RIGHT = Qt.DockWidgetArea.RightDockWidgetArea
    BOTTOM = Qt.DockWidgetArea.BottomDockWidgetArea

    def __init__(self, window: QMainWindow) -> None:
        super().__init__(window)
        self.window = window
        self.by_name: dict[str, QDockWidget] = {}
        self._areas: dict[str, Qt.DockWidgetArea] = {}
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.size)
        self._laid_out = QTimer(self)
        self._laid_out.setSingleShot(True)
        self._laid_out.timeout.connect(self._hide_strays)

    def add(self, name: str, title: str, area: Qt.DockWidgetArea, widget: QWidget) -> None:
        """Put a widget into a dock of its own."""
        dock = QDockWidget(title, self.window)
        dock.setObjectName(f"dock_{name}")
        dock.setWidget(widget)
        self.by_name[name], self._areas[name] = dock, area

    def arrange(self) -> None:
        """Put all of them into their places."""
        window, docks = self.window, self.by_name
        for name, dock in docks.items():
            window.addDockWidget(self._areas[name], dock)
        for before, after in pairwise(TOGETHER):
            window.tabifyDockWidget(docks[before], docks[after])
        window.splitDockWidget(docks["timeline"], docks["losses"], Qt.Orientation.Horizontal)
        window.tabifyDockWidget(docks["losses"], docks["log"])
        docks[TOGETHER[0]].raise_()
        docks["losses"].raise_()

    def size_soon(self) -> None:
        """Size them once the window is laid out; before, it would be ignored."""
        self._soon.start()

    @Slot()
    def size(self) -> None:
        """Give them their first sizes."""
        window, docks = self.window, self.by_name
        across, down = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        letter = window.fontMetrics().averageCharWidth()
        wide = [48 * letter, 46 * letter]
        window.resizeDocks([docks["inputs"], docks["settings"]], wide, across)
        window.resizeDocks([docks["timeline"], docks["losses"]], [1, 1], across)
        window.resizeDocks([docks["inputs"], docks["network"]], [2, 3], down)
        window.resizeDocks([docks["timeline"]], [12 * window.fontMetrics().height()], down)
        self.tidy_soon()

    def tidy_soon(self) -> None:
        """Hide tabs that lead nowhere, once the window is laid out."""
        self._laid_out.start()

    @Slot()
    def _hide_strays(self) -> None:
        """Hide the tab bars that Qt leaves over the middle, of the second group and on (6.11).

        They are not in use, and are shown again where they are taken into use.
        """
        middle = self.window.centralWidget().geometry()
        own = Qt.FindChildOption.FindDirectChildrenOnly
        for bar in self.window.findChildren(QTabBar, options=own):
            if bar.geometry().intersects(middle):
                bar.hide()

    def reset(self) -> None:
        """Put them back to where and how they were at the first start."""
        for dock in self.by_name.values():
            dock.setFloating(False)
            dock.show()
        self.arrange()
        self.size()
