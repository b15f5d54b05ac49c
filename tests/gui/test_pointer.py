"""What the pointer does on the picture: values, receptive fields, the occluder; other targets."""

from collections import OrderedDict

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.attribution.heat import Heat, cell_on
from engine.attribution.registry import find_method
from engine.attribution.unit_name import UnitName
from engine.image import open_picture
from engine.inspection.receptive_field import Axis
from engine.looking.occluder import pixels_of
from engine.looking.unit_field import last_layer, unit_on
from gui.dialogs.cut_out import CutOutDialog
from gui.flow.cut_out import cut_out_dialog
from gui.flow.pointer import EFFECTIVE, FIELD, THEORETICAL
from gui.main_window import MainWindow
from gui.panels.top_classes import TopClasses
from gui.run.latest import LatestOnly
from gui.run.looking import NetworkView, PictureQuery
from gui.run.maps import MapsWorker
from gui.run.networks import Networks
from tests.gui.looks import as_seen, covered, maps_request, unit_field
from tests.gui.stories import CAT, until

NETWORKS = Networks()


def plain_image(width: int, height: int) -> QImage:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    for x in range(width):
        for y in range(height):
            image.setPixelColor(x, y, QColor(x * 2 % 256, y * 5 % 256, (x * y) % 256))
    return image


def place(window: MainWindow, x: float, y: float) -> QPoint:
    """A place of the picture, as parts of its sides, in the viewport."""
    rect = window.canvas._picture_rect()
    point = QPointF(rect.left() + x * rect.width(), rect.top() + y * rect.height())
    return point.toPoint()


# -- coordinates, by hand ---------------------------------------------------------------------


def test_the_unit_is_the_one_whose_field_has_its_middle_nearest() -> None:
    # A window of 8 px at a stride of 8: unit i sees the pixels 8 i to 8 i + 7, of 100 px there are
    # 12 units, and the last 4 pixels are nobody's.
    axis = Axis().through(8, 8, 0)
    assert [unit_on(axis, 12, 100, x) for x in (0, 7.5, 8.5, 15.9, 50.0, 95.5, 99.5)] == [
        0, 0, 1, 1, 6, 11, 11,
    ]  # fmt: skip
    # A window of 3 px at a stride of 2 with one pixel of padding: unit i sees 2 i - 1 to 2 i + 1.
    axis = Axis().through(3, 2, 1)
    assert [unit_on(axis, 25, 50, y) for y in (0.5, 1.4, 1.6, 2.5, 48.5, 49.5)] == [
        0, 0, 1, 1, 24, 24,
    ]  # fmt: skip
    assert unit_on(Axis(whole=True), 4, 100, 60.0) == 2


def test_a_cell_is_an_equal_part() -> None:
    assert [cell_on(4, 100, x) for x in (0, 24.9, 25, 99.9, 100)] == [0, 0, 1, 3, 3]


def test_a_value_is_found_in_a_map_that_is_not_square() -> None:
    heat = Heat(find_method("gradient"), np.arange(6, dtype=np.float32).reshape(2, 3))
    found = [heat.value_at(at) for at in ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.5, 0.6), (1, 1))]
    assert found == [0, 2, 3, 4, 5]


def test_a_square_of_a_wide_picture_becomes_pixels() -> None:
    # A fifth of the short side of 100 x 50 is 10 px; looked at in 200 x 100 it is 20 px wide.
    assert pixels_of((0.3, 0.2, 0.4, 0.4), (100, 200)) == (60, 20, 80, 40)
    assert pixels_of((-0.1, 0.9, 0.1, 1.1), (100, 200)) == (-20, 90, 20, 110)
    assert pixels_of((0.5, 0.5, 0.5, 0.5), (100, 200)) == (100, 50, 101, 51)


