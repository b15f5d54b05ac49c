"""The part of the window about one channel that searches a folder for its top patches."""

from PySide6.QtCore import Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QPushButton

from engine.inspection.patch_finder import FoundPatches, PatchFinder, ShownChannels
from gui.background import Background
from gui.dialogs.channel_parts import ChannelPart
from gui.panels.folder_line import FolderChoice, FolderLine
from gui.panels.tile_grid import GridTile, TileGrid
from gui.run.channel import Captioned, Channel
from gui.run.folders import FolderQuery
from gui.run.networks import Networks


class PatchesPart(ChannelPart):
    """The places in a folder's pictures that activate the channel most."""

    def __init__(self, networks: Networks, background: Background, folder: FolderChoice) -> None:
        super().__init__(networks, background)
        self.title = self.tr("Top patches")
        self.folder = folder
        self.grid = TileGrid(72)
        self.grid.setAccessibleName(self.title)
        self.again = QPushButton(self.tr("Continue"))
        self.again.hide()
        self.head.setStretch(self.head.count() - 1, 0)  # a folder's path needs all the room
        self.head.addWidget(FolderLine(folder), 1)
        self.head.addWidget(self.again)
        self.body.addWidget(self.grid, 1)
        self.found: FoundPatches[QImage] | None = None
        self._finder: PatchFinder[QImage] | None = None
        self._asked: tuple[object, ...] = ()
        self.grid.chosen.connect(self._on_chosen)
        self.again.clicked.connect(self._on_folder)
        folder.changed.connect(self._on_folder)

    def show_channel(self, channel: Channel) -> None:
        """Search the folder for a channel; this covers all channels of its layer."""
        self.channel = channel
        folder = self.folder.path
        if folder is None:
            self.say(self.tr("Choose a folder of pictures to search."))
            return
        rows = ShownChannels(True, 1, channel.number)
        asked = channel.network_key, folder, channel.layer
        if self._finder is None or asked != self._asked:
            self._asked = asked
            self._show(None)
            query = FolderQuery(self.networks, channel.network_key, folder)
            self._finder = query.finder(channel.layer, rows)
            self.start(self._finder.run, self._on_found)
        else:
            self._finder.rows = rows  # a running search switches to it at its next state
            if not self.busy:
                self.start(self._finder.run, self._on_found)
        self.again.hide()

    @Slot()
    def cancel(self) -> None:
        """Stop; what was found is kept, also for the next search."""
        if self.busy:
            super().cancel()
            self.again.show()

    @Slot()
    def _on_folder(self) -> None:
        if self.channel is not None and self.isVisible():
            self.show_channel(self.channel)

    def _on_failed(self, error: BaseException) -> None:
        self._finder = None
        super()._on_failed(error)

    def grow(self, what: FoundPatches[QImage]) -> None:
        """Show the best patches so far."""
        self._show(what)

    def _on_found(self, found: FoundPatches[QImage]) -> None:
        self._show(found)
        if self.channel is not None and found.rows.only != self.channel.number:
            self.show_channel(self.channel)  # chosen while the last patches were being cut out

    def _show(self, found: FoundPatches[QImage] | None) -> None:
        self.found = found
        patches = found.channels[0][1] if found else []
        tip = self.tr("{0}\nrow {1}, column {2}: {3:.4g}")
        self.grid.set_tiles([
            GridTile(image, f"{p.value:.3g}", tip.format(p.path.name, p.y, p.x, p.value),
                     str(p.path))
            for p, image in patches
        ])  # fmt: skip
        if found is not None:
            said = self.tr("{0} of {1} pictures searched").format(found.done, found.total)
            if found.unreadable:
                said += "; " + self.tr("{0} cannot be read").format(len(found.unreadable))
            self.say(said)
        self.changed.emit()

    def tiles(self) -> list[Captioned]:
        """Return the patches with their values."""
        found = self.found
        if found is None or self.channel is None or found.rows.only != self.channel.number:
            return []
        return [(image, f"{p.value:.3g}") for p, image in found.channels[0][1]]

    @Slot(object)
    def _on_chosen(self, path: str) -> None:
        self.open_requested.emit(path)
