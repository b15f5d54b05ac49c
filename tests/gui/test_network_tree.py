"""The layer tree: what it shows of two networks, what its edits announce, what it keeps unfolded."""

from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QApplication, QDoubleSpinBox, QLabel, QLineEdit, QMenu, QToolButton
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot
from torchvision import models

from engine.networks.card import Card
from engine.networks.layer import Layer
from engine.networks.loading import load_network
from engine.networks.network import Network
from gui.panels.layer_model import LayerModel, Role, number_text
from gui.panels.network_tree import NetworkTreePanel

Layers = tuple[Layer, ...]
TRANSFER = (Role("content_layers", "Content"), Role("style_layers", "Style"))
DREAM = (Role("layers", "Dream"),)
KEYS = ("features.4", "features.6.expand3x3")
Data = Qt.ItemDataRole
ON, OFF = Qt.CheckState.Checked, Qt.CheckState.Unchecked


@pytest.fixture(scope="module")
def slim() -> Network:
    return load_network("slim_vgg")


@pytest.fixture(scope="module")
def nested() -> Layers:
    """SqueezeNet: Fire blocks with branches; weights do not matter for names."""
    module = models.squeezenet1_1(num_classes=5).eval()
    return Network(module, Card("s", "S", "squeezenet1_1")).layers()


@pytest.fixture
def model(slim: Network) -> LayerModel:
    model = LayerModel()
    model.set_layers(slim.layers())
    model.set_roles(TRANSFER, False)
    return model


@pytest.fixture
def panel(qtbot: QtBot, nested: Layers) -> NetworkTreePanel:
    panel = NetworkTreePanel()
    qtbot.addWidget(panel)
    panel.resize(300, 600)
    panel.set_network(nested, KEYS)
    panel.set_roles(DREAM, True)
    panel.show()
    QApplication.processEvents()  # columns are fitted once all is there
    return panel


def cell(model: LayerModel, name: str, column: int) -> QModelIndex:
    return model.find(name).siblingAtColumn(column)


def texts(model: LayerModel, name: str) -> list[Any]:
    return [cell(model, name, column).data() for column in range(model.columnCount())]


def shown(panel: NetworkTreePanel) -> list[str]:
    """The names in the rows that can be seen, from the top."""
    index, names = panel.tree.model().index(0, 0), []
    while index.isValid():
        names.append(index.data())
        index = panel.tree.indexBelow(index)
    return names


def spot(panel: NetworkTreePanel, column: int, left: int) -> QPoint:
    """A place in the current row, `left` pixels from where its cell begins."""
    area = panel.tree.visualRect(panel.tree.currentIndex().siblingAtColumn(column))
    return QPoint(area.left() + left, area.center().y())


@pytest.mark.parametrize("channels", [False, True])
def test_qts_own_checks_of_models(
    qtmodeltester: ModelTester, slim: Network, nested: Layers, channels: bool
) -> None:
    for layers in (slim.layers(), nested):
        model = LayerModel()
        model.set_roles(TRANSFER, channels)
        model.set_layers(layers)
        first = next(
            i for i in model.indexes() if not model.hasChildren(i) or model.canFetchMore(i)
        )
        model.fetchMore(first)
        assert (model.rowCount(first) > 0) == channels
        model.set_weights({"style_layers": {model.layer(first).name: 2.0}}, set())
        qtmodeltester.check(model)


def test_what_the_columns_say(model: LayerModel, nested: Layers) -> None:
    model.set_weights({"style_layers": {"relu2_1": 0.5}}, set())
    assert texts(model, "relu2_1") == ["relu2_1", None, "0.5", "ReLU", "64", "64x64", "10"]
    assert texts(model, "classifier") == ["classifier", None, None, "Linear", "101", "", "all"]
    titles = [model.headerData(i, Qt.Orientation.Horizontal) for i in range(7)]
    assert titles == ["Layer", "Content", "Style", "Kind", "Channels", "Size", "Sees"]

    model.set_layers(nested)
    assert texts(model, "features.3.expand3x3")[0] == "expand3x3"
    assert model.find("features.3.expand3x3").data(Data.ToolTipRole) == "features.3.expand3x3"
    assert model.find("features.3.expand3x3").parent() == model.find("features.3")


