"""The parts of the loss plot: values that are cheap to append, a logarithmic axis, keys and mouse."""

import math

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6 import QtGui
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QWidget

Floats = npt.NDArray[np.float64]

KEYS = frozenset(
    (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home,
     Qt.Key.Key_End, Qt.Key.Key_Plus, Qt.Key.Key_Minus, Qt.Key.Key_0, Qt.Key.Key_Escape)
)  # fmt: skip

DECADES = 3
"""Powers of ten on each side of a symmetric scale."""
FAR = 12
"""Most powers of ten above zero, if no value is below it."""


class Series:
    """One term's values; grows by doubling, so that appending stays cheap."""

    def __init__(self) -> None:
        self.count = 0
        self.linear = 0.0
        """See `scaled`."""
        self._rows: Floats = np.empty((3, 256))  # iteration, value, and its place on the log scale

    @property
    def iterations(self) -> Floats:
        """The iterations with values, ascending."""
        return self._rows[0, : self.count]

    def values(self, log: bool) -> Floats:
        """The values, or their places on the log scale; NaN where there is nothing to draw."""
        return self._rows[2 if log else 1, : self.count]

    def rescale(self, linear: float) -> None:
        """Change to another log scale: see `scaled`."""
        if linear != self.linear:
            self.linear = linear
            self._rows[2, : self.count] = scaled(self._rows[1, : self.count], linear)

    def cut(self, iteration: float) -> None:
        """Forget what is at or after `iteration`."""
        self.count = int(np.searchsorted(self.iterations, iteration))

    def extend(self, iterations: list[float], values: list[float]) -> None:
        """Append values of later iterations."""
        end = self.count + len(iterations)
        if end > self._rows.shape[1]:
            grown = np.empty((3, max(end, 2 * self._rows.shape[1])))
            grown[:, : self.count] = self._rows[:, : self.count]
            self._rows = grown
        new = self._rows[:, self.count : end]
        new[0], new[1] = iterations, values
        new[1, ~np.isfinite(new[1])] = np.nan
        new[2] = scaled(new[1], self.linear)
        self.count = end

    def at(self, iteration: float) -> float | None:
        """The value at an iteration; NaN if it was not finite, None if there was none."""
        i = int(np.searchsorted(self.iterations, iteration))
        found = i < self.count and self._rows[0, i] == iteration
        return float(self._rows[1, i]) if found else None

    def nearest(self, iteration: float) -> float:
        """Return the nearest iteration with a value; there must be one."""
        i = int(np.searchsorted(self.iterations, iteration).clip(1, max(self.count - 1, 1)))
        near = self.iterations[max(i - 1, 0) : i + 1]
        return float(near[np.abs(near - iteration).argmin()])

    def thinned(self, low: float, high: float, pixels: int, log: bool) -> tuple[Floats, Floats]:
        """Points to draw between two iterations: the least and the greatest value of each group.

        Group sizes are powers of two, counted from the start of the run, so that the curve stays still
        while more is appended.
        """
        x, y = self.iterations, self.values(log)
        first = max(int(np.searchsorted(x, low)) - 1, 0)
        last = min(int(np.searchsorted(x, high, "right")) + 1, self.count)
        group = 1 << max(0, math.ceil(math.log2(max(last - first, 1) / max(2 * pixels, 1))))
        if group == 1:
            return x[first:last].copy(), y[first:last].copy()
        first -= first % group
        starts = np.arange(first, last, group)
        ends = np.empty((len(starts), 2))
        # fmin and fmax skip NaN: one bad value does not make a whole group a gap.
        ends[:, 0] = np.fmin.reduceat(y[:last], starts)
        ends[:, 1] = np.fmax.reduceat(y[:last], starts)
        return np.repeat(x[starts], 2), ends.ravel()


def scaled(values: Floats, linear: float) -> Floats:
    """Return places on a log scale: the logarithm, or NaN if there is none.

    If `linear` is above 0, on a symmetric one (Webber 2013): sign(v) log10(1 + |v| / linear), nearly
    linear within `linear` of zero and logarithmic beyond it on both sides.
    """
    if linear:
        places: Floats = np.copysign(np.log10(1 + np.abs(values) / linear), values)
        return places
    places = np.full(len(values), np.nan)
    np.log10(values, out=places, where=values > 0)
    return places


