"""The brush: strokes on the canvas change the chosen region's mask; each is one step to undo."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, Qt, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from gui.actions import Actions
from gui.canvas.painting import BRUSH
from gui.flow.regions import RegionsFlow
from gui.masks.brush import Brush, Discs, Point, Stroke
from gui.masks.mask import Mask, Rect
from gui.panels.mask_brush import MaskBrush
from gui.session import path_of

if TYPE_CHECKING:
    from gui.main_window import MainWindow

FEATHERS = (1, 2, 5, 10, 20, 50, 100, 200)
"""Pixels of the photo by which a border can be softened."""
USUAL_FEATHER = 10
SHARE = 12
"""The brush is at first as large as the photo's long side divided by this."""
ONLY_WITH_BRUSH = (
    "brush_smaller", "brush_larger", "brush_softer", "brush_harder", "brush_erase", "mask_fill",
    "mask_clear", "mask_invert", "mask_feather",
)  # fmt: skip
"""Actions that are possible while the brush is in use; their keys are others' otherwise."""
WITH_REGION = (
    "mask_from_picture", "mask_from_alpha", "mask_from_cut_out", "mask_from_grad_cam",
)  # fmt: skip
"""Actions that are possible while there is a region."""


class MaskBrushFlow(QObject):
    """Connects the canvas's brush, the bar and the masks."""

    def __init__(self, window: "MainWindow", regions: RegionsFlow, bar: MaskBrush) -> None:
        super().__init__(window)
        self.window, self.regions, self.bar, self.canvas = window, regions, bar, window.canvas
        self.stroke: Stroke | None = None
        """The stroke under way."""
        self._discs = Discs()
        self._last: tuple[str, Point] | None = None
        """Where the last stroke ended, for a straight line from there, and on which mask."""
        self._feather = USUAL_FEATHER
        self._sized = False
        self._action: QAction | None = None
        self._only: list[QAction] = []
        self._with_region: list[QAction] = []
        self._always: list[QAction] = []
        canvas = window.canvas
        canvas.stroke_begun.connect(self._on_begun)
        canvas.stroke_moved.connect(self._on_moved)
        canvas.stroke_ended.connect(self._on_ended)
        canvas.stroke_cancelled.connect(self._on_cancelled)
        canvas.brush_resized.connect(bar.grow)
        canvas.brush_hardened.connect(bar.harden)
        canvas.erase_held.connect(bar.hold)
        canvas.tool_ended.connect(self._on_tool_ended)
        bar.changed.connect(self._show_brush)
        bar.closed.connect(self._put_away)
        regions.masks_changed.connect(self._on_masks)
        regions.canvas_content.changed.connect(self._on_shown)
        bar.hide()

    def bind(self, actions: Actions) -> None:
        """Connect the menus' actions; the bar's menu offers some of them."""
        self._action = actions["mask_brush"]
        # A letter alone would be in the way of those who type in the tree and in lists.
        self.window.removeAction(self._action)
        self._action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        for widget in (self.canvas, self.regions.panel, self.bar):
            widget.addAction(self._action)
        self._only = [actions[name] for name in ONLY_WITH_BRUSH]
        self._with_region = [actions[name] for name in WITH_REGION]
        self._always = [actions[name] for name in ("add_region", "mask_brush", "show_masks")]
        self.regions.panel.paint_toggled.connect(self._action.setChecked)
        self.regions.panel.added.connect(actions["add_region"].trigger)
        feather = QMenu(self.tr("Feather"), self.bar)
        for pixels in FEATHERS:
            entry = feather.addAction(self.tr("{0} px").format(pixels))
            entry.triggered.connect(partial(self._feather_by, pixels))
        self.bar.set_menu(
            [
                actions["mask_fill"], actions["mask_clear"], actions["mask_invert"], feather, None,
                actions["mask_from_picture"], actions["mask_from_alpha"],
                actions["mask_from_cut_out"], actions["mask_from_grad_cam"], None,
                actions["show_masks"],
            ]
        )  # fmt: skip
        self._show_state()

    @property
    def on(self) -> bool:
        """Whether the brush is in use."""
        return self._action is not None and self._action.isChecked()

    @Slot(bool)
    def switch(self, on: bool) -> None:
        """Take the brush, with a first region if there is none, or put it away."""
        why = self._why_not() if on else ""
        if why:
            self.regions.failed.emit(why)
            self._put_away()
            return
        self.regions.painting = on
        if on:
            self._begin()
        else:
            self.canvas.end_stroke()
            if self.canvas.tool() == BRUSH:
                self.canvas.set_tool("")
        self.bar.setVisible(on)
        self.regions.panel.set_painting(on)
        self.regions.show_masks()
        self._show_state()

    def _begin(self) -> None:
        photo = self.regions.photo()
        assert photo is not None
        if not self.regions.regions:
            self.regions.add()
        if not self._sized:
            self._sized = True
            self.bar.set_diameter(round(max(photo.width, photo.height) / SHARE))
        current = self.regions.canvas_content.current
        if current is None or current.kind == "input":
            self.regions.canvas_content.show_content()
        dock = self.window.docks["regions"]
        if not dock.isHidden():  # else a person has closed it, or the picture fills the screen
            dock.raise_()
        self.canvas.set_tool(BRUSH)
        self._show_brush()
        self.canvas.setFocus()

    def _why_not(self) -> str:
        """Return why nothing can be painted now; empty: it can."""
        if not self.regions.possible:
            title = self.regions.studio.technique.title
            return self.tr("{0} takes no regions.").format(title)
        if self.window.live.active:
            return self.tr(
                "Freeze the picture first (Ctrl+Alt+F): a moving one cannot be painted on."
            )
        return "" if self.regions.size() is not None else self.tr("Open a photo first (Ctrl+I).")

    @Slot()
    def _on_shown(self) -> None:
        """Put the brush away when something is shown that is neither the photo nor made of it."""
        current = self.regions.canvas_content.current
        content = path_of(self.regions.studio.job.inputs.content)
        other = current is not None and current.kind == "input" and current.path != content
        if self.on and (current is None or current.kind == "live" or other):
            self._put_away()
        self._show_brush()

    def _show_state(self) -> None:
        for action in self._only:
            action.setEnabled(self.on)
        for action in self._with_region:
            action.setEnabled(self.regions.possible and bool(self.regions.regions))
        for action in self._always:
            action.setEnabled(self.regions.possible)

    @Slot()
    def _put_away(self) -> None:
        if self._action is not None:
            self._action.setChecked(False)
        self.regions.panel.set_painting(False)

    @Slot()
    def _on_tool_ended(self) -> None:
        if self.canvas.tool() == BRUSH:
            self._put_away()

    @Slot()
    def _on_masks(self) -> None:
        """Other masks than the stroke's are there: it has ended, if it was not kept."""
        if self.stroke is not None and self.stroke.mask is not self.regions.chosen_mask():
            self.stroke = None
        if self.on and not (self.regions.possible and self.regions.regions):
            self._put_away()
        self._show_brush()
        self._show_state()

    # -- places and sizes -----------------------------------------------------------------

    @Slot()
    def _show_brush(self) -> None:
        """Give the outline the size that the brush has on the picture."""
        photo, size = self.regions.photo(), self.canvas.logical_size()
        if photo is not None and not size.isEmpty():
            self.canvas.set_brush(self.bar.diameter() / 2 * size.width() / photo.width)

    def _scale(self) -> float:
        """Return how many pixels of the mask are one of the photo."""
        photo, size = self.regions.photo(), self.regions.size()
        return 1.0 if photo is None or size is None else size[0] / photo.width

    def _on_mask(self, place: QPointF, mask: Mask) -> Point:
        height, width = mask.pixels.shape
        size = self.canvas.logical_size()
        return place.x() * width / size.width(), place.y() * height / size.height()

    # -- strokes --------------------------------------------------------------------------

    @Slot(QPointF, float, bool)
    def _on_begun(self, place: QPointF, pressure: float, straight: bool) -> None:
        mask = self.regions.chosen_mask()
        if mask is None or self.canvas.logical_size().isEmpty():
            self.regions.said.emit(self.tr("The mask is still being opened…"))
            return
        radius = self.bar.diameter() / 2 * self._scale()
        brush = Brush(radius, self.bar.hardness(), self.bar.erasing())
        self.stroke = Stroke(mask, brush, self._discs)
        if straight and self._last is not None and self._last[0] == self._key():
            self._touch(self.stroke.to(self._last[1], pressure))
            self._touch(self.stroke.straight_to(self._on_mask(place, mask), pressure))
        else:
            self._touch(self.stroke.to(self._on_mask(place, mask), pressure))

    @Slot(QPointF, float)
    def _on_moved(self, place: QPointF, pressure: float) -> None:
        if self.stroke is not None:
            self._touch(self.stroke.to(self._on_mask(place, self.stroke.mask), pressure))

    @Slot()
    def _on_ended(self) -> None:
        stroke, self.stroke = self.stroke, None
        if stroke is None:
            return
        self._touch(stroke.end())
        if stroke.dirty is None:
            return
        text = self.tr("Erase") if stroke.brush.erases else self.tr("Brush stroke")
        if self.regions.keep(text, self.regions.active, stroke.mask):
            self._last = self._key(), stroke.last
        else:
            self._touch(stroke.cancel())

    @Slot()
    def _on_cancelled(self) -> None:
        stroke, self.stroke = self.stroke, None
        if stroke is not None:
            self._touch(stroke.cancel())

    def _key(self) -> str:
        return self.regions.path(self.regions.active)

    def _touch(self, dirty: Rect | None) -> None:
        if dirty is not None:
            self.canvas.touch_masks(dirty)

    # -- the whole mask -------------------------------------------------------------------

    def _change(self, text: str, act: Callable[[Mask], None]) -> None:
        """Change the chosen region's mask, as one step that can be undone."""
        mask = self.regions.chosen_mask()
        if mask is not None:
            self.canvas.end_stroke()
            changed = Mask(mask.pixels.copy())
            act(changed)
            self.regions.keep(text, self.regions.active, changed)

    @Slot()
    def fill(self) -> None:
        """Put all of the photo into the region."""
        self._change(self.tr("Fill mask"), Mask.fill)

    @Slot()
    def clear(self) -> None:
        """Take everything out of the region."""
        self._change(self.tr("Clear mask"), partial(Mask.fill, value=0))

    @Slot()
    def invert(self) -> None:
        """Exchange inside and outside."""
        self._change(self.tr("Invert mask"), Mask.invert)

    @Slot()
    def feather(self) -> None:
        """Soften the border as much as the last time."""
        sigma = self._feather * self._scale()
        self._change(self.tr("Feather mask"), partial(Mask.feather, sigma=sigma))

    def _feather_by(self, pixels: int, _checked: bool = False) -> None:
        self._feather = pixels
        self.feather()

    @Slot()
    def smaller(self) -> None:
        """Make the brush smaller."""
        self.bar.grow(-1)

    @Slot()
    def larger(self) -> None:
        """Make the brush larger."""
        self.bar.grow(1)

    @Slot()
    def softer(self) -> None:
        """Make the brush softer."""
        self.bar.harden(-1)

    @Slot()
    def harder(self) -> None:
        """Make the brush harder."""
        self.bar.harden(1)
