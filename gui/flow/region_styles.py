"""What the job's regions are painted with: styles that are chosen, dropped or named."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QInputDialog

from engine import settings
from engine.image_formats import SUFFIXES
from engine.regions import Region
from engine.techniques.stylize import Stylize
from gui.dialogs.file_dialogs import file_to_open
from gui.flow.help import bind_help
from gui.flow.region_masks import RegionMasks
from gui.wording import in_words

FILTER = f"({' '.join(f'*{suffix}' for suffix in sorted(SUFFIXES))})"


class RegionStyles(RegionMasks):
    """Edits the job's regions, and asks for their styles."""

    def _edit(self, text: str, regions: tuple[Region, ...], merge: str = "") -> None:
        self.studio.set_inputs(text, merge=merge, regions=regions)

    def _replace(self, index: int, text: str, merge: str = "", **changes: Any) -> None:
        if index < len(self.regions):
            regions = list(self.regions)
            regions[index] = replace(regions[index], **changes)
            self._edit(text, tuple(regions), merge)

    def _ask_network_style(self, index: int) -> None:
        """Ask which of the style network's own styles a region is to have."""
        dialog = QInputDialog(self.window)
        dialog.setWindowTitle(self.tr("Style of region {0}").format(index + 1))
        described = settings.describe(Stylize)["network_style"]
        dialog.setLabelText(in_words(described.help))
        dialog.setTextValue(self.regions[index].network_style)
        bind_help(dialog, "techniques/regions.md")
        accepted = dialog.exec() == QInputDialog.DialogCode.Accepted
        dialog.deleteLater()
        name = dialog.textValue().strip()
        if accepted and name:
            text = self.tr("Style {0}").format(name)
            self._replace(index, text, kept=False, style=None, network_style=name)

    @Slot(int)
    def _on_style_wanted(self, index: int) -> None:
        title, kinds = self.tr("Choose a style"), self.tr("Pictures {0}").format(FILTER)
        path = file_to_open(self.window, "style", title, kinds)
        if path is not None:
            self.set_style(index, str(path))

    @Slot(int, list)
    def _on_dropped(self, index: int, paths: list[str]) -> None:
        self.set_style(index, paths[0])

    def set_style(self, index: int, path: str) -> None:
        """Give a region a style of its own, once that has been opened."""
        self._when_opened(path, partial(self._put_style, self.key(index), path))

    def _put_style(self, key: str, path: str) -> None:
        index = self.index_of(key)
        if index is None:
            return
        self.window.session.remember_file(path)
        text = self.tr("Style {0}").format(Path(path).name)
        self._replace(index, text, style=path, kept=False, network_style="")

    def _when_opened(self, path: str, act: Callable[[], None]) -> None:
        """Do something once a picture has been opened; say so where it cannot be."""
        opened = self.window.pictures.get(path)
        if opened is None:
            _WhenOpened(self, path, act)
        elif opened.problem:
            self.failed.emit(opened.problem)
        else:
            act()


class _WhenOpened(QObject):
    """Waits for a picture to be opened."""

    def __init__(self, flow: RegionStyles, path: str, act: Callable[[], None]) -> None:
        super().__init__(flow)
        self._flow, self._path, self._act = flow, path, act
        flow.window.pictures.arrived.connect(self._on_arrived)

    @Slot(str)
    def _on_arrived(self, path: str) -> None:
        opened = self._flow.window.pictures.get(path) if path == self._path else None
        if opened is None:
            return
        self._flow.window.pictures.arrived.disconnect(self._on_arrived)
        self.deleteLater()
        if opened.problem:
            self._flow.failed.emit(opened.problem)
        else:
            self._act()
