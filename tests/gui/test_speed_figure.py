"""The figure of one pass against optimization, from the window."""

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from engine.image import open_picture
from engine.job import Inputs, Job
from engine.techniques.stylize import Stylize
from gui.dialogs.figure import FigureWindow
from gui.main_window import MainWindow
from tests.gui.stories import MOSAIC, STROKES, click, until, until_idle

TINY = str(Path(__file__).parents[1] / "recipes" / "tiny_style.safetensors")


@pytest.fixture
def stylized(window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> MainWindow:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("gui.flow.speed_figure.SECONDS", 0.4)
    monkeypatch.setattr("engine.work.speed_comparison.JUDGES", ("slim_vgg",))
    inputs = Inputs(str(STROKES), ((str(MOSAIC), 1.0),))
    window.studio.load(
        Job(Stylize(style_network=TINY), inputs, size=40, device="cpu", precision="fp32")
    )
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert window.running.result is not None
    return window


def test_it_is_measured_shown_and_saved(
    stylized: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = stylized.actions_table["speed_figure"]
    assert action.isEnabled()
    said: list[str] = []
    stylized.speed_figure.said.connect(said.append)
    action.trigger()
    assert not stylized.speed_figure.possible, "one at a time"
    until(qtbot, lambda: stylized.findChild(FigureWindow))
    figure = stylized.findChild(FigureWindow)
    assert figure is not None
    assert "One pass takes" in said[-1]
    assert stylized.speed_figure.progress is None
    path = tmp_path / "speed.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), "PNG (*.png)"))
    figure.save.click()
    until(qtbot, lambda: not stylized.background.busy)
    saved = open_picture(path)
    assert (saved.height, saved.width) == (figure.figure.height, figure.figure.width)
    figure.close()


def test_cancelled_it_leaves_nothing(
    stylized: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.flow.speed_figure.SECONDS", 600)
    said: list[str] = []
    stylized.speed_figure.said.connect(said.append)
    stylized.actions_table["speed_figure"].trigger()
    assert stylized.speed_figure.progress is not None
    stylized.speed_figure.progress.bar.canceled.emit()  # as its button does
    until(qtbot, lambda: not stylized.background.busy)
    assert said[-1] == "No figure was made."
    assert stylized.speed_figure.possible
    assert stylized.findChild(FigureWindow) is None


def test_without_a_stylization_there_is_nothing_to_compare(window: MainWindow) -> None:
    assert not window.actions_table["speed_figure"].isEnabled()
    assert not window.speed_figure.possible
