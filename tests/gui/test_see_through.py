"""In the window, too, colours that nobody sees decide nothing; and what a run has to say is shown."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from cli import commands
from engine.image import Picture, open_picture, save_picture
from engine.job import Inputs, Job
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.techniques.deep_dream import DeepDream
from gui.main_window import MainWindow
from gui.pictures import image_of, open_for_screen
from gui.pixels import picture_of, to_array
from tests.gui.looks import as_seen
from tests.gui.stories import until, until_idle


@pytest.fixture(scope="module")
def slim() -> Network:
    return load_network("slim_vgg")


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two files that differ only in the colours of what is transparent."""
    random = np.random.default_rng(1)
    rgb = random.random((60, 90, 3), dtype=np.float32)
    alpha = np.zeros((60, 90), np.float32)
    alpha[10:50, 20:70] = 1
    alpha[:, 30] /= 2
    hidden = [np.where(alpha[..., None] > 0, rgb, np.float32(c)) for c in (0.0, 1.0)]
    return [
        save_picture(Picture(colours, alpha), tmp_path / f"{i}.png")
        for i, colours in enumerate(hidden)
    ]


def test_maps_and_neighbours_look_at_what_is_visible(pair: list[Path], slim: Network) -> None:
    one, other = (open_for_screen(str(path)).image for path in pair)
    assert one != other
    assert torch.equal(as_seen(one, slim), as_seen(other, slim))
    assert torch.equal(picture_of(one).tensor(), picture_of(other).tensor())


def test_the_window_shows_a_network_what_the_command_line_does(pair: list[Path]) -> None:
    opened = open_picture(pair[0])
    difference = picture_of(image_of(opened)).tensor() - opened.tensor()
    assert float(difference.abs().max()) <= 0.51 / 255
    assert not picture_of(QImage(3, 2, QImage.Format.Format_RGB32)).see_through


def test_a_run_is_shown_as_see_through_as_its_file_will_be(
    window: MainWindow, qtbot: QtBot, pair: list[Path], tmp_path: Path
) -> None:
    window.studio.set_inputs("Photo", content=str(pair[0]))
    until(qtbot, lambda: window.canvas_content.content() is not None)
    window.running.start()
    until_idle(qtbot, window)
    until(qtbot, lambda: window.variants.entries)
    path = tmp_path / "made.png"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    with PillowImage.open(path) as saved:
        alpha = np.asarray(saved.getchannel("A"))
    assert alpha.min() == 0
    assert alpha.max() == 255
    assert np.array_equal(shown_alpha(window), alpha)
    assert all(moment.image.hasAlphaChannel() for moment in window.controller.history.moments())
    window.studio.set_setting("recolour", "gray")
    until(qtbot, lambda: np.ptp(to_array(canvas_image(window))[..., :3], axis=2).max() == 0)
    assert np.array_equal(shown_alpha(window), alpha)
    later, again = tmp_path / "later.png", tmp_path / "again.png"
    window.files.write_picture(later)
    until(qtbot, lambda: later.exists() and not window.background.busy)
    assert commands.run(["render", str(later), "-o", str(again), "--quiet"]) == 0
    assert again.read_bytes() == later.read_bytes(), "also where nothing is seen"


def canvas_image(window: MainWindow) -> QImage:
    image = window.canvas.picture()
    assert image is not None
    return image


def shown_alpha(window: MainWindow) -> np.ndarray:
    return to_array(canvas_image(window))[..., 3]


def test_a_channel_that_was_silent_is_said(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    flat = save_picture(Picture(np.full((40, 40, 3), 0.8, np.float32)), tmp_path / "flat.png")
    technique = DeepDream(iterations=2, octaves=1, layers={"relu5_1": 1.0}, channels="0")
    window.studio.load(Job(technique, Inputs(str(flat)), size=40, device="cpu", precision="fp32"))
    said: list[str] = []
    window.running.said.connect(said.append)
    window.running.start()
    until(qtbot, lambda: window.running.result is not None)
    until_idle(qtbot, window)
    result = window.running.result
    assert result is not None and "channel 0 of relu5_1" in result.note
    assert result.note in said
