"""The tool bar of the window: technique, network and preset of the job."""

from PySide6.QtWidgets import QComboBox, QLabel, QToolBar, QToolButton, QWidget

from engine.techniques import TECHNIQUES
from gui.panels.narrow import narrow


class JobBar(QToolBar):
    """Boxes to choose from; others fill them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Job"))
        self.setObjectName("jobBar")
        self.setMovable(False)
        titles = [len(kind.title) for kind in TECHNIQUES.values()]
        self.technique_box = self._box("techniqueBox", self.tr("Technique"), max(titles))
        self.network_box = self._box("networkBox", self.tr("Network"), 14)
        self.networks_button = QToolButton()
        self.networks_button.setObjectName("networksButton")
        self.networks_button.setText("…")
        self.networks_button.setToolTip(self.tr("All networks"))
        self.networks_button.setAccessibleName(self.tr("All networks"))
        self.addWidget(self.networks_button)
        names = [len(name) for kind in TECHNIQUES.values() for name in kind.presets]
        self.preset_box = self._box("presetBox", self.tr("Preset"), max(names))

    def _box(self, name: str, text: str, letters: int) -> QComboBox:
        label = QLabel(f" {text} ")
        box = QComboBox()
        box.setObjectName(name)
        box.setAccessibleName(text)
        narrow(box, letters)
        label.setBuddy(box)
        self.addWidget(label)
        self.addWidget(box)
        return box
