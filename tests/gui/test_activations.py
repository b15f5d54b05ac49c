"""The activation grid, live, and the window that shows one channel everywhere."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from torch import Tensor, nn

from engine.errors import BadInput
from engine.image import open_picture
from engine.inspection import folder as reading
from engine.looking import ActivationsRequest
from engine.looking.activation_grid import of_classes, shown_name, tiles
from engine.looking.answer import ActivationGrid
from engine.networks.card import Card, Preprocessing
from engine.networks.fitting import last_map
from engine.networks.network import Network
from gui.background import Background
from gui.dialogs.channel import ChannelWindow
from gui.main_window import MainWindow
from gui.models.subject import LayerChoice, Subject
from gui.panels.activations import ActivationsPanel
from gui.panels.folder_line import FolderChoice
from gui.panels.inputs import InputKey
from gui.pixels import to_array
from gui.run import channel as channel_work
from gui.run import maps as maps_module
from gui.run.channel import Channel, guided, response
from gui.run.controller import State
from gui.run.map_answers import MapsAnswer, MapsRequest
from gui.run.maps import MapsWorker
from gui.run.networks import Networks
from tests.gui.looks import answers_of, as_seen, maps_request
from tests.gui.stories import CAT, MOSAIC, quick_job, until, until_idle

SIDE = 8


class Tokens(nn.Module):
    """Columns, and then tokens, which nobody takes for a map any more."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze(4).flatten(2).transpose(1, 2)


class Untokens(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).unflatten(2, (SIDE, -1))


class Hand(nn.Module):
    """Channels that are red, green, minus red and nothing; then tokens, a mean, three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)
        self.relu = nn.ReLU()
        self.tokens, self.back = Tokens(), Untokens()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 3, bias=False)
        rows = [[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, 0, 0]]
        self.conv.weight.data = torch.tensor(rows)[:, :, None, None]
        self.fc.weight.data = torch.eye(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.fc(
            self.pool(self.back(self.tokens(self.relu(self.conv(x))))).flatten(1)
        )
        return found


def hand_network(classes: tuple[str, ...] = ("red", "green", "never")) -> Network:
    plain = Preprocessing("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Network(Hand(), Card("hand", "Hand", "hand", plain, input_size=SIDE), classes)


def two_colours() -> QImage:
    """Left half full red, right half green of 51 / 255 = 0.2."""
    image = QImage(SIDE, SIDE, QImage.Format.Format_RGB888)
    image.fill(QColor(255, 0, 0))
    for y in range(SIDE):
        for x in range(SIDE // 2, SIDE):
            image.setPixelColor(x, y, QColor(0, 51, 0))
    return image


class OwnNetworks(Networks):
    """The hand-made networks beside the real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.own = {"hand": hand_network(), "bare": hand_network(())}

    def get(self, name: str, *more: str | None) -> Network:  # type: ignore[override]
        return self.own.get(name) or super().get(name, *more)


NETWORKS = OwnNetworks()


def question(image: QImage, request: ActivationsRequest | None, **changes: object) -> MapsRequest:
    values: dict[str, object] = {
        "image": image, "network": "hand", "weights": None, "device": "cpu", "target": None,
        "activations": request,
    }  # fmt: skip
    return maps_request(**{**values, **changes})  # type: ignore[arg-type]


def answered(asked: MapsRequest) -> MapsAnswer:
    return MapsWorker(NETWORKS).answer(asked)


# -- what is worked out -------------------------------------------------------------------


def shades(image: QImage) -> tuple[int, int]:
    """The gray of the left half and of the right half."""
    halves = to_array(image)[:, [0, -1], 0]
    assert (halves == halves[0]).all()
    return int(halves[0, 0]), int(halves[0, 1])


