"""The training of a style network in the window: begun, held, ended, gone on with, used."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from engine.networks.style_cards import style_cards
from engine.networks.weights import user_folder
from engine.techniques.stylize import Stylize
from engine.training.styles.settings import checkpoint_of
from gui.dialogs.train_style import TrainStyleDialog
from gui.main_window import MainWindow
from tests.gui.stories import MOSAIC, STROKES, closed, until

SMALL = {"side": 64, "painting_size": 64}


@pytest.fixture
def dialog(window: MainWindow) -> Iterator[TrainStyleDialog]:
    """The dialog for the window's one painting; its training is over afterwards."""
    window.follow.switch(False)
    window.actions_table["train_style"].trigger()
    made = window.dialogs.training_dialog
    assert isinstance(made, TrainStyleDialog)
    for name, value in SMALL.items():
        made.ui.form.edited.emit(name, value)
    yield made
    if isValid(window):
        window.training.stop()


def begin(dialog: TrainStyleDialog, steps: int) -> None:
    dialog.ui.form.edited.emit("steps", steps)
    dialog.ui.start.click()


def until_over(qtbot: QtBot, window: MainWindow) -> None:
    until(qtbot, lambda: not window.training.active)


def test_a_network_is_trained_shown_meanwhile_and_used(
    window: MainWindow, dialog: TrainStyleDialog, qtbot: QtBot
) -> None:
    assert dialog.paintings() == [STROKES]
    assert dialog.ui.name.text() == "brush_strokes"
    place = "window.md#style-networks-of-your-own"
    assert window.help_flow.place_of(dialog.ui.form.editor("seed")) == place
    begin(dialog, 3)
    assert not dialog.ui.start.isEnabled()
    assert not dialog.ui.form.isEnabled()
    until(qtbot, dialog.ui.preview.has_image)
    until_over(qtbot, window)
    until(qtbot, lambda: "Finished" in dialog.ui.told.text())
    assert dialog.ui.losses.iterations()[-1] == 3
    assert "style" in dialog.ui.losses.curves
    file = user_folder() / "brush_strokes.safetensors"
    assert "brush_strokes" in [card.name for card in style_cards()]
    assert not checkpoint_of(file).exists()
    dialog.ui.use.click()
    assert window.studio.technique == Stylize(style_network=str(file))
    window.studio.undo_stack.undo()
    assert not isinstance(window.studio.technique, Stylize)
    begin(dialog, 3)
    assert "choose another name" in dialog.ui.told.text()
    assert not window.training.active


@pytest.mark.parametrize("kind", ["single", "texture"])
def test_other_kinds_are_shown_too(
    window: MainWindow, dialog: TrainStyleDialog, qtbot: QtBot, kind: str
) -> None:
    dialog.ui.form.edited.emit("kind", kind)
    begin(dialog, 2)
    until(qtbot, dialog.ui.preview.has_image)
    until_over(qtbot, window)
    until(qtbot, lambda: "Finished" in dialog.ui.told.text())
    (card,) = [card for card in style_cards() if card.name == "brush_strokes"]
    assert card.kind == kind


def test_a_training_is_held_ended_and_gone_on_with(
    window: MainWindow, dialog: TrainStyleDialog, qtbot: QtBot
) -> None:
    begin(dialog, 6)
    until(qtbot, lambda: dialog.ui.losses.iterations())
    dialog.ui.hold.click()
    assert window.training.held
    assert dialog.ui.hold.text() == "&Resume"
    kept = checkpoint_of(dialog.output)
    until(qtbot, kept.exists)
    dialog.close()
    window.actions_table["train_style"].trigger()
    assert window.dialogs.training_dialog is dialog, "what is under way is shown again"
    dialog.ui.stop.click()
    until_over(qtbot, window)
    until(qtbot, lambda: dialog.ui.start.text() == "&Continue")
    assert "brush_strokes was interrupted" in dialog.ui.told.text()
    assert kept.exists()
    dialog.ui.name.setText("another")
    until(qtbot, lambda: dialog.ui.start.text() == "&Start")
    dialog.ui.name.setText("brush_strokes")
    until(qtbot, lambda: dialog.ui.start.text() == "&Continue")
    dialog.ui.start.click()
    until_over(qtbot, window)
    until(qtbot, lambda: "Finished" in dialog.ui.told.text())
    assert dialog.ui.losses.iterations()[-1] == 6
    assert not kept.exists()


def test_a_window_that_closes_keeps_what_has_been_learned(
    window: MainWindow, dialog: TrainStyleDialog, qtbot: QtBot
) -> None:
    begin(dialog, 500)
    until(qtbot, lambda: dialog.ui.losses.iterations())
    kept = checkpoint_of(dialog.output)
    closed(qtbot, window)
    assert kept.exists()
    assert not window.training._background._pool._threads


def test_what_cannot_be_trained_is_said(
    window: MainWindow, dialog: TrainStyleDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", staticmethod(lambda *_: ([MOSAIC], "")))
    dialog.ui.add.click()
    assert dialog.paintings() == [STROKES, MOSAIC]
    begin(dialog, 2)
    assert "takes one painting; 2 are given" in dialog.ui.told.text()
    dialog.ui.paintings.item(0).setSelected(True)
    dialog.ui.remove.click()
    assert dialog.paintings() == [MOSAIC]
    for name, sentence in (
        ("../elsewhere", "cannot begin with a dot"), ("a/b", "cannot begin with a dot"),
        ("a, b", "cannot begin with a dot"), ("any_style", "already a network called any_style"),
    ):  # fmt: skip
        dialog.ui.name.setText(name)
        begin(dialog, 2)
        assert sentence in dialog.ui.told.text()
        assert not window.training.active
    dialog.ui.name.setText("mosaic")
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"no picture")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", staticmethod(lambda *_: ([str(torn)], "")))
    dialog.ui.paintings.item(0).setSelected(True)
    dialog.ui.remove.click()
    assert not dialog.ui.start.isEnabled()
    dialog.ui.add.click()
    begin(dialog, 2)
    until_over(qtbot, window)
    until(qtbot, lambda: "torn.png" in dialog.ui.told.text())
    assert dialog.ui.start.isEnabled()
