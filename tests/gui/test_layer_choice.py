"""The choice of a layer: the same in all panels that look into one."""

from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QTranslator
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from engine.errors import BadInput
from gui.main_window import MainWindow
from gui.models.subject import LayerChoice, Subject
from gui.panels.activations import ActivationsPanel
from gui.panels.filters import FiltersPanel
from gui.panels.layer_choice import LayerBox, usual_layer
from gui.panels.patches import PatchesPanel
from gui.run import cameras, sources
from gui.run.channel import Channel, response
from gui.run.networks import Networks
from tests.gui.stories import until

LAYERS = tuple(
    LayerChoice(name, name, kind, channels, size)
    for name, kind, channels, size in (
        ("block", "Sequential", 8, (16, 16)),
        ("conv_a", "Conv2d", 4, (32, 32)),
        ("relu_a", "ReLU", 4, (32, 32)),
        ("conv_b", "Conv2d", 8, (16, 16)),
        ("relu_b", "ReLU", 8, (16, 16)),
        ("head", "Linear", 5, None),
    )
)


def convolution(layer: LayerChoice) -> bool:
    return layer.kind == "Conv2d"


def subject(layer: str = "", network: str = "in no catalogue", layers=LAYERS) -> Subject:
    return Subject(None, network, None, layers, layer)


@pytest.fixture
def boxes(qtbot: QtBot) -> tuple[LayerBox, LayerBox]:
    """One of all layers, one of convolutions."""
    both = LayerBox(), LayerBox(convolution)
    for box in both:
        qtbot.addWidget(box)
    return both


def test_a_layer_that_is_not_offered_is_shown_by_the_one_whose_channels_it_has(
    boxes: tuple[LayerBox, LayerBox],
) -> None:
    for layer, shown in (
        ("relu_a", "conv_a"), ("conv_b", "conv_b"), ("relu_b", "conv_b"),
        ("head", "conv_b"),  # none has its channels: what was shown stays
        ("relu_a", "conv_a"), ("block", "conv_a"),
    ):  # fmt: skip
        for box in boxes:
            box.follow(subject(layer))
        assert [box.chosen() for box in boxes] == [layer, shown]


def test_a_layer_taken_here_stays_until_another_is_selected(
    boxes: tuple[LayerBox, LayerBox],
) -> None:
    box, _ = boxes
    box.follow(subject("relu_a"))
    box.setCurrentText("head")
    box.follow(Subject(QImage(4, 4, QImage.Format.Format_RGB32), "n", None, LAYERS, "relu_a"))
    assert box.chosen() == "head", "another picture"
    box.follow(subject())
    assert box.chosen() == "head", "nothing is selected any more"
    box.follow(subject("conv_a"))
    assert box.chosen() == "conv_a"


def test_without_a_network_nothing_is_chosen_and_another_begins_anew(
    boxes: tuple[LayerBox, LayerBox],
) -> None:
    box, _ = boxes
    assert box.chosen() == ""
    box.follow(subject("relu_a"))
    box.follow(subject(layers=()))
    assert (box.count(), box.chosen()) == (0, "")
    box.follow(subject(layers=LAYERS[:3]))
    assert box.chosen() == "relu_a", "the last layer of a network that is in no catalogue"


@pytest.mark.parametrize(
    ("network", "names", "expected"),
    [
        ("slim_vgg", ("conv1_1", "relu1_1", "relu3_1", "relu5_4"), "relu3_1"),
        ("googlenet_bvlc", ("conv1/relu_7x7", "conv2/relu_3x3"), "conv2/relu_3x3"),
        ("squeezenet1_1", ("conv1", "relu_conv1", "fire2/concat"), "fire2/concat"),
        ("slim_vgg", ("conv1_1", "relu2_1", "classifier"), "relu2_1"),  # the only one there is
        ("slim_vgg", (), ""),
    ],
)
def test_the_usual_layer_is_amid_those_that_the_card_offers(
    network: str, names: tuple[str, ...], expected: str
) -> None:
    layers = [LayerChoice(name, name, "ReLU", 4, (8, 8)) for name in names]
    assert usual_layer(network, layers) == expected


def test_all_panels_agree(window: MainWindow, qtbot: QtBot) -> None:
    panels = window.inspection.panels
    activations, filters, patches = (panels[n] for n in ("activations", "filters", "patches"))
    assert isinstance(activations, ActivationsPanel)
    assert isinstance(filters, FiltersPanel)
    assert isinstance(patches, PatchesPanel)
    boxes = activations.layer, filters.layer_box, patches.layer_box

    def shown() -> list[str]:
        window.docks["inspect"].raise_()
        for panel in (activations, filters, patches):
            window.inspect.setCurrentWidget(panel)
            until(qtbot, panel.isVisible)
        return [box.chosen() for box in boxes]

    assert shown() == ["relu4_2", "conv1_1", "relu4_2"]
    window.tree.select("relu3_3")
    assert shown() == ["relu3_3", "conv3_3", "relu3_3"]
    window.tree.select("conv3_1")
    assert shown() == ["conv3_1", "conv3_1", "conv3_1"]


def test_other_networks_begin_alike(
    window: MainWindow, qtbot: QtBot, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(data_folder / "weights"))
    panel = window.inspection.panels["activations"]
    assert isinstance(panel, ActivationsPanel)
    window.docks["inspect"].raise_()
    window.inspect.setCurrentWidget(panel)
    for network, layer in (
        ("googlenet_bvlc", "inception_4c/output"),
        ("squeezenet1_1", "fire5/concat"),
    ):
        window.layers.choose(network)
        until(qtbot, lambda layer=layer: panel.grid_shown and panel.grid_shown.layer == layer)
        assert panel.layer.chosen() == layer


# -- sentences ----------------------------------------------------------------------------


class Upper(QTranslator):
    """Says everything in capitals."""

    def translate(self, context, source, disambiguation=None, n=-1) -> str:
        return source.upper()

    def isEmpty(self) -> bool:  # noqa: N802
        return False


def test_sentences_of_workers_are_translated(
    qapp: QCoreApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = Upper()
    qapp.installTranslator(words)
    try:
        monkeypatch.setattr(cameras, "has_multimedia", lambda: False)
        with pytest.raises(BadInput, match=r"^A CAMERA NEEDS QT MULTIMEDIA.*pip install"):
            cameras.cameras()
        monkeypatch.setattr(sources.importlib.util, "find_spec", lambda _name: None)
        with pytest.raises(BadInput, match=r"^a\.mp4 NEEDS THE PACKAGE AV"):
            sources.film_source(Path("a.mp4"))
        image = QImage(64, 64, QImage.Format.Format_RGB32)
        image.fill(0)
        with pytest.raises(
            BadInput, match=r"^relu1_1 has no channel 32; it has 0 to 31$"
        ):  # the engine's
            response(image, Channel("slim_vgg", None, "relu1_1", 32), Networks())
    finally:
        qapp.removeTranslator(words)
