"""The square that is dragged over the picture: its switch, size and fill."""

from PySide6.QtCore import QCoreApplication, QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QComboBox, QFormLayout, QGroupBox, QSpinBox, QWidget

from gui.panels.combo_width import narrow

SMALLEST, LARGEST, AT_FIRST = 2, 100, 25
"""Side of the square in percent of the picture's short side."""
STEP = 3


def fills() -> list[tuple[str, str]]:
    """Return the words for each of `engine.attribution.square.FILLS`."""
    words = QCoreApplication.translate
    return [
        ("mean", words("OccluderGroup", "mean colour of the training pictures")),
        ("gray", words("OccluderGroup", "gray")),
        ("black", words("OccluderGroup", "black")),
        ("blur", words("OccluderGroup", "the picture, blurred")),
    ]


class OccluderGroup(QGroupBox):
    """Switch, size and fill; the canvas draws the square itself."""

    changed = Signal()
    """The size or fill has changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTitle(self.tr("Occluder"))
        self.setObjectName("occluderPanel")
        self.setAccessibleName(self.title())
        self.setToolTip(self.tr("Drag a square over the picture and watch the classes change"))
        self.setCheckable(True)
        self.setChecked(False)
        self.size_box = QSpinBox()
        self.size_box.setRange(SMALLEST, LARGEST)
        self.size_box.setValue(AT_FIRST)
        self.size_box.setSuffix(self.tr(" % of the short side"))
        self.size_box.setAccessibleName(self.tr("Size of the occluder"))
        self.size_box.setToolTip(self.tr("Or turn the wheel over the picture while holding Shift"))
        self.fill_box = QComboBox()
        self.fill_box.setAccessibleName(self.tr("Fill of the occluder"))
        for name, text in fills():
            self.fill_box.addItem(text, name)
        narrow(self.fill_box)
        form = QFormLayout(self)
        form.addRow(self.tr("Size"), self.size_box)
        form.addRow(self.tr("Fill"), self.fill_box)
        self.size_box.valueChanged.connect(self._on_changed)
        self.fill_box.activated.connect(self._on_changed)

    def share(self) -> float:
        """Return the square's side as a fraction of the picture's short side."""
        return self.size_box.value() / 100

    def fill(self) -> str:
        """Return the fill: one of `engine.attribution.square.FILLS`."""
        return str(self.fill_box.currentData())

    @Slot(int)
    def grow(self, notches: int) -> None:
        """Make the square larger or smaller by this many notches of a wheel."""
        self.size_box.setValue(self.size_box.value() + STEP * notches)

    def set_on(self, on: bool) -> None:
        """Show the switch on or off, without a signal."""
        with QSignalBlocker(self):
            self.setChecked(on)
        for widget in (self.size_box, self.fill_box):  # what the blocked signal would have done
            widget.setEnabled(on)

    @Slot(int)
    def _on_changed(self, _value: int) -> None:
        self.changed.emit()
