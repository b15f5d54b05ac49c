"""How large dialogs open."""

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QDialog, QWidget

OF_SCREEN = 0.9
"""The share of a screen left beside panels and the dialog's own frame."""


def fit_height(dialog: QDialog, width: int) -> None:
    """Give a dialog this width, and at least the height that its text, perhaps a new one, then needs."""
    layout = dialog.layout()
    assert layout is not None
    layout.activate()
    dialog.resize(width, max(dialog.height(), layout.totalHeightForWidth(width)))


def open_within(dialog: QDialog, width: int, height: int) -> None:
    """Give a dialog its first size: no larger than its window or the screen."""
    room = dialog.screen().availableSize() * OF_SCREEN
    parent = dialog.parentWidget()
    window: QWidget | None = parent.window() if parent is not None else None
    if window is not None:
        room = room.boundedTo(window.size())
    dialog.resize(QSize(width, height).boundedTo(room))
