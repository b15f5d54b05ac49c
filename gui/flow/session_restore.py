"""Restores at the next start what the window showed when it was closed."""

import json
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QSettings

from gui.background import Background
from gui.flow.inspection import InspectionFlow
from gui.flow.lesson_state import map_settings_from
from gui.flow.lessons import LessonsFlow

TAB, MAPS, LESSON = "inspect_tab", "maps", "lesson"
log = logging.getLogger("pareidolia.session")


class SessionRestore(QObject):
    """Keeps the front tab, the maps and the lesson's file; skips what no longer exists."""

    def __init__(
        self, inspection: InspectionFlow, lessons: LessonsFlow, background: Background,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.inspection, self.lessons, self.background = inspection, lessons, background

    def save(self, settings: QSettings) -> None:
        """Remember what is being looked at."""
        network, weights, map_settings = self.lessons.asked()
        settings.setValue(TAB, self.inspection.tab())
        settings.setValue(
            MAPS, json.dumps({"network": network, "weights": weights, "wish": dict(map_settings)})
        )
        lesson = self.lessons.document.file
        settings.setValue(LESSON, str(lesson) if lesson is not None else "")

    def restore(self, settings: QSettings) -> None:
        """Look at the same again; files are searched for in the background."""
        tab = settings.value(TAB)
        if isinstance(tab, str) and tab in self.inspection.panels:
            self.inspection.put_in_front(tab)
        self._restore_maps(settings.value(MAPS))
        lesson = settings.value(LESSON)
        if isinstance(lesson, str) and lesson:
            self.lessons.document.reopen(Path(lesson))
        folder = self.inspection.folder.path
        if folder is not None:
            self.background.submit(partial(is_folder, folder), partial(self._on_looked, folder))

    def _restore_maps(self, text: Any) -> None:
        if text is None:
            return  # the first start
        try:
            kept = json.loads(text)
            network, weights, map_settings = kept["network"], kept["weights"], kept["wish"]
            if not isinstance(map_settings, Mapping):
                raise TypeError("no table")
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            log.warning("the maps of the last session are left out: %r", error)
            return
        panel = self.lessons.live_maps.panel
        panel.set_map_settings(
            map_settings_from(map_settings, panel.map_settings())
        )  # classes and layers come with the network
        self.lessons.ask_when_there((network, weights), map_settings)

    def _on_looked(self, folder: Path, there: bool) -> None:
        choice = self.inspection.folder
        if not there and choice.path == folder:
            log.warning("the folder %s no longer exists: choose another folder of pictures", folder)
            choice.leave()


def is_folder(path: Path) -> bool:
    """Whether a folder exists; may take long if it is on another machine."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
