"""The target of the maps: a class, or one unit inside the network."""

from collections.abc import Sequence

from PySide6.QtCore import QStringListModel, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QCompleter, QFormLayout, QLineEdit, QWidget

from engine.attribution.unit_name import UnitName
from engine.errors import BadInput
from gui.dialogs.completers import ClickThrough
from gui.wording import worded

EXAMPLE = "relu4_2"
"""The layer of the example unit, if the network has it."""


class TargetRows(QWidget):
    """Rows of a form: class or unit, and which one; the box of classes belongs to the form."""

    changed = Signal()
    """The target has changed, perhaps to one that cannot be read."""

    def __init__(self, form: QFormLayout, class_box: QComboBox) -> None:
        super().__init__(class_box.parentWidget())
        self.hide()  # the rows belong to the form
        self._form, self._class_box = form, class_box
        self._has_classes = False
        self._before = ""
        self.kind = QComboBox()
        self.kind.setObjectName("targetKind")
        self.kind.setAccessibleName(self.tr("Target"))
        self.kind.addItems([self.tr("class"), self.tr("unit")])
        self.line = QLineEdit()
        self.line.setObjectName("unitLine")
        self.line.setAccessibleName(self.tr("Unit"))
        self.line.setPlaceholderText(self.tr("layer:channel:row,column"))
        self.line.setToolTip(
            self.tr(
                "For example relu4_2:17:12,5; without row and column, where the channel is strongest.\n"
                "To fill it in, click a channel under Inspect and choose Show maps for this channel,\n"
                "or, in DeepDream, double-click a channel in the network tree."
            )
        )
        self._layers = QStringListModel(self)
        self._example = f"{EXAMPLE}:17"
        completer = QCompleter(self._layers, self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.line.setCompleter(completer)
        ClickThrough(completer)
        form.addRow(self.tr("Target"), self.kind)
        form.addRow(self.tr("Class"), class_box)
        form.addRow(self.tr("Unit"), self.line)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.line.editingFinished.connect(self._on_typed)
        self._show_rows()

    def set_layers(self, names: Sequence[str]) -> None:
        """Complete these layers' names."""
        self._layers.setStringList([f"{name}:" for name in names])
        deep = names[2 * len(names) // 3] if names else EXAMPLE
        self._example = f"{EXAMPLE if EXAMPLE in names else deep}:17"

    def set_classes(self, any_there: bool) -> None:
        """Take over another network, with classes or without; the old network's unit is forgotten."""
        self._has_classes = any_there
        self.line.clear()
        self._before = ""
        self.kind.setEnabled(any_there)
        self.kind.blockSignals(True)
        self.kind.setCurrentIndex(0 if any_there else 1)
        self.kind.blockSignals(False)
        self._show_rows()

    @property
    def of_unit(self) -> bool:
        """Whether the target is a unit, even one not named yet."""
        return self.kind.currentIndex() == 1

    def unit(self) -> UnitName | None:
        """Return the unit; None: the target is a class, or cannot be read."""
        if not self.of_unit or not self.line.text().strip():
            return None
        try:
            return UnitName.parse(self.line.text())
        except BadInput:
            return None

    @property
    def problem(self) -> str:
        """Why there is no unit though one is needed."""
        if not self.of_unit:
            return ""
        if not self.line.text().strip():
            return self.which()
        try:
            UnitName.parse(self.line.text())
        except BadInput as error:
            return worded(error)
        return ""

    def which(self) -> str:
        """Return the sentence that asks for a unit."""
        if self._has_classes:
            words = self.tr(
                "Which unit? Type one, for example {0}, or click a channel under Inspect."
            )
        else:
            words = self.tr(
                "This network has no classes. Type a unit, for example {0}, or click a channel "
                "under Inspect."
            )
        return words.format(self._example)

    def set_of_class(self) -> None:
        """Make the class the target; the unit stays in its line."""
        self.kind.setCurrentIndex(0)

    def set_unit(self, text: str) -> None:
        """Make a unit the target, as `UnitName.parse` takes it; "": a class, if there are any."""
        self.line.setText(text)
        wanted = 0 if not text and self._has_classes else 1
        if self.kind.currentIndex() == wanted:
            self._on_typed()
        else:
            self._before = self.line.text()
            self.kind.setCurrentIndex(wanted)

    def _show_rows(self) -> None:
        self._form.setRowVisible(self._class_box, not self.of_unit)
        self._form.setRowVisible(self.line, self.of_unit)

    @Slot(int)
    def _on_kind(self, _index: int) -> None:
        self._show_rows()
        self.changed.emit()

    @Slot()
    def _on_typed(self) -> None:
        text = self.line.text().strip()
        if text != self._before:
            self._before = text
            self.changed.emit()
