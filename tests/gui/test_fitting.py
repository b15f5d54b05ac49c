"""The window fits small screens: nothing is off it, no text is cut, sliders and pictures have room."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from engine import settings
from engine.techniques import TECHNIQUES
from gui import theme
from gui.main_window import MainWindow, first_size
from gui.panels.input_slot import InputSlot
from tests.gui.cut import clipped, cut_texts, outside
from tests.gui.stories import MOSAIC, STROKES, until

SMALL = QSize(1280, 720)
SIZES = [SMALL, QSize(1366, 768), QSize(1920, 1080)]


@pytest.fixture(params=["dark", "light"])
def themed(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[str]:
    theme.apply(qapp, request.param)
    yield request.param
    theme.apply(qapp, "system")


def at_size(window: MainWindow, qtbot: QtBot, size: QSize) -> None:
    """Let the window be as at the first start on a screen of this size."""
    window.resize(size)
    window.reset_layout()
    settle(qtbot)


def settle(qtbot: QtBot) -> None:
    for _ in range(4):  # layouts, and timers that follow them
        qtbot.wait(15)


def unfold(window: MainWindow) -> None:
    for group in window.form._groups.values():
        group.set_open(True)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s.width()}x{s.height()}")
def test_all_is_on_a_small_screen(window: MainWindow, qtbot: QtBot, size: QSize) -> None:
    at_size(window, qtbot, size)
    assert window.size() == size
    assert outside(window) == []
    for name in ("runButton", "stopButton"):
        button = window.findChild(QWidget, name)
        assert button is not None and button.isVisible()
    whole = window.rect()
    for button in window.timeline.findChildren(QPushButton):
        place = QRect(button.mapTo(window, QPoint()), button.size())
        assert button.isVisible() and whole.contains(place), button.text()
    assert window.statusBar().geometry().bottom() <= whole.bottom()


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s.width()}x{s.height()}")
def test_two_styles_are_seen_and_sliders_have_room(
    window: MainWindow, qtbot: QtBot, size: QSize
) -> None:
    window.studio.set_inputs("", styles=((STROKES, 1.0), (MOSAIC, 1.0)))
    at_size(window, qtbot, size)
    panel = window.inputs
    seen = panel.viewport().rect()
    slots = panel.findChildren(InputSlot)
    assert len(slots) == 3
    for slot in slots:
        place = QRect(slot.mapTo(panel.viewport(), QPoint()), slot.size())
        assert seen.contains(place), slot.title.text()
    unfold(window)
    settle(qtbot)
    sliders = window.form.findChildren(QSlider)
    shown = [s.width() for s in sliders if s.isVisible()]
    assert min(shown) >= 60
    assert max(shown) >= (90 if size == SMALL else 95)


def test_no_text_is_cut_in_any_technique(window: MainWindow, qtbot: QtBot, themed: str) -> None:
    at_size(window, qtbot, SMALL)
    cut: dict[str, list[str]] = {}
    for command in TECHNIQUES:
        window.studio.set_technique(command)
        unfold(window)
        settle(qtbot)
        cut[command] = [*cut_texts(window), *outside(window)]
        assert window.size() == SMALL, command
    assert {command: texts for command, texts in cut.items() if texts} == {}


def test_no_text_is_cut_in_any_panel(window: MainWindow, qtbot: QtBot, themed: str) -> None:
    at_size(window, qtbot, SMALL)
    cut: dict[str, list[str]] = {}
    for name, dock in window.docks.items():
        dock.raise_()
        pages = range(window.inspect.count()) if name == "inspect" else range(1)
        for page in pages:
            if name == "inspect":
                window.inspect.setCurrentIndex(page)
            settle(qtbot)
            cut[f"{name} {page}"] = [*cut_texts(window), *outside(window)]
    assert {name: texts for name, texts in cut.items() if texts} == {}


@pytest.fixture
def large(window: MainWindow, qapp: QApplication, qtbot: QtBot) -> Iterator[MainWindow]:
    """The small window, dark, with text for the back row of a lecture hall."""
    theme.apply(qapp, "dark")
    at_size(window, qtbot, SMALL)
    window.actions_table["presentation"].setChecked(True)
    settle(qtbot)
    yield window
    theme.scale_text(100)
    theme.apply(qapp, "system")


def test_large_text_is_not_cut(large: MainWindow, qtbot: QtBot) -> None:
    usual = float(QApplication.instance().property(theme.USUAL))
    assert large.font().pointSizeF() == pytest.approx(1.6 * usual)
    cut: dict[str, list[str]] = {}
    for command in ("style-transfer", "deep-dream", "class-visualization"):
        large.studio.set_technique(command)
        unfold(large)
        settle(qtbot)
        cut[command] = [*cut_texts(large), *outside(large), *clipped(large)]
        assert large.size() == SMALL, command
        for box in (large.technique_box, large.network_box, large.preset_box):
            assert box.isVisible(), f"{box.objectName()} is off the tool bar"
    assert {command: texts for command, texts in cut.items() if texts} == {}
    # The same again in the usual size: nothing stays as wide as large text needs.
    wide = large.form.minimumWidth()
    large.actions_table["presentation"].setChecked(False)
    settle(qtbot)
    assert large.form.minimumWidth() < wide


def test_titles_and_heads_grow_with_the_text(large: MainWindow, qtbot: QtBot) -> None:
    """Measured in the picture: what a widget's font says is not what Qt paints these with."""
    dock, heads = large.docks["settings"], large.tree.tree.header()

    def heights() -> tuple[int, int]:
        bar = QRect(0, 0, dock.width() - 60, dock.widget().y() - 2)
        head = QRect(2, 2, heads.sectionSize(0) - 4, heads.height() - 4)
        return tall(dock.grab(bar).toImage()), tall(heads.grab(head).toImage())

    title, head = heights()
    large.actions_table["presentation"].setChecked(False)
    settle(qtbot)
    small_title, small_head = heights()
    assert title / small_title > 1.35
    assert head / small_head > 1.35


