"""Masks that are not painted: from a picture, from transparency, from what a network sees."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QImage

from engine.attribution.unit_name import UnitName
from engine.errors import BadInput, PareidoliaError
from engine.image import open_picture
from gui.dialogs.file_dialogs import file_to_open
from gui.flow.region_styles import FILTER
from gui.flow.regions import RegionsFlow
from gui.masks.mask import LONGEST, Mask, of_alpha, of_picture
from gui.run.looking import PictureQuery
from gui.wording import worded

if TYPE_CHECKING:
    from engine.attribution.segmentation import Selection
    from gui.main_window import MainWindow


class MaskSourcesFlow(QObject):
    """Makes masks in the background; each becomes the chosen region's, as one step to undo."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(self, window: "MainWindow", regions: RegionsFlow) -> None:
        super().__init__(window)
        self.window, self.regions = window, regions

    @Slot()
    def from_picture(self) -> None:
        """Ask for a picture, and take its brightness."""
        title, kinds = self.tr("Choose a mask"), self.tr("Pictures {0}").format(FILTER)
        path = file_to_open(self.window, "mask", title, kinds)
        if path is not None:
            self.take_picture(str(path))

    def take_picture(self, path: str) -> None:
        """Take a picture's brightness: white is inside."""
        self._make(self.tr("Mask from a picture"), partial(luminance_of, path))

    @Slot()
    def from_alpha(self) -> None:
        """Take the photo's transparency: what is opaque is inside."""
        photo = self.regions.photo()
        if photo is not None:
            self._make(self.tr("Mask from transparency"), partial(alpha_of, photo.path))

    @Slot()
    def from_cut_out(self) -> None:
        """Open the dialog that cuts the object out of the photo."""
        from gui.dialogs.cut_out import CutOutDialog

        found = self._query()
        if found is None:
            return
        query, target = found
        photo = self.regions.photo()
        assert photo is not None
        dialog = CutOutDialog(
            query, photo.path, target, self.window.networks, self.window.background, self.window
        )
        text, key = self.tr("Mask from the cut-out object"), self._key()
        dialog.offer_mask()
        dialog.used.connect(partial(self._put_selection, text, key))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    @Slot()
    def from_grad_cam(self) -> None:
        """Open the dialog that takes what a class's Grad-CAM marks."""
        from gui.dialogs.grad_cam_mask import GradCamMaskDialog

        found = self._query()
        if found is None:
            return
        query, target = found
        dialog = GradCamMaskDialog(
            query, target, self.window.live_maps.map_settings().layer, self.window.networks,
            self.window.background, self.window,
        )  # fmt: skip
        text, key = self.tr("Mask from Grad-CAM"), self._key()
        dialog.used.connect(partial(self._put, text, key))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    def _query(self) -> tuple[PictureQuery, int | UnitName | None] | None:
        """Return the photo and the class or unit that the maps explain; None, with a sentence."""
        window, photo = self.window, self.regions.photo()
        here, unit = window.layers.here, window.live_maps.target.unit()
        if photo is None or here is None or not (here.network.classes or unit):
            self.failed.emit(
                self.tr("There is no photo, or the network has no classes and no unit is chosen.")
            )
            return None
        job, image = window.studio.job, QImage(photo.image)
        query = PictureQuery(image, job.network, job.weights, job.device, job.preprocessing)
        return query, window.live_maps.map_settings().target if unit is None else unit

    # -- the mask -------------------------------------------------------------------------

    def _key(self) -> str:
        """Return what tells the chosen region from the others, until the mask has been made."""
        return self.regions.key(self.regions.active) if self.regions.regions else ""

    def _make(self, text: str, work: Callable[[], Mask]) -> None:
        self.said.emit(self.tr("Making the mask…"))
        done = partial(self._put, text, self._key())
        self.window.background.submit(work, done, self._on_failed)

    def _put_selection(self, text: str, key: str, selection: "Selection") -> None:
        size = self.regions.size()
        if size is not None:
            from engine.attribution.cut_out import enlarged

            inside = enlarged(selection.mask, *size)
            self._put(text, key, Mask(inside.astype(np.uint8) * np.uint8(255)))

    def _put(self, text: str, key: str, mask: Mask) -> None:
        """Give the mask to the region that it was made for, if there still is one."""
        self.said.emit("")
        size, index = self.regions.size(), self.regions.index_of(key)
        if size is not None and index is not None:
            self.window.canvas.end_stroke()
            self.regions.keep(text, index, mask.resized(*size))

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            raise error
        self.said.emit("")
        self.failed.emit(worded(error))


def luminance_of(path: str) -> Mask:
    """Return a picture's brightness as a mask. Raises `BadInput`. For a worker."""
    return of_picture(open_picture(path, long_side=LONGEST))


def alpha_of(path: str) -> Mask:
    """Return a picture's opacity as a mask. Raises `BadInput` where it has no transparency."""
    picture = open_picture(path, long_side=LONGEST)
    if not picture.see_through:
        raise BadInput(
            f"{path} has no transparent parts: paint the mask, or take it from a picture"
        )
    return of_alpha(picture)
