"""The tool bar of the window: technique, network and preset of the job."""

from PySide6.QtCore import QEvent, QSize
from PySide6.QtWidgets import (
    QComboBox,
    QLabel,
    QStyle,
    QStyleOptionComboBox,
    QToolBar,
    QToolButton,
    QWidget,
)

from engine.techniques import TECHNIQUES
from gui.panels.combo_width import narrow

NAME = "0" * 12
"""The least room for a network's name is the width of this one."""


class JobBar(QToolBar):
    """Boxes to choose from; others fill them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._longest: dict[QComboBox, list[str]] = {}
        self.setWindowTitle(self.tr("Job"))
        self.setObjectName("jobBar")
        self.setMovable(False)
        titles = [kind.title for kind in TECHNIQUES.values()]
        self.technique_box = self._box("techniqueBox", self.tr("Technique"), titles)
        self.network_box = self._box("networkBox", self.tr("Network"), [NAME])
        self.networks_button = QToolButton()
        self.networks_button.setObjectName("networksButton")
        self.networks_button.setText("…")
        self.networks_button.setToolTip(self.tr("All networks"))
        self.networks_button.setAccessibleName(self.tr("All networks"))
        self.addWidget(self.networks_button)
        names = [name for kind in TECHNIQUES.values() for name in kind.presets]
        self.preset_box = self._box("presetBox", self.tr("Preset"), names)
        self._measure()

    def _box(self, name: str, text: str, entries: list[str]) -> QComboBox:
        label = QLabel(f" {text} ")
        box = QComboBox()
        box.setObjectName(name)
        box.setAccessibleName(text)
        narrow(box, max(map(len, entries)))
        label.setBuddy(box)
        self.addWidget(label)
        self.addWidget(box)
        self._longest[box] = entries
        return box

    def _measure(self) -> None:
        """Let boxes shrink to their longest entry; Qt would drop a wider one from the bar."""
        for box, entries in self._longest.items():
            option, metrics = QStyleOptionComboBox(), box.fontMetrics()
            box.initStyleOption(option)
            text = QSize(max(map(metrics.horizontalAdvance, entries)), metrics.height())
            kind = QStyle.ContentsType.CT_ComboBox
            box.setMinimumWidth(box.style().sizeFromContents(kind, option, text, box).width() + 4)

    def changeEvent(self, event: QEvent) -> None:
        """Measure again when the font or style changes."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._measure()
