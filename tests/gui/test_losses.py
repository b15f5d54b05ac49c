import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QLabel, QToolButton
from pytestqt.qtbot import QtBot

from gui.panels.loss_plot import LogAxis, Series
from gui.panels.losses import COLOURS, DARK, LIGHT, LossPanel
from tests.gui.stories import until


@pytest.fixture
def panel(qtbot: QtBot) -> LossPanel:
    panel = LossPanel()
    qtbot.addWidget(panel)
    panel.resize(300, 300)
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


def plot(panel: LossPanel):
    return panel.findChild(object, "lossPlot")


def words(panel: LossPanel) -> str:
    """All visible labels."""
    labels = [w.text() for w in panel.findChildren(QLabel) if w.isVisible()]
    return "\n".join(labels).replace("\u00a0", " ")


def box(panel: LossPanel, name: str) -> QCheckBox:
    return next(b for b in panel.findChildren(QCheckBox) if name in (b.accessibleName(), b.text()))


def drawn(panel: LossPanel, term: str) -> tuple[np.ndarray, np.ndarray]:
    return panel.curves[term].getData()


def run(count: int, start: int = 1) -> list[tuple[int, dict[str, float]]]:
    return [(i, {"content": 1 / i, "total": 10 / i}) for i in range(start, start + count)]


def view(panel: LossPanel) -> tuple[list[float], list[float]]:
    x, y = plot(panel).getViewBox().viewRange()
    return list(x), list(y)


def wheel(panel: LossPanel) -> None:
    viewport = plot(panel).viewport()
    middle = QPointF(viewport.rect().center())
    event = QWheelEvent(
        middle, QPointF(viewport.mapToGlobal(middle)), QPoint(), QPoint(0, 240),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewport, event)


def test_before_the_first_run_it_says_so(panel: LossPanel) -> None:
    assert "No run yet" in words(panel)
    panel.add(run(3))
    assert "No run yet" not in words(panel)
    panel.clear()
    assert "No run yet" in words(panel)
    assert not panel.curves


def test_the_legend_is_empty_before_the_first_run(qtbot: QtBot) -> None:
    panel = LossPanel()
    qtbot.addWidget(panel)
    panel.resize(400, 300)
    panel.show()  # nothing has gone round the event loop: what was to go later is still there
    legend = panel.legend
    shot = panel.grab(legend.geometry()).toImage()
    colours = {shot.pixel(x, y) for x in range(shot.width()) for y in range(shot.height())}
    assert len(colours) == 1, "something is drawn in the legend"
    panel.add(run(3))
    QApplication.processEvents()
    shot = panel.grab(legend.geometry()).toImage()
    colours = {shot.pixel(x, y) for x in range(shot.width()) for y in range(shot.height())}
    assert len(colours) > 1


