"""The menu of recent files, with their thumbnails."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QAction, QIcon, QImage, QPixmap
from PySide6.QtWidgets import QMenu

from engine.project import ENDING
from engine.work.project_file import read_thumbnail
from gui.pictures import open_for_screen

if TYPE_CHECKING:
    from gui.main_window import MainWindow

SIDE = 40
"""Size of a thumbnail, in pixels."""


class RecentFilesFlow(QObject):
    """Fills the menu as it opens; thumbnails follow once they have been read."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window = window
        self.menu = QMenu(self.tr("Open &recent"), window)
        self.menu.setToolTipsVisible(True)
        self.menu.setStyleSheet(f"QMenu {{ icon-size: {SIDE}px; }}")  # Qt's own are too small
        self.menu.aboutToShow.connect(self.fill)
        self._thumbnails: dict[tuple[str, int], QImage] = {}
        self._actions: dict[str, QAction] = {}

    @Slot()
    def fill(self) -> None:
        """List the files."""
        self.menu.clear()
        self._actions.clear()
        for path in self.window.session.recent:
            action = self.menu.addAction(Path(path).name.replace("&", "&&"))
            action.setToolTip(path)
            action.triggered.connect(partial(self.open, path))
            self._actions[path] = action
        if not self.window.session.recent:
            self.menu.addAction(self.tr("nothing yet")).setEnabled(False)
            return
        work = partial(_thumbnails, list(self._actions), dict(self._thumbnails))
        self.window.background.submit(work, self._on_read)

    def _on_read(self, found: dict[tuple[str, int], QImage]) -> None:
        self._thumbnails = found
        for (path, _), image in found.items():
            action = self._actions.get(path)
            if action is not None and not image.isNull():
                action.setIcon(QIcon(QPixmap.fromImage(image)))

    def open(self, path: str, _checked: bool = False) -> None:
        """Open a recent project, or take a recent picture as the photo."""
        if path.lower().endswith((ENDING, ".json")):
            self.window.project.open_path(path)
        else:
            self.window.input_pictures.drop([path])


def _thumbnails(
    paths: list[str], known: dict[tuple[str, int], QImage]
) -> dict[tuple[str, int], QImage]:
    """Return a thumbnail for each file that has one, by path and time of last change."""
    found = {}
    for path in paths:
        try:
            key = path, Path(path).stat().st_mtime_ns
        except (OSError, ValueError):
            continue
        found[key] = known.get(key) or _thumbnail(path)
    return found


def _thumbnail(path: str) -> QImage:
    if path.lower().endswith(ENDING):
        data = read_thumbnail(Path(path))
        image = QImage.fromData(data) if data else QImage()
    elif path.lower().endswith(".json"):
        return QImage()
    else:
        image = open_for_screen(path).thumbnail
    if image.isNull():
        return image
    aspect, how = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return image.scaled(2 * SIDE, 2 * SIDE, aspect, how)