def test_the_field_of_a_wide_picture(qapp: QApplication) -> None:
    # 100 x 50 is looked at in 256 x 128 px. A unit of relu3_1 sees 24 px (two convolutions, a pool,
    # two convolutions, a pool, one convolution: 1 + 2 + 2 + 1 + 4 + 4 + 2 + 8), one every 4 px:
    # from 4 i - 10 to 4 i + 13, with its middle at 4 i + 2.
    query = PictureQuery(plain_image(100, 50), "slim_vgg", None, "cpu")
    seen = unit_field(NetworkView(NETWORKS), query, "relu3_1", None, (0.25, 0.5))
    assert seen.size == (128, 256)
    assert seen.side == (24, 24)
    assert seen.unit in ((15, 15), (16, 16), (15, 16), (16, 15))  # x at 64, y at 64: a tie
    row, column = seen.unit
    assert seen.theoretical == (4 * row - 10, 4 * column - 10, 4 * row + 14, 4 * column + 14)
    assert seen.effective is not None
    top, left, bottom, right = seen.effective
    assert bottom - top < 24 > right - left
    assert seen.overlay.shape[:2] == (128, 256)
    assert seen.overlay[64, 4 * column + 20, 3] == 0
    inside = [seen.overlay[4 * row + x, 4 * column + x, 3] for x in range(-2, 6)]
    assert max(inside) > 20


def test_the_field_at_a_corner_is_cut_off(qapp: QApplication) -> None:
    query = PictureQuery(plain_image(100, 50), "slim_vgg", None, "cpu")
    seen = unit_field(NetworkView(NETWORKS), query, "relu3_1", None, (0.999, 0.001))
    assert seen.unit == (0, 63)
    assert seen.theoretical == (0, 242, 14, 256)


def test_covered_pictures_are_asked_as_a_person_sees_them(qapp: QApplication) -> None:

    image, network = plain_image(100, 50), NETWORKS.get("slim_vgg")
    query, view = PictureQuery(image, "slim_vgg", None, "cpu"), NetworkView(NETWORKS)
    found = covered(view, query, "gray", QRectF(0.25, 0.5, 0.125, 0.25), 3)
    assert (found.size, found.box) == ((128, 256), (64, 64, 96, 96))
    picture = as_seen(image, network)
    before = network.logits(picture)[0].double()
    picture[..., 64:96, 64:96] = 0.5
    after = network.logits(picture)[0].double()
    assert found.answers == pytest.approx((float(before[3]), float(after[3])), abs=1e-4)
    assert [row[0] for row in found.top] == after.topk(5).indices.tolist()
    assert [row[2] for row in found.top] == pytest.approx(after.softmax(0).topk(5).values.tolist())
    likely = int(after.argmax())
    assert found.before[likely] == pytest.approx(float(before.softmax(0)[likely]), abs=1e-6)
    assert set(found.cover[0, 0]) <= {0x80, 0x7F}
    again = covered(view, query, "gray", QRectF(0.25, 0.5, 0.125, 0.25), 3)
    assert again.answers == found.answers, "the picture itself is whole"


def test_the_mean_fill_is_the_colour_that_the_network_takes_off(qapp: QApplication) -> None:
    query = PictureQuery(plain_image(60, 60), "slim_vgg", None, "cpu")
    found = covered(NetworkView(NETWORKS), query, "mean", QRectF(0, 0, 0.5, 0.5), None)
    p = NETWORKS.get("slim_vgg").card.preprocessing
    mean = [round(255 * m / p.scale) for m in (p.mean if p.order == "RGB" else p.mean[::-1])]
    assert found.cover[0, 0].tolist() == pytest.approx(mean, abs=1)


# -- requests -----------------------------------------------------------------------------------


def test_one_request_at_a_time_and_the_newest_counts(window: MainWindow, qtbot: QtBot) -> None:
    begun: list[int] = []
    heard: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        QTest.qSleep(60)
        return number

    newest = LatestOnly(window.background, heard.append, pytest.fail)
    for number in range(20):
        newest.ask(lambda number=number: work(number))
        QApplication.processEvents()
    until(qtbot, lambda: heard and not newest.busy)
    assert heard[-1] == 19
    assert len(begun) < 20
    newest.ask(lambda: work(20))
    newest.forget()
    until(qtbot, lambda: not newest.busy)
    assert heard[-1] == 19, "what was forgotten is not heard of"


# -- in the window --------------------------------------------------------------------------------


def looked(window: MainWindow, qtbot: QtBot) -> None:
    window.docks["sight"].raise_()
    window.live_maps_flow.watch(True)
    until(qtbot, lambda: window.live_maps_flow.answer is not None)


