"""The legend of the loss plot: a check box with a swatch for each term."""

from PySide6 import QtGui
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QScrollArea, QVBoxLayout, QWidget

NAME = 14
"""How many characters of a term's name are shown."""


class LossLegend(QScrollArea):
    """Terms in a column; each can be switched off.

    Its width does not depend on the terms, nor does it outgrow its place: nothing beside it moves when
    one is added.
    """

    switched = Signal()
    """A term was switched on or off."""

    def __init__(self, first: str, before: QWidget, parent: QWidget) -> None:
        """`first` always stands first; the Tab key comes here from `before`."""
        super().__init__(parent)
        self._first, self._before = first, before
        self._boxes: dict[str, QCheckBox] = {}
        page = QWidget(self)
        self._column = QVBoxLayout(page)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self._column.addStretch(1)
        self.setWidget(page)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the boxes take the focus
        self._fit_to_font()

    def changeEvent(self, event: QEvent) -> None:
        """Set the width that names need in the new font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_to_font()

    def _fit_to_font(self) -> None:
        sample = QCheckBox("m" * (NAME * 3 // 4))  # no child, which could be shown
        sample.setFont(self.font())
        self.setMinimumHeight(self.fontMetrics().height())
        self.setFixedWidth(sample.sizeHint().width() + self.verticalScrollBar().sizeHint().width())
        for box in self._boxes.values():
            box.setText(self._elided(box.accessibleName()))

    def terms(self) -> list[str]:
        """Return the terms that are switched on, in order of arrival."""
        return [term for term, box in self._boxes.items() if box.isChecked()]

    def add(self, term: str) -> None:
        """Add a term, switched on."""
        name = term.replace("_", " ")
        box = QCheckBox(self._elided(name), self.widget())
        box.setAccessibleName(name)
        box.setToolTip(self.tr("Show or hide {0}").format(name))
        box.setChecked(True)
        box.toggled.connect(self.switched)
        self._boxes[term] = box

    def _elided(self, name: str) -> str:
        width = NAME * self.fontMetrics().averageCharWidth()
        return self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, width)

    def clear(self) -> None:
        """Forget all terms."""
        for box in self._boxes.values():
            self._column.removeWidget(box)
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
        """Put the boxes in order."""
        before = self._before
        boxes = [self._boxes[t] for t in sorted(self._boxes, key=lambda t: t != self._first)]
        for n, box in enumerate(boxes):
            self._column.insertWidget(n, box)
            QWidget.setTabOrder(before, box)
            before = box
