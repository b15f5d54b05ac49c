"""Saving the map on the canvas over its photo, at the photo's full size."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QAction, QImage
from PySide6.QtWidgets import QWidget

from engine.attribution.heat import Heat, caption
from engine.image import from_tensor, open_picture, save_picture
from engine.image_metadata import described
from engine.networks.classes import percent
from gui.background import Background
from gui.dialogs.file_dialogs import file_to_save
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import Saver
from gui.flow.canvas_content import CanvasContent
from gui.flow.files import FIGURES
from gui.flow.live_maps import LiveMapsFlow
from gui.pixels import picture_of
from gui.run.map_answers import KINDS, MapsAnswer


@dataclass(frozen=True)
class Overlay:
    """A map to write, and the photo under it."""

    photo: str | QImage
    """The photo's path (the canvas may show it reduced), or a picture without a file."""
    heat: Heat
    colours: str
    opacity: float
    threshold: float
    words: str
    """For the file's description: method, target, probability or activation, and range."""


class OverlayFlow(QObject):
    """Saves the map shown; of two, the upper one."""

    said = Signal(str)
    """A sentence about what was done."""
    failed = Signal(str)

    def __init__(
        self,
        live_maps: LiveMapsFlow,
        canvas_content: CanvasContent,
        background: Background,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._live_maps, self._showing, self._window = live_maps, canvas_content, window
        self._saver = Saver(background)
        self._saver.written.connect(self._on_written)
        self._saver.failed.connect(self.failed)
        self._action: QAction | None = None

    def bind(self, action: QAction) -> None:
        """Keep the action enabled exactly while a finished map is shown."""
        self._action = action
        self._live_maps.maps_changed.connect(self._on_maps)
        self._on_maps()

    @Slot()
    def _on_maps(self) -> None:
        assert self._action is not None
        self._action.setEnabled(self.ready() is not None)

    def ready(self) -> Overlay | None:
        """Return the upper map on the canvas with its photo; None: there is none, or it is unfinished."""
        answer, map_settings = self._live_maps.answer, self._live_maps.panel.map_settings()
        shown = [key for key in self._live_maps.canvas.overlays() if key in KINDS]
        if answer is None or answer.unfinished or not shown:
            return None
        kind = max(shown, key=KINDS.index)
        heat = getattr(answer, kind)
        if heat is None:
            return None
        colours, opacity, threshold = (
            getattr(map_settings, f"{kind}_{what}") for what in ("colours", "opacity", "threshold")
        )
        told = described_map(answer, heat)
        return Overlay(self._photo(answer), heat, colours, opacity, threshold, told)

    def _photo(self, answer: MapsAnswer) -> str | QImage:
        image = answer.question.image
        for one in (self._showing.content(), self._showing.current):
            if one is not None and one.path and one.image.cacheKey() == image.cacheKey():
                return one.path
        return image

    @Slot()
    def save(self) -> None:
        """Ask where to save, then write the map over its photo."""
        overlay = self.ready()  # now, as the next map may come behind the dialog
        if overlay is None:
            self.said.emit(self.tr("There is no map to save yet: switch on Saliency or Grad-CAM."))
            return
        stem = Path(overlay.photo).stem if isinstance(overlay.photo, str) else "picture"
        name = f"{stem}-{overlay.heat.method.command}.png"
        title = self.tr("Save map over photo: {0}").format(overlay.heat.title)
        answer = file_to_save(self._window, "overlay", title, name, FIGURES)
        if answer is not None:
            self.write(overlay, answer[0])

    def write(self, overlay: Overlay, path: Path) -> None:
        """Write a map over its photo, in the background."""
        self._saver.save(apart(path, partial(write_overlay, overlay, path)))

    @Slot(str)
    def _on_written(self, name: str) -> None:
        self.said.emit(self.tr("Saved {0}").format(name))


def described_map(answer: MapsAnswer, heat: Heat) -> str:
    """Return the line about a map for its file, as the command `attribute` writes it."""
    layer = answer.layer if heat.method.takes_layer else ""
    known = answer.activation
    sure = percent(answer.probability) if known is None else f"{known:.4g}"
    scale = heat.scale() if type(heat) is Heat else heat.key
    return caption(heat.title, layer, answer.target_name, sure, scale)


def write_overlay(overlay: Overlay, path: Path) -> Path:
    """Write the picture. Raises `BadInput` where the photo is gone or the file cannot be written."""
    from engine.attribution.overlay import laid_over

    photo = overlay.photo
    below = open_picture(photo) if isinstance(photo, str) else picture_of(photo)
    made = laid_over(
        below.tensor(), overlay.heat, overlay.colours, overlay.opacity, overlay.threshold
    )
    return save_picture(replace(from_tensor(made), exif=described(overlay.words)), path)
