"""Which texts of a window are cut off, or would be."""

from collections.abc import Iterator

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QDockWidget,
    QLabel,
    QScrollArea,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QToolButton,
    QWidget,
)

from gui.panels.elided import ElidedLabel

SLACK = 1
"""Pixels by which rounding may leave a text short."""


def cut_texts(window: QWidget) -> list[str]:
    """Return the texts of visible widgets that have less room than they take, with their class."""
    found = []
    for widget in window.findChildren(QWidget):
        if widget.isVisible() and not isinstance(widget, ElidedLabel) and not _behind(widget):
            found += [f"{type(widget).__name__}: {text}" for text in _cut(widget)]
    return found


def _cut(widget: QWidget) -> Iterator[str]:
    metrics = widget.fontMetrics()
    if isinstance(widget, QLabel) and widget.text() and not widget.pixmap():
        if widget.wordWrap():
            if widget.heightForWidth(widget.width()) > widget.height() + SLACK:
                yield widget.text()
            longest = max(widget.text().split(), key=metrics.horizontalAdvance, default="")
            if "<" not in widget.text() and metrics.horizontalAdvance(longest) > widget.width():
                yield widget.text()
        elif widget.sizeHint().width() > widget.width() + SLACK:
            yield widget.text()
    elif isinstance(widget, QAbstractButton) and widget.text():
        plain = not isinstance(widget, QToolButton) or widget.icon().isNull()
        if (
            plain
            and metrics.horizontalAdvance(widget.text().replace("&", "")) > widget.width() + SLACK
        ):
            yield widget.text()
    elif isinstance(widget, QComboBox) and not widget.isEditable():
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        room = widget.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            widget,
        )
        for i in range(widget.count()):
            if metrics.horizontalAdvance(widget.itemText(i)) > room.width() + SLACK:
                yield widget.itemText(i)
    elif isinstance(widget, QAbstractSpinBox):
        line = widget.lineEdit()
        if metrics.horizontalAdvance(line.text()) > line.width() + SLACK:
            yield line.text()
    elif isinstance(widget, QTabBar) and widget.elideMode() is not None:
        for i in range(widget.count()):
            if metrics.horizontalAdvance(widget.tabText(i)) > widget.tabRect(i).width():
                yield widget.tabText(i)


def clipped(window: QWidget) -> list[str]:
    """Return what reaches out at the side of areas that cannot be scrolled sideways."""
    found = []
    for area in window.findChildren(QScrollArea):
        fixed = area.horizontalScrollBarPolicy() == Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        if not fixed or not area.isVisible() or _behind(area) or area.widget() is None:
            continue
        room = area.viewport().width()
        for widget in area.widget().findChildren(QWidget):
            right = widget.mapTo(area.viewport(), QPoint(widget.width(), 0)).x()
            if widget.isVisibleTo(area) and right > room + SLACK:
                found.append(f"{area.objectName()}: {widget.objectName() or type(widget).__name__}")
    return found


def outside(window: QWidget) -> list[str]:
    """Return the names of visible widgets that reach out of the window, scrolled ones aside."""
    room = window.rect()
    found = []
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or widget.isWindow() or _scrolled(widget) or _behind(widget):
            continue
        place = QRect(widget.mapTo(window, QPoint()), widget.size())
        if not room.contains(place):
            found.append(f"{type(widget).__name__} {widget.objectName()} {place}")
    return found


def _behind(widget: QWidget) -> bool:
    """Whether it is in a dock behind another: Qt keeps those far to the left of the window."""
    above: QWidget | None = widget
    while above is not None and not isinstance(above, QDockWidget):
        above = above.parentWidget()
    return above is not None and above.geometry().right() < 0


def _scrolled(widget: QWidget) -> bool:
    above = widget.parentWidget()
    while above is not None:
        if isinstance(above, QScrollArea) or type(above).__name__ in ("QHeaderView", "ToolBar"):
            return True
        above = above.parentWidget()
    return False