def linear_part(columns: list[Floats]) -> float:
    """Return the `linear` of `scaled` that gives all values a place; 0: logarithms do.

    With zeros but no negative values, it is the power of ten below the smallest other value, at most
    `FAR` powers below the largest; with negative values, it is `DECADES` powers below the largest.
    """
    values = np.concatenate([*columns, np.empty(0)])
    values = values[np.isfinite(values)]
    sizes = np.abs(values[values != 0])
    if not sizes.size:
        return 1.0 if values.size else 0.0
    if values.min() > 0:
        return 0.0
    below = 10.0 ** (math.ceil(math.log10(sizes.max())) - DECADES)
    if values.min() < 0:
        return below
    return float(max(10.0 ** math.floor(math.log10(sizes.min())), below * 10.0 ** (DECADES - FAR)))


def ends_of(columns: list[Floats], log: bool) -> tuple[float, float] | None:
    """Return the least and greatest value of some columns; None if there are none."""
    low = min((float(np.fmin.reduce(c, initial=np.inf)) for c in columns), default=np.inf)
    high = max((float(np.fmax.reduce(c, initial=-np.inf)) for c in columns), default=-np.inf)
    if low > high:
        return None
    # A flat curve has no height of its own.
    room = 0.0 if high > low else 0.1 if log else max(abs(low) / 10, 1e-6)
    return low - room, high + room


class LogAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """Labels powers of ten or, on short ranges, plain steps; pyqtgraph's own labels round 3.2 to 3."""

    linear = 0.0
    """The scale's `linear`: see `scaled`."""

    def logTickValues(
        self, minVal: float, maxVal: float, size: float, stdTicks: object
    ) -> list[tuple[float | None, list[float]]]:
        """Ticks for a range of places on the log scale."""
        if maxVal - minVal < 1:
            low, high = self._value(minVal), self._value(maxVal)
            rough = (high - low) / 4
            power = 10.0 ** math.floor(math.log10(rough))
            step = power * next((n for n in (1, 2, 5) if n * power >= rough), 10)
            steps = range(math.ceil(low / step), math.floor(high / step) + 1)
            return [(1.0, self._places([n * step for n in steps if n > 0 or self.linear]))]
        if self.linear:
            return [(1.0, self._symmetric(minVal, maxVal, size))]
        powers = range(math.floor(minVal), math.ceil(maxVal) + 1)
        sparse = max(1, round(len(powers) * 30 / max(size, 30)))
        minor = [p + math.log10(n) for p in powers for n in (2, 5)] if len(powers) < 5 else []
        return [(1.0, [float(p) for p in powers if p % sparse == 0]), (None, minor)]

    def _symmetric(self, low: float, high: float, size: float) -> list[float]:
        """Zero and powers of ten on both sides of it, as many as there is room for."""
        reach = max(abs(low), abs(high))
        sparse = max(1, math.ceil((high - low) * 24 / max(size, 24)))
        beyond = [self.linear * 10.0**n for n in range(sparse, math.ceil(reach) + 1, sparse)]
        places = self._places([-v for v in reversed(beyond)] + [0.0] + beyond)
        return [place for place in places if low <= place <= high]

    def _places(self, values: list[float]) -> list[float]:
        return [float(place) for place in scaled(np.array(values), self.linear)]

    def _value(self, place: float) -> float:
        if self.linear:
            return math.copysign(self.linear * (10.0 ** abs(place) - 1), place)
        return float(10.0**place)

    def logTickStrings(self, values: list[float], scale: float, spacing: float | None) -> list[str]:
        """Texts for places on the log scale."""
        return [f"{self._value(v):.6g}" for v in values]


