"""The docks around the canvas: their initial places and sizes."""

from itertools import pairwise

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabBar, QWidget

TOGETHER = ("settings", "sight", "inspect", "lesson")
"""Docks that share a place as tabs, the first in front."""


LOW = 52
"""In lines of text: in a window lower than this, the bottom docks are as low as they can be."""
NARROW, WIDE = 0.23, 0.28
"""The largest share of the window's width that the docks on either side take at first."""


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
        self._given: dict[str, int] = {}
        """Docks that follow the window's size, with the size that each was last given."""
        self._resized = QTimer(self)
        self._resized.setSingleShot(True)
        self._resized.timeout.connect(self._follow)
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.timeout.connect(self._on_settled)
        window.installEventFilter(self)

    @property
    def moving(self) -> bool:
        """Whether docks are still moving to their places after the window was resized."""
        return self._resized.isActive() or self._settled.isActive()

    def add(self, name: str, title: str, area: Qt.DockWidgetArea, widget: QWidget) -> None:
        """Put a widget into a dock of its own."""
        dock = QDockWidget(title, self.window)
        dock.setObjectName(f"dock_{name}")
        dock.setWidget(widget)
        self.by_name[name], self._areas[name] = dock, area

    def arrange(self) -> None:
        """Put all docks in their places."""
        window, docks = self.window, self.by_name
        # The pictures need the height more than the timeline and losses need the full width.
        window.setCorner(Qt.Corner.BottomLeftCorner, self.LEFT)
        for name, dock in docks.items():
            window.addDockWidget(self._areas[name], dock)
        for before, after in pairwise(TOGETHER):
            window.tabifyDockWidget(docks[before], docks[after])
        window.splitDockWidget(docks["timeline"], docks["losses"], Qt.Orientation.Horizontal)
        window.tabifyDockWidget(docks["network"], docks["variants"])
        window.tabifyDockWidget(docks["network"], docks["regions"])
        window.tabifyDockWidget(docks["timeline"], docks["queue"])
        window.tabifyDockWidget(docks["losses"], docks["log"])
        docks["network"].raise_()
        docks[TOGETHER[0]].raise_()
        docks["timeline"].raise_()
        docks["losses"].raise_()

    def size_soon(self) -> None:
        """Size the docks once the window is laid out; sizes set earlier would be ignored."""
        self._soon.start()

    @Slot()
    def size(self) -> None:
        """Give them their first sizes."""
        window, docks = self.window, self.by_name
        across, down = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        window.resizeDocks([docks["timeline"], docks["losses"]], [1, 1], across)
        window.resizeDocks([docks["inputs"], docks["network"]], [1, 1], down)
        self._given = dict.fromkeys(("inputs", "settings", "timeline"), 0)
        self._follow()
        self.tidy_soon()

    @Slot()
    def _follow(self) -> None:
        """Give docks their share of the window: in a small one, the canvas needs most of it."""
        window, fonts = self.window, self.window.fontMetrics()
        room = LOW * fonts.height() <= window.height()
        sizes = {
            # Layer names beside their roles.
            "inputs": min(54 * fonts.averageCharWidth(), round(NARROW * window.width())),
            # The longer a slider, the better.
            "settings": min(80 * fonts.averageCharWidth(), round(WIDE * window.width())),
            "timeline": 12 * fonts.height() if room else 1,  # as low as it can be
        }
        for name in self._given:
            window.resizeDocks([self.by_name[name]], [sizes[name]], self._along(name))
        self._settled.start()

    @Slot()
    def _on_settled(self) -> None:
        self._given = {name: self._size(name) for name in self._given}

    def _along(self, name: str) -> Qt.Orientation:
        bottom = self._areas[name] == self.BOTTOM
        return Qt.Orientation.Vertical if bottom else Qt.Orientation.Horizontal

    def _size(self, name: str) -> int:
        dock = self.by_name[name]
        return dock.height() if self._along(name) == Qt.Orientation.Vertical else dock.width()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Follow the window's size and font, except for docks that the user has resized."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.FontChange) and self._given:
            self._resized.start()
        elif event.type() == QEvent.Type.MouseButtonRelease:  # perhaps of a bar between docks
            kept = {name: size for name, size in self._given.items() if size == self._size(name)}
            self._given = kept
        return False

    def tidy_soon(self) -> None:
        """Hide tabs that lead nowhere, once the window is laid out."""
        self._laid_out.start()

    @Slot()
    def _hide_strays(self) -> None:
        """Hide the tab bars that Qt leaves over the middle and over docks (6.11).

        They are unused, and Qt shows them again when it uses them.
        """
        centre = self.window.centralWidget()
        assert centre is not None
        docks = [
            dock for dock in self.by_name.values() if dock.isVisible() and not dock.isFloating()
        ]
        taken = [centre.geometry(), *(dock.geometry() for dock in docks)]
        own = Qt.FindChildOption.FindDirectChildrenOnly
        for bar in self.window.findChildren(QTabBar, options=own):
            if any(bar.geometry().intersects(place) for place in taken):
                bar.hide()

    def bring_back(self, name: str) -> None:
        """Show a hidden dock again, behind those that share its place."""
        dock = self.by_name[name]
        others = [
            o for o in self.window.tabifiedDockWidgets(dock) if not o.visibleRegion().isEmpty()
        ]
        dock.show()
        for other in others:
            other.raise_()
        self.tidy_soon()

    def reset(self) -> None:
        """Put the docks back to how they were at the first start."""
        before = self.window.size()
        for dock in self.by_name.values():
            dock.setFloating(False)
            dock.show()
        self.arrange()
        self.size()
        self.window.resize(before)  # docks stacked on each other make a low window higher
