"""The canvas: zoom, layers, before/after, drops; looked at through its events and its pixels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QSize, Qt, QUrl
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QImage,
    QMouseEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QStyleFactory
from pytestqt.qtbot import QtBot

from gui.canvas.canvas import Canvas

RED, BLUE, GREEN = QColor(255, 0, 0), QColor(0, 0, 255), QColor(0, 255, 0)
COPY = Qt.DropAction.CopyAction
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
BOTH = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def filled(width: int, height: int, colour: QColor = RED) -> QImage:
    image = QImage(width, height, QImage.Format.Format_ARGB32)
    image.fill(colour)
    return image


def halves(width: int, height: int) -> QImage:
    """Red left, blue right."""
    image = filled(width, height, RED)
    for x in range(width // 2, width):
        for y in range(height):
            image.setPixelColor(x, y, BLUE)
    return image


def board(width: int, height: int) -> QImage:
    """Black and white, pixel by pixel."""
    image = filled(width, height, QColor("black"))
    for y in range(height):
        for x in range(y % 2, width, 2):
            image.setPixelColor(x, y, QColor("white"))
    return image


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    style = QStyleFactory.create("Fusion")
    style.setParent(canvas)
    canvas.setStyle(style)
    canvas.resize(400, 300)
    canvas.show()
    qtbot.waitExposed(canvas)
    return canvas


def grabbed(canvas: Canvas) -> QImage:
    return canvas.viewport().grab().toImage()


def place_of(canvas: Canvas, x: float, y: float) -> QPoint:
    """Where a point of the picture is in the viewport."""
    return canvas.viewportTransform().map(QPointF(x, y)).toPoint()


def colour_at(canvas: Canvas, x: float, y: float) -> tuple[int, int, int]:
    place = place_of(canvas, x, y)
    assert canvas.viewport().rect().contains(place)
    return grabbed(canvas).pixelColor(place).getRgb()[:3]


def turn(canvas: Canvas, place: QPointF, angle: int) -> None:
    event = QWheelEvent(
        place,
        canvas.viewport().mapToGlobal(place),
        QPoint(),
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        NONE,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas.viewport(), event)


def move(canvas: Canvas, place: QPoint, buttons: Qt.MouseButton = Qt.MouseButton.NoButton) -> None:
    at = QPointF(place)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        at,
        canvas.viewport().mapToGlobal(at),
        Qt.MouseButton.NoButton,
        buttons,
        NONE,
    )
    QApplication.sendEvent(canvas.viewport(), event)


# ---------------------------------------------------------------- zoom


def test_a_large_picture_is_fitted_and_follows_the_size_of_the_view(canvas: Canvas) -> None:
    canvas.set_picture(filled(2000, 1000))
    room = canvas.maximumViewportSize()
    assert canvas.zoom() == pytest.approx(room.width() / 2000, rel=0.02)
    assert not canvas.horizontalScrollBar().isVisible()
    before = canvas.zoom()
    canvas.resize(800, 600)
    assert canvas.zoom() == pytest.approx(2 * before, rel=0.02)
    canvas.set_zoom(0.35)
    canvas.resize(400, 300)
    assert canvas.zoom() == 0.35
    canvas.fit()
    assert canvas.zoom() == pytest.approx(before)
    assert canvas.fitted()


@pytest.mark.parametrize("side", [1, 20])
def test_a_tiny_picture_is_enlarged_eight_times_at_most(canvas: Canvas, side: int) -> None:
    canvas.set_picture(filled(side, side))
    assert canvas.zoom() == 8.0
    assert colour_at(canvas, side / 2, side / 2) == (255, 0, 0)
    assert colour_at(canvas, side + 2, side / 2) != (255, 0, 0)


def test_zoom_is_limited_and_reported_once(canvas: Canvas) -> None:
    canvas.set_picture(filled(500, 500))
    told: list[float] = []
    canvas.zoom_changed.connect(told.append)
    canvas.set_zoom(1000)
    canvas.set_zoom(2000)
    canvas.set_zoom(0)
    least = canvas.zoom()
    canvas.set_zoom(0)
    assert told == [64.0, least]
    canvas.fit()
    assert least == pytest.approx(0.8 * canvas.zoom())


def test_the_wheel_stops_near_what_fits(canvas: Canvas) -> None:
    canvas.set_picture(filled(4000, 3000))
    fits = canvas.zoom()
    for _ in range(20):
        turn(canvas, QPointF(200, 150), -120)
    assert canvas.zoom() == pytest.approx(0.8 * fits)
    canvas.set_picture(filled(20, 20))
    canvas.fit()
    for _ in range(20):
        turn(canvas, QPointF(200, 150), -120)
    assert canvas.zoom() == pytest.approx(0.8), "a tiny picture can be seen at 100 %"


def test_steps_lead_to_usual_zooms_and_end_at_the_limits(canvas: Canvas) -> None:
    canvas.set_picture(filled(500, 500))
    canvas.set_zoom(0.9)
    canvas.zoom_in()
    assert canvas.zoom() == 1.0
    canvas.zoom_in()
    assert canvas.zoom() == 1.5
    canvas.zoom_out()
    canvas.zoom_out()
    assert canvas.zoom() == 0.75
    for _ in range(40):
        canvas.zoom_in()
    assert canvas.zoom() == 64.0
    for _ in range(40):
        canvas.zoom_out()
    least = canvas.zoom()
    canvas.fit()
    assert least == pytest.approx(0.8 * canvas.zoom())


def test_keys_zoom_and_pan(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.set_picture(filled(1000, 1000))
    fitted = canvas.zoom()
    qtbot.keyClick(canvas, Qt.Key.Key_1)
    assert canvas.zoom() == 1.0
    qtbot.keyClick(canvas, Qt.Key.Key_Plus, Qt.KeyboardModifier.ShiftModifier)
    assert canvas.zoom() == 1.5
    qtbot.keyClick(canvas, Qt.Key.Key_Minus, Qt.KeyboardModifier.KeypadModifier)
    assert canvas.zoom() == 1.0
    bar = canvas.horizontalScrollBar()
    before = bar.value()
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    assert bar.value() > before
    qtbot.keyClick(canvas, Qt.Key.Key_Left)
    assert bar.value() == before
    qtbot.keyClick(canvas, Qt.Key.Key_0)
    assert canvas.zoom() == fitted
    qtbot.keyClick(canvas, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert canvas.zoom() == fitted, "Ctrl+1 is not ours"


def test_the_wheel_keeps_the_pixel_under_the_pointer(canvas: Canvas) -> None:
    canvas.set_picture(filled(2000, 2000))
    canvas.set_zoom(1.0)
    place = QPointF(90, 210)
    before = canvas.mapToScene(place.toPoint())
    for angle in (120, 120, 120, -240, 360):
        turn(canvas, place, angle)
        after = canvas.mapToScene(place.toPoint())
        assert (after - before).manhattanLength() < 2 / canvas.zoom() + 1
    assert canvas.zoom() == pytest.approx(1.25**4)


def test_a_fine_wheel_adds_up_to_a_notch(canvas: Canvas) -> None:
    canvas.set_picture(filled(2000, 2000))
    canvas.set_zoom(1.0)
    for _ in range(24):
        turn(canvas, QPointF(100, 100), 5)
    assert canvas.zoom() == pytest.approx(1.25)


def test_double_click_toggles_where_it_was(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.set_picture(filled(2000, 2000))
    fitted = canvas.zoom()
    place = place_of(canvas, 500, 1500)
    qtbot.mouseDClick(canvas.viewport(), LEFT, pos=place)
    assert canvas.zoom() == 1.0
    assert (canvas.mapToScene(place) - QPointF(500, 1500)).manhattanLength() < 20
    qtbot.mouseDClick(canvas.viewport(), LEFT, pos=place)
    assert canvas.zoom() == fitted


@pytest.mark.parametrize("button", [LEFT, Qt.MouseButton.MiddleButton])
def test_dragging_pans(canvas: Canvas, qtbot: QtBot, button: Qt.MouseButton) -> None:
    canvas.set_picture(filled(2000, 2000))
    canvas.set_zoom(1.0)
    before = canvas.mapToScene(0, 0)
    qtbot.mousePress(canvas.viewport(), button, pos=QPoint(200, 150))
    move(canvas, QPoint(170, 140), button)
    qtbot.mouseRelease(canvas.viewport(), button, pos=QPoint(170, 140))
    assert canvas.mapToScene(0, 0) - before == QPointF(30, 10)
    move(canvas, QPoint(100, 100))
    assert canvas.mapToScene(0, 0) - before == QPointF(30, 10), "let go"


def test_hundred_percent_is_one_pixel_of_the_screen_at_any_density() -> None:
    script = """