class Plot(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """The plot; reports what keys and mouse ask for."""

    pointed = Signal(object)
    """The iteration under the mouse; None: the mouse or the focus has left."""
    asked = Signal(object)
    """A key of `KEYS`; 0 also on a double click; End also when Tab brings the focus."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self.scale_axis = LogAxis("left")
        super().__init__(parent, axisItems={"left": self.scale_axis})
        self.setMenuEnabled(False)
        self.hideButtons()
        self.showGrid(y=True, alpha=0.15)
        for side in ("left", "bottom"):
            self.getAxis(side).enableAutoSIPrefix(False)
        self.getAxis("left").setLogMode(False, True)
        self.setLimits(minXRange=2)
        self._spare: list[pg.InfiniteLine] = []

    def add_mark(
        self, iteration: int, text: str, style: Qt.PenStyle, height: float
    ) -> pg.InfiniteLine:
        """Add and return a vertical line, with its name at a fraction of its height."""
        width = 24 * self.fontMetrics().averageCharWidth()
        short = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
        # Single braces would be replaced by the line's value.
        label = short.replace("{", "{{").replace("}", "}}")
        if self._spare:
            line = self._spare.pop()
            line.setPos(iteration)
            line.setPen(pg.mkPen(style=style))
            line.label.setFormat(label)
            line.label.setPosition(height)
        else:
            line = pg.InfiniteLine(
                iteration, 90, pg.mkPen(style=style), label=label, labelOpts={"position": height}
            )
        line.setToolTip(text)
        line.label.setToolTip(text)
        self.addItem(line, ignoreBounds=True)
        return line

    def take_mark(self, line: pg.InfiniteLine) -> None:
        """Remove a mark."""
        self.removeItem(line)
        # Kept for later marks: pyqtgraph's labels fail if they are garbage-collected while Qt still has
        # to paint part of them.
        self._spare.append(line)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        """Report the iteration under the mouse."""
        super().mouseMoveEvent(event)
        box = self.getViewBox()
        self.pointed.emit(box.mapSceneToView(self.mapToScene(event.position().toPoint())).x())

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:
        """Ask for the whole run."""
        super().mouseDoubleClickEvent(event)
        self.asked.emit(Qt.Key.Key_0)

    def leaveEvent(self, event: QEvent) -> None:
        """Report that the mouse has left."""
        super().leaveEvent(event)
        self.pointed.emit(None)

    def focusInEvent(self, event: QtGui.QFocusEvent) -> None:
        """Show the focus, if the keyboard brought it."""
        super().focusInEvent(event)
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self.asked.emit(Qt.Key.Key_End)  # the cursor line shows where the focus is

    def focusOutEvent(self, event: QtGui.QFocusEvent) -> None:
        """Report that the focus has left."""
        super().focusOutEvent(event)
        self.pointed.emit(None)

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        """Pass on the keys that the panel handles."""
        if event.key() in KEYS:
            self.asked.emit(Qt.Key(event.key()))
        else:
            super().keyPressEvent(event)


def paint_mark(line: pg.InfiniteLine, back: str, front: str) -> None:
    """Give a mark the theme's colours."""
    line.setPen(pg.mkPen(front, style=line.pen.style()))
    line.label.setColor(front)
    fill = QtGui.QColor(back)
    fill.setAlpha(190)  # readable over the curves
    line.label.fill = pg.mkBrush(fill)


def thin_labels(lines: list[pg.InfiniteLine], low: float, high: float, width: float) -> None:
    """Of marks named at the same height, hide names that would cover the one before.

    Args:
        lines: from left to right.
        low: the first iteration in view.
        high: the last one.
        width: the view's, in pixels.
    """
    ends: dict[float, float] = {}
    for line in lines:
        place, height = (line.value() - low) / max(high - low, 1e-9) * width, line.label.orthoPos
        free = bool(place >= ends.get(height, -math.inf))
        line.label.setVisible(free)
        if free:
            ends[height] = place + line.label.boundingRect().width()


def moved(key: Qt.Key, at: int, page: int, last: int) -> int:
    """Return the place, 0 to `last`, to which a key moves the cursor from `at`."""
    wanted = {
        Qt.Key.Key_Left: at - 1,
        Qt.Key.Key_Right: at + 1,
        Qt.Key.Key_PageUp: at - page,
        Qt.Key.Key_PageDown: at + page,
        Qt.Key.Key_Home: 0,
    }.get(key, last)
    return min(max(wanted, 0), last)
