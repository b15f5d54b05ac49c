"""Icons drawn from the program's own SVG files, in the colours of the palette."""

from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "icons"
SIDE = 48


def icon(name: str, palette: QPalette) -> QIcon:
    """Return the icon of a file in `resources/icons`, its `currentColor` the palette's text."""
    made = QIcon()
    for mode, group in (
        (QIcon.Mode.Normal, QPalette.ColorGroup.Active),
        (QIcon.Mode.Disabled, QPalette.ColorGroup.Disabled),
    ):
        colour = palette.color(group, QPalette.ColorRole.ButtonText).name()
        made.addPixmap(_drawn(name, colour), mode)
    return made


def untinted(pixmap: QPixmap) -> QIcon:
    """Return a picture as an icon that looks the same in a selected row."""
    made = QIcon(pixmap)
    made.addPixmap(pixmap, QIcon.Mode.Selected)
    return made


def _drawn(name: str, colour: str) -> QPixmap:
    text = (FOLDER / f"{name}.svg").read_text("utf-8").replace("currentColor", colour)
    renderer = QSvgRenderer(QByteArray(text.encode()))
    pixmap = QPixmap(SIDE, SIDE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, SIDE, SIDE))
    painter.end()
    return pixmap