def test_width_comes_before_height(slim: Network, model: LayerModel) -> None:
    model.set_layers(slim.layers((64, 96)))
    assert cell(model, "conv1_1", 5).data() == "96x64"


def test_the_fields_name_comes_before_the_dotted_one() -> None:
    model = LayerModel()
    model.set_layers((Layer("features.22", "relu4_2", "ReLU", 512, (64, 48), 92),))
    index = model.index(0, 0)
    assert index.data() == "relu4_2"
    assert index.data(Data.ToolTipRole) == "relu4_2 (features.22)"
    assert model.find("relu4_2") == model.find("features.22") == index


@pytest.mark.parametrize(
    ("weight", "text"),
    [(1.0, "1"), (0.125, "0.125"), (0.3333, "0.333"), (0.0, "0"), (-0.0, "0"), (-2.5, "-2.5"),
     (1e-5, "1e-05"), (1000.0, "1000")],
)  # fmt: skip
def test_weights_are_written_short(weight: float, text: str) -> None:
    assert number_text(weight) == text


def test_only_maps_can_be_given_a_role(model: LayerModel) -> None:
    assert cell(model, "conv1_1", 1).data(Data.CheckStateRole) == OFF
    vector = cell(model, "classifier", 1)
    assert vector.data(Data.CheckStateRole) is None
    assert not model.setData(vector, ON, Data.CheckStateRole)
    # One that an opened project names can at least be taken out.
    model.set_weights({"content_layers": {"classifier": 1.0}}, set())
    assert vector.data(Data.CheckStateRole) == ON


