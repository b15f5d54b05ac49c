"""The docks' sizes: in a small window the canvas has most of it; what a person sets stays."""

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QTabBar
from pytestqt.qtbot import QtBot

from gui.main_window import MainWindow
from tests.gui.stories import until


def height(window: MainWindow) -> int:
    """Of the timeline with the tabs under it."""
    bars = (bar for bar in window.findChildren(QTabBar) if bar.isVisible() and bar.count())
    tabs = next(bar for bar in bars if bar.tabText(0) == "Timeline")
    return window.docks["timeline"].height() + tabs.height()


def resized(qtbot: QtBot, window: MainWindow, width: int, tall: int) -> None:
    docks = window.layout_of_docks
    window.resize(width, tall)
    until(qtbot, lambda: not docks.moving)


def test_a_low_window_gives_its_height_to_the_canvas(window: MainWindow, qtbot: QtBot) -> None:
    resized(qtbot, window, 1280, 800)
    at_first = height(window)
    assert at_first == 12 * window.fontMetrics().height()
    resized(qtbot, window, 900, 690)  # there would be room for more
    low = height(window)
    assert low < at_first
    window.resizeDocks([window.docks["timeline"]], [1], Qt.Orientation.Vertical)
    assert height(window) == low, "it was as low as can be"
    resized(qtbot, window, 900, 600)
    assert window.canvas.height() >= window.height() / 2
    resized(qtbot, window, 1280, 800)
    assert height(window) == at_first


def test_a_height_that_a_person_has_set_stays(window: MainWindow, qtbot: QtBot) -> None:
    resized(qtbot, window, 1280, 800)
    bar = QPoint(300, window.docks["timeline"].y() - 2)
    before, up = height(window), QPoint(0, -70)
    QTest.mousePress(window, Qt.MouseButton.LeftButton, pos=bar)
    QTest.mouseMove(window, bar + up / 2)
    QTest.mouseMove(window, bar + up)
    until(qtbot, lambda: height(window) > before + 40)
    QTest.mouseRelease(window, Qt.MouseButton.LeftButton, pos=bar + up)
    own = height(window)
    resized(qtbot, window, 1280, 700)
    assert height(window) == own
    resized(qtbot, window, 1280, 790)
    assert height(window) == own
    window.reset_layout()
    until(qtbot, lambda: height(window) == 12 * window.fontMetrics().height())


def test_the_layout_is_reset_within_the_window(window: MainWindow, qtbot: QtBot) -> None:
    resized(qtbot, window, 900, 620)
    window.reset_layout()
    until(qtbot, lambda: not window.layout_of_docks.moving)
    qtbot.wait(50)
    assert (window.width(), window.height()) == (900, 620)
