"""The line that names a folder: what is left out where there is little room."""

from pathlib import Path

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from gui.dialogs.channel_patches import PatchesPart
from gui.main_window import MainWindow
from gui.panels.folder_line import FolderChoice, FolderLine


def drawn(line: FolderLine, width: int) -> QImage:
    line.shown.resize(width, 20)
    return line.shown.grab().toImage()


def begins_alike(line: FolderLine) -> bool:
    """Whether the first letters are the same in a narrow line as in a wide one."""
    letters = line.fontMetrics().horizontalAdvance("No f"), 20
    narrow, wide = drawn(line, 60), drawn(line, 600)
    assert narrow != wide.copy(0, 0, 60, 20), "something is left out"
    return narrow.copy(0, 0, *letters) == wide.copy(0, 0, *letters)


def test_a_sentence_keeps_its_beginning_and_a_path_its_end(qtbot: QtBot) -> None:
    folder = FolderChoice()
    line = FolderLine(folder)
    qtbot.addWidget(line)
    layout = line.layout()
    assert layout is not None
    layout.setEnabled(False)  # the label's width is the test's
    assert line.shown.text() == "No folder chosen"
    assert begins_alike(line)
    folder.choose(Path("/pictures/of/animals/and/plants"))
    assert not begins_alike(line)


def test_the_line_has_room_for_its_words_in_the_channel_window(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.inspection.folder.leave()
    window.tree.layer_activated.emit("relu3_1", 5)
    channel = window.inspection.channel_window
    assert channel is not None
    QApplication.processEvents()
    line = channel.findChild(PatchesPart).findChild(FolderLine)
    assert line.shown.width() >= line.fontMetrics().horizontalAdvance(line.shown.text())
    channel.close()
    qtbot.waitUntil(lambda: not window.background.busy, timeout=60_000)
