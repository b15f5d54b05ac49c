"""F1: opens the place in the guide that explains what the user is working with."""

from contextlib import suppress
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialog,
    QDockWidget,
    QWidget,
)

from engine.errors import BadInput
from gui.help import pages
from gui.panels.map_group import MapGroup

if TYPE_CHECKING:
    from gui.dialogs.help import HelpWindow
    from gui.main_window import MainWindow

DIALOGS = {
    "trainStyleDialog": "window.md#style-networks-of-your-own",
    "gradCamMaskDialog": "window.md#regions",
    "maskBrush": "window.md#regions",
}
"""Places of dialogs that lie beside the window, by their names."""
SETTING = "setting_"
"""How the object name of a setting's editor begins."""


class HelpFlow(QObject):
    """Shows the guide."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window = window
        self.shown: HelpWindow | None = None

    def bind(self, action: QAction) -> None:
        """Let F1 work in dialogs beside the window too."""
        action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)

    @Slot()
    def here(self) -> None:
        """Show the guide's explanation of the widget with the focus."""
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
        self.shown.show()  # first, as pictures fit the window's width
        self.shown.show_place(place)
        self.shown.raise_()
        self.shown.activateWindow()

    def place_of(self, widget: QWidget | None) -> str:
        """Return the guide's place for a widget: its setting, method or panel, or else the first page."""
        line = []
        while widget is not None:
            line.append(widget)
            widget = widget.parentWidget()
        # Settings before methods: a setting's value may have the same name as a method.
        for place_in in (_dialog_in, self._setting_in, _method_in, self._part_in):
            if (place := place_in(line)) is not None:
                return place
        return pages.HOME

    def _setting_in(self, line: list[QWidget]) -> str | None:
        command = self.window.studio.technique.command
        for widget in line:
            name = widget.objectName()
            if name.startswith(SETTING):
                with suppress(KeyError):  # a preference, say
                    return pages.place_of_setting(command, name.removeprefix(SETTING))
        return None

    def _part_in(self, line: list[QWidget]) -> str | None:
        w = self.window
        for widget in line:
            if widget in (w.technique_box, w.preset_box):
                return pages.place_of_technique(w.studio.technique.command)
            if widget is w.network_box:
                return "networks.md"
            if widget is w.canvas:
                return pages.place_of_panel("canvas")
            if isinstance(widget, QDockWidget):
                return pages.place_of_panel(widget.objectName().removeprefix("dock_"))
        return None


def bind_help(dialog: QDialog, place: str) -> None:
    """Let F1 open a place of the guide above a modal dialog."""

    def show() -> None:
        from gui.dialogs.help import HelpWindow

        guide = dialog.findChild(HelpWindow) or HelpWindow(dialog)
        guide.show()
        guide.show_place(place)

    QShortcut(QKeySequence(Qt.Key.Key_F1), dialog).activated.connect(show)


def _dialog_in(line: list[QWidget]) -> str | None:
    """Return where a dialog with settings of its own is explained."""
    return next((DIALOGS[w.objectName()] for w in line if w.objectName() in DIALOGS), None)


def _method_in(line: list[QWidget]) -> str | None:
    """Return the guide's place for the attribution method that a widget stands for, if any."""
    names = []
    for number, widget in enumerate(line):
        if isinstance(widget, MapGroup):
            names.append(widget.method.currentText())
        elif number == 0 and isinstance(widget, QAbstractButton):
            names.append(widget.text())
        elif number == 0 and isinstance(widget, QComboBox):
            names.append(widget.currentText())
    for name in names:
        with suppress(BadInput):
            return pages.place_of_method(name)
    return None
