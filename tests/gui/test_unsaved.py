"""What could not be written is said in a box; it can be saved in another place, as it was."""

import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from engine.image import open_picture
from gui.background import Background
from gui.dialogs.saving import SaveDialogOptions, Saver
from gui.main_window import MainWindow
from gui.run.film_frames import FilmFrames
from tests.gui.stories import click, until, until_idle

Answers = Callable[..., list[str]]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Let dialogs for saving be answered by these paths; return what they began with."""

    def answered(*paths: Path | str) -> list[str]:
        waiting, begun = list(paths), []

        def get(_parent: QWidget, _title: str, begin: str, kinds: str) -> tuple[str, str]:
            begun.append(begin)
            return str(waiting.pop(0)), kinds.split(";;")[0]

        monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(get))
        return begun

    return answered


@contextmanager
def held(background: Background) -> Iterator[None]:
    """Let nothing be done behind the window meanwhile."""
    go = threading.Event()
    for _ in range(background.threads):
        background.submit(lambda: go.wait(60))
    try:
        yield
    finally:
        go.set()


def box_of(qtbot: QtBot, parent: QWidget) -> QMessageBox:
    until(qtbot, lambda: parent.findChild(QMessageBox, "unsavedDialog"))
    box = parent.findChild(QMessageBox, "unsavedDialog")
    assert isinstance(box, QMessageBox) and box.isVisible()
    return box


def press(qtbot: QtBot, box: QMessageBox, words: str) -> None:
    button = next(b for b in box.findChildren(QAbstractButton) if words in b.text())
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def project(window: MainWindow) -> None:
    window.project.save_as()


def lesson(window: MainWindow) -> None:
    window.lessons.document.save()


def page(window: MainWindow) -> None:
    window.lessons.document.export()


def film(window: MainWindow) -> None:
    film_frames = FilmFrames()
    film_frames.add(torch.zeros(3, 64, 64))
    window.film_flow._ask(film_frames, ".mp4", 10.0, "film.mp4")


@pytest.mark.parametrize(
    ("ask", "suffix"),
    [(project, ".pareidolia"), (lesson, ".pareidolia-lesson"), (page, ".html"), (film, ".mp4")],
)
def test_a_folder_that_goes_is_told_and_another_place_can_be_chosen(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, answer: Answers,
    ask: Callable[[MainWindow], None], suffix: str,
) -> None:  # fmt: skip
    window.lessons.add()
    until(qtbot, lambda: window.lessons.steps and not window.background.busy)
    stick = tmp_path / "stick"
    stick.mkdir()
    lost, found = stick / f"a{suffix}", tmp_path / f"b{suffix}"
    begun = answer(lost, found)
    with held(window.background):
        ask(window)
        shutil.rmtree(stick)
    box = box_of(qtbot, window)
    assert "not saved" in box.text()
    assert str(stick) in box.informativeText()
    assert not found.exists()
    press(qtbot, box, "another place")
    until(qtbot, lambda: found.exists() and not window.background.busy)
    assert Path(begun[1]).name == lost.name
    assert window.film_flow.progress is None
    until(qtbot, lambda: window.findChild(QMessageBox, "unsavedDialog") is None)
    window.lessons.document.put_aside()


def test_a_full_disk_loses_no_picture(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, answer: Answers
) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert window.running.picture() is not None
    wanted = window.running.picture().rgb.copy()  # type: ignore[union-attr]
    until(qtbot, lambda: not window.background.busy)
    other = tmp_path / "other.png"
    answer(tmp_path / "full.png", other)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:  # as on a full disk: the system takes no more than so many bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
        window.files.save_picture()
        box = box_of(qtbot, window)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written" in box.informativeText()
    assert list(tmp_path.glob("*.png")) == []
    window.studio.set_technique("deep-dream")  # what goes on meanwhile changes nothing
    press(qtbot, box, "another place")
    until(qtbot, lambda: other.exists() and not window.background.busy)
    np.testing.assert_allclose(open_picture(other).rgb, wanted, atol=0.51 / 255)


def test_giving_up_asks_for_nothing(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, answer: Answers
) -> None:
    until(qtbot, lambda: not window.background.busy)
    (tmp_path / "stick").mkdir()
    begun = answer(tmp_path / "stick" / "a.pareidolia")
    with held(window.background):
        window.project.save_as()
        shutil.rmtree(tmp_path / "stick")
    press(qtbot, box_of(qtbot, window), "Cancel")
    until(qtbot, lambda: window.findChild(QMessageBox, "unsavedDialog") is None)
    assert len(begun) == 1


def test_a_dialog_that_was_closed_meanwhile_still_gets_its_file_written(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, answer: Answers
) -> None:
    window.activateWindow()
    (tmp_path / "stick").mkdir()
    answer(tmp_path / "stick" / "a.txt", tmp_path / "b.txt")
    dialog = QWidget(window, Qt.WindowType.Dialog)
    dialog.show()
    saver = Saver(window.background)

    def work(path: Path) -> Callable[[], Path]:
        def write() -> Path:
            path.write_text("kept")
            return path

        return write

    with held(window.background):
        saver.ask(dialog, SaveDialogOptions("text", "Save", "a.txt", "Text (*.txt)"), work)
        shutil.rmtree(tmp_path / "stick")
        dialog.close()
        dialog.deleteLater()
        qtbot.wait(10)
        window.activateWindow()
    press(qtbot, box_of(qtbot, window), "another place")
    until(qtbot, lambda: (tmp_path / "b.txt").exists() and not window.background.busy)
    assert (tmp_path / "b.txt").read_text() == "kept"
