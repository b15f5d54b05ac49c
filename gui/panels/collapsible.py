"""A group of widgets under a heading that collapses it."""

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget


class CollapsibleGroup(QWidget):
    """Heading with an arrow; the content under it can be hidden."""

    folded = Signal(bool)

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content = content
        self._title = title
        self.heading = QToolButton()
        self.heading.setText(title)
        self.heading.setCheckable(True)
        self.heading.setChecked(True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setArrowType(Qt.ArrowType.DownArrow)
        self.heading.setAutoRaise(True)
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        font = self.heading.font()
        font.setBold(True)
        self.heading.setFont(font)
        self.heading.toggled.connect(self._on_toggled)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.heading)
        column.addWidget(content)

    def set_open(self, on: bool) -> None:
        """Fold or unfold the group."""
        self.heading.setChecked(on)

    def is_open(self) -> bool:
        """Return whether the content is shown."""
        return self.heading.isChecked()

    def set_mark(self, text: str) -> None:
        """Put a few words behind the title; none when empty."""
        self.heading.setText(f"{self._title}  ({text})" if text else self._title)

    @Slot(bool)
    def _on_toggled(self, on: bool) -> None:
        self.content.setVisible(on)
        self.heading.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        self.folded.emit(not on)
