"""The occluder: a square that follows the pointer over the picture, and the classes meanwhile."""

from functools import partial

from PySide6.QtCore import QObject, QPointF, QRectF, QSizeF, Slot
from PySide6.QtGui import QAction, QImage

from engine.errors import PareidoliaError
from engine.heat import percent
from gui.background import Background
from gui.canvas.canvas import Canvas
from gui.canvas.tools import Mark
from gui.flow.pointer import looked_at
from gui.flow.sight import SightFlow
from gui.run.networks import Networks
from gui.run.newest import Newest
from gui.run.pointing import About, Covered, Eye, covered

MARK = "occluder"
STEP = 0.25
"""An arrow moves the square by this part of its side."""


class OccludingFlow(QObject):
    """Connects canvas, switches and network."""

    def __init__(
        self, sight: SightFlow, networks: Networks, background: Background, canvas: Canvas,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.sight, self.canvas = sight, canvas
        self.group = sight.panel.occluder
        self.covered: Covered | None = None
        """What is shown."""
        self._action: QAction | None = None
        self._centre: QPointF | None = None  # in parts of the picture's width and height
        self._cover: tuple[str, QImage] | None = None
        self._eye = Eye(networks)
        self._newest = Newest(background, self._on_covered, self._on_failed, self)
        canvas.tool_dragged.connect(self._on_dragged)
        canvas.tool_stepped.connect(self._on_stepped)
        canvas.tool_resized.connect(self.group.grow)
        canvas.tool_ended.connect(self._on_ended)
        self.group.changed.connect(self._ask)
        sight.panel.changed.connect(self._ask)
        sight.layers.loaded.connect(self._on_other)
        sight.showing.changed.connect(self._on_other)

    def bind(self, action: QAction) -> None:
        """Keep the menu's switch in step with the panel's."""
        self._action = action
        self.group.toggled.connect(action.setChecked)

    @property
    def on(self) -> bool:
        """Whether the square is on the picture."""
        return self._action is not None and self._action.isChecked()

    @Slot(bool)
    def switch(self, on: bool) -> None:
        """Begin with the square in the middle, or end."""
        self._clear()
        if on:
            self._centre = QPointF(0.5, 0.5)
            self.canvas.set_tool("drag")
            self.canvas.setFocus()
            self._ask()
        elif self.canvas.tool() == "drag":
            self.canvas.set_tool("")
        self.group.set_on(on)

    @Slot()
    def _on_ended(self) -> None:
        if self._action is not None and self.canvas.tool() == "drag":
            self._action.setChecked(False)

    def _clear(self) -> None:
        self._newest.forget()
        self.covered = self._cover = None
        self.canvas.set_mark(MARK, None)
        self.canvas.set_note("")
        self.sight.panel.top.end_covered()

    @Slot()
    def _on_other(self) -> None:
        """Another picture or network."""
        if self.on:
            self._clear()
            self._ask()

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
        """Put the square's middle somewhere; it stays within the picture."""
        self._centre = QPointF(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0))
        self._ask()

    @Slot()
    def _ask(self) -> None:
        image, size = looked_at(self.sight), self.canvas.logical_size()
        if not self.on or image is None or size.isEmpty():
            return
        square, job = self.square(), self.sight.studio.job
        self._draw(square)
        shares = QRectF(
            square.x() / size.width(), square.y() / size.height(),
            square.width() / size.width(), square.height() / size.height(),
        )  # fmt: skip
        about = About(image, job.network, job.weights, job.device)
        target = self.sight.panel.wish().target
        self._newest.ask(partial(covered, self._eye, about, self.group.fill(), shares, target))

    def _draw(self, square: QRectF) -> None:
        fill = self.group.fill()
        known = self._cover is not None and self._cover[0] == fill
        cover = self._cover[1] if self._cover is not None and known else None
        self.canvas.set_mark(MARK, Mark(square, cover=cover))

    # -- what the network says ------------------------------------------------------------

    def _on_covered(self, found: Covered) -> None:
        if not self.on:
            return
        self.covered, self._cover = found, (found.kind, found.cover)
        self._draw(self.square())
        self.sight.panel.top.show_covered(found.top, found.before)
        words = self.tr("{0}: logit {1:.2f} → {2:.2f} ({3:+.2f}), {4} → {5}")
        text = words.format(
            found.target_name,
            *found.logits,
            found.logits[1] - found.logits[0],
            *map(percent, found.chances),
        )
        self.canvas.set_note(text.replace("-", "−"))

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            raise error
        if self.on:
            self._clear()
            self.canvas.set_note(str(error))