def tall(picture: QImage) -> int:
    """Return how many lines of pixels have text in them, which is much lighter than the ground."""
    rows = range(picture.height())
    return sum(
        any(picture.pixelColor(x, y).lightness() > 150 for x in range(picture.width()))
        for y in rows
    )


def test_the_first_window_is_within_the_screen() -> None:
    assert first_size(QSize(1366, 768)).height() < 768
    assert first_size(QSize(1366, 768)).width() <= 1366
    assert first_size(QSize(3840, 2160)) == QSize(1600, 1000)


# -- what explains it ------------------------------------------------------------------------------


def test_every_technique_and_every_setting_is_explained_in_a_sentence() -> None:
    from gui.panels.explained_form import explanation, sentence_of

    for kind in TECHNIQUES.values():
        words = sentence_of(kind.command)
        assert words[0].isupper() and words.endswith(".") and len(words.split()) >= 5, words
        for entry in settings.describe(kind).values():
            assert len(explanation(entry)) > 10, entry.name


def test_the_setting_in_hand_is_explained_below(window: MainWindow, qtbot: QtBot) -> None:
    at_size(window, qtbot, SMALL)
    said = window.explained_form.explanation
    window.activateWindow()
    editor = window.form.editor("style_weight")
    entry = settings.describe(window.studio.technique)["style_weight"]
    assert entry.help[:20] not in said.text()
    editor.box.setFocus()  # type: ignore[attr-defined]
    until(qtbot, lambda: entry.help[:20] in said.text())
    assert "style" in window.explained_form.about.text()
    window.studio.set_technique("deep-dream")
    assert "network" in window.explained_form.about.text()
    assert said.isVisible()


def test_a_text_that_is_cut_would_be_found(qtbot: QtBot) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    column = QVBoxLayout(page)
    label, button, box = QLabel("Multifaceted"), QPushButton("Use as start"), QComboBox()
    box.addItem("luminance-after")
    for widget in (label, button, box):
        widget.setFixedWidth(30)
        column.addWidget(widget)
    page.show()
    texts = ["Multifaceted", "Use as start", "luminance-after"]
    assert [text.partition(": ")[2] for text in cut_texts(page)] == texts
    for widget in (label, button, box):
        widget.setFixedWidth(400)
    settle(qtbot)
    assert cut_texts(page) == []
