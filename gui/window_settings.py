"""Where the window keeps what is about itself: geometry, the last folder."""

from PySide6.QtCore import QSettings

from engine.places import data_folder


def window_settings() -> QSettings:
    """Return where the window's own settings are kept."""
    return QSettings(str(data_folder() / "window.ini"), QSettings.Format.IniFormat)
