"""Iterations that are done several times say beside them how many that makes in all."""

from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from gui.main_window import MainWindow
from tests.gui.stories import until


def said(window: MainWindow) -> list[str]:
    labels = window.form.findChildren(QLabel)
    return [
        w.text() for w in labels if w.text().endswith("in total") and w.isVisibleTo(window.form)
    ]


def test_a_hierarchy_s_iterations_follow_the_layers_chosen(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.studio.set_technique("hierarchy")
    assert window.layers.here is not None
    count = len(window.layers.here.network.card.layers)
    assert said(window) == [f"256 per layer, {count} layers: {256 * count:,} in total"]
    window.tree.role_edited.emit("layer", {"relu1_1": 1.0, "relu3_1": 1.0})
    assert said(window) == ["256 per layer, 2 layers: 512 in total"]
    editor = window.form.editor("iterations")
    editor.edited.emit(1000)
    assert said(window) == ["1,000 per layer, 2 layers: 2,000 in total"]
    window.studio.set_setting("layer", "relu1_1")
    assert said(window) == []  # the same in all as for the one
    window.studio.set_setting("layer", "")
    window.studio.set_network("vgg19")  # not there, or with other layers: nothing false is said
    until(qtbot, lambda: not window.background.busy)
    window.studio.set_network("slim_vgg")
    until(
        qtbot,
        lambda: said(window) == [f"1,000 per layer, {count} layers: {1000 * count:,} in total"],
    )


def test_a_film_s_iterations_follow_its_frames(window: MainWindow) -> None:
    window.studio.set_technique("deep-dream")
    assert said(window) == []
    window.studio.set_setting("frame_count", 12)
    each = window.studio.technique.iterations  # type: ignore[attr-defined]
    assert said(window) == [f"{each} per frame, 12 frames: {12 * each} in total"]
    window.studio.set_technique("style-transfer")
    assert said(window) == []
