"""The class or folder that a technique needs: asked for, taken along, or what the photo shows."""

from dataclasses import replace
from pathlib import Path

import torch
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from engine import settings
from engine.image import open_picture
from engine.job import Job
from engine.networks.loading import load_network
from engine.techniques import TECHNIQUES
from engine.techniques.class_visualization import ClassVisualization
from engine.techniques.langevin import LangevinSampling
from engine.techniques.multifaceted import Multifaceted
from gui.carry_over import named
from gui.flow.readiness import missing
from gui.main_window import MainWindow
from gui.session import Session
from gui.studio import Studio
from tests.gui.stories import CAT, closed, opened_window, until


def hint(window: MainWindow) -> str:
    return window.canvas._hint


def test_techniques_that_cannot_run_without_a_class_or_folder_say_so() -> None:
    needed = {
        command: [d.picks for d in settings.describe(kind).values() if d.required]
        for command, kind in TECHNIQUES.items()
    }
    assert {command: picks for command, picks in needed.items() if picks} == {
        "class-visualization": ["class"],
        "langevin": ["class"],
        "multifaceted": ["class", "folder"],
    }
    assert "class" in missing(Job(LangevinSampling()))
    assert "folder" in missing(Job(Multifaceted(target="cat")))
    assert not missing(Job(ClassVisualization(target="cat")))


def test_class_and_folder_are_taken_along_but_nothing_that_was_named_is_lost() -> None:
    studio = Studio(Job(ClassVisualization(target="lotus, pizza")))
    studio.set_technique("langevin")
    assert named(studio.technique) == {"class": "lotus"}
    studio.set_technique("multifaceted")
    studio.set_setting("folder", "photos")
    studio.set_setting("target", "sunflower")
    studio.set_technique("class-visualization")
    assert studio.technique.target == "lotus, pizza"  # type: ignore[attr-defined]
    studio.set_technique("adversarial")
    assert studio.technique.target == ""  # type: ignore[attr-defined]  # what comes second
    studio.set_technique("multifaceted")
    assert named(studio.technique) == {"class": "sunflower", "folder": "photos"}


def test_without_a_class_that_was_named_it_is_what_the_photo_shows(
    window: MainWindow, qtbot: QtBot
) -> None:
    assert window.studio.last == {}
    window.studio.set_technique("class-visualization")
    until(qtbot, lambda: window.studio.technique.target)  # type: ignore[attr-defined]
    network = load_network("slim_vgg")
    photo = open_picture(CAT).resized(long_side=224).tensor()
    with torch.inference_mode():
        likely = network.logits(photo)[0].topk(3).indices
    assert window.studio.technique.target in [network.classes[int(i)] for i in likely]  # type: ignore[attr-defined]
    assert "F5" in hint(window)
    assert not missing(window.studio.job)
    undone = window.studio.undo_stack
    undone.undo()
    assert window.studio.technique.command == "style-transfer"  # no step of its own to undo


def test_run_asks_for_what_is_missing_where_it_stands(qtbot: QtBot, tmp_path: Path) -> None:
    window = opened_window(qtbot)
    window.studio.edit("", inputs=replace(window.studio.job.inputs, content=None))
    window.studio.set_technique("langevin")
    assert "class" in hint(window)
    window.docks["sight"].raise_()
    window.activateWindow()
    window.running.start()
    assert not window.controller.active
    assert "Choose a class" in window.run_bar.eta.text()
    field = window.form.editor("target").box  # type: ignore[attr-defined]
    until(qtbot, lambda: field.hasFocus() or window.form.focusWidget() is field)
    assert field.completer().model().rowCount() == 101
    field.setText("pizza")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert "F5" in hint(window)
    assert not missing(window.studio.job)
    closed(qtbot, window)
    again = opened_window(qtbot, Session())  # the next start
    assert again.studio.last == {"class": "pizza"}
    closed(qtbot, again)


def test_a_class_that_another_network_knows_is_not_taken_along(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.studio.last["class"] = "no such thing"
    window.carry_over.look()
    window.studio.set_technique("langevin")
    window.carry_over.look()
    until(qtbot, lambda: window.studio.technique.target)  # type: ignore[attr-defined]
    assert window.studio.technique.target != "no such thing"  # type: ignore[attr-defined]
    for box in window.findChildren(QWidget, "errorBox"):
        box.close()
    QApplication.processEvents()