@pytest.mark.parametrize(
    ("layer", "together", "expected"),
    [
        # behind a ReLU zero is black: red 1, green 0.2
        ("relu", True, [(255, 0), (0, 51), (0, 0), (0, 0)]),
        ("relu", False, [(255, 0), (0, 255), (0, 0), (0, 0)]),
        # before it, there is -1: zero is gray (127.5)
        ("conv", True, [(255, 128), (128, 153), (0, 128), (128, 128)]),
        ("conv", False, [(255, 128), (128, 255), (0, 128), (128, 128)]),
    ],
)
def test_maps_are_shown_as_gray_from_zero(
    qapp: object, layer: str, together: bool, expected: list[tuple[int, int]]
) -> None:
    answer = answered(question(two_colours(), ActivationsRequest(layer, together)))
    grid = answer.activations
    assert grid is not None
    assert (grid.layer, grid.size) == (layer, (SIDE, SIDE))
    assert [shades(image) for image in answer.images] == expected
    low = -0.5 if layer == "conv" else 0.0
    assert grid.means.tolist() == pytest.approx([0.5, 0.1, low, 0])
    assert grid.peaks.tolist() == pytest.approx([1, 0.2, 0, 0])
    assert grid.names == ()


def test_one_very_strong_answer_does_not_leave_the_rest_dark(qapp: object) -> None:
    maps = torch.zeros(10, 32, 32)
    maps[0, 0, 0] = 1000.0
    maps[1] = 1.0
    first, second = tiles(maps, together=True)[:2]
    assert first[0, 0] == 255
    assert (second == 255).all()


def test_large_maps_are_shrunk_to_the_largest_tile(qapp: object) -> None:
    maps = torch.zeros(2, 100, 384)
    maps[0, :, ::2] = 1.0
    tile = tiles(maps, together=True)[0]
    assert tile.shape == (50, 192)
    assert (tile == 128).all(), "each pixel is the mean of its four"


def test_numbers_that_are_not_finite_are_black(qapp: object) -> None:
    maps = torch.ones(2, 4, 4)
    maps[0] = torch.nan
    dark, light = tiles(maps, together=True)
    assert not dark.any()
    assert (light == 255).all()


def test_vectors_are_numbers_with_the_names_of_classes(qapp: object) -> None:
    answer = answered(question(two_colours(), ActivationsRequest("fc")))
    grid = answer.activations
    assert grid is not None
    assert answer.images == ()
    assert grid.size == (1, 1)
    assert grid.peaks.tolist() == pytest.approx([0.5, 0.1, 0])
    assert grid.names == ("red", "green", "never")
    pooled = answered(question(two_colours(), ActivationsRequest("pool"))).activations
    assert pooled is not None
    assert pooled.names == ()
    assert pooled.means.tolist() == pytest.approx([0.5, 0.1, 0, 0])


def test_only_layers_behind_which_nothing_mixes_stand_for_classes() -> None:
    square = nn.Sequential(
        nn.Flatten(), nn.Linear(192, 5), nn.ReLU(), nn.Linear(5, 5), nn.Sigmoid()
    )
    network = Network(square, Card("s", "S", "s", input_size=SIDE), tuple("abcde"))
    found = [of_classes(network, str(i)) for i in range(5)]
    assert found == [False, False, False, True, True]
    assert not of_classes(hand_network(()), "fc")


def test_tokens_say_why_not_and_classes_are_answered_all_the_same(qapp: object) -> None:
    answer = answered(question(two_colours(), ActivationsRequest("tokens")))
    assert answer.activations is None
    assert "tokens" in answer.activations_problem
    assert [name for _, name, _ in answer.top] == ["red", "green", "never"]
    assert not answer.problem


def test_a_network_without_classes_has_activations(qapp: object) -> None:
    asked = question(two_colours(), ActivationsRequest("relu"), network="bare", classes=False)
    answer = answered(asked)
    assert answer.activations is not None
    assert answer.top == ()
    assert not answer.problem


