"""The choices beside the figure: what a comparison of methods shows, and how it is drawn."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from engine.attribution.registry import METHODS
from engine.attribution.unit_name import units_of
from engine.colour_names import SEQUENTIAL
from engine.errors import BadInput
from engine.looking import ComparisonRequest
from gui.dialogs.completers import SeveralCompleter, UnitsCompleter
from gui.run.comparison import MOST_COLUMNS, ComparisonQuery
from gui.run.networks import NetworkKey

OVER = 0.6
"""The opacity of maps laid over the photo."""
SEEN = 8
"""How many rows the list of layers shows."""
LIKELY = 3
"""How many of the most likely classes are taken if none is named."""
AT_FIRST = ("gradient", "guided backprop", "Grad-CAM", "guided Grad-CAM")


class CompareChoices(QWidget):
    """Methods, classes, units, layers, a second network, colours."""

    def __init__(
        self, network: NetworkKey, layers: Sequence[tuple[str, str]], others: Sequence[str],
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        """`layers`: (shown name, name) of those with maps; `others`: names of networks."""
        super().__init__(parent)
        self._network = network
        self._has_classes = False
        self.boxes = {name: QCheckBox(name) for name in (m.title for m in METHODS)}
        for name, box in self.boxes.items():
            box.setChecked(name in AT_FIRST)
        self.classes = QLineEdit()
        self.classes.setToolTip(self.tr("Names or numbers, separated by commas"))
        self.units = QLineEdit()
        self.units.setPlaceholderText(self.tr("layer:channel:row,column"))
        self.units.setToolTip(
            self.tr(
                "Units inside the network, separated by commas: relu4_2:17 is channel 17\n"
                "where it is strongest, relu4_2:17:12,5 the same channel at row 12, column 5"
            )
        )
        self.layers = QListWidget()
        self.layers.setAccessibleName(self.tr("Layers"))
        self.layers.setToolTip(
            self.tr("For CAM methods; if none is ticked, the last layer with a map")
        )
        for shown, name in layers:
            item = QListWidgetItem(shown, self.layers)
            item.setData(Qt.ItemDataRole.UserRole, name)
            item.setCheckState(Qt.CheckState.Unchecked)
        self.layers.setFixedHeight(
            SEEN * max(self.layers.sizeHintForRow(0), self.fontMetrics().height()) + 4
        )
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search layers"))
        self.search.setAccessibleName(self.tr("Search layers by name"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._find_layers)
        self.second = QComboBox()
        self.second.setAccessibleName(self.tr("Second network"))
        self.second.addItems([self.tr("none"), *(n for n in others if n != network[0])])
        self.colours = QComboBox()
        self.colours.addItems(SEQUENTIAL)
        self.one_scale = QCheckBox(self.tr("same scale along each row"))
        self.one_scale.setToolTip(
            self.tr(
                "Makes a method's maps comparable by colour. Each network has its own scale,\n"
                "and so has each layer whose units are shown"
            )
        )
        self.one_scale.setChecked(True)
        self.over = QCheckBox(self.tr("over the photo"))
        self.own_colours = QCheckBox(self.tr("guided maps in colour"))
        self.own_colours.setToolTip(
            self.tr(
                "Guided backprop, deconvnet and guided Grad-CAM in colour around grey, as in the papers"
            )
        )
        self.companions = QCheckBox(self.tr("occlusion: also probability and class"))
        self.companions.setToolTip(
            self.tr(
                "Also shows the probability of the class and the most likely class,\n"
                "for each position of the square (Zeiler and Fergus 2014)"
            )
        )
        covering = self.boxes[next(method.title for method in METHODS if method.covers)]
        covering.toggled.connect(self.companions.setEnabled)
        self.companions.setEnabled(covering.isChecked())
        form = QFormLayout()
        form.addRow(self.tr("Classes"), self.classes)
        form.addRow(self.tr("Units"), self.units)
        listed = QVBoxLayout()
        listed.setSpacing(2)
        listed.addWidget(self.search)
        listed.addWidget(self.layers)
        form.addRow(self.tr("Layers"), listed)
        form.addRow(self.tr("Second network"), self.second)
        form.addRow(self.tr("Colours"), self.colours)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for box in self.boxes.values():
            column.addWidget(box)
        column.addLayout(form)
        for box in (self.one_scale, self.over, self.own_colours, self.companions):
            column.addWidget(box)
        column.addStretch(1)
        self.units.textChanged.connect(self._tell_default)
        self._tell_default()

    def set_names(self, classes: Sequence[str], layers: Sequence[str]) -> None:
        """Complete these names of classes, if there are any, and of layers with units."""
        self.classes.setCompleter(SeveralCompleter(classes, self.classes))
        self.units.setCompleter(UnitsCompleter(layers, self.units))
        self._has_classes = bool(classes)
        self._tell_default()

    def tick_layer(self, name: str) -> None:
        """Let the CAM methods look at this layer, if it has maps."""
        for row in range(self.layers.count()):
            item = self.layers.item(row)
            if name and item.data(Qt.ItemDataRole.UserRole) == name:
                item.setCheckState(Qt.CheckState.Checked)
                item.setHidden(False)
                self.layers.scrollToItem(item)

    def query(self, image: QImage, sanity: bool = False) -> ComparisonQuery:
        """Return what to compare. Raises `BadInput`, which says what is missing or wrong."""
        methods = tuple(name for name, box in self.boxes.items() if box.isChecked())
        if not methods:
            raise BadInput(self.tr("Choose a method first."))
        classes = tuple(part.strip() for part in self.classes.text().split(",") if part.strip())
        units = units_of(self.units.text())
        if not (classes or units or self._has_classes):
            raise BadInput(
                self.tr("This network has no classes: name a unit, for example relu4_2:17.")
            )
        second = self.second.currentText() if self.second.currentIndex() > 0 else ""
        items = [self.layers.item(row) for row in range(self.layers.count())]
        networks = (self._network, (second, None, None)) if second else (self._network,)
        request = ComparisonRequest(
            methods, classes, units, 1 if sanity else LIKELY,
            tuple(
                item.data(Qt.ItemDataRole.UserRole)
                for item in items
                if item.checkState() is Qt.CheckState.Checked
            ),
            sanity, self.colours.currentText(), self.one_scale.isChecked(),
            OVER if self.over.isChecked() else 0.0, self.own_colours.isChecked(),
            self.companions.isChecked() and self.companions.isEnabled(),
            most_columns=MOST_COLUMNS,
        )  # fmt: skip
        return ComparisonQuery(image, networks, request)

    @Slot(str)
    def _find_layers(self, text: str) -> None:
        """Show the layers with all searched words in their names, and those that are ticked."""
        words = text.casefold().split()
        for row in range(self.layers.count()):
            item = self.layers.item(row)
            found = all(word in item.text().casefold() for word in words)
            item.setHidden(not found and item.checkState() is Qt.CheckState.Unchecked)
        self.layers.scrollToTop()

    @Slot()
    def _tell_default(self) -> None:
        """Say in the line of classes which ones are taken if it is left empty."""
        default = self.tr("none") if self.units.text().strip() else self.tr("the three most likely")
        self.classes.setPlaceholderText(default if self._has_classes else self.tr("none"))
