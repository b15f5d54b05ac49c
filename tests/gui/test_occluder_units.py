"""The occluder asked about a unit: its activation at one place, before and with a square covered."""

from pathlib import Path

import pytest
import torch
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from torch import nn

from engine.attribution.unit_name import UnitName
from engine.errors import BadInput
from engine.looking.answer import OccluderAnswer
from engine.networks.card import BYTES, Card
from engine.networks.network import Network
from gui.dialogs.compare import CompareDialog
from gui.main_window import MainWindow
from gui.run.looking import NetworkView, PictureQuery
from gui.run.networks import Networks
from tests.gui.looks import covered
from tests.gui.stories import until

BRIGHT, SECOND = (5, 1), (6, 2)
"""Column and row of the brightest pixel, and of the next."""


def spotted() -> QImage:
    """8 x 4 pixels, dark but for two."""
    image = QImage(8, 4, QImage.Format.Format_RGB32)
    image.fill(QColor(10, 20, 30))
    image.setPixelColor(*BRIGHT, QColor(240, 200, 100))
    image.setPixelColor(*SECOND, QColor(200, 150, 90))
    return image


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> NetworkView:
    """Of a network without classes, with two convolutions; pictures are 0 to 255 to it."""
    torch.manual_seed(4)
    layers = (nn.Conv2d(3, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 2, 3, padding=1))
    layers[0].weight.data.abs_().mul_(0.01)  # where the picture is bright, all is high
    layers[2].weight.data.abs_()
    network = Network(nn.Sequential(*layers), Card("tiny", "Tiny", "some", BYTES, input_size=4))
    networks = Networks()
    monkeypatch.setattr(networks, "get", lambda *_: network)
    return NetworkView(networks)


def asked(
    view: NetworkView, square: QRectF, unit: UnitName | None, kind: str = "black"
) -> OccluderAnswer:
    return covered(view, PictureQuery(spotted(), "tiny", None, "cpu"), kind, square, unit)


@pytest.mark.parametrize(
    ("square", "rows", "columns"),
    [
        (QRectF(0.5, 0.0, 0.25, 0.5), slice(0, 2), slice(4, 6)),  # over the brightest pixel
        (QRectF(-0.25, -0.5, 0.5, 1.0), slice(0, 2), slice(0, 2)),  # half outside
        (QRectF(0.875, 0.75, 0.5, 0.5), slice(3, 4), slice(7, 8)),
    ],
)
def test_it_equals_a_square_that_is_covered_by_hand(
    qapp: QApplication, view: NetworkView, square: QRectF, rows: slice, columns: slice
) -> None:
    network = view.network(PictureQuery(spotted(), "tiny", None, "cpu"))
    pixels = [[spotted().pixelColor(x, y).getRgb()[:3] for x in range(8)] for y in range(4)]
    x = torch.tensor(pixels).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        whole = network.module(x)[0, 1]
        place = divmod(int(whole.argmax()), 8)
        x[..., rows, columns] = 0
        now = network.module(x)[0, 1]
    found = asked(view, square, UnitName("2", 1))
    assert found.target_name == f"2 channel 1 at {place[0]}, {place[1]}"
    assert found.answers == pytest.approx((float(whole[place]), float(now[place])), rel=1e-5)
    assert found.chances is None
    assert (found.top, found.before) == ((), {})
    if columns == slice(4, 6):
        assert int(now.argmax()) != int(whole.argmax()), "it would be highest elsewhere now"
        assert found.answers[1] < found.answers[0]


def test_a_place_can_be_given_and_far_squares_change_nothing(
    qapp: QApplication, view: NetworkView
) -> None:
    found = asked(view, QRectF(0.75, 0.0, 0.25, 1.0), UnitName("2", 0, (1, 0)))
    assert found.target_name == "2 channel 0 at 1, 0"
    assert found.answers[0] == found.answers[1], "two convolutions of 3 x 3 see two pixels around"


def test_a_square_once_covered_leaves_nothing_behind(qapp: QApplication, view: NetworkView) -> None:
    first = asked(view, QRectF(0.5, 0.0, 0.25, 0.5), UnitName("2", 1))
    asked(view, QRectF(0, 0, 1, 1), UnitName("2", 1))
    again = asked(view, QRectF(0.5, 0.0, 0.25, 0.5), UnitName("2", 1))
    assert again.answers == first.answers


