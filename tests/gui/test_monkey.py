"""A seeded monkey presses whatever is enabled: nothing may raise, hang or warn."""

import os
import random
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QFileDialog,
    QInputDialog,
    QSlider,
    QWidget,
)
from pytestqt.qtbot import QtBot

from engine.lesson import Lesson
from gui.dialogs.cluster import ClusterDialog
from gui.dialogs.commands import CommandPalette, ShortcutSheet
from gui.dialogs.export import ExportDialog
from gui.dialogs.film import FilmDialog
from gui.dialogs.preferences import PreferencesDialog
from gui.main_window import MainWindow
from gui.run.controller import State
from tests.gui.stories import MOSAIC, quick_job, until_idle

STEPS = int(os.environ.get("PAREIDOLIA_MONKEY_STEPS", "2000"))
SEED = int(os.environ.get("PAREIDOLIA_MONKEY_SEED", "7"))
NEVER = {
    "action_quit",
    "action_full_screen",
    "action_about",
    "action_networks",
    "action_camera",
    "action_compare_methods",
    "action_speed_figure",
}
"""What would end the story, or opens what has a story of its own."""


def unanswered(*_args: Any, **_named: Any) -> tuple[str, str]:
    return "", ""


def test_two_thousand_random_actions(window: MainWindow, qtbot: QtBot, monkeypatch: Any) -> None:
    for dialog in (
        PreferencesDialog, ShortcutSheet, CommandPalette, ClusterDialog, ExportDialog, FilmDialog,
    ):  # fmt: skip
        monkeypatch.setattr(dialog, "exec", lambda self: 0)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(unanswered))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", staticmethod(lambda *a: ([], "")))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(unanswered))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", staticmethod(lambda *a: ""))
    monkeypatch.setattr(QInputDialog, "exec", lambda self: self.setTextValue("mine") or 1)
    monkeypatch.setattr(QInputDialog, "getItem", staticmethod(lambda *a: ("mine", True)))
    for action in window.actions_table.by_name.values():
        if action.objectName() in NEVER:
            action.setEnabled(False)  # also out of reach of the keys
    window.networks_button.setEnabled(False)
    random.seed(SEED)
    done: dict[str, int] = {}
    for step in range(STEPS):
        act = random.choice((an_action, a_button, a_slider, a_choice, some_keys, a_picture))
        name = act(window)
        done[name] = done.get(name, 0) + 1
        if step % 5 == 0:
            QApplication.processEvents()
        for popup in (QApplication.activePopupWidget(), QApplication.activeModalWidget()):
            if popup is not None:
                popup.close()
        tame(window)
    assert len(done) > 50, "the monkey was bored"
    window.lessons.document.set_lesson(Lesson(""))  # or closing would ask about the monkey's
    window.controller.stop()
    until_idle(qtbot, window)
    window.studio.load(quick_job())
    window.running.start()
    until_idle(qtbot, window)
    assert window.running.result is not None, "after all that, it still makes pictures"


def tame(window: MainWindow) -> None:
    """Keep the monkey's runs small, or it would wait for one all day."""
    job = window.studio.job
    if job.size is None or job.size > 96:  # none: as large as the photo
        window.studio.set_setting("size", 96)
    for name, most in (("octaves", 3),):
        if getattr(job.technique, name, 0) > most:
            window.studio.set_setting(name, most)
    if window.controller.state is State.IDLE and job.technique.iterations > 20:  # type: ignore[attr-defined]
        window.studio.set_setting("iterations", 20)


def _enabled(window: MainWindow, kind: type) -> list[Any]:
    return [w for w in window.findChildren(kind) if w.isVisible() and w.isEnabled()]


def an_action(window: MainWindow) -> str:
    actions = [a for a in window.actions_table.by_name.values() if a.isEnabled()]
    action = random.choice(actions)
    action.trigger()
    return str(action.objectName())


def a_button(window: MainWindow) -> str:
    found = _enabled(window, QAbstractButton)
    if not found:  # their panels are hidden
        return "nothing there"
    button: QAbstractButton = random.choice(found)
    if button.parent() is None:
        return "no button"
    titles = ("Float", "Close", "qt_dockwidget")
    if any(button.objectName().startswith(t) or button.accessibleName() == t for t in titles):
        return "no button"
    name = button.objectName() or button.text() or type(button).__name__
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    return f"button {name}"


def a_slider(window: MainWindow) -> str:
    found = _enabled(window, QSlider)
    if not found:  # their panels are hidden
        return "nothing there"
    slider: QSlider = random.choice(found)
    slider.setValue(random.randint(slider.minimum(), slider.maximum()))
    return "a slider"


def a_choice(window: MainWindow) -> str:
    found = _enabled(window, QComboBox)
    if not found:  # their panels are hidden
        return "nothing there"
    box: QComboBox = random.choice(found)
    if box.objectName() == "networkBox" or not box.count():
        return "no choice"
    index = random.randrange(box.count())
    if box.itemText(index) in ("cuda", "mps"):
        return "no choice"
    box.setCurrentIndex(index)
    box.activated.emit(index)
    box.textActivated.emit(box.itemText(index))
    return f"box {box.objectName()}"


def some_keys(window: MainWindow) -> str:
    found = _enabled(window, QWidget)
    if not found:  # their panels are hidden
        return "nothing there"
    widget: QWidget = random.choice(found)
    keys = (Qt.Key.Key_Tab, Qt.Key.Key_Space, Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Plus,
            Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Delete, Qt.Key.Key_O)  # fmt: skip
    chosen = random.choice(keys)
    QTest.keyClick(widget, chosen)
    return f"key {chosen}"


def a_picture(window: MainWindow) -> str:
    acts: tuple[Callable[[], None], ...] = (
        lambda: window.input_pictures.drop([MOSAIC]),
        lambda: window.input_pictures.drop([str(quick_job().inputs.content), MOSAIC]),
        lambda: window.input_pictures.drop(["no such file.png"]),
    )
    if len(window.studio.job.inputs.styles) > 3:
        window.studio.set_inputs("", styles=window.studio.job.inputs.styles[:1])
    random.choice(acts)()
    return "a picture"
