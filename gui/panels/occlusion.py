"""The saliency group's rows for occlusion: its square, and which of its maps is shown."""

from dataclasses import astuple
from itertools import pairwise

from PySide6.QtCore import QCoreApplication, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSizePolicy, QSpinBox, QWidget

from engine.attribution.heat import Heat, LegendLine
from engine.attribution.registry import find_method
from engine.attribution.square import SHOWN, Square
from engine.networks.classes import percent
from gui.panels.combo_width import narrow
from gui.panels.map_group import MapGroup
from gui.panels.occluder import fills

SMALLEST_SIDE, LARGEST_SIDE = 2.0, 100.0
"""The square's side, in per cent of the picture's short side."""
SMALLEST_STEP = 10
"""The smallest step, in per cent of the square; a smaller one takes hours."""


class OcclusionRows(QWidget):
    """Square, step, fill and the map shown; visible only while the method is occlusion."""

    changed = Signal()
    """Something else must be computed."""

    def __init__(self, group: MapGroup) -> None:
        super().__init__(group)
        self.hide()  # the rows belong to the group
        self._group, self._of_unit = group, False
        self._chosen = SHOWN[0]
        self.shown = QComboBox()
        self.shown.setObjectName("occlusionShown")
        self.shown.setAccessibleName(self.tr("Occlusion: map shown"))
        for name, text in zip(SHOWN, self._texts(), strict=True):
            self.shown.addItem(text, name)
        narrow(self.shown)
        self.side = QDoubleSpinBox()
        self.side.setObjectName("occlusionSide")
        self.side.setAccessibleName(self.tr("Occlusion: side of the square"))
        self.side.setDecimals(1)
        self.side.setRange(SMALLEST_SIDE, LARGEST_SIDE)
        self.side.setSuffix(self.tr(" % of the short side"))
        self.step = QSpinBox()
        self.step.setObjectName("occlusionStep")
        self.step.setAccessibleName(self.tr("Occlusion: step of the square"))
        self.step.setRange(SMALLEST_STEP, 100)
        self.step.setSingleStep(10)
        self.step.setSuffix(self.tr(" % of the square"))
        self.step.setToolTip(
            self.tr("How far the square moves each time; half the step takes four times as long")
        )
        self.fill = QComboBox()
        self.fill.setObjectName("occlusionFill")
        self.fill.setAccessibleName(self.tr("Occlusion: fill of the square"))
        for name, text in fills():
            self.fill.addItem(text, name)
        narrow(self.fill)
        for box in (self.side, self.step):
            box.setKeyboardTracking(False)  # not for a number that is still being typed
            box.setMinimumWidth(8 * self.fontMetrics().averageCharWidth())
        self.legend = Legend()
        rows = (
            (self.tr("Show"), self.shown), (self.tr("Square"), self.side),
            (self.tr("Step"), self.step), (self.tr("Fill"), self.fill),
        )  # fmt: skip
        for at, (label, widget) in enumerate(rows, 1):
            group.form.insertRow(at, label, widget)
        group.form.addRow(self.legend)
        for one, next_one in pairwise((group.method, *(widget for _, widget in rows))):
            QWidget.setTabOrder(one, next_one)
        self._settings = [widget for _, widget in rows]
        self.set_values(Square(), SHOWN[0])
        self._show_rows()
        group.method.currentTextChanged.connect(self._on_method)
        self.shown.activated.connect(self._on_shown)
        self.side.valueChanged.connect(self._on_side)
        self.step.valueChanged.connect(self._on_changed)
        self.fill.activated.connect(self._on_changed)

    def values(self) -> tuple[float, float, str, str]:
        """Return side, step and fill as in `Square`, and the map shown."""
        # A seventh stays a seventh, though the box can only show it rounded.
        untouched = self.side.value() == round(100 * Square.side, self.side.decimals())
        return (
            Square.side if untouched else round(self.side.value() / 100, 4),
            self.step.value() / 100,
            str(self.fill.currentData()), str(self.shown.currentData()),
        )  # fmt: skip

    def set_values(self, square: Square, shown: str) -> None:
        """Take over these values; names that are not offered are ignored."""
        side, step, fill = astuple(square)
        for box, value in ((self.side, 100 * side), (self.step, round(100 * step))):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)
        if (at := self.fill.findData(fill)) >= 0:
            self.fill.setCurrentIndex(at)
        if shown in SHOWN:
            self._chosen = shown
        self._show_choice()

    def set_of_unit(self, of_unit: bool) -> None:
        """Set whether the maps are about a unit, for which there are no other maps."""
        if of_unit == self._of_unit:
            return
        self._of_unit = of_unit
        why = self.tr("A unit has no probability and no class: choose a class under Target")
        for at, text in enumerate(self._texts()):
            self.shown.setItemText(at, text)
            self.shown.setItemData(at, why if of_unit and at else None, Qt.ItemDataRole.ToolTipRole)
            model = self.shown.model()
            assert isinstance(model, QStandardItemModel)
            model.item(at).setEnabled(not (of_unit and at))
        self.shown.setToolTip(why if of_unit else "")
        self._show_choice()

    def show_key(self, heat: Heat | None) -> None:
        """Explain the colours of the map that is shown; None: there is none."""
        self.legend.show_key(heat)
        self._show_rows()

    def _texts(self) -> tuple[str, str, str]:
        """Return the words for `SHOWN`."""
        drop = self.tr("drop of the activation") if self._of_unit else self.tr("drop of the logit")
        return drop, self.tr("probability"), self.tr("most likely class")

    @property
    def _on(self) -> bool:
        return find_method(self._group.method.currentText()).covers

    def _show_choice(self) -> None:
        shown = SHOWN[0] if self._of_unit else self._chosen
        self.shown.setCurrentIndex(self.shown.findData(shown))
        self._show_rows()

    def _show_rows(self) -> None:
        form, on = self._group.form, self._on
        for widget in self._settings:
            form.setRowVisible(widget, on)
        form.setRowVisible(self.legend, not self.legend.empty)
        by_class = on and self.shown.currentData() == "label"  # classes have no order
        form.setRowVisible(self._group.threshold, not by_class)
        beside = on and self.shown.currentData() != SHOWN[0]
        signed = find_method(self._group.method.currentText()).signed and not beside
        form.setRowVisible(self._group.colours, not (by_class or signed))  # red and blue

    @Slot(str)
    def _on_method(self, _text: str) -> None:
        self.legend.show_key(None)
        self._show_rows()

    @Slot(int)
    def _on_shown(self, _index: int) -> None:
        self._chosen = str(self.shown.currentData())
        self._show_rows()
        self._group.recoloured.emit(self._group.key)  # all of them come from one run

    @Slot(float)
    def _on_side(self, _value: float) -> None:
        self.changed.emit()

    @Slot(int)
    def _on_changed(self, _value: int) -> None:
        self.changed.emit()