def test_no_layer_means_the_last_that_has_a_map(qapp: object) -> None:
    grid = answered(question(two_colours(), ActivationsRequest())).activations
    assert grid is not None
    assert grid.layer == "back"
    squeeze = Network(
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU()), Card("s", "S", "s"), (), {"first/relu": "1"}
    )
    assert shown_name(squeeze, last_map(squeeze)) == "first/relu"


def test_activations_come_before_maps_that_take_long(qapp: object) -> None:
    asked = question(two_colours(), ActivationsRequest("relu"), saliency="occlusion")
    states, answer = answers_of(MapsWorker(NETWORKS), asked)
    assert answer.saliency is not None
    assert states[0].unfinished
    assert states[0].saliency is None
    assert states[0].activations is answer.activations is not None


# -- one channel --------------------------------------------------------------------------


def test_a_channel_on_a_picture_by_hand(qapp: object) -> None:
    image = two_colours()
    found, _ = response(image, Channel("hand", None, "relu", 1), NETWORKS)
    assert (found.values.shape, found.place) == ((SIDE, SIDE), (0, 4)), (
        "the first of the green ones"
    )
    assert found.peak == pytest.approx(0.2)
    assert found.mean == pytest.approx(0.1)
    assert found.seen == (4 / SIDE, 0, 5 / SIDE, 1 / SIDE)
    assert found.colours is not None
    left, right = found.colours[0, [0, -1]].tolist()
    assert left == [68, 1, 84], "viridis from its lowest"
    assert right == [253, 231, 37], "to its highest colour"
    unit, _ = response(image, Channel("hand", None, "fc", 0), NETWORKS)
    assert unit.colours is None
    assert unit.name == "red"
    assert unit.peak == pytest.approx(0.5)
    assert unit.seen == (0, 0, 1, 1)
    with pytest.raises(BadInput, match="0 to 3"):
        response(image, Channel("hand", None, "relu", 4), NETWORKS)


def test_guided_backprop_starts_at_the_channels_maximum(qapp: object) -> None:
    found, patch = guided(two_colours(), Channel("hand", None, "relu", 1), NETWORKS)
    assert (patch.width(), patch.height()) == (1, 1)
    assert patch.pixelColor(0, 0) == QColor(0, 51, 0), "the one pixel that the unit sees"
    assert found.guided is not None
    assert found.guided[0, 0].tolist() == [128, 255, 128], "more green would raise it"
    silent, _ = guided(two_colours(), Channel("hand", None, "relu", 3), NETWORKS)
    assert silent.peak == 0
    assert silent.guided is not None
    assert silent.guided[0, 0].tolist() == [128, 128, 128]


def test_guided_backprop_is_shown_in_the_pictures_colours(qapp: object) -> None:
    module, plain = Hand(), (0.0, 0.0, 0.0)
    card = Card("bgr", "B", "b", Preprocessing("BGR", 1.0, plain, (1.0, 1.0, 1.0)), SIDE)
    networks = OwnNetworks()
    networks.own["bgr"] = Network(module, card)
    image = two_colours()
    image.fill(QColor(0, 0, 255))
    found, _ = guided(image, Channel("bgr", None, "relu", 0), networks)
    assert found.peak == pytest.approx(1.0), "its first channel is blue"
    assert found.guided is not None
    assert found.guided[0, 0].tolist() == [128, 128, 255]


