"""F1: opens the place in the guide that explains what a person is working with."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QDockWidget, QWidget

from engine.errors import BadInput
from gui.help import pages

if TYPE_CHECKING:
    from gui.dialogs.help import HelpWindow
    from gui.main_window import MainWindow

SETTING = "setting_"
"""What the object name of a setting's editor begins with."""


class HelpFlow(QObject):
    """Shows the guide."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window = window
        self.shown: HelpWindow | None = None

    def bind(self, action: QAction) -> None:
        """Let F1 work in dialogs that lie beside the window, too."""
        action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)

    @Slot()
    def here(self) -> None:
        """Show what explains the widget with the focus."""
        self.show_place(self.place_of(QApplication.focusWidget()))

    @Slot()
    def guide(self) -> None:
        """Show the guide's first page."""
        self.show_place(pages.HOME)

    def show_place(self, place: str) -> None:
        """Show a place of the guide."""
        from gui.dialogs.help import HelpWindow

        if self.shown is None:
            self.shown = HelpWindow(self.window)
        self.shown.show()  # first: pictures fit the window's width
        self.shown.show_place(place)
        self.shown.raise_()
        self.shown.activateWindow()

    def place_of(self, widget: QWidget | None) -> str:
        """Return where the guide explains a widget: a setting, a method, a panel, else its home."""
        technique = self.window.studio.technique
        inner = widget
        while widget is not None:
            name = widget.objectName()
            if name.startswith(SETTING):
                return pages.place_of_setting(technique.command, name.removeprefix(SETTING))
            if widget is self.window.technique_box or widget is self.window.preset_box:
                return pages.place_of_technique(technique.command)
            if widget is self.window.network_box:
                return "networks.md"
            if widget is self.window.canvas:
                return pages.place_of_panel("canvas")
            if (method := _method_of(widget, inner)) is not None:
                return method
            if isinstance(widget, QDockWidget):
                return pages.place_of_panel(name.removeprefix("dock_"))
            widget = widget.parentWidget()
        return pages.HOME


def _method_of(widget: QWidget, inner: QWidget | None) -> str | None:
    """Return where the method of attribution that a widget stands for is explained, if it does."""
    from gui.panels.map_group import MapGroup

    name = ""
    if isinstance(widget, MapGroup):
        name = widget.method.currentText()
    elif widget is inner and isinstance(widget, QAbstractButton):
        name = widget.text()
    elif widget is inner and isinstance(widget, QComboBox):
        name = widget.currentText()
    try:
        return pages.place_of_method(name)
    except BadInput:
        return None
