"""Figures: shown ready-made, halved before they reach the window; written in one way."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot

from engine.image import Picture, open_picture
from engine.job import Inputs, Job
from engine.techniques.adversarial import Adversarial
from engine.techniques.deep_dream import DeepDream
from engine.techniques.texture_synthesis import TextureSynthesis
from gui.canvas.figure_view import FigureView
from gui.dialogs.figure import FigureWindow
from gui.main_window import MainWindow
from gui.pixels import levels_of, to_array, to_image
from tests.gui.stories import STROKES, click, until, until_idle


def checkered(width: int, height: int) -> QImage:
    """Black and white pixels by turns."""
    shade = (np.add.outer(np.arange(height), np.arange(width)) % 2 * 255).astype(np.uint8)
    return to_image(np.repeat(shade[..., None], 3, 2))


def test_a_large_figure_is_halved_before_it_is_shown(qtbot: QtBot) -> None:
    image = checkered(1200, 900)
    levels = levels_of(image)
    assert [(each.width(), each.height()) for each in levels] == [
        (1200, 900), (600, 450), (300, 225), (150, 112),
    ]  # fmt: skip
    np.testing.assert_array_equal(to_array(levels[0])[..., :3], to_array(image)[..., :3])
    view = FigureView()
    qtbot.addWidget(view)
    view.resize(220, 220)
    view.show_levels(levels)
    view.show()
    QApplication.processEvents()
    shown = to_array(view.viewport().grab().toImage())
    middle = shown[90:130, 60:160, :3].astype(int)
    assert middle.min() > 110 < 145 > middle.max(), "black and white pixels by turns are gray"
    assert len(view._layer.levels) == len(levels), "nothing was scaled to paint it"


def test_a_transparent_figure_stays_so(qapp: QApplication) -> None:
    image = QImage(600, 40, QImage.Format.Format_RGBA8888)
    image.fill(0)
    assert all(each.pixelColor(0, 0).alpha() == 0 for each in levels_of(image))


@pytest.fixture
def textured(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> Path:
    """The texture of a technique with a figure, which has run."""
    texture = tmp_path / "texture.jpg"
    shutil.copy(STROKES, texture)
    technique = TextureSynthesis(iterations=1, sample_size=32, smallest_scale=65536)
    window.studio.load(
        Job(technique, Inputs(str(texture)), size=32, device="cpu", precision="fp32")
    )
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert window.running.result is not None
    return texture


def test_both_ways_write_the_same_figure_in_the_form_chosen(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, textured: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    answers = iter([(str(tmp_path / "menu"), "TIFF (*.tif)"), (str(tmp_path / "own.png"), "PNG")])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: next(answers))
    window.actions_table["save_figure"].trigger()
    window.actions_table["show_figure"].trigger()
    until(qtbot, lambda: not window.background.busy)
    figure = window.findChild(FigureWindow)
    assert figure is not None
    figure.save.click()
    until(qtbot, lambda: not window.background.busy)
    by_menu, by_window = open_picture(tmp_path / "menu.tif"), open_picture(tmp_path / "own.png")
    np.testing.assert_array_equal(by_menu.rgb, by_window.rgb)
    figure.close()


def test_neither_way_writes_over_a_picture_of_the_job(
    window: MainWindow, qtbot: QtBot, textured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = textured.read_bytes()
    said: list[str] = []
    answers = iter([str(textured), "", str(textured), ""])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (next(answers), "JPEG (*.jpg)"))
    monkeypatch.setattr(QMessageBox, "warning", lambda *shown: said.append(shown[-1]))
    window.actions_table["show_figure"].trigger()
    until(qtbot, lambda: window.findChild(FigureWindow))
    figure = window.findChild(FigureWindow)
    assert figure is not None
    figure.save.click()
    window.files.save_figure()
    until(qtbot, lambda: not window.background.busy)
    assert len(said) == 2
    assert all(textured.name in sentence for sentence in said)
    assert textured.read_bytes() == before
    figure.close()


def test_what_is_true_of_a_saved_file_is_told(tmp_path: Path) -> None:
    """Of an attack's picture; of any other there is nothing to check."""
    from gui.flow.result_files import written_and_told

    photo = Picture(np.random.default_rng(0).random((40, 40, 3), np.float32))
    asked = Job(Adversarial(target="ant"), Inputs(photo), size=40, precision="fp32")
    path, words = written_and_told(photo, tmp_path / "photo.jpg", asked, 8)
    assert path.is_file()
    assert words.startswith("slim_vgg still takes photo.jpg for ")
    assert words.endswith("JPEG loses part of the change, PNG and TIFF keep all of it")
    dream = replace(asked, technique=DeepDream())
    assert written_and_told(photo, tmp_path / "dream.png", dream, 8)[1] == ""
