"""Gray pictures in: a gray result is offered, in one click."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from engine.image import Picture
from gui.main_window import MainWindow
from gui.pixels import to_array
from tests.gui.stories import CAT, STROKES, click, until, until_idle


@pytest.mark.parametrize(("off", "gray"), [(0, True), (3, True), (6, False)])
def test_what_is_gray(off: int, gray: bool) -> None:
    rgb = np.full((4, 5, 3), 100 / 255, np.float32)
    rgb[2, 3, 0] += off / 255
    assert Picture(rgb).gray is gray


def test_a_gray_result_is_one_click_away(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    paths = []
    for name, source in (("photo.png", CAT), ("style.jpg", STROKES)):
        paths.append(str(tmp_path / name))
        Image.open(source).convert("L").resize((96, 64)).convert("RGB").save(paths[-1])
    assert not window.notice.isVisible()
    window.studio.set_inputs("", content=paths[0])
    until(qtbot, lambda: window.canvas_content.content() is not None)
    assert not window.notice.isVisible(), "the style has colours"
    window.studio.set_inputs("", styles=((paths[1], 1.0),))
    until(qtbot, lambda: window.notice.isVisible())
    window.notice.button.click()
    assert not window.notice.isVisible()
    assert window.studio.job.finish.recolour == "gray"
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    until(qtbot, lambda: not window.running.finishing.busy)
    image = window.canvas.picture()
    assert image is not None
    assert np.ptp(to_array(image)[..., :3].astype(int), axis=2).max() <= 1
    window.studio.undo_stack.undo()
    assert window.notice.isVisible()
