"""A sentence under the canvas, with a button that does what it suggests."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from gui.panels.elided import ElidedLabel


class Notice(QWidget):
    """Hidden until there is something to suggest."""

    accepted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.label = ElidedLabel()
        self.button = QPushButton()
        line = QHBoxLayout(self)
        line.setContentsMargins(6, 2, 6, 2)
        line.addWidget(self.label, 1)
        line.addWidget(self.button)
        self.button.clicked.connect(self.accepted)
        self.hide()

    def suggest(self, text: str, action: str) -> None:
        """Show a sentence and the button's text; "" hides both."""
        self.label.setText(text)
        self.label.setToolTip(text)
        self.button.setText(action)
        self.setVisible(bool(text))
