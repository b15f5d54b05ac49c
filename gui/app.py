"""The program with its window: QApplication, theme, translations, last-resort dialog."""

import logging
import sys
from pathlib import Path
from types import FrameType

from PySide6.QtCore import QLibraryInfo, QLocale, QTimer, QTranslator
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from cli.interrupting import handled, leave, let_go_of_terminal
from engine.places import log_folder
from gui import session, theme
from gui.dialogs.error import ExceptionHook
from gui.main_window import MainWindow

RESOURCES = Path(__file__).resolve().parent.parent / "resources"
SETTLED_MS = 3000
"""After which the window has shown its first pictures."""


def main() -> int:
    """Open the window; return the exit code when it has been closed."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    app.setApplicationName("pareidolia")
    app.setApplicationDisplayName("Pareidolia")
    app.setWindowIcon(QIcon(str(RESOURCES / "icons" / "app.svg")))
    _log_to_file()
    _translate(app)
    last_resort = ExceptionHook(app)
    last_resort.install()
    window = MainWindow(session.load(), lambda name: theme.apply(app, name))
    window.show()
    QTimer.singleShot(SETTLED_MS, window.options.build_ahead)
    ending = _Ending(window)
    # Signals: Python sees them only when it gets to run between two events.
    pulse = QTimer(app)
    pulse.timeout.connect(_pulse)
    pulse.start(250)
    with handled(ending):
        code = app.exec()
    last_resort.uninstall()
    return ending.exit_code or code


class _Ending:
    """The first signal closes the window properly, the second ends the program at once."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.exit_code = 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.exit_code:
            leave(number)
        let_go_of_terminal(number)
        self.exit_code = 128 + number
        self.window.leave()


def _pulse() -> None:
    """Give Python a moment to notice signals."""


def _log_to_file() -> None:
    file = log_folder() / "pareidolia.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    except OSError:
        return  # the log view still has it
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("pareidolia").addHandler(handler)


def _translate(app: QApplication) -> None:
    """Load the translations for the user's language: Qt's own texts, and ours where there are any."""
    places = (
        ("qtbase", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)),
        ("pareidolia", str(RESOURCES / "translations")),
    )
    for name, folder in places:
        translator = QTranslator(app)
        if translator.load(QLocale(), name, "_", folder):
            app.installTranslator(translator)
