"""The legend of a plot of losses: a check box with a swatch for each term."""

from PySide6 import QtGui
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QSizePolicy, QWidget


class LossLegend(QWidget):
    """Terms in as many columns as there is room for; each can be switched off."""

    switched = Signal()
    """A term was switched on or off."""

    def __init__(self, first: str, before: QWidget, parent: QWidget) -> None:
        """`first` stands first whenever it came; the Tab key comes here from `before`."""
        super().__init__(parent)
        self._first, self._before = first, before
        self._boxes: dict[str, QCheckBox] = {}
        # Not asking for width: else the panel could not be made narrower again.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)

    def terms(self) -> list[str]:
        """Return the terms that are switched on, in the order in which they came."""
        return [term for term, box in self._boxes.items() if box.isChecked()]

    def add(self, term: str) -> None:
        """Take in another term, switched on."""
        name = term.replace("_", " ")
        width = 14 * self.fontMetrics().averageCharWidth()
        text = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, width)
        box = QCheckBox(text, self)
        box.setAccessibleName(name)
        box.setToolTip(self.tr("Show or hide {0}").format(name))
        box.setChecked(True)
        box.toggled.connect(self.switched)
        self._boxes[term] = box

    def clear(self) -> None:
        """Forget all terms."""
        for box in self._boxes.values():
            self._grid.removeWidget(box)
            box.hide()
            box.deleteLater()
        self._boxes.clear()

    def paint(self, term: str, colour: str, width: int, dash: Qt.PenStyle) -> None:
        """Show how a term's curve is drawn."""
        size, ratio = self._boxes[term].iconSize(), self.devicePixelRatioF()
        swatch = QtGui.QPixmap(size * ratio)
        swatch.setDevicePixelRatio(ratio)
        swatch.fill(QtGui.QColor(0, 0, 0, 0))
        painter = QtGui.QPainter(swatch)
        painter.setPen(QtGui.QPen(QtGui.QColor(colour), width, dash))
        painter.drawLine(0, size.height() // 2, size.width(), size.height() // 2)
        painter.end()
        self._boxes[term].setIcon(QtGui.QIcon(swatch))

    def arrange(self) -> None:
        """Lay out for the present width."""
        boxes = [self._boxes[t] for t in sorted(self._boxes, key=lambda t: t != self._first)]
        if not boxes:
            return
        columns = max(1, self.width() // (max(b.sizeHint().width() for b in boxes) + 6))
        before = self._before
        for n, box in enumerate(boxes):
            self._grid.addWidget(box, n // columns, n % columns, Qt.AlignmentFlag.AlignLeft)
            QWidget.setTabOrder(before, box)
            before = box
