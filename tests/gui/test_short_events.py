"""What keeps the window's thread from long work: things are shared, cut to what is seen, left out."""

import gc
import weakref
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFocusEvent, QFont, QImage, QKeyEvent, QPainter
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from gui.canvas.canvas import Canvas
from gui.dialogs.lesson_text import draw_text, fitted, seen
from gui.garbage import FROZEN_AT_MOST, MANY, Garbage
from gui.main_window import MainWindow
from tests.gui.stories import until

WORDS = "what the network looks at, word by word, "


def filled(colour: str, side: int = 64) -> QImage:
    image = QImage(side, side, QImage.Format.Format_RGB32)
    image.fill(QColor(colour))
    return image


def middle(canvas: Canvas) -> str:
    shown = canvas.viewport().grab().toImage()
    return shown.pixelColor(shown.rect().center()).name()


# -- canvas ---------------------------------------------------------------------------------------


def test_a_photo_that_is_also_the_original_is_prepared_once(qtbot: QtBot) -> None:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(200, 200)
    canvas.show()
    photo = filled("#ff0000")
    canvas.set_original(photo)
    prepared = canvas.original.levels[0].cacheKey()
    canvas.set_picture(photo)
    canvas.set_original(photo)
    canvas.set_picture(QImage(photo))
    assert canvas._picture.levels[0].cacheKey() == prepared
    assert canvas.original.levels[0].cacheKey() == prepared
    assert middle(canvas) == "#ff0000"

    canvas.set_picture(filled("#00ff00"))
    assert middle(canvas) == "#00ff00"
    canvas.set_showing_original(True)
    assert middle(canvas) == "#ff0000", "the original is still the photo"
    canvas.set_showing_original(False)
    photo.fill(QColor("#0000ff"))  # the same image with other pixels is another one
    canvas.set_picture(photo)
    assert middle(canvas) == "#0000ff"
    canvas.set_original(None)
    canvas.set_showing_original(True)
    assert middle(canvas) == "#0000ff", "there is no original any more"


# -- texts of a lesson ----------------------------------------------------------------------------


def pixels_high(size: int) -> QFont:
    font = QFont()
    font.setPixelSize(size)
    return font


@pytest.mark.parametrize("text", [WORDS * 2500, "i" * 100_000, "line\n" * 20_000])
def test_of_a_very_long_text_only_what_can_be_seen_is_measured(
    qapp: QApplication, text: str
) -> None:
    assert len(seen(text, QSize(800, 200), pixels_high(20))) < 5000


@pytest.mark.parametrize("text", [WORDS, WORDS * 9, WORDS * 2500, "line\n" * 2000, "x\n\ny"])
def test_a_cut_text_looks_like_the_whole_one(qapp: QApplication, text: str) -> None:
    place, images = QRect(10, 10, 500, 150), []
    flags = int(Qt.AlignmentFlag.AlignHCenter) | int(Qt.TextFlag.TextWordWrap)
    _, font = fitted(text, 500, 150, pixels_high(30).toString(), int(Qt.AlignmentFlag.AlignHCenter))
    for whole in (False, True):
        image = filled("#000000", 520)
        with QPainter(image) as painter:
            if whole:
                painter.setClipRect(place)
                painter.setFont(font)
                painter.setPen(QColor("#ffffff"))
                painter.drawText(place, flags, text)
            else:
                draw_text(
                    painter, place, text, pixels_high(30), QColor("#ffffff"),
                    Qt.AlignmentFlag.AlignHCenter,
                )  # fmt: skip
        images.append(image)
    assert images[0] == images[1] != filled("#000000", 520)


def test_texts_are_reduced_only_as_far_as_they_must(qapp: QApplication) -> None:
    sizes = [
        fitted(WORDS * count, 500, 150, pixels_high(30).toString(), 0)[1].pixelSize()
        for count in (1, 5, 6, 8, 100)
    ]
    assert sizes[0] == 30
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) >= 3, "by as much as is needed"
    assert sizes[-1] == 16, "at least 55 %"


# -- garbage --------------------------------------------------------------------------------------


class Thing:
    """Something that can be watched going."""


@pytest.mark.parametrize("frozen", [0, FROZEN_AT_MOST])
def test_what_is_imported_in_the_beginning_is_left_out_of_later_rounds(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, frozen: int
) -> None:
    monkeypatch.setattr(Garbage, "_frozen", frozen)
    garbage = Garbage()
    garbage._timer.stop()
    try:
        gc.collect()
        gc.unfreeze()
        knot = Thing()
        knot.itself = knot  # type: ignore[attr-defined]
        gone = weakref.ref(knot)
        del knot
        stays = [[number] for number in range(2 * MANY)]
        garbage.look()
        assert gone() is None, "what is garbage by then is collected"
        assert (gc.get_freeze_count() > len(stays)) == (frozen == 0)
    finally:
        gc.unfreeze()
        garbage.close()


# -- the window -----------------------------------------------------------------------------------


def test_networks_that_were_found_are_offered_to_settings(window: MainWindow, qtbot: QtBot) -> None:
    offered = QSignalSpy(window.layers.choices)
    window.layers.list_networks()
    until(qtbot, lambda: any("network" in offered.at(i)[0] for i in range(offered.count())))
    found = next(offered.at(i)[0] for i in range(offered.count()) if "network" in offered.at(i)[0])
    assert "slim_vgg" in found["network"]


def test_the_original_is_seen_while_its_key_is_held(window: MainWindow, tmp_path: Path) -> None:
    canvas = window.canvas
    before = filled("#ff0000")
    canvas.set_original(before)
    canvas.set_picture(filled("#00ff00"), QSize(64, 64))
    key, none = Qt.Key.Key_O, Qt.KeyboardModifier.NoModifier
    assert middle(canvas) == "#00ff00"
    QApplication.sendEvent(canvas, QKeyEvent(QEvent.Type.KeyPress, key, none))
    assert middle(canvas) == "#ff0000"
    QApplication.sendEvent(canvas, QKeyEvent(QEvent.Type.KeyRelease, key, none))
    assert middle(canvas) == "#00ff00"
    QApplication.sendEvent(canvas, QKeyEvent(QEvent.Type.KeyPress, key, none))
    QApplication.sendEvent(canvas, QFocusEvent(QEvent.Type.FocusOut))
    assert middle(canvas) == "#00ff00", "a release elsewhere is never seen here"
