"""Units beside classes in the comparison of methods: which columns there are, and their values."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot
from torch import nn

from engine.attribution.methods import Question, attribute
from engine.attribution.registry import find_method
from engine.attribution.unit import Unit
from engine.attribution.unit_name import UnitName, units_of
from engine.errors import BadInput
from engine.networks.card import BYTES, Card
from engine.networks.fitting import fitted
from engine.networks.network import Network
from gui.background import Background
from gui.dialogs.compare import CompareDialog
from gui.main_window import MainWindow
from gui.pixels import to_array
from gui.run.networks import Networks
from tests.gui.stories import until


def tiny(name: str, *weights: float) -> Network:
    """One convolution of 1 x 1: its channel is the sum of the three colours times these weights."""
    layer = nn.Conv2d(3, 2, 1)
    layer.weight.data.zero_()
    layer.weight.data[1] = torch.tensor(weights).view(3, 1, 1)
    layer.bias.data.zero_()
    module = nn.Sequential(layer, nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1))
    if name == "short":
        module = nn.Sequential(layer)
    return Network(module, Card(name, name.title(), "some", BYTES, input_size=4))


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> Networks:
    made = Networks()
    known = {"long": tiny("long", 1, -3, 2), "short": tiny("short", 0, 5, 0)}
    monkeypatch.setattr(made, "get", lambda name, *_more: known[name])
    return made


@pytest.fixture
def dialog(qtbot: QtBot, networks: Networks) -> Iterator[CompareDialog]:
    image = QImage(4, 4, QImage.Format.Format_RGB32)
    image.fill(QColor(10, 10, 10))
    image.setPixelColor(3, 2, QColor(200, 20, 100))
    background = Background()
    made = CompareDialog(
        image, ("long", None, None), [("0", "0")], ["long", "short"], networks, background
    )
    qtbot.addWidget(made)
    made.set_question("", "", "", (), ["0", "1", "2"])
    for name, box in made.choices.boxes.items():
        box.setChecked(name == "gradient")
    made.show()
    yield made
    made.close()
    background.close()


def compare(qtbot: QtBot, dialog: CompareDialog) -> dict[str, np.ndarray]:
    dialog.result_shown = None
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: not dialog.busy)
    assert dialog.result_shown is not None, dialog.said.text()
    return dialog.result_shown.values


# -- names ----------------------------------------------------------------------------------------


def test_commas_part_units_and_belong_to_places() -> None:
    assert units_of("relu4_2:17, inception_4c:5:3,3 ,0:1:2,4,0:2,") == (
        UnitName("relu4_2", 17),
        UnitName("inception_4c", 5, (3, 3)),
        UnitName("0", 1, (2, 4)),
        UnitName("0", 2),
    )
    assert units_of("  ") == ()
    for wrong in ("relu4_2", "relu4_2:x, relu4_1:3", "relu4_2:1:2,3,4"):
        with pytest.raises(BadInput, match="is not a unit"):
            units_of(wrong)


def test_layers_of_several_units_are_completed(window: MainWindow, qtbot: QtBot) -> None:
    dialog = window.dialogs.compare_dialog()
    assert isinstance(dialog, CompareDialog)
    dialog.show()
    line = dialog.choices.units
    line.clear()
    qtbot.keyClicks(line, "relu4_2:17:1,2, relu3_2")
    completer = line.completer()
    assert completer.currentCompletion() == "relu4_2:17:1,2, relu3_2:"
    qtbot.keyClicks(line, ":4:1,")
    qtbot.keyClicks(line, "1")  # a column, though there are layers with a 1 in their names
    assert completer.completionCount() == 0
    dialog.close()


# -- values ---------------------------------------------------------------------------------------


def test_the_gradient_of_a_unit_by_hand(dialog: CompareDialog, qtbot: QtBot) -> None:
    # A convolution of 1 x 1 looks at one pixel; of its weights 1, -3 and 2 the largest is 3.
    dialog.choices.units.setText("0:1:1,2, 0:1")
    values = compare(qtbot, dialog)
    there, highest = np.zeros((4, 4)), np.zeros((4, 4))
    there[1, 2] = 3
    highest[2, 3] = 3  # 200 - 60 + 200 in the one bright pixel, 0 everywhere else
    np.testing.assert_array_equal(values["gradient - 0 channel 1 at 1, 2"], there)
    np.testing.assert_array_equal(values["gradient - 0 channel 1 at 2, 3"], highest)
    assert len(values) == 2
    assert dialog.said.text() == ""


def test_a_unit_and_a_class_beside_each_other_on_a_real_network(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.live_maps.target.set_unit("relu3_1:5")
    dialog = window.dialogs.compare_dialog()
    assert isinstance(dialog, CompareDialog)
    dialog.show()
    assert (dialog.choices.units.text(), dialog.choices.classes.text()) == ("relu3_1:5", "")
    assert dialog.choices.classes.placeholderText() == "none"
    dialog.choices.classes.setText("pizza")
    for name, box in dialog.choices.boxes.items():
        box.setChecked(name == "guided backprop")
    values = compare(qtbot, dialog)
    names = [name.split(" - ")[1] for name in values]
    assert names[0].casefold() == "pizza"
    assert names[1].startswith("relu3_1 channel 5 at ")
    assert len(names) == 2
    network = window.networks.get("slim_vgg")
    pixels = to_array(window.canvas_content.current.image)[..., :3]  # type: ignore[union-attr]
    picture = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
    x = network.prepare(fitted(network, picture))
    place = tuple(int(n) for n in names[1].rpartition(" at ")[2].split(","))
    asked = Question(Unit("relu3_1", 5, (place[0], place[1])))
    theirs = attribute(find_method("guided backprop"), network, x, asked)
    assert theirs is not None
    assert theirs.abs().max() > 0
    np.testing.assert_allclose(list(values.values())[1], theirs.numpy(), rtol=1e-4)
    dialog.close()


def test_the_sanity_check_of_a_unit(window: MainWindow, qtbot: QtBot) -> None:
    window.live_maps.target.set_unit("relu4_2:17")
    dialog = window.dialogs.compare_dialog()
    assert isinstance(dialog, CompareDialog)
    dialog.show()
    for name, box in dialog.choices.boxes.items():
        box.setChecked(name == "gradient")
    qtbot.mouseClick(dialog.check, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: dialog.result_shown is not None)
    assert dialog.result_shown is not None
    values = dialog.result_shown.values
    rows, columns = np.nonzero(values["gradient - trained"])
    height, width = values["gradient - trained"].shape
    assert 0 < np.ptp(rows) < height - 1, "the unit sees a part of the picture"
    assert 0 < np.ptp(columns) < width - 1
    assert len(values) == 6
    last = list(values.values())[-1]
    assert not np.array_equal(values["gradient - trained"], last)
    dialog.close()


# -- what cannot be asked -------------------------------------------------------------------------


def test_a_network_without_the_layer_has_a_sentence_and_the_others_their_columns(
    dialog: CompareDialog, qtbot: QtBot
) -> None:
    dialog.choices.units.setText("0:1:1,2, 2:1:0,0")
    dialog.choices.second.setCurrentText("short")
    values = compare(qtbot, dialog)
    assert len(values) == 3
    assert {name.rpartition(" - ")[2] for name in values} == {"long", "short"}
    (of_short,) = [value for name, value in values.items() if name.endswith("short")]
    assert of_short[1, 2] == 5
    said = dialog.said.text()
    assert "2:1:0,0" in said
    assert "short has no layer '2'" in said
    assert said.count("No map") == 1
    dialog.choices.units.setText("0:1, 2:0:0,0, 2:0:0,1, 2:0:0,2, 2:0:0,3, 2:1:0,0")
    compare(qtbot, dialog)
    assert dialog.said.text().count("No map") == 3
    assert dialog.said.text().endswith("and 2 more")
    assert dialog.said.toolTip().count("No map") == 5


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ("0:1, 7:1", "No map for unit 7:1: long has no layer '7'"),
        ("0:9", "No map for unit 0:9: long: layer '0' has no channel 9"),
        ("0:1:9,9", "No map for unit 0:1:9,9: long: layer '0' has no unit at"),
        ("0:banana", "'0:banana' is not a unit"),
        ("", "name a unit"),
    ],
)
def test_what_is_no_unit_of_any_network_is_said_and_nothing_is_lost(
    dialog: CompareDialog, qtbot: QtBot, units: str, words: str
) -> None:
    dialog.choices.units.setText("0:1")
    compare(qtbot, dialog)
    before = dialog.result_shown
    dialog.choices.units.setText(units)
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: words in dialog.said.text())
    assert not dialog.busy
    assert dialog.result_shown is before
    assert dialog.view.has_image()
    assert dialog.choices.units.text() == units


def test_units_count_as_columns(dialog: CompareDialog, qtbot: QtBot) -> None:
    places = [f"0:1:{i // 4},{i % 4}" for i in range(13)]
    dialog.choices.units.setText(", ".join(places))
    dialog.start()
    until(qtbot, lambda: "13 columns" in dialog.said.text())
    dialog.choices.units.setText(", ".join(places[:12]))
    assert len(compare(qtbot, dialog)) == 12


# -- the view -------------------------------------------------------------------------------------


def test_the_figure_can_be_zoomed(dialog: CompareDialog, qtbot: QtBot) -> None:
    fit, actual = dialog.zooms
    assert not fit.isEnabled()
    dialog.choices.units.setText("0:1")
    compare(qtbot, dialog)
    view = dialog.view
    assert dialog.result_shown is not None
    figure = dialog.result_shown.figure
    size = view.logical_size()
    assert (size.width(), size.height()) == (figure.width, figure.height)
    assert view.fitted()
    qtbot.mouseClick(actual, Qt.MouseButton.LeftButton)
    assert view.zoom() == 1.0
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    assert view.zoom() == 1.5
    compare(qtbot, dialog)
    assert view.zoom() == 1.5, "another figure of the same size is looked at as closely"
    qtbot.mouseClick(fit, Qt.MouseButton.LeftButton)
    assert view.fitted()