class Legend(QWidget):
    """What a map's colours mean: a chip, name and share of each class, or a line of words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("occlusionLegend")
        self.setAccessibleName(self.tr("Legend of the occlusion map"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.lines: tuple[LegendLine, ...] = ()
        self.words = ""
        """Shown instead of lines."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to explain."""
        return not (self.lines or self.words)

    def show_key(self, heat: Heat | None) -> None:
        """Explain a map."""
        self.lines = heat.legend if heat is not None else ()
        told = QCoreApplication.translate("Maps", heat.key) if heat is not None else ""
        self.words = "" if self.lines else told
        self.setAccessibleDescription(told)
        self.setToolTip("\n".join(map(str, self.lines)) or told)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """As high as its lines of text."""
        return QSize(120, self._row_height() * max(1, len(self.lines)))

    def _row_height(self) -> int:
        return self.fontMetrics().height() + 4

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the lines; names too long for the panel are cut off here, but not in the tooltip."""
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        metrics, height = painter.fontMetrics(), self._row_height()
        left, right = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignRight
        cut = Qt.TextElideMode.ElideRight
        if self.words:
            painter.drawText(self.rect(), left, metrics.elidedText(self.words, cut, self.width()))
        chip, share_width = metrics.ascent(), metrics.horizontalAdvance("100.0% ")
        for row, line in enumerate(self.lines):
            place = QRect(0, row * height, self.width(), height)
            painter.fillRect(
                0, place.top() + (height - chip) // 2, chip, chip, QColor(*line.colour)
            )
            text = place.adjusted(chip + 6, 0, -share_width, 0)
            painter.drawText(text, left, metrics.elidedText(line.name, cut, text.width()))
            painter.drawText(place, left | right, percent(line.share))
