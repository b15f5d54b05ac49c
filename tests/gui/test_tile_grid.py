"""The grid of tiles: what it shows and keeps, what is drawn at all, how a tile is chosen."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from gui.panels.tile_grid import GridTile, TileGrid
from gui.panels.unit_bars import Bar, UnitBars

RED, GREEN = QColor(255, 0, 0), QColor(0, 255, 0)


def tile(number: int, width: int = 4, height: int = 4, colour: QColor = RED) -> GridTile:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(colour)
    return GridTile(image, str(number), f"tile {number}", number)


@pytest.fixture
def grid(qtbot: QtBot) -> TileGrid:
    grid = TileGrid(40)
    qtbot.addWidget(grid)
    grid.resize(300, 200)
    grid.show()
    return grid


def test_qts_own_checks_of_the_models(grid: TileGrid, qtmodeltester: ModelTester) -> None:
    bars = UnitBars()
    for count in (0, 3, 5, 1):
        grid.set_tiles([tile(i) for i in range(count)])
        bars.set_bars([Bar(i, "", 1.0) for i in range(count)])
        qtmodeltester.check(grid.model())
        qtmodeltester.check(bars.model())
    bars.deleteLater()


def test_tiles_are_replaced_and_say_what_they_are(grid: TileGrid) -> None:
    for count in (5, 2, 7, 0, 3):
        grid.set_tiles([tile(i + count) for i in range(count)])
        assert grid.count() == grid.model().rowCount() == count
        assert [grid.data_at(i) for i in range(count)] == [i + count for i in range(count)]
    index = grid.model().index(1, 0)
    assert index.data() == "4"
    assert index.data(Qt.ItemDataRole.ToolTipRole) == "tile 4"


def test_other_pictures_of_the_same_number_keep_the_place(grid: TileGrid) -> None:
    grid.set_tiles([tile(i) for i in range(500)])
    QApplication.processEvents()
    grid.verticalScrollBar().setValue(grid.verticalScrollBar().maximum() // 2)
    place = grid.verticalScrollBar().value()
    row = grid.indexAt(QPoint(30, 30)).row()
    assert place > 0
    assert row > 100
    grid.set_tiles([tile(i, colour=GREEN) for i in range(500)])
    QApplication.processEvents()
    assert grid.verticalScrollBar().value() == place
    assert grid.indexAt(QPoint(30, 30)).row() == row
    drawn = grid.viewport().grab().toImage()
    colours = [drawn.pixelColor(x, y) for x in range(0, 250, 7) for y in range(0, 190, 7)]
    assert GREEN in colours
    assert RED not in colours, "only the new pictures are drawn"


def test_only_tiles_that_are_seen_are_drawn(grid: TileGrid) -> None:
    grid.set_tiles([tile(i) for i in range(2048)])
    QApplication.processEvents()
    seen = sum(
        grid.visualRect(grid.model().index(row, 0)).intersects(grid.viewport().rect())
        for row in range(2048)
    )
    assert 0 < seen < 60
    assert 0 < len(grid._tiles._pixmaps) <= seen + 1  # one is asked for its size


def test_captions_have_room_below_pictures_of_every_shape(grid: TileGrid) -> None:
    shapes = [(96, 84), (20, 96), (96, 96), (3, 3), (96, 10)]
    for first in range(len(shapes)):
        turned = shapes[first:] + shapes[:first]
        grid.set_tiles([tile(i, *shape) for i, shape in enumerate(turned)])
        QApplication.processEvents()
        heights = {grid.visualRect(grid.model().index(i, 0)).height() for i in range(5)}
        assert len(heights) == 1
        assert heights.pop() >= 40 + grid.fontMetrics().height()


def test_small_maps_are_enlarged_as_squares(grid: TileGrid) -> None:
    image = QImage(2, 1, QImage.Format.Format_RGB32)
    image.setPixelColor(0, 0, RED)
    image.setPixelColor(1, 0, GREEN)
    grid.set_tiles([GridTile(image)])
    drawn = grid.model().index(0, 0).data(Qt.ItemDataRole.DecorationRole).toImage()
    assert (drawn.width(), drawn.height()) == (40, 40)
    colours = [drawn.pixelColor(x, 20) for x in (0, 19, 20, 39)]
    assert colours == [RED, RED, GREEN, GREEN], "no blur between them"
    assert drawn.pixelColor(20, 5).alpha() == 0, "it is twice as wide as high"


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Space])
def test_a_tile_is_chosen_by_pointer_and_keys(grid: TileGrid, qtbot: QtBot, key: Qt.Key) -> None:
    heard: list[object] = []
    grid.chosen.connect(heard.append)
    grid.set_tiles([tile(i) for i in range(6)])
    QApplication.processEvents()
    spot = grid.visualRect(grid.model().index(2, 0)).center()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    qtbot.keyClick(grid, key)
    assert heard == [2, 3]


def test_bars_reach_from_zero_to_their_values(qtbot: QtBot) -> None:
    bars = UnitBars()
    qtbot.addWidget(bars)
    bars.resize(240, 160)
    bars.show()
    bars.set_bars([Bar(0, "up", 3.0), Bar(1, "down", -1.0), Bar(2, "nothing", 0.0)])
    QApplication.processEvents()
    image = bars.viewport().grab().toImage()
    back = image.pixelColor(2, 150)

    def covered(row: int) -> list[int]:
        area = bars.visualRect(bars.model().index(row, 0))
        y = area.top() + 2  # above the text
        return [x for x in range(area.width()) if image.pixelColor(x, y) != back]

    width = bars.visualRect(bars.model().index(0, 0)).width()
    up, down, nothing = (covered(row) for row in range(3))
    assert (up[0], up[-1]) == pytest.approx((width / 4, width - 1), abs=2)
    assert (down[0], down[-1]) == pytest.approx((0, width / 4), abs=2)
    assert len(nothing) <= 2
    heard: list[object] = []
    bars.chosen.connect(heard.append)
    spot = bars.visualRect(bars.model().index(1, 0)).center()
    qtbot.mouseClick(bars.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert heard == [1]
