"""Regions: the panel, the masks on the canvas, and the job that they belong to."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Signal, Slot

from engine.image_formats import SUFFIXES
from engine.job import Job
from engine.regions import MOST_REGIONS, Region
from engine.techniques.stylize import Stylize
from gui.canvas.mask_layer import FAINT, HALF, OPACITY, TintedMask
from gui.flow.region_masks import COLOURS
from gui.flow.region_styles import RegionStyles
from gui.masks.mask import Mask
from gui.panels.region_row import KEPT, NETWORK, OWN, RegionShown, Takes
from gui.session import path_of

if TYPE_CHECKING:
    from gui.main_window import MainWindow


class RegionsFlow(RegionStyles):
    """Connects panel, canvas and job."""

    masks_changed = Signal()
    """There are other masks, or another region is the one that is painted."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.panel = window.regions
        self.canvas, self.canvas_content = window.canvas, window.canvas_content
        self.active = 0
        """The region that is painted."""
        self.painting = False
        """Whether the brush is in use."""
        self.shows = True
        """Whether masks are shown at all."""
        self._away = False
        """Whether the panel is hidden because the technique takes no regions."""
        panel = self.panel
        panel.chosen.connect(self.choose)
        panel.treated.connect(self._on_treated)
        panel.style_wanted.connect(self._on_style_wanted)
        panel.dropped.connect(self._on_dropped)
        panel.weighed.connect(self._on_weighed)
        panel.shown.connect(self._on_eye)
        panel.moved.connect(self._on_moved)
        panel.removed.connect(self.remove)
        self.studio.changed.connect(self._on_job)
        self.canvas_content.changed.connect(self.show_masks)
        self.canvas.drag_moved.connect(self._on_drag)
        self.canvas.drag_ended.connect(self._on_drag_ended)
        self.refresh()

    def chosen_mask(self) -> Mask | None:
        """Return the mask of the region that is painted; None: it is not there yet."""
        return self.mask(self.active)

    # -- the panel's place ----------------------------------------------------------------

    @Slot()
    def show_dock(self) -> None:
        """Show the panel while the technique takes regions, unless a person has closed it."""
        dock, action = self.window.docks["regions"], self.window.docks["regions"].toggleViewAction()
        action.setEnabled(self.possible)
        if self.possible and self._away:
            self._away = False
            self.window.layout_of_docks.bring_back("regions")
        elif not self.possible and not dock.isHidden():
            self._away = True
            dock.hide()

    def put_back(self) -> None:
        """Show the panel if only the technique hides it: so the layout is remembered."""
        if self._away:
            self._away = False
            self.window.docks["regions"].show()

    # -- showing --------------------------------------------------------------------------

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        one, other = before.inputs, after.inputs
        kinds_differ = type(before.technique) is not type(after.technique)
        if kinds_differ:
            self.show_dock()
        network = "style_network"
        kinds_differ |= getattr(before.technique, network, "") != getattr(
            after.technique, network, ""
        )
        if kinds_differ or one.regions != other.regions or one.content != other.content:
            self.refresh()

    def show_regions(self) -> None:
        """Show the regions in the panel and on the canvas."""
        self.active = max(0, min(self.active, len(self.regions) - 1))
        self._show_panel()
        self.show_masks()
        self.masks_changed.emit()

    def _show_panel(self) -> None:
        technique = self.studio.technique
        own = isinstance(technique, Stylize) and bool(technique.style_network.strip())
        takes = Takes("styles" in technique.inputs, own)
        shown = [
            RegionShown(
                COLOURS[self.look(n).colour], path_of(region.style), region.weight, region.kept,
                region.network_style, self.look(n).visible, self.problem(n),
            )
            for n, region in enumerate(self.regions)
        ]  # fmt: skip
        self.panel.show_regions(shown, self.active, takes)

    @Slot()
    def show_masks(self) -> None:
        """Lay the masks over the photo, and over results of it while they are painted."""
        current = self.canvas_content.current
        content = path_of(self.studio.job.inputs.content)
        kind = current.kind if current is not None else ""
        of_photo = kind == "content" or (
            kind == "input" and current is not None and current.path == content
        )
        fits = of_photo or (self.painting and kind in ("frame", "moment", "preview"))
        shown = []
        if fits and self.shows and self.possible:
            for n in range(len(self.regions)):
                mask = self.mask(n)
                if mask is not None and (
                    self.look(n).visible or (self.painting and n == self.active)
                ):
                    opacity = OPACITY if of_photo else FAINT
                    shown.append(TintedMask(mask, COLOURS[self.look(n).colour], opacity))
        self.canvas.masks.set_masks(shown)
        self.canvas.viewport().update()

    @Slot(bool)
    def set_shows(self, on: bool) -> None:
        """Show masks on the picture, or none."""
        self.shows = on
        self.show_masks()

    # -- editing --------------------------------------------------------------------------

    @Slot()
    def add(self) -> None:
        """Add a region on top of the others, empty, and choose it."""
        size = self.size()
        if size is None:
            self.failed.emit(self.tr("Open a photo first (Ctrl+I)."))
        elif len(self.regions) >= MOST_REGIONS:
            self.failed.emit(self.tr("There can be {0} regions.").format(MOST_REGIONS))
        else:
            path = self.written(Mask.blank(*size))
            if path is not None:
                self.active = len(self.regions)
                self._edit(self.tr("Add region"), (*self.regions, Region(path)))

    def keep(self, text: str, index: int, mask: Mask) -> bool:
        """Make a mask that of a region, as one step that can be undone; False: it cannot be kept."""
        path = self.written_for(index, mask)
        if path is None:
            return False
        self._replace(index, text, mask=path)
        return True

    @Slot(int)
    def remove(self, index: int) -> None:
        """Remove a region."""
        if index < len(self.regions):
            regions = list(self.regions)
            del regions[index]
            if self.active > index:
                self.active -= 1
            self._edit(self.tr("Remove region"), tuple(regions))

    @Slot(int)
    def choose(self, index: int) -> None:
        """Make a region the one that is painted."""
        if index != self.active:
            self.active = index
            self.show_regions()

    @Slot(int, str)
    def _on_treated(self, index: int, kind: str) -> None:
        if kind == KEPT:
            self._replace(index, self.tr("Keep the photo"), kept=True)
        elif kind == NETWORK:
            self._ask_network_style(index)
        elif kind == OWN:
            self._replace(index, self.tr("Its own style"), kept=False)
        else:
            self._replace(index, self.tr("Usual styles"), kept=False, style=None, network_style="")

    def region_at(self, place: QPointF) -> int | None:
        """Return the topmost region seen at a place of the canvas that takes a style; None: none."""
        size, shown = self.canvas.logical_size(), self.canvas.masks.isVisible()
        if size.isEmpty() or not shown or "styles" not in self.studio.technique.inputs:
            return None
        for index in reversed(range(len(self.regions))):
            mask = self.mask(index)
            if mask is not None and self.look(index).visible:
                height, width = mask.pixels.shape
                column = int(place.x() * width / size.width())
                row = int(place.y() * height / size.height())
                inside = 0 <= column < width and 0 <= row < height
                if inside and mask.pixels[row, column] >= HALF:
                    return index
        return None

    @Slot(list)
    def drop(self, paths: list[str]) -> None:
        """Take what was dropped on the canvas: a single picture on a region is its style."""
        index = self.region_at(self.canvas.drop_place)
        if index is not None and len(paths) == 1 and Path(paths[0]).suffix.lower() in SUFFIXES:
            self.set_style(index, paths[0])
        else:
            self.window.input_pictures.drop(paths)

    @Slot(QPointF)
    def _on_drag(self, place: QPointF) -> None:
        """Say what would become of a picture dropped here, where there are regions."""
        index = self.region_at(place)
        if index is not None:
            self.canvas.set_note(self.tr("Style of region {0}").format(index + 1))
        else:
            self.canvas.set_note(self.tr("The photo") if self.canvas.masks.isVisible() else "")

    @Slot()
    def _on_drag_ended(self) -> None:
        self.canvas.set_note("")

    @Slot(int, float)
    def _on_weighed(self, index: int, weight: float) -> None:
        text = self.tr("Weight of a region")
        self._replace(index, text, merge=f"region weight {index}", weight=weight)

    @Slot(int, bool)
    def _on_eye(self, index: int, on: bool) -> None:
        self.look(index).visible = on
        self._show_panel()
        self.show_masks()

    @Slot(int, int)
    def _on_moved(self, index: int, by: int) -> None:
        to = index + by
        if 0 <= to < len(self.regions):
            regions = list(self.regions)
            regions.insert(to, regions.pop(index))
            if self.active == index:
                self.active = to
            elif self.active == to:
                self.active = index
            self._edit(self.tr("Order of regions"), tuple(regions))