def test_values_are_told_while_a_map_is_shown(window: MainWindow, qtbot: QtBot) -> None:
    flow, label = window.live_maps_flow, window.pointer_flow.value
    QTest.mouseMove(window.canvas.viewport(), place(window, 0.3, 0.3))
    QTest.mouseMove(window.canvas.viewport(), place(window, 0.7, 0.4))
    assert label.text() == ""
    window.actions_table["grad_cam"].setChecked(True)
    until(qtbot, lambda: flow.answer is not None and flow.answer.grad_cam is not None)
    answer = flow.answer
    assert answer is not None
    assert answer.grad_cam is not None
    assert answer.grid is not None
    # 64 x 43 px on the canvas; the map's rows and columns are in the network's size.
    at = window.pointer_flow.at
    assert at is not None
    logical = window.canvas.logical_size()
    x, y = at.x() / logical.width(), at.y() / logical.height()
    height, width = answer.grad_cam.values.shape
    value = answer.grad_cam.values[int(y * height), int(x * width)]
    row, column = int(y * answer.grid[0]), int(x * answer.grid[1])
    assert label.text() == f"Grad-CAM {value:.4g} ({answer.layer} cell {row}, {column})"
    QTest.mouseMove(window.canvas.viewport(), QPoint(1, 1))
    assert label.text() == ""
    QTest.mouseMove(window.canvas.viewport(), place(window, 0.7, 0.4))
    assert label.text()
    window.actions_table["grad_cam"].setChecked(False)
    QTest.mouseMove(window.canvas.viewport(), place(window, 0.71, 0.42))
    assert label.text() == ""


def test_the_receptive_field_follows_the_pointer(window: MainWindow, qtbot: QtBot) -> None:
    window.live_maps.select_layer("relu3_1")
    window.actions_table["receptive_field"].setChecked(True)
    canvas, flow = window.canvas, window.pointer_flow
    QTest.mouseMove(canvas.viewport(), place(window, 0.2, 0.2))
    QTest.mouseMove(canvas.viewport(), place(window, 0.5, 0.5))
    until(qtbot, lambda: flow.seen is not None and not flow.busy)
    first = flow.seen
    assert first is not None
    marks = canvas.marks()
    assert set(marks) == {THEORETICAL, EFFECTIVE}
    assert FIELD in canvas.overlays()
    logical = canvas.logical_size()
    box = marks[THEORETICAL].rect
    assert box.width() == pytest.approx(24 * logical.width() / first.size[1])
    assert box.height() == pytest.approx(24 * logical.height() / first.size[0])
    assert flow.at is not None
    assert box.contains(flow.at)
    assert marks[THEORETICAL].rect.contains(marks[EFFECTIVE].rect)
    assert canvas.note().startswith("relu3_1 at ")
    assert "theoretical 24 px, effective" in canvas.note()
    assert "To choose another layer, select it in the network tree." in canvas.note()
    QTest.mouseMove(canvas.viewport(), place(window, 0.8, 0.3))
    until(qtbot, lambda: flow.seen is not first and not flow.busy)
    assert flow.seen is not None
    assert flow.seen.unit[1] > first.unit[1]
    assert flow.seen.unit[0] < first.unit[0]
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert not window.actions_table["receptive_field"].isChecked()
    assert not canvas.marks()
    assert canvas.note() == ""
    assert FIELD not in canvas.overlays()
    assert canvas.tool() == ""