def test_an_edit_is_announced_and_not_shown_before_it_comes_back(model: LayerModel) -> None:
    held = {"style_layers": {"relu1_1": 1.0, "relu3_1": 0.2}}
    model.set_weights(held, {"style_layers"})
    edits = QSignalSpy(model.role_edited)
    between = cell(model, "relu2_1", 2)
    assert model.setData(between, ON, Data.CheckStateRole)
    field, new = edits.at(0)
    assert field == "style_layers"
    assert list(new.items()) == [("relu1_1", 1.0), ("relu2_1", 1.0), ("relu3_1", 0.2)]
    assert between.data(Data.CheckStateRole) == OFF

    suggested = cell(model, "relu1_1", 2)
    assert suggested.data(Data.FontRole).italic()
    model.set_weights({field: new}, set())
    assert between.data(Data.CheckStateRole) == ON
    assert suggested.data(Data.FontRole) is None

    assert model.setData(cell(model, "relu3_1", 2), -5000.0, Data.EditRole)
    assert edits.at(1)[1] == {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": -1000.0}
    assert model.setData(cell(model, "relu1_1", 2), OFF, Data.CheckStateRole)
    assert edits.at(2)[1] == {"relu2_1": 1.0, "relu3_1": 0.2}
    assert held == {"style_layers": {"relu1_1": 1.0, "relu3_1": 0.2}}


def test_the_names_that_settings_use_are_kept() -> None:
    model = LayerModel()
    model.set_layers(
        (
            Layer("features.1", "relu1_1", "ReLU", 8, (9, 9), 3),
            Layer("features.3", "relu1_2", "ReLU", 8, (9, 9), 5),
        )
    )
    model.set_roles(DREAM, False)
    model.set_weights({"layers": {"features.1": 2.0, "unknown": 1.0}}, set())
    assert cell(model, "relu1_1", 1).data() == "2"
    edits = QSignalSpy(model.role_edited)
    model.setData(cell(model, "relu1_1", 1), 3.0, Data.EditRole)
    model.setData(cell(model, "relu1_2", 1), ON, Data.CheckStateRole)
    assert edits.at(0) == ["layers", {"features.1": 3.0, "unknown": 1.0}]
    assert edits.at(1) == ["layers", {"features.1": 2.0, "unknown": 1.0, "relu1_2": 1.0}]


def test_channels_unfold_when_asked_for_and_only_under_maps(nested: Layers) -> None:
    model = LayerModel()
    model.set_layers(nested)
    model.set_roles(DREAM, True)
    leaf, block = model.find("features.3.squeeze"), model.find("features.3")
    assert (model.rowCount(leaf), model.hasChildren(leaf)) == (0, True)
    assert not model.canFetchMore(block)
    model.fetchMore(leaf)
    assert model.rowCount(leaf) == 16
    channel = model.index(7, 0, leaf)
    assert (channel.data(), model.channel(channel), channel.parent()) == ("channel 7", 7, leaf)
    assert not model.hasChildren(channel)

    model.set_channels((2, 7))
    assert channel.data(Data.CheckStateRole) == OFF
    model.set_weights({"layers": {"features.3.squeeze": 1.0}}, set())
    assert channel.data(Data.CheckStateRole) == ON
    edits = QSignalSpy(model.channel_edited)
    model.setData(channel, OFF, Data.CheckStateRole)
    model.setData(model.index(4, 0, leaf), ON, Data.CheckStateRole)
    assert [edits.at(i) for i in range(2)] == [
        ["features.3.squeeze", (2,)],
        ["features.3.squeeze", (2, 4, 7)],
    ]
    model.set_roles(DREAM, False)
    assert not model.hasChildren(model.find("features.3.squeeze"))


def test_only_what_changed_is_said_to_have_changed(nested: Layers) -> None:
    model = LayerModel()
    model.set_layers(nested)
    model.set_roles(DREAM, True)
    leaf = model.find("features.3.squeeze")
    model.fetchMore(leaf)
    changes = QSignalSpy(model.dataChanged)
    model.set_channels((3, 99))
    assert [changes.at(i)[0].data() for i in range(changes.count())] == ["channel 3"]
    model.set_weights({"layers": {"features.3.squeeze": 1.0, "features.4": 2.0}}, set())
    changed = [changes.at(i)[0] for i in range(1, changes.count())]
    assert changed == [
        leaf.siblingAtColumn(1),
        model.index(3, 0, leaf),
        cell(model, "features.4", 1),
    ]
    model.set_weights({"layers": {"features.3.squeeze": 1.0, "features.4": 2.5}}, set())
    assert changes.count() == 5
    assert changes.at(4)[0] == cell(model, "features.4", 1)


def test_other_sizes_keep_the_rows(slim: Network, model: LayerModel) -> None:
    resets, changes = QSignalSpy(model.modelReset), QSignalSpy(model.dataChanged)
    assert model.set_layers(slim.layers((64, 96)))
    assert resets.count() == 0
    said = [(changes.at(i)[0], changes.at(i)[1]) for i in range(changes.count())]
    assert [(first.row(), last.row(), last.column()) for first, last in said] == [
        (0, model.rowCount() - 1, model.columnCount() - 1)
    ]
    layers = slim.layers()
    assert not model.set_layers((replace(layers[0], channels=3), *layers[1:]))
    assert resets.count() == 1


def test_weights_and_new_roles_leave_the_tree_unfolded(panel: NetworkTreePanel) -> None:
    panel.select("features.6.expand3x3")
    before = shown(panel)
    assert "expand3x3" in before
    panel.set_weights({"layers": {"features.4": 1.0}}, set())
    assert shown(panel) == before
    picked = QSignalSpy(panel.layer_selected)
    panel.set_roles(TRANSFER, False)
    assert shown(panel) == before
    assert panel.tree.currentIndex().data() == "expand3x3"
    assert picked.count() == 0


def test_key_layers_are_in_sight_at_first(panel: NetworkTreePanel) -> None:
    assert "expand3x3" in shown(panel)  # features.6.expand3x3 is one
    assert shown(panel).count("squeeze") == 1  # only the block that has it is unfolded


def test_search_by_name_and_kind(qtbot: QtBot, panel: NetworkTreePanel) -> None:
    before = shown(panel)
    search = panel.findChild(QLineEdit)
    panel.focus_search()
    qtbot.keyClicks(search, "12.squ")
    assert shown(panel) == ["features", "12", "squeeze", "squeeze_activation"]
    search.setText("avgpool")
    assert shown(panel) == ["classifier", "3"]
    search.setText("fire")
    blocks = [name for name in shown(panel) if name.isdigit()]
    assert blocks == ["3", "4", "6", "7", "9", "10", "11", "12"]
    search.clear()
    assert shown(panel) == before


def test_a_search_that_finds_nothing_says_so(panel: NetworkTreePanel) -> None:
    panel.findChild(QLineEdit).setText("no such layer")
    assert panel.tree.isHidden()
    assert any(
        x.isVisible() and x.text() == "No layer matches." for x in panel.findChildren(QLabel)
    )
    panel.findChild(QLineEdit).clear()
    assert panel.tree.isVisible()


def test_return_goes_from_the_search_to_the_first_layer_found(
    qtbot: QtBot, panel: NetworkTreePanel
) -> None:
    qtbot.keyClicks(panel.findChild(QLineEdit), "expand1x1")
    with qtbot.waitSignal(panel.layer_selected) as chosen:
        qtbot.keyClick(panel.findChild(QLineEdit), Qt.Key.Key_Return)
    assert chosen.args == ["features.3.expand1x1", None]


def test_key_layers_alone(qtbot: QtBot, panel: NetworkTreePanel) -> None:
    button = next(x for x in panel.findChildren(QToolButton) if x.text() == "Key layers")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert shown(panel) == ["features", "4", "6", "expand3x3"]
    panel.select("classifier.1")  # hidden: everything is shown again
    assert not button.isChecked()
    assert panel.tree.currentIndex().data() == "1"
    panel.set_network((), ())
    assert not button.isEnabled()


def test_what_is_current_is_told_and_described(qtbot: QtBot, panel: NetworkTreePanel) -> None:
    with qtbot.waitSignal(panel.layer_selected) as chosen:
        panel.select("features.6.expand3x3")
    assert chosen.args == ["features.6.expand3x3", None]
    with qtbot.waitSignal(panel.layer_selected) as chosen:
        panel.select("features.6.expand3x3", 3)
    assert chosen.args == ["features.6.expand3x3", 3]
    about = next(x for x in panel.findChildren(QLabel) if "positions" in x.text())
    assert about.text().startswith("features.6.expand3x3, channel 3\nConv2d, 128 channels, 27×27 ")
    with qtbot.waitSignal(panel.layer_activated) as activated:
        qtbot.keyClick(panel.tree, Qt.Key.Key_Return)
    assert activated.args == ["features.6.expand3x3", 3]


def test_space_switches_the_role_or_the_channel(qtbot: QtBot, panel: NetworkTreePanel) -> None:
    panel.select("features.4")
    with qtbot.waitSignal(panel.role_edited) as edit:
        qtbot.keyClick(panel.tree, Qt.Key.Key_Space)
    assert edit.args == ["layers", {"features.4": 1.0}]
    panel.set_weights({"layers": edit.args[1]}, set())
    with qtbot.waitSignal(panel.role_edited) as edit:
        qtbot.keyClick(panel.tree, Qt.Key.Key_Space)
    assert edit.args == ["layers", {}]
    panel.select("features.6.expand3x3", 5)
    with qtbot.waitSignal(panel.channel_edited) as edit:
        qtbot.keyClick(panel.tree, Qt.Key.Key_Space)
    assert edit.args == ["features.6.expand3x3", (5,)]


def test_a_click_into_the_box_switches_that_role(qtbot: QtBot, panel: NetworkTreePanel) -> None:
    panel.set_roles(TRANSFER, False)
    QApplication.processEvents()
    panel.select("features.4")
    view = panel.tree.viewport()
    with qtbot.waitSignal(panel.role_edited) as edit:
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=spot(panel, 2, 10))
    assert edit.args == ["style_layers", {"features.4": 1.0}]
    # Beside the box the click makes the cell current, and Space goes on with it.
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=spot(panel, 2, 35))
    with qtbot.waitSignal(panel.role_edited) as edit:
        qtbot.keyClick(panel.tree, Qt.Key.Key_Space)
    assert edit.args[0] == "style_layers"


