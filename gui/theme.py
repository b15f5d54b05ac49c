"""Dark, light, or the system's own colours."""

import contextlib
import re
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

LINK = {True: "#8ab8ff", False: "#0b4fb3"}
"""The colour of links, by whether the theme is dark."""
USUAL = "usualPointSize"
"""Property of the application: the size of its text before it was scaled."""
SHEET = "sheetOfTheme"
"""Property of the application: the theme's style sheet, without what depends on the text's size."""
EXTRA = """
QToolTip { padding: 4px; }
QStatusBar QLabel { padding: 0 6px; }
QDialogButtonBox QPushButton { padding-left: 16px; padding-right: 16px; }
"""
NARROW = re.compile(r"(QDialogButtonBox QPushButton \{[^}]*?)min-width: 80px;")
"""QDarkStyle's rule for dialog buttons: in a box as narrow as possible it cuts off longer words."""
# A dock with the program's own font would keep painting its title in the font that it was made with.
DOCKS = "QDockWidget { font-weight: 500; }\n"
HEADS = "QHeaderView::section {{ font-size: {0:g}pt; }}\n"
"""For headers: QDarkStyle's text is 13 pixels high there, whatever the text size."""


def apply(app: QApplication, theme: str) -> bool:
    """Give the program a theme (dark, light, system); return whether it is dark."""
    if theme == "system":
        app.setPalette(QPalette())
        app.setProperty(SHEET, "")
        _dress(app)
        hints = app.styleHints()
        return bool(hints.colorScheme() == Qt.ColorScheme.Dark) if hints else False
    import qdarkstyle
    from qdarkstyle.dark.palette import DarkPalette
    from qdarkstyle.light.palette import LightPalette

    kind = DarkPalette if theme == "dark" else LightPalette
    with contextlib.redirect_stdout(None):
        sheet = qdarkstyle.load_stylesheet(qt_api="pyside6", palette=kind)
    app.setPalette(palette_of(kind))
    app.setProperty(SHEET, NARROW.sub(r"\1", sheet) + EXTRA)
    _dress(app)
    return theme == "dark"


def _dress(app: QApplication) -> None:
    """Set the style sheet for the current text size."""
    sheet, size = str(app.property(SHEET)), app.font().pointSizeF()
    heads = HEADS.format(size) if sheet and size > 0 else ""
    app.setStyleSheet(sheet + DOCKS + heads)


def scale_text(percent: int) -> None:
    """Set the program's text size, in per cent of the usual one."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        return
    usual = app.property(USUAL)
    if usual is None:
        usual = app.font().pointSizeF()
        app.setProperty(USUAL, usual)
    font = app.font()
    wanted = usual * percent / 100
    if usual > 0 and abs(font.pointSizeF() - wanted) > 0.01:
        font.setPointSizeF(wanted)
        app.setFont(font)
        if app.property(SHEET) is not None:  # a theme has been given
            _dress(app)  # styled widgets take up a font only along with their style


def palette_of(colours: Any) -> QPalette:
    """Return a style sheet's colours as a palette, for what paints itself."""
    role = QPalette.ColorRole
    back, text = QColor(colours.COLOR_BACKGROUND_1), QColor(colours.COLOR_TEXT_1)
    palette = QPalette(QColor(colours.COLOR_BACKGROUND_4), back)
    dark = back.lightness() < 128
    for each, colour in (
        (role.Window, back),
        (role.Base, back),
        (role.AlternateBase, QColor(colours.COLOR_BACKGROUND_2)),
        (role.WindowText, text),
        (role.Text, text),
        (role.ButtonText, text),
        (role.ToolTipText, text),
        (role.ToolTipBase, QColor(colours.COLOR_BACKGROUND_2)),
        (role.Highlight, QColor(colours.COLOR_ACCENT_3)),
        (role.HighlightedText, text),
        (role.PlaceholderText, QColor(colours.COLOR_TEXT_4)),
        (role.Link, QColor(LINK[dark])),
        (role.LinkVisited, QColor(LINK[dark])),
    ):
        palette.setColor(each, colour)
    faint = QColor(colours.COLOR_DISABLED)
    for each in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, each, faint)
    return palette