def test_the_occluder_follows_pointer_wheel_and_keys(window: MainWindow, qtbot: QtBot) -> None:
    looked(window, qtbot)
    canvas, flow, actions = window.canvas, window.occluder_flow, window.actions_table
    before = window.live_maps.top.rows()
    assert all(change is None for _, change in before)
    window.live_maps.occluder.setChecked(True)
    assert actions["occluder"].isChecked()
    until(qtbot, lambda: flow.covered is not None and not flow.busy)
    view, left = canvas.viewport(), Qt.MouseButton.LeftButton
    QTest.mousePress(view, left, pos=place(window, 0.3, 0.3))
    QTest.mouseMove(view, place(window, 0.6, 0.4))
    QTest.mouseMove(view, place(window, 0.7, 0.6))
    QTest.mouseRelease(view, left, pos=place(window, 0.7, 0.6))
    square = flow.square()
    size = canvas.logical_size()
    assert square.center().x() / size.width() == pytest.approx(0.7, abs=0.02)
    assert square.center().y() / size.height() == pytest.approx(0.6, abs=0.02)
    assert square.width() == square.height() == pytest.approx(0.25 * size.height())
    until(qtbot, lambda: not flow.busy)
    found = flow.covered
    assert found is not None
    box = QRectF(
        square.x() / size.width(), square.y() / size.height(), square.width() / size.width(),
        square.height() / size.height(),
    )  # fmt: skip
    edges = box.left(), box.top(), box.right(), box.bottom()
    assert found.box == pixels_of(edges, found.size)
    assert canvas.marks()["occluder"].rect == square
    assert canvas.marks()["occluder"].cover is not None
    rows = window.live_maps.top.rows()
    assert [one[2] for one, _ in rows] == [row[2] for row in found.top]
    assert all(change is not None for _, change in rows)
    assert found.target_name in canvas.note()
    QTest.keyClick(canvas, Qt.Key.Key_Left)
    assert flow.square().center().x() == pytest.approx(square.center().x() - square.width() / 4)
    spot = QPointF(place(window, 0.5, 0.5))
    for modifier, grown in ((Qt.KeyboardModifier.ShiftModifier, True),
                            (Qt.KeyboardModifier.NoModifier, False)):  # fmt: skip
        was, zoom = window.live_maps.occluder.size_box.value(), canvas.zoom()
        turned = QWheelEvent(
            spot, canvas.viewport().mapToGlobal(spot), QPoint(), QPoint(0, 120),
            Qt.MouseButton.NoButton, modifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(canvas.viewport(), turned)
        assert (window.live_maps.occluder.size_box.value() > was) is grown
        assert (canvas.zoom() == zoom) is grown
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert not window.live_maps.occluder.isChecked()
    assert not actions["occluder"].isChecked()
    assert not canvas.marks()
    assert window.live_maps.top.rows() == before
    until(qtbot, lambda: not flow.busy)
    assert not canvas.marks(), "a late answer brings nothing back"


def test_one_tool_at_a_time(window: MainWindow, qtbot: QtBot) -> None:
    actions, canvas = window.actions_table, window.canvas
    actions["receptive_field"].setChecked(True)
    actions["occluder"].setChecked(True)
    assert not actions["receptive_field"].isChecked()
    assert canvas.tool() == "drag"
    actions["receptive_field"].setChecked(True)
    assert not actions["occluder"].isChecked()
    assert canvas.tool() == "point"
    actions["receptive_field"].setChecked(False)
    assert canvas.tool() == ""
    until(qtbot, lambda: not window.background.busy)


def test_bars_tell_the_change(qtbot: QtBot) -> None:
    bars = TopClasses()
    qtbot.addWidget(bars)
    bars.show_classes([(1, "cat", 0.7), (2, "dog", 0.2)], 1)
    assert bars.toolTip() == "cat 70.0%\ndog 20.0%"
    bars.show_covered([(2, "dog", 0.5), (1, "cat", 0.25)], {2: 0.2, 1: 0.7})
    assert bars.toolTip() == "dog 50.0%  +30.0\ncat 25.0%  \u221245.0"
    bars.show_classes([(1, "cat", 0.6)], 1)
    assert "dog" in bars.toolTip()
    bars.end_covered()
    assert bars.toolTip() == "cat 60.0%"


# -- units as targets -----------------------------------------------------------------------------


def test_a_channel_becomes_the_target(window: MainWindow, qtbot: QtBot) -> None:
    looked(window, qtbot)
    flow = window.live_maps_flow
    window.tree.layer_activated.emit("relu3_1", 5)
    assert not window.live_maps.map_settings().unit, "its window opens, the maps stay"
    channel = window.inspection.channel_window
    assert channel is not None
    qtbot.mouseClick(channel.target, Qt.MouseButton.LeftButton)
    channel.close()
    assert window.live_maps.map_settings().unit == "relu3_1:5"
    assert window.live_maps.target.line.isVisibleTo(window.live_maps)
    assert not window.live_maps.class_box.isVisibleTo(window.live_maps)
    window.actions_table["saliency"].setChecked(True)
    until(
        qtbot, lambda: flow.answer and flow.answer.saliency and flow.answer.activation is not None
    )
    assert flow.answer is not None
    assert window.live_maps.said.text().startswith("relu3_1 channel 5 at ")
    assert flow.answer.saliency is not None
    rows, columns = np.nonzero(flow.answer.saliency.values)
    assert np.ptp(rows) < 24 > np.ptp(columns), "a unit of relu3_1 sees 24 px"
    window.live_maps.target.line.setText("relu3_1:banana")
    window.live_maps.target.line.editingFinished.emit()
    until(qtbot, lambda: "banana" in window.live_maps.said.text())
    window.live_maps.target.line.setText("relu3_1:5:2,3")
    window.live_maps.target.line.editingFinished.emit()
    until(qtbot, lambda: window.live_maps.said.text().startswith("relu3_1 channel 5 at 2, 3: "))
    map_settings = window.live_maps.map_settings()
    window.live_maps.target.set_unit("")
    assert window.live_maps.map_settings().unit == ""
    window.live_maps.set_map_settings(map_settings)
    assert window.live_maps.map_settings() == map_settings


def test_a_unit_needs_no_classes(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import nn

    from engine.networks.card import Card
    from engine.networks.network import Network

    layers = (nn.Conv2d(3, 4, 3, padding=1), nn.GELU(), nn.Conv2d(4, 4, 3, padding=1))
    network = Network(nn.Sequential(*layers), Card("smooth", "Smooth", "some", input_size=32))
    networks = Networks()
    monkeypatch.setattr(networks, "get", lambda *_: network)
    asked = maps_request(
        plain_image(40, 32), "smooth", None, "cpu", None, "guided backprop", "Grad-CAM",
        unit=UnitName("2", 1, (4, 5)),
    )  # fmt: skip
    answer = MapsWorker(networks).answer(asked)
    assert answer.top == ()
    assert answer.target_name == "2 channel 1 at 4, 5"
    assert answer.saliency is not None
    assert answer.grad_cam is not None
    assert (answer.layer, answer.grid) == ("1", (32, 40))
    assert answer.plain == ("GELU",)


# -- cutting out ----------------------------------------------------------------------------------


def test_the_object_is_cut_out_and_written(
    window: MainWindow, qtbot: QtBot, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = window.networks.get("slim_vgg").classes[7]
    window.live_maps.choose_class(7)
    dialog = cut_out_dialog(window)
    assert isinstance(dialog, CutOutDialog)
    dialog.show()
    until(qtbot, lambda: dialog.selection is not None)
    assert dialog.selection is not None
    assert dialog.whose.text() == f"Saliency: gradient of class {name}"
    assert dialog.windowTitle() == f"Cut out the object: {name}"
    first = dialog.selection
    dialog.foreground.setValue(60)
    until(qtbot, lambda: dialog.selection is not first and not dialog.busy)
    assert dialog.selection.mask.sum() != first.mask.sum()
    dialog.backdrop.setValue(80)
    assert dialog.foreground.value() == 81
    until(qtbot, lambda: not dialog.busy)
    folder = tmp_path_factory.mktemp("cut")
    dialog.write(folder / "mask.png", mask=True)
    dialog.write(folder / "cut.png", mask=False)
    until(qtbot, lambda: not window.background.busy)
    photo = open_picture(CAT)
    mask, cut = open_picture(folder / "mask.png"), open_picture(folder / "cut.png")
    assert (mask.width, mask.height) == (cut.width, cut.height) == (photo.width, photo.height)
    assert cut.alpha is not None
    assert np.array_equal(cut.alpha, mask.rgb[..., 0])
    assert np.array_equal(cut.rgb, photo.rgb)
    share = dialog.selection.mask.mean()
    assert mask.rgb[..., 0].mean() == pytest.approx(share, abs=0.02)
    dialog.write(folder / "mask.jpg", mask=True)
    until(qtbot, lambda: "must end in .png" in dialog.said.text())
    dialog.close()


def test_the_cut_out_of_a_unit_names_it(window: MainWindow, qtbot: QtBot) -> None:
    window.live_maps.target.set_unit("relu3_1:5")
    dialog = cut_out_dialog(window)
    assert isinstance(dialog, CutOutDialog)
    dialog.show()
    until(qtbot, lambda: dialog.whose.text())
    assert dialog.whose.text() == "Saliency: gradient of unit relu3_1 channel 5"
    dialog.close()
    until(qtbot, lambda: not window.background.busy)


# -- the layer that is looked at by itself ----------------------------------------------------------


def test_the_last_map_is_a_layer_and_no_container_of_layers() -> None:
    from torch import nn

    from engine.networks.card import Card
    from engine.networks.network import Network

    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    module = nn.Sequential(OrderedDict(features=inner, flat=nn.Flatten()))
    card = Card("nested", "Nested", "some", input_size=16)
    assert last_layer(Network(module, card), (16, 16)) == "features.1.1"
    named = Network(module, card, aliases={"end": "features.1"})
    assert last_layer(named, (16, 16)) == "end", "a name in the literature is a layer's"
