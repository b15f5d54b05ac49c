"""The settings of one kind of map: whether it is shown, its method and its look."""

from collections.abc import Sequence
from html import escape

from PySide6.QtCore import QCoreApplication, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QFormLayout, QGroupBox, QSlider

from engine.attribution.registry import find_method
from engine.colour_names import SEQUENTIAL
from gui.panels.combo_width import narrow


class MapGroup(QGroupBox):
    """Switch, colours and opacity of one kind of map."""

    changed = Signal()
    recoloured = Signal(str)
    opacity_changed = Signal(str, float)

    def __init__(self, name: str, title: str, methods: Sequence[str]) -> None:
        super().__init__(title)
        self.key = ""
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setCheckable(True)
        self.setChecked(False)
        self.method = QComboBox()
        for name in methods:
            self.method.addItem(name)
            told = self.told_of(name)
            self.method.setItemData(self.method.count() - 1, told, Qt.ItemDataRole.ToolTipRole)
        self.method.setAccessibleName(self.tr("{0}: method").format(title))
        narrow(self.method)
        self.colours = QComboBox()
        self.colours.addItems(SEQUENTIAL)
        self.colours.setAccessibleName(self.tr("{0}: colours").format(title))
        narrow(self.colours)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(60)
        self.opacity.setAccessibleName(self.tr("{0}: opacity").format(title))
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0, 100)
        self.threshold.setAccessibleName(self.tr("{0}: threshold").format(title))
        self.threshold.setToolTip(self.tr("Show only values at least this strong"))
        self.form = QFormLayout(self)
        self.form.addRow(self.tr("Method"), self.method)
        self.form.addRow(self.tr("Opacity"), self.opacity)
        self.form.addRow(self.tr("Threshold"), self.threshold)
        self.form.addRow(self.tr("Colours"), self.colours)
        self.toggled.connect(self._on_toggled)
        self.method.activated.connect(self._on_choice)
        self.method.currentTextChanged.connect(self._explain)
        self._explain(self.method.currentText())
        self.colours.activated.connect(self._on_look)
        self.threshold.valueChanged.connect(self._on_look)
        self.opacity.valueChanged.connect(self._on_opacity)

    def chosen(self) -> str:
        """Return the method to show; empty when the group is switched off."""
        return self.method.currentText() if self.isChecked() else ""

    def told_of(self, name: str) -> str:
        """Return a sentence about a method, as rich text that a tooltip wraps by itself."""
        words = QCoreApplication.translate("Maps", find_method(name).help)
        return f"<qt>{escape(words[:1].upper() + words[1:], quote=False)}.</qt>"

    @Slot(str)
    def _explain(self, name: str) -> None:
        told = self.told_of(name)
        self.method.setToolTip(told)
        self.method.setWhatsThis(told)

    @Slot(bool)
    def _on_toggled(self, _on: bool) -> None:
        self.changed.emit()

    @Slot(int)
    def _on_choice(self, _index: int) -> None:
        self.changed.emit()

    @Slot(int)
    def _on_look(self, _value: int) -> None:
        self.recoloured.emit(self.key)

    @Slot(int)
    def _on_opacity(self, value: int) -> None:
        self.opacity_changed.emit(self.key, value / 100)
