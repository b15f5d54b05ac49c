"""Where the window keeps its own state: geometry, the last folder."""

import logging
import os

from PySide6.QtCore import QSettings

from engine.places import data_folder

log = logging.getLogger("pareidolia.session")


def window_settings() -> QSettings:
    """Return where the window's own settings are kept; nowhere if that is not a plain file."""
    file = data_folder() / "window.ini"
    if os.path.lexists(file) and not file.is_file():  # a pipe would make Qt wait for ever
        log.warning("%s is not a plain file: the window's layout is not kept", file)
        return QSettings("", QSettings.Format.IniFormat)
    return QSettings(str(file), QSettings.Format.IniFormat)
