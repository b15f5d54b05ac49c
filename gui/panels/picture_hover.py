"""A picture and its name, shown beside the pointer."""

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget


class PictureHover(QFrame):
    """A picture and its name beside the pointer."""

    def __init__(self, view: QWidget) -> None:
        super().__init__(view)
        self.setObjectName("mapHover")
        self.setStyleSheet("#mapHover { border: 1px solid palette(mid); }")
        self.setAutoFillBackground(True)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._picture, self.name = QLabel(), QLabel()
        self.name.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(2)
        for label in (self._picture, self.name):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
        self.hide()

    def show_picture(self, picture: QPixmap, name: str, at: QPointF, half: float) -> None:
        """Show a picture to the right of a point, or to the left if there is no room."""
        if picture.width() < 96:
            picture = picture.scaledToWidth(96)
        self._picture.setPixmap(picture)
        self.name.setText(name)
        self.name.setFixedWidth(max(picture.width(), 120))
        self.adjustSize()
        view = self.parentWidget()
        assert view is not None
        x = at.x() + half + 8
        if x + self.width() > view.width():
            x = at.x() - half - 8 - self.width()
        y = min(max(0.0, at.y() - self.height() / 2), float(view.height() - self.height()))
        self.move(round(max(0.0, min(x, view.width() - self.width()))), round(max(0.0, y)))
        self.show()
        self.raise_()
