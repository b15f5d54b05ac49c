"""Errors that nobody caught, the guard against a broken PySide6, and lines of the log."""

import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from gui.background import Background
from gui.dialogs.commands import Command, CommandPalette, matching
from gui.dialogs.error import ExceptionHook
from gui.panels.log import LogPanel
from gui.pictures import open_for_screen
from tests.gui.stories import CAT

ROOT = Path(__file__).resolve().parents[2]


def boxes() -> list[QMessageBox]:
    return [w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox)]


@pytest.fixture
def last_resort(qapp: QApplication, capfd: pytest.CaptureFixture[str]) -> ExceptionHook:
    return ExceptionHook(qapp)


def test_an_uncaught_error_is_one_sentence_with_details(
    last_resort: ExceptionHook, qtbot: QtBot
) -> None:
    try:
        raise ZeroDivisionError("a bug")
    except ZeroDivisionError as error:
        last_resort._catch(type(error), error, error.__traceback__)
        last_resort._catch(type(error), error, error.__traceback__)
    qtbot.waitUntil(lambda: len(boxes()) == 1)
    (box,) = boxes()
    assert "a bug" in box.text()
    assert "\n" not in box.text()
    assert "Traceback" in box.detailedText()
    assert "ZeroDivisionError" in box.detailedText()
    box.close()


def test_an_error_of_another_thread_is_shown_in_this_one(
    last_resort: ExceptionHook, qtbot: QtBot
) -> None:
    last_resort.install()
    try:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    finally:
        last_resort.uninstall()
    qtbot.waitUntil(lambda: len(boxes()) == 1)
    assert "division by zero" in boxes()[0].text()
    boxes()[0].close()


def test_the_hooks_are_given_back(last_resort: ExceptionHook) -> None:
    before = sys.excepthook, threading.excepthook
    last_resort.install()
    assert sys.excepthook != before[0]
    last_resort.uninstall()
    assert (sys.excepthook, threading.excepthook) == before


REFERENCES = """
import sys
from PySide6.QtCore import QCoreApplication, QObject, Signal, Slot
app = QCoreApplication([])
class Emitter(QObject):
    happened = Signal(int)
    @Slot(int)
    def heard(self, value): pass
emitter = Emitter()
emitter.happened.connect(emitter.heard)
before = [sys.getrefcount(thing) for thing in (True, False, None)]
for i in range(30_000):
    emitter.happened.emit(i)
    emitter.setObjectName("name")
after = [sys.getrefcount(thing) for thing in (True, False, None)]
lost = [b - a for a, b in zip(after, before)]
assert max(lost) < 1000, lost
"""


def test_this_pyside6_loses_no_references() -> None:
    # 6.12.0 on Python 3.11 and older does, and dies of it; in a process of its own therefore.
    done = subprocess.run([sys.executable, "-c", REFERENCES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Receiver(QObject):
    asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []
        self.results: list[object] = []

    @Slot(object)
    def done(self, result: object) -> None:
        self.results.append(result)
        self.threads.append(threading.get_ident())


def test_background_work_comes_back_in_the_windows_thread(qtbot: QtBot) -> None:
    background, receiver = Background(), Receiver()
    background.submit(threading.get_ident, receiver.done)
    background.submit(lambda: 1 / 0, receiver.done, receiver.done)
    qtbot.waitUntil(lambda: len(receiver.results) == 2)
    assert receiver.threads == [threading.get_ident()] * 2
    assert threading.get_ident() not in receiver.results
    assert any(isinstance(r, ZeroDivisionError) for r in receiver.results)
    assert not background.busy
    background.close()


def test_cancelled_background_work_is_not_heard_of(qtbot: QtBot) -> None:
    background, receiver, go = Background(), Receiver(), threading.Event()
    ticket = background.submit(lambda: go.wait(10), receiver.done)
    ticket.cancel()
    go.set()
    qtbot.waitUntil(lambda: not background.busy)
    assert receiver.results == []
    background.close()


def test_the_log_shows_lines_of_other_threads_and_copies_them(qtbot: QtBot) -> None:
    panel = LogPanel()
    qtbot.addWidget(panel)
    log = logging.getLogger("pareidolia.test")
    thread = threading.Thread(target=lambda: log.info("from elsewhere"))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: "from elsewhere" in panel.view.toPlainText())
    panel.copy()
    assert "from elsewhere" in QGuiApplication.clipboard().text()
    panel.close_log()
    log.info("after the end")
    qtbot.wait(20)
    assert "after the end" not in panel.view.toPlainText()


def test_the_palette_finds_by_any_words_and_runs_nothing_by_itself(qtbot: QtBot) -> None:
    done: list[str] = []
    commands = [
        Command(text, "", lambda text=text: done.append(text))
        for text in ("Save picture", "Save project", "Run")
    ]
    assert [c.text for c in matching(commands, "pic sa")] == ["Save picture"]
    assert [c.text for c in matching(commands, "")] == [c.text for c in commands]
    palette = CommandPalette(commands)
    qtbot.addWidget(palette)
    palette.show()
    qtbot.keyClicks(palette.line, "save")
    from PySide6.QtCore import Qt

    qtbot.keyClick(palette.line, Qt.Key.Key_Down)
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert palette.chosen is not None
    assert palette.chosen.text == "Save project"
    assert done == []


def test_pictures_for_the_screen(tmp_path: Path) -> None:
    opened = open_for_screen(CAT)
    assert (opened.width, opened.height) == (451, 300)
    assert opened.thumbnail.width() == 256
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "broken.png" in open_for_screen(str(broken)).problem
    assert "nothing.png" in open_for_screen(str(tmp_path / "nothing.png")).problem
