"""What is under the pointer: the maps' values, and a unit's receptive field."""

from PySide6.QtCore import QObject, QPointF, QRectF, QTimer, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QStatusBar

from engine.attribution.heat import cell_on
from engine.looking import Answer, FieldRequest, Request
from engine.looking.answer import SHARE, UnitField
from gui.background import Background
from gui.canvas.canvas import Canvas
from gui.canvas.tools import Mark
from gui.flow.canvas_tool import CanvasToolFlow
from gui.flow.live_maps import LiveMapsFlow
from gui.pixels import to_image
from gui.run.looking import PictureQuery
from gui.run.map_answers import KINDS
from gui.run.networks import Networks

FIELD, THEORETICAL, EFFECTIVE = "receptive_field", "theoretical", "effective"
"""Names of the marks on the canvas."""
EVERY_MS = 40
"""The shortest time between two looks at the pointer, in milliseconds."""
OPACITY = 0.8


class PointerFlow(CanvasToolFlow):
    """Connects the pointer with the maps shown and the network."""

    tool = "point"

    def __init__(
        self, live_maps: LiveMapsFlow, networks: Networks, background: Background, canvas: Canvas,
        bar: QStatusBar, parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(live_maps, networks, background, canvas, parent)
        self.value = QLabel()
        self.value.setObjectName("valueLabel")
        self.value.setAccessibleName(self.tr("Map values under the pointer"))
        bar.insertPermanentWidget(0, self.value)
        self.seen: UnitField | None = None
        """The receptive field shown."""
        self.at: QPointF | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._ask)
        canvas.hovered.connect(self._on_hover)
        canvas.left.connect(self._on_left)
        live_maps.maps.answered.connect(self._on_answer)
        live_maps.panel.recoloured.connect(self._on_recoloured)
        live_maps.panel.layer.currentIndexChanged.connect(self.renew)
        live_maps.panel.target.changed.connect(self.renew)

    @Slot(bool)
    def switch(self, on: bool) -> None:
        """Start or stop showing the receptive field under the pointer."""
        self.clear()
        self.take_tool(on)
        if on:
            self.canvas.set_note(
                self.tr("Point at the picture; press Escape to stop.")
                + "\n"
                + self._where_layers_are()
            )
            self.renew()

    def clear(self) -> None:
        """Remove the field."""
        super().clear()
        self._timer.stop()
        self.seen = None
        self.canvas.set_overlay(FIELD, None)
        for key in (THEORETICAL, EFFECTIVE):
            self.canvas.set_mark(key, None)

    # -- the pointer ----------------------------------------------------------------------

    @Slot(int, int)
    def _on_hover(self, x: int, y: int) -> None:
        self.at = QPointF(x + 0.5, y + 0.5)
        self._tell_values()
        self.renew()

    @Slot()
    def _on_left(self) -> None:
        self.at = None
        self.value.clear()

    @Slot(object)
    def _on_answer(self, _answer: object) -> None:
        self._tell_values()

    @Slot(str)
    def _on_recoloured(self, _kind: str) -> None:
        self._tell_values()  # another map of an occlusion may be shown now

    @Slot()
    def renew(self) -> None:
        """Ask for the field under the pointer in a moment."""
        if self.on and self.at is not None and not self._timer.isActive():
            self._timer.start()

    def _shares(self) -> tuple[float, float] | None:
        """Return the pointer's place in fractions of the picture's width and height."""
        size = self.canvas.logical_size()
        if self.at is None or size.isEmpty():
            return None
        return self.at.x() / size.width(), self.at.y() / size.height()

    # -- values ---------------------------------------------------------------------------

    def _tell_values(self) -> None:
        """Show the value of each visible map under the pointer."""
        at, answer = self._shares(), self.live_maps.answer
        parts = []
        shown = self.canvas.overlays()
        for kind in KINDS:
            heat = getattr(answer, kind, None)
            if at is None or answer is None or heat is None or kind not in shown:
                continue
            text = heat.said(heat.value_at(at))
            if kind == "grad_cam" and answer.grid is not None:
                row, column = cell_on(answer.grid[0], 1, at[1]), cell_on(answer.grid[1], 1, at[0])
                where = self.tr("{0} cell {1}, {2}").format(answer.layer, row, column)
                text = f"{text} ({where})"
            parts.append(text)
        self.value.setText("   ".join(filter(None, parts)))

    # -- receptive fields -----------------------------------------------------------------

    @Slot()
    def _ask(self) -> None:
        at, image = self._shares(), looked_at(self.live_maps)
        if at is None or image is None or not self.on:
            return
        job, panel = self.live_maps.studio.job, self.live_maps.panel
        layer, unit = panel.map_settings().layer, panel.target.unit()
        channel = unit.channel if unit is not None and unit.layer == layer else None
        query = PictureQuery(image, job.network, job.weights, job.device, job.preprocessing)
        self.ask(query, Request(classes=False, unit_field=FieldRequest(at, layer, channel)))

    def show_found(self, found: Answer) -> None:
        """Show a field."""
        self.seen = seen = found.unit_field
        assert seen is not None
        self.canvas.set_overlay(FIELD, to_image(seen.overlay), OPACITY)
        boxes = ((THEORETICAL, seen.theoretical, False), (EFFECTIVE, seen.effective, True))
        for key, box, dashed in boxes:
            mark = None if box is None else Mark(self._on_canvas(box, seen.size), dashed)
            self.canvas.set_mark(key, mark)
        self.canvas.set_note(self._words(seen))

    def _on_canvas(self, box: tuple[int, int, int, int], size: tuple[int, int]) -> QRectF:
        """Return a box (top, left, bottom, right) of the network's picture on the canvas."""
        logical = self.canvas.logical_size()
        down, across = logical.height() / size[0], logical.width() / size[1]
        top, left, bottom, right = box
        return QRectF(left * across, top * down, (right - left) * across, (bottom - top) * down)

    def _words(self, seen: UnitField) -> str:
        whole = self.tr("the whole picture")
        theoretical = whole if seen.side is None else self.tr("{0} px").format(_sides(*seen.side))
        if seen.effective is None:
            effective = self.tr("none: no pixel affects it here")
        else:
            top, left, bottom, right = seen.effective
            sides = _sides(bottom - top, right - left)
            effective = self.tr("{0} px ({1:.0%})").format(sides, SHARE)
        words = self.tr("{0} at {1}, {2}: theoretical {3}, effective {4}; of {5}x{6} px").format(
            seen.layer, *seen.unit, theoretical, effective, seen.size[1], seen.size[0]
        )
        return f"{words}\n{self._where_layers_are()}"

    def _where_layers_are(self) -> str:
        return self.tr("To choose another layer, select it in the network tree.")


def looked_at(live_maps: LiveMapsFlow) -> QImage | None:
    """Return the picture that the maps explain; None: there is none."""
    shown = live_maps.canvas_content.current
    image = shown.image if shown is not None else None
    if live_maps.panel.map_settings().of_content:
        content = live_maps.canvas_content.content()
        image = content.image if content is not None else None
    return None if image is None or image.isNull() else image


def _sides(height: int, width: int) -> str:
    return f"{width}" if height == width else f"{width}x{height}"
