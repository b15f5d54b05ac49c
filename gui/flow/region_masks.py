"""The masks of the job's regions: read, kept in files, fitted to the photo, shown in their colours."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QColor

from engine.errors import PareidoliaError
from engine.job import Job
from engine.regions import Region
from gui.masks.files import MaskFiles, region_of
from gui.masks.mask import Mask, size_for
from gui.pictures import OpenedPicture
from gui.session import path_of
from gui.wording import worded

if TYPE_CHECKING:
    from gui.main_window import MainWindow

COLOURS = tuple(
    map(QColor, ("#e69f00", "#cc79a7", "#009e73", "#f0e442", "#d55e00", "#56b4e9", "#0072b2", "#ffffff"))
)  # fmt: skip
"""Of the regions: told apart with any colour vision (Okabe, Ito 2008)."""


@dataclass
class Look:
    """How a region is shown."""

    colour: int
    visible: bool = True


class RegionMasks(QObject):
    """Knows the masks, all of one size; a subclass shows them (`show_regions`)."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window, self.studio = window, window.studio
        self.files = MaskFiles()
        self._masks: dict[str, Mask] = {}
        """The masks of the job's regions, by path."""
        self._problems: dict[str, str] = {}
        self._reading: set[str] = set()
        self._looks: dict[str, Look] = {}
        window.pictures.arrived.connect(self._on_arrived)
        window.controller.begun.connect(self._on_begun)
        window.running.finished.connect(self._on_finished)

    def show_regions(self) -> None:
        """Show the regions as they are now."""

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
        return self.window.canvas_content.content()

    def path(self, index: int) -> str:
        """Return the path of a region's mask."""
        return path_of(self.regions[index].mask) or ""

    def key(self, index: int) -> str:
        """Return what tells a region from the others as long as the window is open."""
        return region_of(self.path(index)) or self.path(index)

    def index_of(self, key: str) -> int | None:
        """Return where the region with this key is now; None: it is gone."""
        return next((n for n in range(len(self.regions)) if self.key(n) == key), None)

    def mask(self, index: int) -> Mask | None:
        """Return a region's mask; None: it is not there yet."""
        return self._masks.get(self.path(index)) if index < len(self.regions) else None

    def size(self) -> tuple[int, int] | None:
        """Return the width and height of all masks; None until the photo is opened."""
        photo = self.photo()
        return None if photo is None else size_for(photo.width, photo.height)

    def look(self, index: int) -> Look:
        """Return how a region is shown; a new one gets a colour that no other has."""
        key = self.key(index)
        if key not in self._looks:
            keys = map(self.key, range(len(self.regions)))
            others = {self._looks[k].colour for k in keys if k in self._looks}
            free = [n for n in range(len(COLOURS)) if n not in others]
            self._looks[key] = Look(free[0] if free else index % len(COLOURS))
        return self._looks[key]

    def problem(self, index: int) -> str:
        """Return in a sentence why a region's mask cannot be opened; empty: it can."""
        return self._problems.get(self.path(index), "")

    # -- reading and writing --------------------------------------------------------------

    @Slot()
    def refresh(self) -> None:
        """Show the job's regions; masks that are not in memory are read first."""
        size, paths = self.size(), [self.path(n) for n in range(len(self.regions))]
        kept: dict[str, Mask] = {}
        for path in paths if self.possible and size is not None else []:
            assert size is not None
            mask = self._masks.get(path)
            if mask is None or mask.pixels.shape != size[::-1]:
                mask = self.files.known(path)
            if mask is None and path in self._problems:
                mask = Mask.blank(*size)  # to be painted anew
            if mask is not None:
                fits = mask.pixels.shape == size[::-1]
                kept[path] = mask if fits else mask.resized(*size)
            elif path not in self._reading:
                self._reading.add(path)
                self.window.background.submit(
                    partial(self.files.read, path), partial(self._on_read, path),
                    partial(self._on_unread, path),
                )  # fmt: skip
        self._masks = kept
        self._problems = {path: text for path, text in self._problems.items() if path in paths}
        self.show_regions()

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

    def written(self, mask: Mask, region: str = "") -> str | None:
        """Write a mask into a file of its own; None, with a sentence, where that is impossible."""
        try:
            return self.files.write(mask, region)
        except PareidoliaError as error:
            self.failed.emit(worded(error))
            return None

    def written_for(self, index: int, mask: Mask) -> str | None:
        """Write a region's changed mask; return its path, or None, with a sentence."""
        before = self.path(index)
        path = self.written(mask, region_of(before))
        if path is not None:
            if not region_of(before):  # it has the colour that it had as another file
                self._looks[region_of(path)] = self.look(index)
            if path != before:  # it was painted on in its place
                self._masks.pop(before, None)
            self._masks[path] = mask
        return path

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
        self.show_regions()

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

    @Slot(object)
    def used(self, job: Job) -> None:
        """Note that somebody may want a job again: its masks stay."""
        self.files.used(path for each in job.inputs.regions if (path := path_of(each.mask)))

    @Slot()
    def use_now(self) -> None:
        """Note that somebody may want the job again as it is now."""
        self.used(self.studio.job)

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
        self.use_now()
        self.files.close(())


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, but for rounding."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= (max(one) + max(other)) / 2
