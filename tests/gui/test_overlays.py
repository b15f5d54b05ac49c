"""The map on the canvas leaves over its photo; what a method does and what it sees is said."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot
from torch import nn

from engine.attribution.registry import METHODS
from engine.networks.card import Card
from engine.networks.classes import percent
from engine.networks.network import Network
from gui.main_window import MainWindow
from gui.panels.map_group import MapGroup
from gui.run.looking import NetworkView
from tests.gui.stories import CAT, until

DESCRIPTION = 0x010E
BEYOND_A_SCREEN = (2400, 1800)


@pytest.fixture
def large(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> Path:
    """A photo that the window opens smaller than it is, with its maps looked at."""
    path = tmp_path / "large.png"
    with Image.open(CAT) as cat:
        cat.convert("RGB").resize(BEYOND_A_SCREEN).save(path, compress_level=1)
    window.docks["sight"].raise_()
    window.live_maps_flow.watch(True)
    window.studio.set_inputs("", content=str(path))
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == str(path),
    )
    return path


@pytest.fixture
def saved_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Answers the next dialogs."""

    def answer(path: Path) -> None:
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), "PNG (*.png)"))

    return answer


def switch_on(window: MainWindow, qtbot: QtBot, group: MapGroup, method: str, **look: int) -> None:
    group.method.setCurrentText(method)
    for name, value in look.items():
        getattr(group, name).setValue(value)
    group.setChecked(True)
    until(qtbot, window.actions_table["save_overlay"].isEnabled)


def test_a_map_leaves_over_the_photo_at_its_full_size(
    window: MainWindow, qtbot: QtBot, large: Path, tmp_path: Path,
    saved_as: Callable[[Path], None],
) -> None:  # fmt: skip
    action = window.actions_table["save_overlay"]
    assert not action.isEnabled()
    assert action in window.menus.menu_of_canvas().actions()
    switch_on(window, qtbot, window.live_maps.grad_cam, "Grad-CAM", opacity=100, threshold=50)
    answer, path = window.live_maps_flow.answer, tmp_path / "overlay.png"
    assert answer is not None
    assert answer.grad_cam is not None
    saved_as(path)
    action.trigger()
    until(qtbot, path.exists)
    until(qtbot, lambda: not window.background.busy)
    with Image.open(path) as image:
        made, exif = np.asarray(image.convert("RGB")).astype(int), image.getexif()
    assert made.shape[1::-1] == BEYOND_A_SCREEN
    largest = f"{answer.grad_cam.values.max():.3g}"
    assert exif[DESCRIPTION] == (
        f"Grad-CAM at {answer.layer} of {answer.target_name} ({percent(answer.probability)}): "
        f"0 to {largest}, maximum {largest}"
    )
    # Coloured where the map is strong, the gray photo elsewhere.
    coloured = (made.max(2) - made.min(2)) > 1
    enlarged = Image.fromarray(answer.grad_cam.values).resize(BEYOND_A_SCREEN, Image.BILINEAR)
    strong = np.asarray(enlarged) / answer.grad_cam.values.max()
    assert coloured[strong > 0.55].all()
    assert not coloured[strong < 0.45].any()
    with Image.open(large) as image:
        luma = np.asarray(image.convert("RGB")).astype(int)
    bare = strong < 0.45
    assert np.corrcoef(made[bare, 0], luma[bare].mean(1))[0, 1] > 0.98
    window.live_maps.grad_cam.setChecked(False)
    assert not action.isEnabled()


def test_an_overlay_is_not_written_over_its_photo(
    window: MainWindow, qtbot: QtBot, large: Path
) -> None:
    switch_on(window, qtbot, window.live_maps.saliency, "gradient")
    overlay, before, said = window.overlays.ready(), large.read_bytes(), list[str]()
    assert overlay is not None
    assert overlay.photo == str(large)
    window.overlays.failed.connect(said.append)
    window.overlays.write(overlay, large)
    until(qtbot, lambda: said)
    assert "to work from" in said[0]
    assert large.read_bytes() == before


def test_a_photo_that_is_gone_is_named(
    window: MainWindow, qtbot: QtBot, large: Path, tmp_path: Path
) -> None:
    switch_on(window, qtbot, window.live_maps.saliency, "gradient")
    overlay, said = window.overlays.ready(), list[str]()
    assert overlay is not None
    shutil.move(large, tmp_path / "elsewhere.png")
    window.overlays.failed.connect(said.append)
    window.overlays.write(overlay, tmp_path / "x.png")
    until(qtbot, lambda: said)
    assert "large.png" in said[0]
    assert not (tmp_path / "x.png").exists()


def test_each_method_says_what_it_does(window: MainWindow) -> None:
    told = {method.title: method.help for method in METHODS}
    for group in (window.live_maps.saliency, window.live_maps.grad_cam):
        for at in range(group.method.count()):
            group.method.setCurrentIndex(at)
            words = told[group.method.currentText()][1:]
            item = group.method.itemData(at, Qt.ItemDataRole.ToolTipRole)
            assert words in item
            assert item == group.method.toolTip() == group.method.whatsThis()


def test_a_network_of_squares_says_that_it_squeezes(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = (nn.Conv2d(3, 2, 4, stride=4), nn.Flatten(), nn.Linear(2 * 8 * 8, 2))
    card = Card("squares", "Squares", "some", input_size=32)
    squares = Network(nn.Sequential(*layers), card, ("a", "b"))
    window.live_maps_flow.watch(True)
    switch_on(window, qtbot, window.live_maps.saliency, "gradient")
    assert "squeezed" not in window.canvas.caption.text() + window.live_maps.said.text()
    monkeypatch.setattr(NetworkView, "network", lambda *_: squares)
    window.live_maps_flow.refresh()
    until(qtbot, lambda: "squeezed" in window.canvas.caption.text())
    assert window.canvas.caption.text().endswith("squeezed to 32×32")
    assert (
        "takes only square pictures: this one is squeezed to 32×32." in window.live_maps.said.text()
    )