def test_what_is_no_unit_is_said(qapp: QApplication, view: NetworkView) -> None:
    square = QRectF(0, 0, 0.5, 0.5)
    for unit, words in ((UnitName("9", 0), "no layer '9'"), (UnitName("2", 7), "no channel 7"),
                        (None, "no classifier")):  # fmt: skip
        with pytest.raises(BadInput, match=words):
            asked(view, square, unit)


# -- in the window --------------------------------------------------------------------------------


def test_the_note_tells_of_the_unit_and_the_classes_stay(window: MainWindow, qtbot: QtBot) -> None:
    window.docks["sight"].raise_()
    window.live_maps_flow.watch(True)
    window.live_maps.target.set_unit("relu3_1:5")
    until(qtbot, lambda: window.live_maps_flow.answer and window.live_maps_flow.answer.activation)
    answer, flow = window.live_maps_flow.answer, window.occluder_flow
    assert answer is not None
    window.actions_table["occluder"].setChecked(True)
    until(qtbot, lambda: flow.covered is not None and not flow.busy)
    assert flow.covered is not None
    assert flow.covered.target_name == answer.target_name
    assert flow.covered.answers[0] == pytest.approx(answer.activation, rel=1e-4)
    assert len(window.live_maps.top.rows()) == 5
    row, column = (int(n) for n in answer.target_name.rpartition(" at ")[2].split(","))
    height, width = flow.covered.size
    # One unit of relu3_1 stands for 4 px; the square goes over its middle.
    flow._move_to((4 * column + 2) / width, (4 * row + 2) / height)
    until(qtbot, lambda: flow.covered is not None and not flow.busy)
    before, now = flow.covered.answers
    assert now < 0.9 * before
    note = window.canvas.note()
    assert note.startswith(f"{answer.target_name}: {before:.4g} → {now:.4g} (−")
    assert "logit" not in note
    window.live_maps.target.set_unit("")
    until(qtbot, lambda: "logit" in window.canvas.note())
    window.actions_table["occluder"].setChecked(False)


def test_a_wrong_unit_is_said_and_the_square_stays(window: MainWindow, qtbot: QtBot) -> None:
    flow, canvas = window.occluder_flow, window.canvas
    window.actions_table["occluder"].setChecked(True)
    window.live_maps.target.set_unit("relu3_1:9999")
    until(qtbot, lambda: "no channel 9999" in canvas.note())
    assert flow.on
    assert set(canvas.marks()) == {"occluder"}
    window.live_maps.target.set_unit("relu3_1:5")
    until(qtbot, lambda: canvas.note().startswith("relu3_1 channel 5 at "))
    window.actions_table["occluder"].setChecked(False)
    until(qtbot, lambda: not flow.busy)


def test_a_network_without_classes_is_asked_query_units(
    window: MainWindow, qtbot: QtBot, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(data_folder / "weights"))
    window.studio.set_network("vgg19")
    until(qtbot, lambda: window.layers.here and not window.layers.here.network.classes)
    window.actions_table["occluder"].setChecked(True)
    assert "no classes" in window.canvas.note()
    assert window.canvas.marks()
    window.live_maps.target.set_unit("relu1_1:3")
    until(qtbot, lambda: window.canvas.note().startswith("relu1_1 channel 3 at "))
    assert window.live_maps.top.rows() == []
    window.actions_table["occluder"].setChecked(False)
    dialog = window.dialogs.compare_dialog()
    assert isinstance(dialog, CompareDialog)
    dialog.show()
    assert dialog.choices.units.text() == "relu1_1:3"
    dialog.choices.units.clear()
    dialog.start()
    assert "no classes" in dialog.said.text()
    QTest.keyClicks(dialog.choices.units, "relu1_1:3")
    for name, box in dialog.choices.boxes.items():
        box.setChecked(name == "gradient")
    dialog.start()
    until(qtbot, lambda: dialog.result_shown is not None)
    dialog.close()