@pytest.fixture
def reds(tmp_path: Path) -> Path:
    """Twelve pictures that are ever redder."""
    folder = tmp_path / "reds"
    folder.mkdir()
    for i in range(12):
        Image.new("RGB", (16, 16), (20 * i, 0, 0)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture
def channel_window(qtbot: QtBot) -> Iterator[ChannelWindow]:
    background = Background()
    window = ChannelWindow(NETWORKS, background, FolderChoice(), lambda: False)
    qtbot.addWidget(window)
    yield window
    window.close()
    background.close()


def subject(image: QImage | None, network: str = "hand") -> Subject:
    layers = tuple(
        LayerChoice(name, name, kind, count, size)
        for name, kind, count, size in (
            ("relu", "ReLU", 4, (SIDE, SIDE)), ("fc", "Linear", 3, None),
        )
    )  # fmt: skip
    return Subject(image, network, None, layers)


def at_rest(window: ChannelWindow) -> bool:
    return not window.busy


def test_next_and_previous_channel(channel_window: ChannelWindow, qtbot: QtBot, reds: Path) -> None:
    window = channel_window
    window.patches.folder.choose(reds)
    window.show_channel(subject(two_colours()), "relu", 0, "cpu")
    until(qtbot, lambda: at_rest(window) and window.patches.found)
    assert not window.previous.isEnabled()
    assert "maximum 1 at row 0, column 0 of 8×8; mean 0.5" in window.on_picture.said.text()
    names = [Path(window.patches.grid.data_at(i)).stem for i in range(9)]
    assert names == [f"{i:02}" for i in range(11, 2, -1)], "the reddest first"
    values = [float(window.patches.grid.model().index(i, 0).data()) for i in range(9)]
    assert values == pytest.approx([20 * i / 255 for i in range(11, 2, -1)], abs=0.01)
    for number in (1, 2, 3):
        qtbot.mouseClick(window.next, Qt.MouseButton.LeftButton)
        until(qtbot, lambda: at_rest(window))
        assert window.channel == Channel("hand", None, "relu", number)
        assert window.patches.found is not None
        assert window.patches.found.rows.only == number
    assert not window.next.isEnabled()
    assert "no positive activation" in window.on_picture.said.text()
    assert "nothing to explain" in window.guided.said.text()
    qtbot.mouseClick(window.previous, Qt.MouseButton.LeftButton)
    assert window.number.value() == 2
    window.number.setValue(0)
    until(qtbot, lambda: at_rest(window))
    assert "channel 0" in window.windowTitle()


def test_a_class_is_called_by_its_name(channel_window: ChannelWindow, qtbot: QtBot) -> None:
    channel_window.show_channel(subject(two_colours()), "fc", 1, "cpu")
    until(qtbot, lambda: at_rest(channel_window))
    assert channel_window.name.text().endswith("green")
    assert "activation 0.1" in channel_window.on_picture.said.text()
    assert not channel_window.on_picture.opacity.isEnabled()


def test_the_picture_is_followed_once_it_stays(channel_window: ChannelWindow, qtbot: QtBot) -> None:
    window = channel_window
    window.show_channel(subject(None), "relu", 1, "cpu")
    assert "Open a picture" in window.on_picture.said.text()
    window.follow(subject(two_colours()))
    until(qtbot, lambda: window.on_picture.shown and at_rest(window))
    other = two_colours()
    other.fill(QColor(0, 255, 0))
    window.follow(subject(other, "bare"))
    assert not window.busy, "another network's picture is none of its business"
    running = [True]
    window._held = lambda: running[0]
    window.follow(subject(other))
    QTest.qWait(800)
    assert window.on_picture.shown is not None
    assert window.on_picture.shown.peak == pytest.approx(0.2), "not during a run"
    running[0] = False
    until(qtbot, lambda: window.on_picture.shown.peak == pytest.approx(1.0))


def test_a_search_is_broken_off_and_taken_up(
    channel_window: ChannelWindow, qtbot: QtBot, reds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = reading.square_of

    def slow(path: Path, side: int) -> object:
        time.sleep(0.2)
        read.append(path.name)
        return quick(path, side)

    read: list[str] = []
    monkeypatch.setattr(reading, "square_of", slow)
    for i in range(12, 60):
        Image.new("RGB", (16, 16), (0, i, 0)).save(reds / f"{i:02}.png")
    window = channel_window
    window.patches.folder.choose(reds)
    window.show_channel(subject(two_colours()), "relu", 0, "cpu")
    until(qtbot, lambda: window.patches.grid.count() > 0)
    assert window.patches.busy, "what has been found is shown on the way"
    qtbot.mouseClick(window.patches.cancel_button, Qt.MouseButton.LeftButton)
    assert not window.patches.busy
    until(qtbot, lambda: not window.background.busy)
    first = len(read)
    assert first < 60
    qtbot.mouseClick(window.patches.again, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: at_rest(window))
    assert "60 of 60" in window.patches.said.text()
    assert len(read) < first + 60, "not all over again"
    assert Path(window.patches.grid.data_at(0)).stem == "11"


def test_bad_folders_are_said(channel_window: ChannelWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window = channel_window
    window.show_channel(subject(two_colours()), "relu", 0, "cpu")
    assert "Choose a folder" in window.patches.said.text()
    (tmp_path / "empty").mkdir()
    for name in ("empty", "gone"):
        window.patches.folder.choose(tmp_path / name)
        until(
            qtbot, lambda name=name: not window.patches.busy and name in window.patches.said.text()
        )
    window.on_picture.start(fails, print)
    until(qtbot, lambda: "no such thing" in window.on_picture.said.text())


def fails() -> None:
    raise BadInput("no such thing")


# -- through the window -------------------------------------------------------------------


def panel_of(window: MainWindow, qtbot: QtBot) -> ActivationsPanel:
    panel = window.inspection.panels["activations"]
    assert isinstance(panel, ActivationsPanel)
    window.docks["inspect"].raise_()
    window.inspect.setCurrentWidget(panel)
    until(qtbot, panel.isVisible)
    return panel


def shows(qtbot: QtBot, panel: ActivationsPanel, layer: str) -> ActivationGrid:
    until(qtbot, lambda: panel.grid_shown is not None and panel.grid_shown.layer == layer)
    assert panel.grid_shown is not None
    return panel.grid_shown


def test_the_grid_follows_the_layer_that_is_selected(window: MainWindow, qtbot: QtBot) -> None:
    panel = panel_of(window, qtbot)
    shows(qtbot, panel, "relu4_2")
    assert panel.layer.currentText() == "relu4_2"
    assert panel.grid.count() == 256
    window.tree.select("relu3_1")
    grid = shows(qtbot, panel, "relu3_1")
    assert panel.layer.currentText() == "relu3_1"
    network = window.networks.get("slim_vgg").twin()
    content = window.canvas_content.content()
    assert content is not None
    with torch.no_grad():
        picture = as_seen(content.image, network)
        maps = network.taps(picture, ["relu3_1"])["relu3_1"][0]
    assert np.allclose(grid.means, maps.mean((1, 2)), rtol=1e-5)
    assert np.allclose(grid.peaks, maps.amax((1, 2)), rtol=1e-5)
    height, width = maps.shape[1:]
    size = f"{width}x{height} (picture at {picture.shape[3]}x{picture.shape[2]})"
    assert f"{len(maps)} channels of {size}" in panel.said.text()
    assert panel.said.toolTip().endswith("tree shows sizes for the result.")
    assert (width, height) == (48, 32), "of 451 x 300 px, whose short side becomes 128"
    panel.order.setCurrentIndex(1)
    panel.order.activated.emit(1)
    numbers = [panel.grid.data_at(row) for row in range(panel.grid.count())]
    assert numbers == torch.argsort(maps.mean((1, 2)), descending=True, stable=True).tolist()
    panel.scale.setCurrentIndex(1)
    panel.scale.activated.emit(1)
    until(qtbot, lambda: panel.grid_shown is not grid)
    assert panel.grid_shown is not None
    alive = [image for image, peak in zip(panel.images, grid.peaks, strict=True) if peak]
    assert {int(to_array(image)[..., 0].max()) for image in alive} == {255}
    panel.side.setValue(100)
    assert panel.grid.side == 100


def test_vectors_are_bars_and_the_layer_can_be_chosen_here(
    window: MainWindow, qtbot: QtBot
) -> None:
    panel = panel_of(window, qtbot)
    shows(qtbot, panel, "relu4_2")
    panel.layer.setCurrentText("classifier")
    panel.layer.activated.emit(panel.layer.currentIndex())
    grid = shows(qtbot, panel, "classifier")
    assert panel.pages.currentWidget() is panel.bars
    panel.order.setCurrentIndex(1)
    panel.order.activated.emit(1)
    assert panel.bars.bar_at(0).number == int(grid.means.argmax())
    assert panel.bars.bar_at(0).name == window.networks.get("slim_vgg").classes[grid.means.argmax()]
    heard: list[tuple[str, int]] = []
    panel.channel_requested.disconnect()
    panel.channel_requested.connect(lambda layer, number: heard.append((layer, number)))
    spot = panel.bars.visualRect(panel.bars.model().index(0, 0)).center()
    qtbot.mouseClick(panel.bars.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert heard == [("classifier", int(grid.means.argmax()))]


def test_another_photo_has_other_activations(window: MainWindow, qtbot: QtBot) -> None:
    panel = panel_of(window, qtbot)
    before = shows(qtbot, panel, "relu4_2")
    window.input_pictures.put(InputKey("content"), MOSAIC)
    until(qtbot, lambda: panel.grid_shown is not before)
    assert panel.grid_shown is not None
    assert not np.allclose(panel.grid_shown.means, before.means)


def test_tokens_and_networks_without_classes(window: MainWindow, qtbot: QtBot) -> None:
    window.networks.get = NETWORKS.get  # type: ignore[method-assign]
    panel = panel_of(window, qtbot)
    shows(qtbot, panel, "relu4_2")
    window.layers.choose("bare")
    shows(qtbot, panel, "back")
    assert [panel.layer.itemText(i) for i in range(3)] == ["conv", "relu", "tokens"]
    assert not window.live_maps.class_box.isEnabled()
    window.tree.select("tokens")
    until(qtbot, lambda: "tokens has no channels" in panel.said.text())
    assert panel.grid.count() == 0
    window.tree.select("relu")
    shows(qtbot, panel, "relu")
    before = panel.grid_shown
    window.layers.choose("hand")
    until(qtbot, lambda: panel.grid_shown not in (None, before))
    assert window.live_maps.class_box.isEnabled()


def test_without_a_picture_there_is_nothing_to_see(window: MainWindow, qtbot: QtBot) -> None:
    panel = panel_of(window, qtbot)
    shows(qtbot, panel, "relu4_2")
    window.studio.set_technique("class-visualization")
    until(qtbot, lambda: "Open a picture" in panel.said.text())
    assert panel.grid.count() == 0


def test_the_grid_follows_a_run_at_its_leisure(window: MainWindow, qtbot: QtBot) -> None:
    panel = panel_of(window, qtbot)
    photo = shows(qtbot, panel, "relu4_2")
    window.studio.load(quick_job(iterations=100_000))
    window.running.start()
    until(qtbot, lambda: window.controller.state is State.RUNNING)
    seen: list[tuple[float, ActivationGrid]] = []

    def note(answer: MapsAnswer) -> None:
        if answer.activations is not None:
            seen.append((time.monotonic(), answer.activations))

    window.maps.answered.connect(note)
    until(qtbot, lambda: len(seen) >= 4)
    moments = [moment for moment, _ in seen]
    assert min(np.diff(moments[1:])) > 0.9 * maps_module.AT_MOST_EVERY
    grids = [photo, *(grid for _, grid in seen)]
    for before, after in pairwise(grids):
        assert not np.array_equal(before.means, after.means), "each is of a newer frame"
    assert panel.grid_shown is seen[-1][1]
    window.inspect.setCurrentWidget(window.inspection.panels["filters"])
    until(qtbot, lambda: not window.maps.busy)
    window.maps.forget()
    seen.clear()
    QTest.qWait(1500)
    assert not seen, "nobody looks"
    window.controller.stop()
    until_idle(qtbot, window)


def test_a_click_shows_the_channel_everywhere(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_work, "STEPS", 24)
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (CAT, MOSAIC):
        open_picture(path)
        (folder / Path(path).name).write_bytes(Path(path).read_bytes())
    panel = panel_of(window, qtbot)
    window.tree.select("relu4_1")
    grid = shows(qtbot, panel, "relu4_1")
    QApplication.processEvents()
    spot = panel.grid.visualRect(panel.grid.model().index(1, 0)).center()
    qtbot.mouseClick(panel.grid.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(spot))
    opened = window.inspection.channel_window
    assert opened is not None
    assert opened.channel == Channel("slim_vgg", None, "relu4_1", 1)
    opened.patches.folder.choose(folder)
    until(qtbot, lambda: at_rest(opened) and opened.patches.found)
    assert opened.on_picture.shown is not None
    assert opened.on_picture.shown.peak == pytest.approx(float(grid.peaks[1]), rel=1e-5)
    assert opened.guided.gradient.image is not None
    gradient = to_array(opened.guided.gradient.image)[..., :3]
    assert gradient.std() > 1, "something drives it"
    assert opened.patches.grid.count() == 2
    best = opened.patches.found
    assert best is not None
    values = {patch.path.name: patch.value for patch, _ in best.channels[0][1]}
    assert set(values) == {"cat.jpg", "mosaic.jpg"}

    qtbot.mouseClick(opened.maximized.go, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: opened.maximized.progress.value() > 2)
    qtbot.mouseClick(opened.maximized.cancel_button, Qt.MouseButton.LeftButton)
    assert opened.maximized.view.image is None
    until(qtbot, lambda: not window.background.busy)
    qtbot.mouseClick(opened.maximized.go, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: at_rest(opened))
    made = opened.maximized.view.image
    assert made is not None
    network = window.networks.get("slim_vgg").twin()
    pixels = torch.from_numpy(to_array(made)[..., :3].copy()).permute(2, 0, 1) / 255
    with torch.no_grad():
        mean = network.taps(pixels, ["relu4_1"])["relu4_1"][0, 1].mean()
    assert mean > 3 * grid.means[1], "the picture made for it answers more than the photo"

    opened.write(tmp_path / "figure")
    until(qtbot, lambda: "Saved" in opened.said.text())
    assert open_picture(tmp_path / "figure.png").width > 5 * 256

    technique = window.studio.technique.command
    qtbot.mouseClick(opened.maximized.job, Qt.MouseButton.LeftButton)
    job = window.studio.job
    assert job.technique.command == "activation-maximization"
    assert (job.technique.layer, job.technique.channel) == ("relu4_1", "1")  # type: ignore[attr-defined]
    window.studio.undo_stack.undo()
    assert window.studio.technique.command == technique, "one step to undo"
    opened.close()
    assert at_rest(opened)


def test_a_channel_of_the_tree_is_opened_and_closed_with_the_window(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.tree.layer_activated.emit("relu4_1", None)
    assert window.inspection.channel_window is None, "a layer has no such window"
    window.tree.layer_activated.emit("relu4_1", 7)
    opened = window.inspection.channel_window
    assert opened is not None
    assert opened.isVisible()
    assert opened.channel == Channel("slim_vgg", None, "relu4_1", 7)
    opened.maximized.visualize()  # the fixture closes the window while all this is under way


def test_closing_the_channel_window_ends_its_work(window: MainWindow, qtbot: QtBot) -> None:
    window.inspection.show_channel("relu4_1", 3)
    opened = window.inspection.channel_window
    assert opened is not None
    opened.maximized.visualize()
    until(qtbot, lambda: opened.maximized.view.image is not None)
    opened.close()
    assert at_rest(opened)
    until(qtbot, lambda: not window.background.busy)