def test_f2_edits_a_weight(qtbot: QtBot, panel: NetworkTreePanel) -> None:
    panel.set_weights({"layers": {"features.4": 0.33333, "features.7": 1.0}}, set())
    panel.select("features.4")
    edits = QSignalSpy(panel.role_edited)
    qtbot.keyClick(panel.tree, Qt.Key.Key_F2)
    box = panel.tree.findChild(QDoubleSpinBox)
    assert box.text() == "0.333"
    assert box.width() >= box.sizeHint().width()
    qtbot.keyClick(box, Qt.Key.Key_Return)
    QApplication.processEvents()  # Qt commits after the key has been handled
    assert edits.count() == 0  # what was not touched is not rounded

    panel.select("features.7")
    qtbot.keyClick(panel.tree, Qt.Key.Key_F2)
    box = next(x for x in panel.tree.findChildren(QDoubleSpinBox) if x.text() == "1")
    box.selectAll()
    qtbot.keyClicks(box, "-2.5")
    with qtbot.waitSignal(panel.role_edited) as edit:
        qtbot.keyClick(box, Qt.Key.Key_Return)
    assert edit.args == ["layers", {"features.4": 0.33333, "features.7": -2.5}]


@pytest.mark.qt_log_ignore("^This plugin does not support grabbing the keyboard")
def test_the_menu_gives_every_role_and_hides_columns(panel: NetworkTreePanel) -> None:
    panel.set_roles(TRANSFER, False)
    panel.set_weights({"content_layers": {"features.4": 1.0}, "style_layers": {}}, set())
    panel.select("features.4")
    edits = QSignalSpy(panel.role_edited)
    where = QPoint(5, 5)
    ask = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, where, panel.mapToGlobal(where))
    QApplication.sendEvent(panel.tree, ask)
    menu = next(x for x in panel.tree.findChildren(QMenu) if x.isVisible())
    actions = {action.text(): action for action in menu.actions()}
    assert actions["Content"].isChecked()
    assert not actions["Style"].isChecked()
    assert {"Weight of Content…", "Columns"} < set(actions)
    assert "Weight of Style…" not in actions
    actions["Style"].trigger()
    assert edits.at(0) == ["style_layers", {"features.4": 1.0}]
    actions["Weight of Content…"].trigger()
    assert panel.tree.findChild(QDoubleSpinBox).text() == "1"
    menu.close()

    panel.resize(900, 600)  # there is room for all of them
    QApplication.processEvents()
    columns = actions["Columns"].menu()
    next(x for x in columns.actions() if x.text() == "Kind").trigger()
    assert panel.tree.isColumnHidden(3)
    panel.set_roles(DREAM, False)
    QApplication.processEvents()
    hidden = [panel.tree.isColumnHidden(column) for column in range(6)]
    assert hidden == [False, False, True, False, False, False]


