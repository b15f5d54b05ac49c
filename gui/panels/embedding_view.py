"""The map itself: dots, thumbnails where they fit, and what is under the pointer."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QPixmap,
    QShowEvent,
)
from PySide6.QtWidgets import QApplication, QWidget

from gui.panels.embedding_thumbnails import Floats, Place, Thumbnails, arranged
from gui.panels.losses import COLOURS
from gui.panels.picture_hover import PictureHover
from gui.pixels import Bytes, to_image

DOT = 7
NEAR = 12
"""The pointer is on a dot within this many pixels."""
CLICK = 4
"""How many pixels the mouse may move during a click."""


def colour_of(number: int) -> QColor:
    """Return a label's colour: first those of the plots, then hues as far apart as possible."""
    if number < len(COLOURS):
        return QColor(COLOURS[number])
    return QColor.fromHslF((number * 0.618034) % 1.0, 0.62, 0.55)


class MapView(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """Pictures at their places; the wheel zooms, dragging moves, a click chooses a picture."""

    chosen = Signal(int)
    """Number of a picture."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._positions: Floats = np.empty((0, 2), np.float32)
        self._pixels: Bytes = np.empty((0, 1, 1, 3), np.uint8)
        self._names: Sequence[str] = ()
        self._colours: list[QColor] = []
        self._fitting = False
        self.places: list[Place] = []
        self._thumbnails = Thumbnails(self._pixels)
        self._pressed: QPointF | None = None
        self._current = -1
        self.thumbnails = True
        self.setMenuEnabled(False)
        self.hideButtons()
        for side in ("left", "bottom"):
            self.hideAxis(side)
        self.setAspectLocked(True)
        self._dots = pg.ScatterPlotItem(pen=None)
        self.addItem(self._dots, ignoreBounds=True)
        self._box = self.getViewBox()
        self._box.disableAutoRange()
        self._box.invertY(True)  # down, as in the saved figure
        self._box.sigRangeChanged.connect(self._arrange)
        self._box.sigResized.connect(self._arrange)
        self.hover = PictureHover(self)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._make_more)
        self._theme()

    def show_map(
        self, positions: Floats, pixels: Bytes, names: Sequence[str], labels: Sequence[int]
    ) -> None:
        """Show pictures (N, s, s, 3) at positions (N, 2), with dots coloured by label number."""
        self._positions, self._pixels, self._names = positions, pixels, names
        colours = {label: colour_of(label) for label in set(labels)}
        self._colours = [colours[label] for label in labels]
        self._thumbnails = Thumbnails(pixels)
        self._current = -1
        self.hover.hide()
        brushes = {label: pg.mkBrush(colour) for label, colour in colours.items()}
        self._dots.setData(
            positions[:, 0], positions[:, 1], size=DOT, brush=[brushes[label] for label in labels]
        )
        self.fit()

    def clear_map(self) -> None:
        """Show nothing."""
        self.show_map(self._positions[:0], self._pixels[:0], (), ())

    @Slot()
    def fit(self) -> None:
        """Show the whole map."""
        if len(self._positions):
            low, high = self._positions.min(0), self._positions.max(0)
            self._fitting = True
            self.setRange(
                QRectF(QPointF(*map(float, low)), QPointF(*map(float, high))), padding=0.08
            )
            self._fitting = False
        self._arrange()

    def set_thumbnails(self, on: bool) -> None:
        """Draw thumbnails, or only dots."""
        self.thumbnails = on
        self._arrange()

    def shown_thumbnails(self) -> list[int]:
        """Return the numbers of the pictures whose thumbnails are drawn."""
        return [number for number, _ in self.places]

    def on_screen(self, positions: Floats) -> npt.NDArray[np.float64]:
        """Return positions (N, 2) in pixels of the scene."""
        (x0, x1), (y0, y1) = self._box.viewRange()
        rect = self._box.sceneBoundingRect()
        x = rect.left() + (positions[:, 0] - x0) / (x1 - x0) * rect.width()
        y = rect.top() + (positions[:, 1] - y0) / (y1 - y0) * rect.height()
        return np.stack((x, y), 1).astype(np.float64)

    # -- thumbnails -----------------------------------------------------------------------

    @Slot()
    def _arrange(self) -> None:
        """Choose the pictures whose thumbnails fit: none hides another's middle."""
        if self._fitting:
            return  # `fit` calls this again once it has set the range
        self.places = []
        if self.thumbnails and len(self._positions) and self.isVisible():
            self.places = arranged(
                self._positions, self.on_screen(self._positions), self._box.sceneBoundingRect(),
                self._box.viewPixelSize()[0],
            )  # fmt: skip
        self.viewport().update()

    @Slot()
    def _make_more(self) -> None:
        if self._thumbnails.make_some(self.places, self.devicePixelRatioF()):
            self.viewport().update()

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:
        """Draw the thumbnails over the dots, each framed in its label's colour."""
        super().drawForeground(painter, rect)
        painter.save()
        painter.setClipRect(self._box.sceneBoundingRect())
        missing = False
        for number, place in self.places:
            pixmap = self._thumbnails.get((number, place))
            if pixmap is None:
                missing = True
                continue
            painter.drawPixmap(place.topLeft(), pixmap)
            painter.setPen(QPen(self._colours[number], 1.5))
            painter.drawRect(place)
        if 0 <= self._current < len(self._positions):
            x, y = self.on_screen(self._positions[[self._current]])[0]
            half = max(self._half_of(self._current), DOT) + 2
            painter.setPen(QPen(self.palette().highlight().color(), 2.5))
            painter.drawRect(QRectF(x - half, y - half, 2 * half, 2 * half))
        painter.restore()
        if missing and not self._later.isActive():
            self._later.start()

    def _half_of(self, number: int) -> float:
        return next((p.width() / 2 for n, p in self.places if n == number), 0.0)

    # -- mouse, keys ----------------------------------------------------------------------

    def at(self, point: QPointF) -> int:
        """Return the number of the picture at a point of the viewport; -1: none."""
        scene = self.mapToScene(point.toPoint())
        for number, place in reversed(self.places):
            if place.contains(scene):
                return number
        if not len(self._positions):
            return -1
        away = self.on_screen(self._positions) - (scene.x(), scene.y())
        distance = np.hypot(away[:, 0], away[:, 1])
        nearest = int(distance.argmin())
        return nearest if distance[nearest] <= NEAR else -1

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show the picture under the pointer and its name."""
        super().mouseMoveEvent(event)
        if event.buttons() == Qt.MouseButton.NoButton:
            self._point(self.at(event.position()))

    def _point(self, number: int) -> None:
        if number == self._current:
            return
        self._current = number
        self.viewport().setCursor(
            Qt.CursorShape.PointingHandCursor if number >= 0 else Qt.CursorShape.ArrowCursor
        )
        if number < 0:
            self.hover.hide()
            self.setAccessibleDescription("")
        else:
            self.setAccessibleDescription(self._names[number])
            x, y = self.on_screen(self._positions[[number]])[0]
            self.hover.show_picture(
                QPixmap.fromImage(to_image(self._pixels[number])), self._names[number],
                QPointF(self.mapFromScene(QPointF(x, y))), self._half_of(number),
            )  # fmt: skip
        self.viewport().update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where a click or a drag begins."""
        super().mousePressEvent(event)
        self.hover.hide()
        left = event.button() == Qt.MouseButton.LeftButton
        self._pressed = event.position() if left else None

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose a picture, if the mouse has not been dragged."""
        super().mouseReleaseEvent(event)
        pressed, self._pressed = self._pressed, None
        if pressed is None or event.button() != Qt.MouseButton.LeftButton:
            return
        moved = event.position() - pressed
        number = self.at(event.position())
        if abs(moved.x()) + abs(moved.y()) <= CLICK and number >= 0:
            self.chosen.emit(number)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the pointer any more."""
        super().leaveEvent(event)
        self._point(-1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom with + and -, show all with 0; go to the next picture with the arrows, and choose it."""
        key = event.key()
        if key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            factor = 1.25 if key == Qt.Key.Key_Minus else 0.8
            self._box.scaleBy((factor, factor))
        elif key == Qt.Key.Key_0:
            self.fit()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._step(Qt.Key(key))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            if self._current >= 0:
                self.chosen.emit(self._current)
        else:
            super().keyPressEvent(event)

    def _step(self, key: Qt.Key) -> None:
        """Go to the nearest picture in a direction."""
        if not len(self._positions):
            return
        if self._current < 0:
            middle = self._positions.mean(0)
            self._point(int(np.hypot(*(self._positions - middle).T).argmin()))
            return
        away = self._positions - self._positions[self._current]
        axis = 0 if key in (Qt.Key.Key_Left, Qt.Key.Key_Right) else 1
        sign = 1 if key in (Qt.Key.Key_Right, Qt.Key.Key_Down) else -1
        ahead, aside = sign * away[:, axis], np.abs(away[:, 1 - axis])
        cost = np.where((ahead > 0) & (aside <= ahead), ahead + aside, np.inf)
        if np.isfinite(cost.min()):
            self._point(int(cost.argmin()))

    # -- look -----------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Choose the thumbnails for the current size."""
        super().showEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Match the window's theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._theme()

    def _theme(self) -> None:
        self.setBackground(QApplication.palette().base().color())
