"""The occluder: a square that follows the pointer, with the classes or the unit as it moves."""

from PySide6.QtCore import QObject, QPointF, QRectF, QSizeF, Slot
from PySide6.QtGui import QAction, QImage

from engine.looking import Answer, OccluderRequest, Request
from engine.looking.answer import OccluderAnswer
from engine.networks.classes import percent
from gui.background import Background
from gui.canvas.canvas import Canvas
from gui.canvas.tools import Mark
from gui.flow.canvas_tool import CanvasToolFlow
from gui.flow.live_maps import LiveMapsFlow
from gui.flow.pointer import looked_at
from gui.pixels import to_image
from gui.run.looking import PictureQuery
from gui.run.networks import Networks

MARK = "occluder"
STEP = 0.25
"""An arrow key moves the square by this fraction of its side."""


class OccluderFlow(CanvasToolFlow):
    """Connects canvas, switches and network."""

    tool = "drag"

    def __init__(
        self, live_maps: LiveMapsFlow, networks: Networks, background: Background, canvas: Canvas,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(live_maps, networks, background, canvas, parent)
        self.group = live_maps.panel.occluder
        self.covered: OccluderAnswer | None = None
        """The answer shown."""
        self._centre: QPointF | None = None  # in fractions of the picture's width and height
        self._cover: tuple[str, QImage] | None = None
        canvas.tool_dragged.connect(self._on_dragged)
        canvas.tool_stepped.connect(self._on_stepped)
        canvas.tool_resized.connect(self.group.grow)
        self.group.changed.connect(self.renew)
        live_maps.panel.changed.connect(self.renew)

    def bind(self, action: QAction) -> None:
        """Keep the menu's switch in step with the panel's."""
        super().bind(action)
        self.group.toggled.connect(action.setChecked)

    @Slot(bool)
    def switch(self, on: bool) -> None:
        """Start with the square in the middle, or end."""
        self.clear()
        self.take_tool(on)
        if on:
            self._centre = QPointF(0.5, 0.5)
            self.renew()
        self.group.set_on(on)

    def clear(self) -> None:
        """Remove the square."""
        super().clear()
        self.covered = self._cover = None
        self.canvas.set_mark(MARK, None)
        self.live_maps.panel.top.end_covered()

    # -- the square -----------------------------------------------------------------------

    def square(self) -> QRectF:
        """Return the square on the canvas, in pixels of the picture."""
        size = self.canvas.logical_size()
        side = self.group.share() * min(size.width(), size.height())
        rect = QRectF(QPointF(0, 0), QSizeF(side, side))
        if self._centre is not None:
            rect.moveCenter(
                QPointF(self._centre.x() * size.width(), self._centre.y() * size.height())
            )
        return rect

    @Slot(QPointF)
    def _on_dragged(self, place: QPointF) -> None:
        size = self.canvas.logical_size()
        if self.on and not size.isEmpty():
            self._move_to(place.x() / size.width(), place.y() / size.height())

    @Slot(int, int)
    def _on_stepped(self, right: int, down: int) -> None:
        size = self.canvas.logical_size()
        if self.on and self._centre is not None and not size.isEmpty():
            step = STEP * self.square().width()
            x = self._centre.x() + right * step / size.width()
            self._move_to(x, self._centre.y() + down * step / size.height())

    def _move_to(self, x: float, y: float) -> None:
        """Move the square's middle; the square stays within the picture."""
        self._centre = QPointF(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0))
        self.renew()

    @Slot()
    def renew(self) -> None:
        """Draw the square where it is now, and ask what the network says."""
        image, size = looked_at(self.live_maps), self.canvas.logical_size()
        if not self.on or image is None or size.isEmpty():
            return
        square, job = self.square(), self.live_maps.studio.job
        self._draw(square)
        left, top = square.x() / size.width(), square.y() / size.height()
        right = left + square.width() / size.width()
        bottom = top + square.height() / size.height()
        panel, here = self.live_maps.panel, self.live_maps.layers.here
        unit = panel.target.unit()
        lacking = here is not None and not here.network.classes
        if unit is None and (panel.target.of_unit or lacking):
            self._newest.forget()
            self.show_problem(panel.target.problem or panel.no_classes())
            return
        query = PictureQuery(image, job.network, job.weights, job.device, job.preprocessing)
        target = panel.map_settings().target if unit is None else unit
        asked = OccluderRequest((left, top, right, bottom), self.group.fill())
        self.ask(query, Request(target, classes=False, occluder=asked))

    def _draw(self, square: QRectF) -> None:
        fill = self.group.fill()
        known = self._cover is not None and self._cover[0] == fill
        cover = self._cover[1] if self._cover is not None and known else None
        self.canvas.set_mark(MARK, Mark(square, cover=cover))

    # -- what the network says ------------------------------------------------------------

    def show_found(self, answer: Answer) -> None:
        """Show what the network says now."""
        found = answer.occluder
        assert found is not None
        self.covered, self._cover = found, (found.fill, to_image(found.cover))
        self._draw(self.square())
        self.live_maps.panel.top.show_covered(found.top, found.before)
        before, now = found.answers
        if found.chances is None:
            text = self.tr("{0}: {1} → {2} ({3})").format(
                found.target_name, *map(_number, (f"{before:.4g}", f"{now:.4g}")),
                _number(f"{now - before:+.3g}"),
            )  # fmt: skip
        else:
            text = self.tr("{0}: logit {1} → {2} ({3}), {4} → {5}").format(
                found.target_name, *map(_number, (f"{before:.2f}", f"{now:.2f}")),
                _number(f"{now - before:+.2f}"), *map(percent, found.chances),
            )  # fmt: skip
        self.canvas.set_note(text)

    def show_problem(self, text: str) -> None:
        """Say why there is no answer; the square stays, to be used when there is one again."""
        self.covered = self._cover = None
        self.live_maps.panel.top.end_covered()
        self._draw(self.square())
        self.canvas.set_note(text)


def _number(text: str) -> str:
    """Return a number with a minus sign as wide as a plus."""
    return text.replace("-", "−")
