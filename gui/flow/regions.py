"""Regions: the panel, the masks on the canvas, and the job that they belong to."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QColor

from engine.errors import PareidoliaError
from engine.image_formats import SUFFIXES
from engine.job import Job
from engine.regions import MOST_REGIONS, Region
from gui.canvas.mask_layer import TintedMask
from gui.dialogs.file_dialogs import file_to_open
from gui.masks.files import MaskFiles, region_of
from gui.masks.mask import Mask, size_for
from gui.panels.region_row import KEPT, OWN, RegionShown
from gui.pictures import OpenedPicture
from gui.session import path_of
from gui.wording import worded

if TYPE_CHECKING:
    from gui.main_window import MainWindow

COLOURS = tuple(
    map(QColor, ("#e69f00", "#cc79a7", "#009e73", "#f0e442", "#d55e00", "#56b4e9", "#0072b2", "#ffffff"))
)  # fmt: skip
"""Of the regions: told apart with any colour vision (Okabe, Ito 2008)."""
FILTER = f"({' '.join(f'*{suffix}' for suffix in sorted(SUFFIXES))})"


@dataclass
class Look:
    """How a region is shown."""

    colour: int
    visible: bool = True


class RegionsFlow(QObject):
    """Knows the masks of the job's regions, and edits the job."""

    said = Signal(str)
    failed = Signal(str)
    masks_changed = Signal()
    """There are other masks, or another region is the one that is painted."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window, self.studio, self.panel = window, window.studio, window.regions
        self.canvas, self.canvas_content = window.canvas, window.canvas_content
        self.files = MaskFiles()
        self.active = 0
        """The region that is painted."""
        self.painting = False
        """Whether the brush is in use."""
        self.shows = True
        """Whether masks are shown at all."""
        self._masks: dict[str, Mask] = {}
        """The masks of the job's regions, by path, all of the same size."""
        self._problems: dict[str, str] = {}
        self._away = False
        """Whether the panel is hidden because the technique takes no regions."""
        self._reading: set[str] = set()
        self._looks: dict[str, Look] = {}
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
        window.pictures.arrived.connect(self._on_arrived)
        self.canvas_content.changed.connect(self.show_masks)
        window.controller.begun.connect(self._on_begun)
        window.running.finished.connect(self._on_finished)
        self.refresh()

    # -- what there is --------------------------------------------------------------------

    @property
    def regions(self) -> tuple[Region, ...]:
        """The job's regions; later ones lie on top."""
        return self.studio.job.inputs.regions

    @property
    def possible(self) -> bool:
        """Whether the technique takes regions."""
        return "regions" in self.studio.technique.inputs

    def photo(self) -> OpenedPicture | None:
        """Return the photo that the masks belong to, once it is opened."""
        return self.canvas_content.content()

    def path(self, index: int) -> str:
        """Return the path of a region's mask."""
        return path_of(self.regions[index].mask) or ""

    def mask(self, index: int | None = None) -> Mask | None:
        """Return a region's mask (None: of the one that is painted); None: it is not there yet."""
        index = self.active if index is None else index
        return self._masks.get(self.path(index)) if index < len(self.regions) else None

    def size(self) -> tuple[int, int] | None:
        """Return the width and height of all masks; None until the photo is opened."""
        photo = self.photo()
        return None if photo is None else size_for(photo.width, photo.height)

    def look(self, index: int) -> Look:
        """Return how a region is shown; a new one gets a colour that no other has."""
        key = region_of(self.path(index)) or self.path(index)
        if key not in self._looks:
            others = {
                self._looks[k].colour
                for k in (region_of(self.path(n)) or self.path(n) for n in range(len(self.regions)))
                if k in self._looks
            }
            free = [n for n in range(len(COLOURS)) if n not in others]
            self._looks[key] = Look(free[0] if free else index % len(COLOURS))
        return self._looks[key]

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
        if kinds_differ or one.regions != other.regions or one.content != other.content:
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show the job's regions; masks that are not in memory are read first."""
        self.active = max(0, min(self.active, len(self.regions) - 1))
        size, paths = self.size(), [self.path(n) for n in range(len(self.regions))]
        kept: dict[str, Mask] = {}
        for path in paths if self.possible and size is not None else []:
            assert size is not None
            mask = self._masks.get(path)
            if mask is None or mask.pixels.shape != size[::-1]:
                mask = self.files.known(path)
            if mask is not None:
                fits = mask.pixels.shape == size[::-1]
                kept[path] = mask if fits else mask.resized(*size)
            elif path not in self._reading and path not in self._problems:
                self._reading.add(path)
                self.window.background.submit(
                    partial(self.files.read, path), partial(self._on_read, path),
                    partial(self._on_unread, path),
                )  # fmt: skip
        self._masks = kept
        self._problems = {path: text for path, text in self._problems.items() if path in paths}
        self._show_panel()
        self.show_masks()
        self.masks_changed.emit()

    def _show_panel(self) -> None:
        styles = "styles" in self.studio.technique.inputs
        shown = [
            RegionShown(
                COLOURS[self.look(n).colour], path_of(region.style), region.weight, region.kept,
                self.look(n).visible, self._problems.get(self.path(n), ""),
            )
            for n, region in enumerate(self.regions)
        ]  # fmt: skip
        self.panel.show_regions(shown, self.active, styles)

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
                    shown.append(TintedMask(mask, COLOURS[self.look(n).colour]))
        self.canvas.masks.set_masks(shown)
        self.canvas.viewport().update()

    @Slot(bool)
    def set_shows(self, on: bool) -> None:
        """Show masks on the picture, or none."""
        self.shows = on
        self.show_masks()

    def _on_read(self, path: str, mask: Mask) -> None:
        self._reading.discard(path)
        self.files.take(path, mask)
        self.refresh()

    def _on_unread(self, path: str, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            raise error
        self._reading.discard(path)
        self._problems[path] = worded(error)
        self.failed.emit(worded(error))
        self.refresh()

    @Slot(str)
    def _on_arrived(self, path: str) -> None:
        if path == path_of(self.studio.job.inputs.content):
            self.refresh()

    # -- editing --------------------------------------------------------------------------

    def _edit(self, text: str, regions: tuple[Region, ...], merge: str = "") -> None:
        self.studio.set_inputs(text, merge=merge, regions=regions)

    def _replace(self, index: int, text: str, merge: str = "", **changes: Any) -> None:
        if index < len(self.regions):
            regions = list(self.regions)
            regions[index] = replace(regions[index], **changes)
            self._edit(text, tuple(regions), merge)

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

    def written(self, mask: Mask, region: str = "") -> str | None:
        """Write a mask into a file of its own; None, with a sentence, where that is impossible."""
        try:
            return self.files.write(mask, region)
        except PareidoliaError as error:
            self.failed.emit(worded(error))
            return None

    def keep(self, text: str, index: int, mask: Mask) -> bool:
        """Make a mask that of a region, as one step that can be undone; False: it cannot be kept."""
        path = self.written(mask, region_of(self.path(index)))
        if path is None:
            return False
        if not region_of(self.path(index)):  # it has the colour that it had as another file
            self._looks[region_of(path)] = self.look(index)
        if path != self.path(index):  # the mask was painted on in its place
            self._masks.pop(self.path(index), None)
        self._masks[path] = mask
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
            self._show_panel()
            self.show_masks()
            self.masks_changed.emit()

    @Slot(int, str)
    def _on_treated(self, index: int, kind: str) -> None:
        if kind == KEPT:
            self._replace(index, self.tr("Keep the photo"), kept=True)
        elif kind != OWN:
            self._replace(index, self.tr("Usual styles"), kept=False, style=None)

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
        self._when_opened(path, partial(self._put_style, index, path))

    def _put_style(self, index: int, path: str) -> None:
        self.window.session.remember_file(path)
        text = self.tr("Style {0}").format(Path(path).name)
        self._replace(index, text, style=path, kept=False)

    def _when_opened(self, path: str, act: Callable[[], None]) -> None:
        """Do something once a picture has been opened; say so where it cannot be."""
        opened = self.window.pictures.get(path)
        if opened is None:
            _WhenOpened(self, path, act)
        elif opened.problem:
            self.failed.emit(opened.problem)
        else:
            act()

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

    # -- what outlives the window ---------------------------------------------------------

    def looks_to_values(self) -> list[list[Any]]:
        """Return how the regions are shown, for a project."""
        return [[look.colour, look.visible] for look in map(self.look, range(len(self.regions)))]

    def looks_from_values(self, values: Any) -> None:
        """Show the job's regions as a project says; whatever is wrong there is left out."""
        for index, value in enumerate(values if isinstance(values, list) else []):
            if index < len(self.regions) and isinstance(value, list) and len(value) == 2:
                colour, visible = value
                if isinstance(colour, int) and 0 <= colour < len(COLOURS):
                    look = self.look(index)
                    look.colour, look.visible = colour, bool(visible)
        self._show_panel()
        self.show_masks()

    def fitted(self, photo: OpenedPicture) -> tuple[Region, ...]:
        """Return the job's regions for another photo: stretched, if that has another shape."""
        size, before = size_for(photo.width, photo.height), self.size()
        if before is None or not self.possible or _alike(size, before):
            return self.regions
        found = []
        for region in self.regions:
            path = path_of(region.mask) or ""
            mask = self._masks.get(path)
            other = None if mask is None else self.written(mask.resized(*size), region_of(path))
            found.append(region if other is None else replace(region, mask=other))
        if found:
            self.said.emit(
                self.tr(
                    "The regions have been stretched to the new photo's shape: check their masks."
                )
            )
        return tuple(found)

    def used(self, job: Job) -> None:
        """Note that somebody may want a job again: its masks stay."""
        self.files.used(path for each in job.inputs.regions if (path := path_of(each.mask)))

    @Slot(object, str, object)
    def _on_begun(self, _plan: object, _device: str, job: Job) -> None:
        self.used(job)

    @Slot()
    def _on_finished(self) -> None:
        record = self.window.running.record
        if record is not None:
            self.used(record.job)

    def close(self) -> None:
        """Delete the masks that were only steps on the way."""
        self.used(self.studio.job)
        self.files.close(())


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, but for rounding."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= (max(one) + max(other)) / 2


class _WhenOpened(QObject):
    """Waits for a picture to be opened."""

    def __init__(self, flow: RegionsFlow, path: str, act: Callable[[], None]) -> None:
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
