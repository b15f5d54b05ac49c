"""A run's losses as curves.

Every value is kept, but drawing is thinned to the plot's pixels, so that a run of 100,000 iterations
costs no more to show than a short one.
"""

import pyqtgraph as pg
from PySide6 import QtGui
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.panels.loss_legend import LossLegend
from gui.panels.loss_plot import (
    Floats,
    Plot,
    Series,
    ends_of,
    linear_part,
    moved,
    paint_mark,
    thin_labels,
)

LIGHT = ("#ffffff", "#202020")
DARK = ("#19232d", "#dfe1e2")
"""Background and foreground."""
COLOURS = ("#3a86c8", "#d55e00", "#009e73", "#b565a7", "#a67c00", "#8a8a8a")
"""Hues after Okabe and Ito, at one lightness: contrast 3:1 or more against both backgrounds."""
DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DashDotLine)
"""The seventh term has the first one's colour, dashed."""
TOTAL = "total"
NEAR = 4
"""The cursor is on a mark within this many pixels."""


class LossPanel(QWidget):
    """Curves of a run's losses, their legend, and the values at one iteration in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._steps = Series()
        self._series: dict[str, Series] = {}
        self.curves: dict[str, pg.PlotCurveItem] = {}
        self.marks: list[tuple[int, str, pg.InfiniteLine]] = []
        self._cursor: float | None = None
        self._following = True
        self._fitting = False
        self._theme = LIGHT
        self._build()
        self.set_dark(False)
        self.clear()

    def _build(self) -> None:
        self._plot = Plot(self)
        self._plot.setObjectName("lossPlot")
        self._plot.setAccessibleName(self.tr("Losses"))
        self._view = self._plot.getViewBox()
        self.pointer_line = pg.InfiniteLine(angle=90)
        self.pointer_line.setZValue(10)
        self._plot.addItem(self.pointer_line, ignoreBounds=True)

        self.hint = QLabel(self)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.hint.setWordWrap(True)
        self.hint.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._log = QCheckBox(self.tr("Log"), self)
        self._log.setToolTip(
            self.tr("Logarithmic scale; symmetric about zero where values can be negative")
        )
        self._log.setChecked(True)
        self._fit = QToolButton(self)
        self._fit.setText(self.tr("Fit"))
        self._fit.setToolTip(self.tr("Show the whole run and follow it (0 or a double click)"))
        self.legend = LossLegend(TOTAL, self._fit, self)
        self._readout = QLabel(self)
        self._readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

        above = QGridLayout()
        above.addWidget(self._plot, 0, 0)
        above.addWidget(self.hint, 0, 0)
        above.addWidget(self.legend, 0, 1)
        below = QHBoxLayout()
        below.addWidget(self._readout, 1)
        for widget in (self._log, self._fit):
            below.addWidget(widget)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(4, 2, 4, 2)
        rows.setSpacing(2)
        rows.addLayout(above, 1)
        rows.addLayout(below)

        self._log.toggled.connect(self._change_scale)
        self._fit.clicked.connect(self._follow)
        self.legend.switched.connect(self._redraw)
        self._plot.pointed.connect(self._point)
        self._plot.asked.connect(self._act)
        self._view.sigRangeChangedManually.connect(self._stay)
        self._view.sigXRangeChanged.connect(self._draw_curves)
        self._view.sigResized.connect(self._draw_curves)

    def clear(self) -> None:
        """Forget the run."""
        for curve in self.curves.values():
            self._plot.removeItem(curve)
        for _, _, line in self.marks:
            self._plot.take_mark(line)
        self.legend.clear()
        self._steps, self._cursor = Series(), None
        for kept in (self._series, self.curves, self.marks):
            kept.clear()
        self._tell()
        self._follow()

    def add(self, points: list[tuple[int, dict[str, float]]]) -> None:
        """Append the losses of some iterations, ascending.

        If they begin at or before the last one, they replace the values from there on.
        """
        if not points:
            return
        for series in (self._steps, *self._series.values()):
            series.cut(points[0][0])
        columns: dict[str, tuple[list[float], list[float]]] = {}
        for iteration, losses in points:
            for term, value in losses.items():
                column = columns.setdefault(term, ([], []))
                column[0].append(iteration)
                column[1].append(value)
        self._steps.extend([p[0] for p in points], [0.0] * len(points))
        for term, column in columns.items():
            if term not in self._series:
                self._add_term(term)
            self._series[term].extend(*column)
        self._tell()
        self._redraw()

    def iterations(self) -> list[float]:
        """Return the iterations whose losses are shown."""
        return [float(each) for each in self._steps.iterations]

    def mark_scale(self, iteration: int, text: str) -> None:
        """Show where a new scale begins."""
        self._mark(iteration, text, Qt.PenStyle.DotLine, 0.85)

    def mark_change(self, iteration: int, text: str) -> None:
        """Show where a setting was changed during the run."""
        self._mark(iteration, text, Qt.PenStyle.DashLine, 0.15)

    def set_dark(self, dark: bool) -> None:
        """Match a dark or light theme."""
        self._theme = DARK if dark else LIGHT
        back, front = self._theme
        self._plot.setBackground(back)
        self.hint.setStyleSheet(f"color: {front}; background: transparent")
        for side in ("left", "bottom"):
            self._plot.getAxis(side).setPen(front)
            self._plot.getAxis(side).setTextPen(front)
        self.pointer_line.setPen(pg.mkPen(front))
        for term in self._series:
            self._paint(term)
        for _, _, line in self.marks:
            paint_mark(line, *self._theme)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        """Draw what came in while the panel was hidden."""
        super().showEvent(event)
        self._redraw()

    def _add_term(self, term: str) -> None:
        self._series[term] = Series()
        self.curves[term] = pg.PlotCurveItem(connect="finite")
        self.curves[term].setZValue(1 if term == TOTAL else 0)
        self._plot.addItem(self.curves[term], ignoreBounds=True)
        self.legend.add(term)
        self._paint(term)
        self.legend.arrange()

    def _paint(self, term: str) -> None:
        """Give a term's curve and legend entry their colour, width and dashes."""
        others = [t for t in self._series if t != TOTAL]
        n = 0 if term == TOTAL else others.index(term)
        colour = self._theme[1] if term == TOTAL else COLOURS[n % len(COLOURS)]
        dash = DASHES[n // len(COLOURS) % len(DASHES)]
        pen = pg.mkPen(colour, width=2 if term == TOTAL else 1, style=dash)
        self.curves[term].setPen(pen)
        self.legend.paint(term, colour, 4 if term == TOTAL else 3, dash)

    def _mark(self, iteration: int, text: str, style: Qt.PenStyle, height: float) -> None:
        line = self._plot.add_mark(iteration, text, style, height)
        paint_mark(line, *self._theme)
        self.marks.append((iteration, text, line))

    # ------------------------------------------------------------ what is in view

    @Slot()
    def _follow(self) -> None:
        """Show the whole run, with room for what is still to come."""
        self._following = True
        self._redraw()

    @Slot()
    def _stay(self) -> None:
        """The user zoomed or moved: the view stays theirs until they ask for a fit."""
        self._following = False

    @Slot()
    def _change_scale(self) -> None:
        self._plot.getAxis("left").setLogMode(False, self._log.isChecked())
        self._follow()

    @Slot()
    def _redraw(self) -> None:
        if not self.isVisible():
            return
        log = self._log.isChecked()
        shown = self.legend.terms()
        if log:
            self._rescale([self._series[term].values(False) for term in shown])
        ends = ends_of([self._series[term].values(log) for term in shown], log)
        if self._following:
            steps = self._steps.iterations
            first, last = (steps[0], steps[-1]) if self._steps.count else (0, 0)
            self._fitting = True
            self._plot.setRange(
                xRange=(first, max(last, first + 10)), yRange=ends or (0, 1), padding=0.03
            )
            self._fitting = False
        self._draw_curves()
        self.hint.setText("" if self._steps.count else self.tr("No run yet"))
        self.hint.setVisible(ends is None)

    def _rescale(self, columns: list[Floats]) -> None:
        """Give every value shown a place on the scale, also zero and negative ones."""
        linear = linear_part(columns)
        axis = self._plot.scale_axis
        if axis.linear != linear:
            axis.linear = linear
            axis.picture = None  # cached for the old scale
            axis.update()
        for series in self._series.values():
            series.rescale(linear)

    @Slot()
    def _draw_curves(self) -> None:
        """Draw the visible part of the curves that are switched on."""
        if self._fitting or not self.isVisible():
            return  # `_redraw` calls this again once it has set the range
        (low, high), _ = self._view.viewRange()
        shown = self.legend.terms()
        for term, curve in self.curves.items():
            on = term in shown
            curve.setVisible(on)
            if on:
                pixels, log = int(self._view.width()), self._log.isChecked()
                curve.setData(*self._series[term].thinned(low, high, pixels, log))
        thin_labels([line for _, _, line in self.marks], low, high, self._view.width())

    # ------------------------------------------------------------ the cursor

    @Slot(object)
    def _point(self, iteration: float | None) -> None:
        """Put the cursor on the iteration nearest to a place, or remove it."""
        steps = self._steps.iterations
        if iteration is None or not len(steps):
            self._cursor = None
        else:
            self._cursor = self._steps.nearest(iteration)
        self._tell()

    @Slot(object)
    def _act(self, key: Qt.Key) -> None:
        """Carry out a key."""
        steps = self._steps.iterations
        (low, high), _ = self._view.viewRange()
        if key == Qt.Key.Key_0:
            self._follow()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Minus):
            self._stay()
            factor = 0.8 if key == Qt.Key.Key_Plus else 1.25
            centre = (low + high) / 2 if self._cursor is None else self._cursor
            self._plot.setXRange(*(centre + factor * (x - centre) for x in (low, high)), padding=0)
        elif key == Qt.Key.Key_Escape or not len(steps):
            self._point(None)
        else:
            at = len(steps) if self._cursor is None else int(steps.searchsorted(self._cursor))
            page = max(1, int(steps.searchsorted(high) - steps.searchsorted(low)) // 10)
            self._point(float(steps[moved(key, at, page, len(steps) - 1)]))

    def _tell(self) -> None:
        """Show what is under the cursor in words, and tell screen readers the latest values."""
        steps = self._steps.iterations
        last = float(steps[-1]) if len(steps) else None
        at = last if self._cursor is None else self._cursor
        self.pointer_line.setVisible(self._cursor is not None)
        self.pointer_line.setValue(at or 0)
        if at is None or last is None:
            self._readout.setText("")
            self._plot.setAccessibleDescription(self.tr("No run yet"))
            return
        said = self.tr("{0} at iteration {1}").format(", ".join(self._values(last)), round(last))
        self._plot.setAccessibleDescription(said)
        pixel = self._view.viewPixelSize()[0] if self._cursor is not None else -1
        marks = [m[1] for m in self.marks if abs(m[0] - at) <= NEAR * pixel]
        words = [self.tr("Iteration {0}").format(round(at)), *self._values(at), *marks]
        self._readout.setText(" · ".join(words))
        self._readout.setToolTip("\n".join(words))

    def _values(self, iteration: float) -> list[str]:
        """Return each term with its value, the total first."""
        found = {term: series.at(iteration) for term, series in self._series.items()}
        terms = sorted(found, key=lambda term: term != TOTAL)
        return [f"{t.replace('_', ' ')} {found[t]:.4g}" for t in terms if found[t] is not None]
