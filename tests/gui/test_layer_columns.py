"""Columns of the layer tree fit what they show, by styling a few cells instead of all of them."""

import pytest
from PySide6.QtCore import QModelIndex, QSize, Qt
from PySide6.QtWidgets import QApplication, QTreeView
from pytestqt.qtbot import QtBot
from torchvision import models

from engine.networks.card import Card
from engine.networks.layer import Layer
from engine.networks.network import Network
from gui.panels.layer_model import Role
from gui.panels.network_tree import NetworkTreePanel

ROLES = (Role("content_layers", "Content"), Role("style_layers", "Style"))


@pytest.fixture(scope="module")
def nested() -> tuple[Layer, ...]:
    """SqueezeNet: Fire blocks with branches; weights do not matter for names."""
    module = models.squeezenet1_1(num_classes=5).eval()
    return Network(module, Card("s", "S", "squeezenet1_1")).layers()


@pytest.fixture
def panel(qtbot: QtBot, nested: tuple[Layer, ...]) -> NetworkTreePanel:
    panel = NetworkTreePanel()
    qtbot.addWidget(panel)
    panel.resize(300, 600)
    panel.set_network(nested, ())
    panel.set_roles(ROLES, True)
    panel.show()
    QApplication.processEvents()
    return panel


def names(panel: NetworkTreePanel) -> list[str]:
    index, found = panel.tree.model().index(0, 0), []
    while index.isValid():
        found.append(index.data())
        index = panel.tree.indexBelow(index)
    return found


def fits(panel: NetworkTreePanel) -> None:
    """What is measured is what Qt finds by styling every cell, in every column."""
    QApplication.processEvents()
    widths = panel.tree._widths
    assert widths is not None
    qts = [QTreeView.sizeHintForColumn(panel.tree, column) for column in range(7)]
    assert widths.measure() == qts


def test_columns_are_as_wide_as_qt_would_make_them(panel: NetworkTreePanel) -> None:
    fits(panel)
    panel.select("features.6.expand3x3")
    fits(panel)
    panel.set_weights({"style_layers": {"features.4": 0.125, "features.7": 12.5}}, set())
    fits(panel)
    panel.set_weights({"style_layers": {"features.4": 0.125}}, {"style_layers"})
    fits(panel)
    panel.tree.setRootIsDecorated(False)
    fits(panel)
    panel.select("features.6.squeeze", 3)  # channels have a box before their names
    assert "channel 3" in names(panel)
    fits(panel)
    panel.search.setText("relu")
    fits(panel)
    panel.search.setText("none is called so")
    QApplication.processEvents()
    assert not names(panel)


def test_another_font_is_measured_anew(panel: NetworkTreePanel) -> None:
    font = panel.tree.font()
    font.setPointSizeF(2 * font.pointSizeF())
    panel.tree.setFont(font)
    fits(panel)


def test_few_cells_are_styled_to_fit_the_columns(
    panel: NetworkTreePanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.tree.setCurrentIndex(panel.tree.model().index(0, 0))
    panel.tree.expandRecursively(panel.tree.model().index(0, 0), 1)
    QApplication.processEvents()
    styled: list[QModelIndex] = []
    original = panel.tree.sizeHintForIndex

    def counted(index: QModelIndex) -> QSize:
        styled.append(index)
        return original(index)

    monkeypatch.setattr(panel.tree, "sizeHintForIndex", counted)
    panel.tree.fit_columns()
    assert 0 < len(styled) < len(names(panel)), "not even one a row"


def test_the_asterisk_unfolds_all_layers_below_but_no_channels(
    qtbot: QtBot, panel: NetworkTreePanel, nested: tuple[Layer, ...]
) -> None:
    folded = names(panel)
    panel.tree.setCurrentIndex(panel.tree.model().index(0, 0))
    qtbot.keyClick(panel.tree, Qt.Key.Key_Asterisk)
    below = [layer for layer in nested[0].flat() if layer is not nested[0]]
    assert len(names(panel)) == len(folded) + len(below)
    assert not any(name.startswith("channel") for name in names(panel))
    # On a layer without layers below it, it unfolds the channels.
    panel.select("features.3.squeeze")
    qtbot.keyClick(panel.tree, Qt.Key.Key_Asterisk)
    assert names(panel).count("channel 15") == 1


# -- names of blocks: GoogLeNet's ------------------------------------------------------------------


def block(name: str) -> Layer:
    below = tuple(
        Layer(f"{name}.{own}", f"{name}/{shown}", "Conv2d", 16, (28, 28), 91)
        for own, shown in (("conv_1x1", "1x1"), ("relu_5x5_reduce", "relu_5x5_reduce"))
    )
    return Layer(name, f"{name}/output", "Inception", 256, (28, 28), 91, below)


BLOCKS = (
    Layer("conv2_3x3_reduce", "conv2/3x3_reduce", "Conv2d", 64, (56, 56), 11),
    Layer("conv2_relu_3x3_reduce", "conv2/relu_3x3_reduce", "ReLU", 64, (56, 56), 11),
    *(block(f"inception_{which}") for which in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a")),
)


@pytest.fixture
def blocks(panel: NetworkTreePanel) -> NetworkTreePanel:
    panel.set_network(BLOCKS, ())
    QApplication.processEvents()
    return panel


def test_rows_below_a_block_do_not_repeat_its_name(blocks: NetworkTreePanel) -> None:
    blocks.select("inception_4c/relu_5x5_reduce")
    shown = names(blocks)
    at = shown.index("inception_4c/output")
    assert shown[at + 1 : at + 3] == ["1x1", "relu_5x5_reduce"]
    whole = "inception_4c/relu_5x5_reduce (inception_4c.relu_5x5_reduce)"
    row = blocks.tree.currentIndex()
    assert row.data(Qt.ItemDataRole.ToolTipRole) == whole
    assert row.data(Qt.ItemDataRole.AccessibleTextRole) == whole


def test_names_come_before_facts_and_nothing_is_out_of_sight(blocks: NetworkTreePanel) -> None:
    tree, facts = blocks.tree, range(3, 7)
    blocks.resize(330, 600)
    QApplication.processEvents()
    assert tree.columnWidth(0) >= QTreeView.sizeHintForColumn(tree, 0), "no name is shortened"
    assert tree.horizontalScrollBar().maximum() == 0
    assert any(tree.isColumnHidden(column) for column in facts)
    blocks.resize(900, 600)
    QApplication.processEvents()
    assert not any(tree.isColumnHidden(column) for column in facts)
    kind = tree._facts[0]
    assert kind.isChecked()
    blocks.resize(330, 600)
    QApplication.processEvents()
    assert not kind.isChecked(), "the menu tells what is shown"
    kind.trigger()
    QApplication.processEvents()
    assert not tree.isColumnHidden(3), "what a person asks for is shown, room or not"
    assert tree.horizontalScrollBar().maximum() > 0
    kind.trigger()
    blocks.resize(900, 600)
    QApplication.processEvents()
    assert [tree.isColumnHidden(column) for column in facts] == [True, False, False, False]


def test_shortened_names_still_differ(blocks: NetworkTreePanel) -> None:
    tree = blocks.tree
    blocks.resize(150, 600)  # names are as narrow as they get
    QApplication.processEvents()
    room = tree.columnWidth(0) - tree.indentation() - 8
    metrics, mode = tree.fontMetrics(), tree.textElideMode()
    seen = [metrics.elidedText(name, mode, room) for name in names(blocks)]
    assert any(text != name for text, name in zip(seen, names(blocks), strict=True))
    assert len(set(seen)) == len(seen)
