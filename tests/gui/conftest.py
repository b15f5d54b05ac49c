"""What tests of the window share: no screen, folders of their own, nothing left behind."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from gui.main_window import MainWindow
from gui.theme import SHEET
from tests.gui.stories import closed, opened_window


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep settings, session, networks and logs of a test away from the person's own."""
    home = tmp_path / "home"
    monkeypatch.setenv("PAREIDOLIA_HOME", str(home))
    return home


@pytest.fixture(scope="module", autouse=True)
def _all_garbage() -> Iterator[None]:
    """Have Python's collector run in this thread alone, as `gui.garbage` has it in the window.

    In a worker it would delete the widgets of earlier tests: a crash, and not of the test at fault.
    """
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(autouse=True)
def _young_garbage(_all_garbage: None) -> Iterator[None]:
    yield
    gc.collect(1)


@pytest.fixture(autouse=True)
def delivered(qapp: QCoreApplication) -> Iterator[None]:
    """Let what was to be deleted later be deleted before the next test."""
    yield
    QCoreApplication.sendPostedEvents(None, 52)  # QEvent.DeferredDelete
    qapp.processEvents()


@pytest.fixture(autouse=True)
def undressed(qapp: QApplication) -> Iterator[None]:
    """Take off a theme and a size of text that a test has put on: others measure widgets."""
    sheet, font, palette = qapp.styleSheet(), qapp.font(), qapp.palette()
    given = qapp.property(SHEET)
    yield
    if qapp.font() != font:
        qapp.setFont(font)
    if qapp.styleSheet() != sheet or qapp.property(SHEET) != given:
        qapp.setPalette(palette)
        qapp.setProperty(SHEET, given)
        qapp.setStyleSheet(sheet)


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    """The window with a small quick job; nothing of it may be left afterwards."""
    made = opened_window(qtbot)
    yield made
    if isValid(made) and made.isVisible():
        closed(qtbot, made)
    assert not isValid(made)
    left = [w for w in QApplication.topLevelWidgets() if w.isVisible()]
    assert not left, "widgets are left behind"