def test_names_and_roles_fit_into_a_narrow_panel(
    qtbot: QtBot, slim: Network, panel: NetworkTreePanel
) -> None:
    panel.set_network(slim.layers(), slim.card.layers)
    panel.set_roles(TRANSFER, False)
    panel.set_weights({"style_layers": {"relu3_1": 0.125}}, set())
    QApplication.processEvents()
    header, tree = panel.tree.header(), panel.tree
    assert header.sectionSize(0) >= tree.sizeHintForColumn(0)
    assert header.sectionSize(2) >= tree.sizeHintForColumn(2)
    assert sum(header.sectionSize(column) for column in range(3)) <= tree.viewport().width()
    panel.resize(900, 600)
    assert header.length() == tree.viewport().width()  # the names take the rest


def test_a_message_stands_in_for_the_tree(panel: NetworkTreePanel, nested: Layers) -> None:
    panel.set_message("Loading the network…")
    texts = [label.text() for label in panel.findChildren(QLabel) if label.isVisible()]
    assert panel.tree.isHidden()
    assert "Loading the network…" in texts
    panel.set_network(nested, KEYS)
    assert panel.tree.isVisible()


def test_another_network_starts_without_a_choice(slim: Network, panel: NetworkTreePanel) -> None:
    panel.select("features.4")
    panel.set_network(slim.layers(), slim.card.layers)
    assert not panel.tree.currentIndex().isValid()
    assert not any("features.4" in label.text() for label in panel.findChildren(QLabel))
    assert shown(panel)[0] == "conv1_1"