def test_the_legend_grows_with_the_font(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add([(1, {"total": 1.0, "style_relu1_1_and_more": 2.0})])
    before = panel.legend.width()
    font = panel.font()
    font.setPointSizeF(1.6 * font.pointSizeF())
    panel.setFont(font)
    assert panel.legend.width() > 1.3 * before
    for name in ("total", "style relu1 1 and more"):
        term = box(panel, name)
        assert term.sizeHint().width() <= panel.legend.viewport().width()


def test_values_are_drawn_as_logarithms_or_as_they_are(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add([(1, {"total": 100.0}), (2, {"total": 10.0})])
    np.testing.assert_allclose(drawn(panel, "total"), [[1, 2], [2, 1]])
    box(panel, "Log").click()
    np.testing.assert_allclose(drawn(panel, "total"), [[1, 2], [100, 10]])
    assert view(panel)[1][1] >= 100


def test_values_on_both_sides_of_zero_have_places_on_a_symmetric_scale(panel: LossPanel) -> None:
    values = [1000.0, 0.0, -1.0, 999.0, -1000.0]
    panel.add([(i, {"total": v}) for i, v in enumerate(values)])
    y = drawn(panel, "total")[1]
    np.testing.assert_allclose(y, np.sign(values) * np.log10(1 + np.abs(values) / 1.0))
    low, high = view(panel)[1]
    assert low <= y.min() and high >= y.max()
    axis = plot(panel).getAxis("left")
    places = axis.logTickValues(low, high, 120, [])[0][1]
    texts = axis.logTickStrings(places, 1, 1)
    assert "0" in texts and len(texts) <= 7
    assert any(float(t) > 1 for t in texts) and any(float(t) < -1 for t in texts)
    panel.grab()


def test_what_is_no_number_leaves_a_gap(panel: LossPanel) -> None:
    values = [1.0, math.nan, math.inf, -math.inf, 10.0]
    panel.add([(i, {"total": v}) for i, v in enumerate(values)])
    np.testing.assert_allclose(drawn(panel, "total")[1], [0, *[math.nan] * 3, 1])
    box(panel, "Log").click()
    np.testing.assert_allclose(drawn(panel, "total")[1], [1, *[math.nan] * 3, 10])
    panel.grab()  # painting gaps does not warn


def test_a_term_that_is_zero_squeezes_no_other(panel: LossPanel) -> None:
    panel.add([(i, {"total": 10.0 ** (3 - i), "variation": 0.0}) for i in range(6)])
    y = drawn(panel, "total")[1]
    assert np.diff(y).max() < -0.25, "steps of a power of ten can be told apart"
    assert set(drawn(panel, "variation")[1]) == {0.0}
    assert view(panel)[1][0] <= 0


def test_only_values_below_zero_are_drawn(panel: LossPanel) -> None:
    panel.add([(i, {"objective": -float(i)}) for i in range(1, 5)])
    assert words(panel).strip() != "" and np.isfinite(drawn(panel, "objective")[1]).all()
    assert not panel.hint.isVisible()
    box(panel, "Log").click()
    low, high = view(panel)[1]
    assert low <= -4 and high >= -1


def test_the_panel_stands_still_when_terms_come(panel: LossPanel) -> None:
    panel.resize(420, 160)
    panel.add([(1, {"total": 1.0})])
    QApplication.processEvents()
    before = panel.minimumSizeHint(), plot(panel).geometry()
    panel.add([(i, {f"term {n}": 1.0 for n in range(9)}) for i in range(2, 5)])
    QApplication.processEvents()
    assert (panel.minimumSizeHint(), plot(panel).geometry()) == before


def test_legend_hides_a_curve_and_its_range_by_keyboard(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add([(i, {"style": 1e6, "total": 1.0 + i}) for i in range(9)])
    assert view(panel)[1][1] >= 6
    qtbot.keyClick(box(panel, "style"), Qt.Key.Key_Space)
    assert not panel.curves["style"].isVisible()
    assert view(panel)[1][1] < 2
    qtbot.keyClick(box(panel, "style"), Qt.Key.Key_Space)
    assert panel.curves["style"].isVisible()


def test_total_is_first_and_thickest(panel: LossPanel) -> None:
    panel.add([(1, {"content": 1.0, "style": 2.0}), (2, {"content": 1.0, "style": 1.0})])
    panel.add([(3, {"content": 1.0, "style": 1.0, "total": 2.0})])
    QApplication.processEvents()
    places = {n: box(panel, n).geometry() for n in ("total", "content", "style")}
    assert min(places, key=lambda n: (places[n].y(), places[n].x())) == "total"
    widths = {t: c.opts["pen"].widthF() for t, c in panel.curves.items()}
    assert widths["total"] > max(widths["content"], widths["style"])


def test_the_legend_can_be_made_narrow_again(panel: LossPanel) -> None:
    panel.resize(900, 300)
    panel.add([(i, {f"term {n}": 1.0 for n in range(8)}) for i in range(3)])
    QApplication.processEvents()
    assert panel.minimumSizeHint().width() < 250
    panel.resize(250, 300)
    QApplication.processEvents()
    assert all(box(panel, f"term {n}").geometry().right() <= 250 for n in range(8))


def test_all_of_many_terms_can_be_told_apart(panel: LossPanel) -> None:
    panel.add([(1, {f"term {n}": 1.0 for n in range(12)})])
    pens = [c.opts["pen"] for c in panel.curves.values()]
    assert len({(p.color().name(), p.style()) for p in pens}) == 12


def luminance(colour: str) -> float:
    parts = [QColor(colour).redF(), QColor(colour).greenF(), QColor(colour).blueF()]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("back", [LIGHT[0], DARK[0]])
def test_colours_stand_out_on_light_and_dark(colour: str, back: str) -> None:
    dark, light = sorted((luminance(colour), luminance(back)))
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_the_theme_reaches_what_is_drawn(panel: LossPanel) -> None:
    panel.add(run(50))
    panel.mark_scale(25, "256 x 192")
    for dark, (back, front) in ((True, DARK), (False, LIGHT)):
        panel.set_dark(dark)
        assert panel.curves["total"].opts["pen"].color() == QColor(front)
        picture = plot(panel).grab().toImage()
        assert picture.pixelColor(picture.width() - 3, 6) == QColor(back)


def test_the_whole_run_is_followed_until_the_person_zooms(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add(run(100))
    assert view(panel)[0][1] >= 100
    wheel(panel)
    zoomed = view(panel)
    assert zoomed[0][1] - zoomed[0][0] < 100
    panel.add(run(400, 101))
    assert view(panel) == zoomed
    qtbot.mouseClick(panel.findChild(QToolButton), Qt.MouseButton.LeftButton)
    assert view(panel)[0][1] >= 500
    panel.add(run(100, 501))
    assert view(panel)[0][1] >= 600


@pytest.mark.parametrize("how", ["key", "double click"])
def test_other_ways_to_fit(panel: LossPanel, qtbot: QtBot, how: str) -> None:
    panel.add(run(100))
    qtbot.keyClick(plot(panel), Qt.Key.Key_Plus)
    assert view(panel)[0][1] - view(panel)[0][0] < 99
    if how == "key":
        qtbot.keyClick(plot(panel), Qt.Key.Key_0)
    else:
        qtbot.mouseDClick(plot(panel).viewport(), Qt.MouseButton.LeftButton, pos=QPoint(150, 60))
    assert view(panel)[0][1] >= 100 and view(panel)[0][0] <= 1


def test_keys_move_the_cursor(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add([(i, {"total": float(i)}) for i in (10, 20, 30)])
    assert "Iteration 30 · total 30" in words(panel)
    for key, at in (("Left", 30), ("Left", 20), ("Left", 10), ("Left", 10), ("Right", 20)):
        qtbot.keyClick(plot(panel), getattr(Qt.Key, f"Key_{key}"))
        assert f"Iteration {at} · total {at}" in words(panel)
    assert panel.pointer_line.isVisible() and panel.pointer_line.value() == 20
    panel.add([(40, {"total": 40.0})])
    assert "Iteration 20" in words(panel)
    qtbot.keyClick(plot(panel), Qt.Key.Key_Escape)
    assert "Iteration 40" in words(panel) and not panel.pointer_line.isVisible()


def test_the_mouse_moves_the_cursor(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add(run(101))
    box_ = plot(panel).getViewBox()
    place = plot(panel).mapFromScene(box_.mapViewToScene(QPointF(40.2, 0)))
    qtbot.mouseMove(plot(panel).viewport(), QPoint(place.x(), 60))
    said = words(panel)
    at = int(said.split("Iteration ")[1].split(" ")[0])
    assert abs(at - 40) <= 1
    assert f"total {10 / at:.4g}" in said and f"content {1 / at:.4g}" in said


def test_a_term_without_a_value_there_is_left_out(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add([(1, {"total": 1.0, "style": 5.0}), (2, {"total": 2.0})])
    assert "Iteration 2 · total 2" in words(panel) and "style" not in words(panel)
    qtbot.keyClick(plot(panel), Qt.Key.Key_Home)
    assert "Iteration 1 · total 1 · style 5" in words(panel)


def test_marks_are_lines_and_said_where_the_cursor_is(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add(run(100))
    panel.mark_scale(1, "128 x 96")
    panel.mark_change(60, "style {weight} 1000")
    styles = {text: line.pen.style() for _, text, line in panel.marks}
    assert len(set(styles.values())) == 2 and styles["128 x 96"] == Qt.PenStyle.DotLine
    assert panel.marks[1][2].toolTip() == "style {weight} 1000"
    assert panel.marks[1][2].label.toPlainText().startswith("style {weight}")
    qtbot.keyClick(plot(panel), Qt.Key.Key_Home)
    assert "128 x 96" in words(panel) and "weight" not in words(panel)
    panel._point(60)
    assert "style {weight} 1000" in words(panel)
    panel.clear()
    assert not panel.marks


def test_screen_readers_are_told_the_last_values(panel: LossPanel) -> None:
    assert plot(panel).accessibleName() == "Losses"
    assert plot(panel).accessibleDescription() == "No run yet"
    panel.add([(39, {"total": 5.0}), (40, {"style": 0.1, "total": 0.123})])
    assert plot(panel).accessibleDescription() == "total 0.123, style 0.1 at iteration 40"


def test_a_hidden_panel_draws_only_when_shown(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add(run(5))
    panel.hide()
    panel.add(run(5, 6))
    assert len(drawn(panel, "total")[0]) == 5
    panel.show()
    assert len(drawn(panel, "total")[0]) == 10


def test_one_call_is_one_redraw(panel: LossPanel) -> None:
    changes: list[object] = []
    panel.add(run(5))
    panel.curves["total"].sigPlotChanged.connect(changes.append)
    panel.add(run(500, 6))
    assert len(changes) == 1


def test_of_a_long_run_few_points_are_drawn_and_no_peak_lost(panel: LossPanel) -> None:
    points = [(i, {"total": 1.0}) for i in range(100_000)]
    points[77_777] = (77_777, {"total": 1e5})
    points[50_000] = (50_000, {"total": math.nan})
    for first in range(0, 100_000, 5_000):
        panel.add(points[first : first + 5_000])
    x, y = drawn(panel, "total")
    assert len(x) <= 4 * panel.width()
    assert np.nanmax(y) == 5 and abs(x[np.nanargmax(y)] - 77_777) < 1_000
    assert np.isfinite(y).all()  # the one bad value is no hole of a whole group
    plot(panel).setXRange(49_990, 50_010)
    x, y = drawn(panel, "total")
    assert len(x) < 100 and np.isnan(y).sum() == 1


def test_iterations_done_again_replace_the_old(panel: LossPanel) -> None:
    panel.add([(i, {"total": 1.0, "style": 1.0}) for i in range(1, 11)])
    panel.add([(5, {"total": 100.0})])
    np.testing.assert_allclose(drawn(panel, "total"), [[1, 2, 3, 4, 5], [0, 0, 0, 0, 2]])
    np.testing.assert_allclose(drawn(panel, "style")[0], [1, 2, 3, 4])


def test_series_grows() -> None:
    series = Series()
    for i in range(0, 3000, 7):
        series.extend([float(k) for k in range(i, i + 7)], [float(k) for k in range(i, i + 7)])
    np.testing.assert_array_equal(series.iterations, np.arange(series.count))
    np.testing.assert_array_equal(series.values(False), np.arange(series.count))
    assert series.at(1234) == 1234 and series.at(1234.5) is None and series.at(1e9) is None


@pytest.mark.parametrize(("low", "high"), [(-3.2, 5.1), (-0.3, 1.2), (2.0, 2.02), (-30, 40)])
def test_log_axis_labels_are_right_and_not_crowded(qtbot: QtBot, low: float, high: float) -> None:
    axis = LogAxis("left")
    ticks = axis.logTickValues(low, high, 200, [])[0][1]
    shown = [t for t in ticks if low <= t <= high]
    texts = axis.logTickStrings(shown, 1, 1)
    assert 2 <= len(shown) <= 9 and len(set(texts)) == len(texts)
    np.testing.assert_allclose([float(t) for t in texts], [10.0**t for t in shown], rtol=1e-4)


@pytest.mark.parametrize(
    ("low", "high", "linear"), [(-3.2, 3.1, 0.1), (-3.0, -2.5, 1.0), (-0.1, 2.9, 1e-6), (-9, 9, 1)]
)
def test_labels_of_a_symmetric_scale_are_right(
    qtbot: QtBot, low: float, high: float, linear: float
) -> None:
    axis = LogAxis("left")
    axis.linear = linear
    shown = [t for t in axis.logTickValues(low, high, 200, [])[0][1] if low <= t <= high]
    texts = axis.logTickStrings(shown, 1, 1)
    assert 2 <= len(shown) <= 9 and len(set(texts)) == len(texts)
    values = np.array([float(t) for t in texts])
    np.testing.assert_allclose(
        np.sign(values) * np.log10(1 + np.abs(values) / linear), shown, atol=1e-4
    )


def test_names_of_scales_never_lie_over_each_other(panel: LossPanel, qtbot: QtBot) -> None:
    panel.add([(i, {"total": 1.0 / i}) for i in range(1, 101)])
    for iteration in (1, 3, 50, 52):
        panel.mark_scale(iteration, "256 × 192")
    panel.mark_change(2, "style 3")
    panel.resize(900, 300)
    panel.resize(480, 160)
    QApplication.processEvents()
    panel.add([(101, {"total": 0.01})])
    until(qtbot, lambda: not panel.marks[1][2].label.isVisible())
    seen = [line.label.isVisible() for _, _, line in panel.marks]
    assert seen == [True, False, True, False, True], "what was changed is named further down"