import sys
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication
from gui.canvas.canvas import Canvas
app = QApplication([])
canvas = Canvas()
canvas.resize(300, 200)
canvas.show()
image = QImage(80, 60, QImage.Format.Format_RGB32)
image.fill(QColor("black"))
for y in range(60):
    for x in range(y % 2, 80, 2):
        image.setPixelColor(x, y, QColor("white"))
canvas.set_picture(image)
density = float(sys.argv[1])
assert canvas.devicePixelRatioF() == density
assert abs(canvas.zoom() - min(8, (canvas.maximumViewportSize().height() - 4) * density / 60)) < 1e-9
canvas.actual_size()
assert canvas.zoom() == 1.0
assert abs(canvas.transform().m11() - 1 / density) < 1e-12
shown = canvas.viewport().grab().toImage()
pure = [
    (x, y)
    for y in range(shown.height())
    for x in range(shown.width())
    if shown.pixel(x, y) in (0xFF000000, 0xFFFFFFFF)
]
left, top = min(x for x, _ in pure), min(y for _, y in pure)
width, height = max(x for x, _ in pure) - left + 1, max(y for _, y in pure) - top + 1
assert (width, height) == (80, 60), (width, height)
part = shown.copy(left, top, 80, 60).convertToFormat(image.format())
part.setDevicePixelRatio(1)
assert part == image
"""
    root = Path(__file__).parents[2]
    for density in ("1.5", "2"):
        environment = os.environ | {"QT_SCALE_FACTOR": density, "QT_QPA_PLATFORM": "offscreen"}
        done = subprocess.run(
            [sys.executable, "-c", script, density],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- the picture


def test_the_view_stays_when_frames_follow_each_other(canvas: Canvas) -> None:
    size = QSize(1600, 1200)
    canvas.set_picture(filled(100, 75), size)
    canvas.set_zoom(1.0)
    canvas.horizontalScrollBar().setValue(300)
    canvas.verticalScrollBar().setValue(200)
    for frame in (filled(200, 150, BLUE), filled(1600, 1200, GREEN)):
        canvas.set_picture(frame, size)
        assert canvas.zoom() == 1.0
        assert canvas.mapToScene(0, 0) == QPointF(300, 200)
        assert canvas.picture() == frame
    assert colour_at(canvas, 400, 300) == (0, 255, 0)


def test_a_coarse_image_is_stretched_over_the_logical_size(canvas: Canvas) -> None:
    canvas.set_picture(halves(4, 4), QSize(200, 200))
    assert canvas.sceneRect().size().toSize() == QSize(200, 200)
    assert colour_at(canvas, 10, 100) == (255, 0, 0)
    assert colour_at(canvas, 190, 190) == (0, 0, 255)


def test_another_size_is_refitted_only_when_fitted(canvas: Canvas) -> None:
    canvas.set_picture(filled(1000, 1000))
    first = canvas.zoom()
    canvas.set_picture(filled(2000, 2000))
    assert canvas.zoom() == pytest.approx(first / 2)
    canvas.set_zoom(1.0)
    canvas.centerOn(500, 1500)
    canvas.set_picture(filled(4000, 4000))
    assert canvas.zoom() == 1.0
    middle = canvas.mapToScene(canvas.viewport().rect().center())
    assert (middle - QPointF(1000, 3000)).manhattanLength() < 4
    canvas.set_picture(None)
    canvas.set_picture(filled(1000, 1000))
    assert canvas.zoom() == first, "the first picture is fitted"


def test_without_a_picture_there_is_the_hint(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.set_hint("")
    blank = grabbed(canvas)
    canvas.set_hint("Nothing here")
    assert grabbed(canvas) != blank
    assert canvas.accessibleDescription() == "Nothing here"
    canvas.zoom_in()
    turn(canvas, QPointF(5, 5), 120)
    qtbot.mouseDClick(canvas.viewport(), LEFT, pos=QPoint(50, 50))
    assert canvas.zoom() == 1.0
    canvas.set_description("A red square")
    canvas.set_picture(filled(1, 1))
    assert canvas.accessibleDescription() == "A red square"
    assert canvas.accessibleName() == "Picture"
    canvas.set_picture(QImage())
    assert canvas.picture() is None
    assert canvas.sceneRect().width() == 1


def test_pixels_are_seen_above_200_percent_and_smoothed_below(canvas: Canvas) -> None:
    canvas.set_picture(board(50, 50))
    pure = {(0, 0, 0), (255, 255, 255)}

    def colours() -> set[tuple[int, int, int]]:
        shown = grabbed(canvas)
        middle = canvas.viewport().rect().center()
        return {
            shown.pixelColor(middle.x() + x, middle.y() + y).getRgb()[:3]
            for x in range(12)
            for y in range(12)
        }

    canvas.set_zoom(2.5)
    assert colours() == pure
    canvas.set_zoom(1.7)
    assert colours() - pure


def test_a_picture_shown_small_is_averaged(canvas: Canvas) -> None:
    image = filled(256, 256, QColor("black"))
    for x in range(0, 256, 4):
        for y in range(256):
            image.setPixelColor(x, y, QColor("white"))
    canvas.set_picture(image)
    canvas._zoom_to(0.25)
    red, green, blue = colour_at(canvas, 128, 128)
    assert red == green == blue
    assert red == pytest.approx(255 / 4, abs=3)


def test_a_huge_picture_is_reduced_but_keeps_its_logical_size(canvas: Canvas) -> None:
    canvas.set_picture(board(20000, 2))
    assert canvas.sceneRect().width() == 20000
    canvas.set_zoom(64)
    canvas.centerOn(19990, 1)
    assert 60 < colour_at(canvas, 19990, 1)[0] < 195, "neither black nor white: reduced"


def test_the_last_pixel_at_the_largest_zoom(canvas: Canvas) -> None:
    image = filled(3000, 3000, RED)
    image.setPixelColor(2999, 2999, BLUE)
    canvas.set_picture(image)
    canvas.set_zoom(64)
    canvas.centerOn(3000, 3000)
    assert colour_at(canvas, 2999.5, 2999.5) == (0, 0, 255)
    assert colour_at(canvas, 2999.1, 2999.1) == (0, 0, 255)
    assert colour_at(canvas, 2998.9, 2999.5) == (255, 0, 0)


def test_squares_are_seen_through_what_is_transparent_only(canvas: Canvas) -> None:
    image = filled(200, 200, QColor(0, 0, 0, 0))
    canvas.set_picture(image)
    canvas.set_zoom(1.0)
    shown = grabbed(canvas)
    corner = place_of(canvas, 0, 0)
    squares = [
        shown.pixelColor(corner + QPoint(x, y)).red() for x, y in ((3, 3), (11, 3), (11, 11))
    ]
    assert squares == [153, 102, 153]
    outside = shown.pixelColor(corner - QPoint(3, 3))
    assert outside == canvas.palette().window().color()
    canvas.set_picture(filled(200, 200, GREEN))
    assert colour_at(canvas, 3, 3) == (0, 255, 0)


# ---------------------------------------------------------------- overlays


def test_overlays_are_mixed_in_by_their_opacity(canvas: Canvas) -> None:
    canvas.set_overlay("heat", filled(1, 1, BLUE), opacity=0.25)  # before the picture
    canvas.set_picture(filled(100, 100, RED))
    assert colour_at(canvas, 50, 50) == pytest.approx((191, 0, 64), abs=2)
    canvas.set_overlay_opacity("heat", 1.0)
    assert colour_at(canvas, 50, 50) == (0, 0, 255)
    canvas.set_overlay("mask", halves(2, 1), opacity=1.0)
    assert colour_at(canvas, 10, 50) == (255, 0, 0), "the newer one is above"
    canvas.set_overlay("heat", filled(7, 7, GREEN), opacity=1.0)
    canvas.set_overlay("mask", None)
    assert colour_at(canvas, 10, 50) == (0, 255, 0)
    canvas.set_overlay("heat", None)
    canvas.set_overlay("heat", None)
    canvas.set_overlay_opacity("heat", 0.5)
    assert colour_at(canvas, 10, 50) == (255, 0, 0)


# ---------------------------------------------------------------- before and after


@pytest.fixture
def compared(canvas: Canvas) -> Canvas:
    """Blue before, red after, 200 pixels wide at 100 %."""
    canvas.set_original(filled(10, 10, BLUE))
    canvas.set_picture(filled(200, 200, RED))
    canvas.set_zoom(1.0)
    canvas.set_compare(True)
    return canvas


def test_the_divider_parts_before_and_after(compared: Canvas) -> None:
    compared.set_divider(0.25)
    assert colour_at(compared, 40, 20) == (0, 0, 255)
    assert colour_at(compared, 60, 20) == (255, 0, 0)
    assert colour_at(compared, 50, 20) not in [(0, 0, 255), (255, 0, 0)], "the line"
    compared.set_divider(2)
    assert compared.divider() == 1.0
    assert colour_at(compared, 190, 20) == (0, 0, 255)


def test_a_transparent_picture_does_not_show_in_front_of_the_original(compared: Canvas) -> None:
    compared.set_picture(filled(200, 200, QColor(255, 0, 0, 128)))
    compared.set_overlay("heat", filled(2, 2, GREEN), opacity=1.0)
    assert colour_at(compared, 40, 20) == (0, 0, 255)
    assert colour_at(compared, 160, 20) == (0, 255, 0)


def test_without_an_original_comparing_changes_nothing(canvas: Canvas) -> None:
    canvas.set_picture(filled(200, 200, RED))
    before = grabbed(canvas)
    told: list[bool] = []
    canvas.compare_changed.connect(told.append)
    canvas.set_compare(True)
    canvas.set_compare(True)
    assert canvas.compare()
    assert grabbed(canvas) == before
    canvas.set_original(filled(10, 10, BLUE))
    assert colour_at(canvas, 40, 20) == (0, 0, 255)
    canvas.set_original(None)
    assert grabbed(canvas) == before
    canvas.set_original(filled(10, 10, BLUE))
    canvas.set_compare(False)
    assert told == [True, False]
    assert grabbed(canvas) == before


def test_the_original_is_shown_while_asked_for(canvas: Canvas) -> None:
    canvas.set_picture(filled(200, 200, RED))
    canvas.set_overlay("heat", filled(1, 1, GREEN), opacity=0.5)
    before = grabbed(canvas)
    canvas.set_showing_original(True)
    assert grabbed(canvas) == before, "there is none"
    canvas.set_original(filled(10, 10, BLUE))
    assert colour_at(canvas, 20, 100) == (0, 0, 255)
    assert colour_at(canvas, 180, 100) == (0, 0, 255)
    canvas.set_showing_original(False)
    assert grabbed(canvas) == before


def test_the_divider_is_dragged_by_mouse(compared: Canvas, qtbot: QtBot) -> None:
    viewport = compared.viewport()
    grip = place_of(compared, 100, 60) + QPoint(2, 0)
    move(compared, grip)
    assert viewport.cursor().shape() == Qt.CursorShape.SplitHCursor
    qtbot.mousePress(viewport, LEFT, pos=grip)
    move(compared, grip + QPoint(50, 5), LEFT)
    assert compared.divider() == pytest.approx(0.75)
    move(compared, grip + QPoint(500, 5), LEFT)
    assert compared.divider() == 1.0
    move(compared, grip + QPoint(-60, 5), LEFT)
    qtbot.mouseRelease(viewport, LEFT, pos=grip + QPoint(-60, 5))
    assert compared.divider() == pytest.approx(0.2)
    move(compared, grip)
    assert compared.divider() == pytest.approx(0.2), "let go"
    assert viewport.cursor().shape() == Qt.CursorShape.OpenHandCursor
    qtbot.mousePress(viewport, LEFT, pos=grip)
    move(compared, grip + QPoint(30, 0), LEFT)
    assert compared.divider() == pytest.approx(0.2), "not taken hold of"
    qtbot.mouseRelease(viewport, LEFT, pos=grip)


def test_the_picture_may_go_while_the_divider_is_held(compared: Canvas, qtbot: QtBot) -> None:
    grip = place_of(compared, 100, 60)
    qtbot.mousePress(compared.viewport(), LEFT, pos=grip)
    compared.set_picture(None)
    move(compared, grip + QPoint(50, 0), LEFT)
    assert compared.divider() == 0.5


def test_two_tugs_at_the_divider_are_no_double_click(compared: Canvas, qtbot: QtBot) -> None:
    compared.set_zoom(1.5)
    place = place_of(compared, 100, 60)
    qtbot.mouseDClick(compared.viewport(), LEFT, pos=place)
    assert compared.zoom() == 1.5


def test_keys_move_the_divider(compared: Canvas, qtbot: QtBot) -> None:
    qtbot.keyClick(compared, Qt.Key.Key_Right, BOTH)
    assert compared.divider() == pytest.approx(0.52)
    qtbot.keyClick(compared, Qt.Key.Key_Left, BOTH)
    qtbot.keyClick(compared, Qt.Key.Key_Left, BOTH)
    assert compared.divider() == pytest.approx(0.48)
    qtbot.keyClick(compared, Qt.Key.Key_Left)
    assert compared.divider() == pytest.approx(0.48)


# ---------------------------------------------------------------- pointer


def test_the_pixel_under_the_pointer_is_told(canvas: Canvas) -> None:
    canvas.set_picture(filled(2, 2), QSize(40, 30))
    canvas.set_zoom(4.0)
    told: list[tuple[int, int] | None] = []
    canvas.hovered.connect(lambda x, y: told.append((x, y)))
    canvas.left.connect(lambda: told.append(None))
    corner = place_of(canvas, 0, 0)
    for across, down in ((0, 0), (3, 3), (4, 3), (159, 119), (160, 119), (200, 119), (9, 9)):
        move(canvas, corner + QPoint(across, down))
    assert told == [(0, 0), (0, 0), (1, 0), (39, 29), None, (2, 2)]
    QApplication.sendEvent(canvas.viewport(), QEvent(QEvent.Type.Leave))
    assert told[-1] is None
    assert canvas.hasMouseTracking()


def test_right_click_and_menu_key_ask_for_a_menu(canvas: Canvas, qtbot: QtBot) -> None:
    for reason, expected in (
        (QContextMenuEvent.Reason.Mouse, QPoint(7, 8)),
        (QContextMenuEvent.Reason.Keyboard, canvas.viewport().rect().center()),
    ):
        place = canvas.viewport().mapToGlobal(QPoint(7, 8))
        with qtbot.waitSignal(canvas.menu_requested) as asked:
            QApplication.sendEvent(
                canvas.viewport(), QContextMenuEvent(reason, QPoint(7, 8), place, NONE)
            )
        assert asked.args == [canvas.viewport().mapToGlobal(expected)]


def test_focus_by_keyboard_is_seen(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.set_picture(filled(1000, 10))
    canvas.clearFocus()
    canvas.activateWindow()
    qtbot.waitUntil(canvas.isActiveWindow)
    before = grabbed(canvas)
    canvas.setFocus(Qt.FocusReason.MouseFocusReason)
    assert grabbed(canvas) == before
    canvas.clearFocus()
    canvas.setFocus(Qt.FocusReason.TabFocusReason)
    assert grabbed(canvas) != before


# ---------------------------------------------------------------- drops


def drag(
    canvas: Canvas,
    kind: type[QDropEvent],
    data: QMimeData,
    actions: Qt.DropAction = COPY,
    keys: Qt.KeyboardModifier = NONE,
) -> QDropEvent:
    place = QPoint(50, 50) if kind is not QDropEvent else QPointF(50, 50)
    event = kind(place, actions, data, LEFT, keys)
    QApplication.sendEvent(canvas.viewport(), event)
    return event


def files(*addresses: str) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl(address) for address in addresses])
    return data


def test_local_files_are_taken(canvas: Canvas, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "with space ü.png"
    data = files(QUrl.fromLocalFile(str(path)).toString(), "https://example.org/a.png")
    before = grabbed(canvas)
    assert drag(canvas, QDragEnterEvent, data).isAccepted()
    assert drag(canvas, QDragMoveEvent, data).isAccepted()
    assert grabbed(canvas).pixelColor(1, 100) == canvas.palette().highlight().color()
    both = Qt.DropAction.MoveAction | COPY
    with qtbot.waitSignal(canvas.dropped) as dropped:
        event = drag(canvas, QDropEvent, data, both, Qt.KeyboardModifier.ShiftModifier)
    assert dropped.args == [[str(path)]]
    assert event.dropAction() == COPY, "a move would have the giver delete its file"
    assert grabbed(canvas) == before, "no highlight any more"


def test_an_image_without_a_file_is_taken(canvas: Canvas, qtbot: QtBot) -> None:
    data = files("https://example.org/a.png")
    data.setImageData(filled(3, 2, GREEN))
    assert drag(canvas, QDragEnterEvent, data).isAccepted()
    with qtbot.waitSignal(canvas.image_dropped) as dropped:
        drag(canvas, QDropEvent, data)
    assert dropped.args[0].size() == QSize(3, 2)
    assert dropped.args[0].pixelColor(0, 0) == GREEN


def test_what_is_of_no_use_is_refused(canvas: Canvas, qtbot: QtBot) -> None:
    text = QMimeData()
    text.setText("hello")
    before = grabbed(canvas)
    for data in (text, files("https://example.org/a.png")):
        assert not drag(canvas, QDragEnterEvent, data).isAccepted()
        assert not drag(canvas, QDragMoveEvent, data).isAccepted()
        assert grabbed(canvas) == before
        with qtbot.assertNotEmitted(canvas.dropped), qtbot.assertNotEmitted(canvas.image_dropped):
            drag(canvas, QDropEvent, data)


def test_the_highlight_goes_when_the_drag_leaves(canvas: Canvas, tmp_path: Path) -> None:
    before = grabbed(canvas)
    drag(canvas, QDragEnterEvent, files(QUrl.fromLocalFile(str(tmp_path)).toString()))
    assert grabbed(canvas) != before
    QApplication.sendEvent(canvas.viewport(), QDragLeaveEvent())
    assert grabbed(canvas) == before
