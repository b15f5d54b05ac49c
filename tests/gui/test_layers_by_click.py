"""One layer, or several, and channels are chosen by clicking in the tree, in every technique."""

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from gui.main_window import MainWindow
from gui.panels.text_editors import TextEditor
from tests.gui.stories import click, until, until_idle

CHECKED = Qt.CheckState.Checked


def tick(window: MainWindow, layer: str, channel: int | None = None, on: bool = True) -> None:
    """Tick a layer's box in the first role, or that of one of its channels."""
    model = window.tree.model
    index = model.find(layer)
    assert index.isValid()
    if channel is not None:
        model.fetchMore(index)
        index = model.index(channel, 0, index)
    else:
        index = index.siblingAtColumn(1)
    state = CHECKED if on else Qt.CheckState.Unchecked
    assert model.setData(index, state, Qt.ItemDataRole.CheckStateRole)


def ticked(window: MainWindow) -> list[str]:
    model = window.tree.model
    return [
        model.layer(index).field_name or model.layer(index).name
        for index in model.indexes()
        if model.data(index.siblingAtColumn(1), Qt.ItemDataRole.CheckStateRole) == CHECKED
    ]


@pytest.mark.parametrize("command", ["activation-maximization", "multifaceted"])
def test_one_layer_is_chosen_by_a_click(window: MainWindow, command: str) -> None:
    window.studio.set_technique(command)
    suggested = window.studio.technique.suggested_layers(window.layers.here.network)["layer"]  # type: ignore[union-attr]
    assert ticked(window) == list(suggested), "what is taken by itself can be seen"
    editor = window.form.editor("layer")
    assert isinstance(editor, TextEditor)
    assert editor.box.placeholderText() == f"auto: {next(iter(suggested))}"
    tick(window, "relu2_1")
    assert window.studio.technique.layer == "relu2_1"  # type: ignore[attr-defined]
    assert ticked(window) == ["relu2_1"]
    tick(window, "relu3_1")
    assert ticked(window) == ["relu3_1"], "another takes its place"
    tick(window, "relu3_1", on=False)
    assert window.studio.technique.layer == ""  # type: ignore[attr-defined]
    assert ticked(window) == list(suggested)


@pytest.mark.parametrize("command", ["feature-inversion", "hierarchy"])
def test_several_layers_are_chosen_by_clicks(window: MainWindow, command: str) -> None:
    window.studio.set_technique(command)
    window.studio.set_setting("layer", "relu3_1")
    tick(window, "relu2_1")
    assert window.studio.technique.layer == "relu2_1, relu3_1"  # type: ignore[attr-defined]
    assert ticked(window) == ["relu2_1", "relu3_1"]
    window.actions_table["reset_layers"].trigger()
    assert window.studio.technique.layer == ""  # type: ignore[attr-defined]


def test_channels_are_those_of_the_layer_they_are_clicked_in(window: MainWindow) -> None:
    window.studio.set_technique("activation-maximization")
    tick(window, "relu3_1", 3)
    tick(window, "relu3_1", 7)
    technique = window.studio.technique
    assert (technique.layer, technique.channel) == ("relu3_1", "3,7")  # type: ignore[attr-defined]
    tick(window, "relu2_1", 5)
    technique = window.studio.technique
    assert (technique.layer, technique.channel) == ("relu2_1", "5")  # type: ignore[attr-defined]


def test_one_channel_of_a_hierarchy_is_no_count(window: MainWindow) -> None:
    window.studio.set_technique("hierarchy")
    window.studio.set_setting("layer", "relu3_1")
    assert window.studio.technique.units == "6"  # type: ignore[attr-defined]
    tick(window, "relu3_1", 4)
    assert window.studio.technique.units == "4,"  # type: ignore[attr-defined]
    tick(window, "relu3_1", 4, on=False)
    assert window.studio.technique.units == "6"  # type: ignore[attr-defined]


def test_the_pictures_on_the_canvas_are_named(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_technique("activation-maximization")
    for name, value in (("channel", "3, 5"), ("iterations", 2), ("size", 48)):
        window.studio.set_setting(name, value)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    layer = ticked(window)[0]
    until(qtbot, lambda: window.canvas.labels())
    assert window.canvas.labels() == [f"{layer}\nchannel 3", f"{layer}\nchannel 5"]
    size = window.canvas.logical_size()
    assert (size.width(), size.height()) == (98, 48), "the size is that of each picture"
    window.canvas.grab()
    window.studio.set_technique("style-transfer")
    assert window.canvas.labels() == []
