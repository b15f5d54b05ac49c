"""The pictures of a folder most like the one on the canvas, by features and by pixels."""

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QComboBox, QFormLayout, QWidget

from engine.inspection.albums import Albums
from gui.background import Background
from gui.panels.folder_line import FolderChoice, FolderPanel
from gui.panels.tile_grid import GridTile
from gui.panels.tile_rows import TileRow, TileRows
from gui.pixels import to_image
from gui.run.folders import nearest
from gui.run.networks import Networks

if TYPE_CHECKING:
    from engine.inspection.distances import Neighbor
    from engine.inspection.neighbors import NearPictures


class NeighborsPanel(FolderPanel):
    """Two rows: nearest in the network's feature space, nearest in pixel space."""

    def __init__(
        self, networks: Networks, background: Background, folder: FolderChoice, albums: Albums,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(networks, background, folder, parent)
        self.setObjectName("neighborsPanel")
        self._albums = albums
        self.metric_box = QComboBox()
        self.metric_box.setAccessibleName(self.tr("Distance"))
        self.metric_box.addItem(self.tr("Euclidean (L2)"), "l2")
        self.metric_box.addItem(self.tr("cosine"), "cosine")
        form = QFormLayout()
        form.addRow(self.tr("Distance"), self.metric_box)
        self.body.addLayout(form)
        self.rows = TileRows()
        self.rows.setAccessibleName(self.tr("Neighbours"))
        self.body.addWidget(self.rows, 1)
        self.near: NearPictures | None = None
        self._asked: tuple[object, ...] = ()
        self._pending = False
        self.metric_box.activated.connect(self._on_metric)
        self.rows.chosen.connect(self.open_chosen)

    def subject_changed(self) -> None:
        """Compare the picture now on the canvas."""
        if self._wanted() == self._asked:
            return
        # A run's pictures come faster than neighbours are found: the newest waits.
        if self.busy and self._wanted()[:2] == self._asked[:2] and self._image() is not None:
            self._pending = True
        else:
            self.refresh()

    def _image(self) -> QImage | None:
        image = self.subject.image if self.subject is not None else None
        return None if image is None or image.isNull() else image

    def _wanted(self) -> tuple[object, ...]:
        subject, image = self.subject, self._image()
        network_key = subject.network_key if subject is not None else None
        key = image.cacheKey() if image is not None else None
        return network_key, self.folder.path, key, self.metric_box.currentData()

    @Slot(int)
    def _on_metric(self, _index: int) -> None:
        self.subject_changed()

    def clear(self) -> None:
        """Show nothing."""
        self.near = None
        self._asked = ()
        self.rows.set_rows(())

    def look(self) -> None:
        """Compare the picture on the canvas with the folder's."""
        image = self._image()
        self._pending = False
        if image is None:
            self.clear()
            self.say(self.tr("There is no picture on the canvas to compare."))
            return
        self._asked = self._wanted()
        metric = self.metric_box.currentData()
        self.start(partial(nearest, self.query(), self._albums, image, metric), self._on_found)

    def cancel(self) -> None:
        """Stop; what has been read is kept."""
        self._pending = False
        super().cancel()

    def _on_failed(self, error: BaseException) -> None:
        self.rows.set_rows(())
        self.near = None
        super()._on_failed(error)

    def _on_found(self, near: "NearPictures") -> None:
        self.near = near
        by_pixels = self.tr("pixel by pixel ({0} × {0})").format(near.side)
        self.rows.set_rows([
            self._row(self.tr("to the network ({0})").format(near.features), near.found.features),
            self._row(by_pixels, near.found.pixels),
        ])  # fmt: skip
        words = [self.tr("Nearest of {0} pictures.").format(near.pictures)]
        words.append(self.skipped(near.found.unreadable))
        self.say(" ".join(word for word in words if word))
        if self._pending:
            self.refresh()

    def _row(self, heading: str, found: "list[Neighbor]") -> TileRow:
        assert self.near is not None
        folder = self.folder.path
        tiles = []
        for each in found:
            name = each.path.parent.name if each.path.parent != folder else each.path.stem
            tip = f"{each.path}\n{each.distance:.4g}"
            caption = f"{name} {each.distance:.3g}"
            image = to_image(self.near.pixels[each.path])
            tiles.append(GridTile(image, caption, tip, str(each.path)))
        return TileRow(heading, tuple(tiles))
