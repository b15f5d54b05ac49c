"""Dialogs for files: they ask until the name will do, and each keeps a folder of its own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from engine.errors import BadInput
from engine.image import open_picture
from engine.image_formats import WRITTEN
from gui.dialogs import file_dialogs
from gui.flow.files import PICTURES
from gui.main_window import MainWindow
from tests.gui.stories import click, until, until_idle

KINDS = "PNG (*.png);;JPEG (*.jpg)"
Answers = Callable[..., None]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the dialog began with, each time it was open."""
    return []


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []

    def warning(_parent: QWidget, _title: str, text: str) -> None:
        said.append(text)

    monkeypatch.setattr(QMessageBox, "warning", staticmethod(warning))
    return said


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, offered: list[str]) -> Answers:
    """Let the dialogs for saving be answered by these paths, one after the other."""

    def answered(*paths: Path | str, kind: str = "PNG (*.png)") -> None:
        waiting = iter(paths)

        def get(_parent: QWidget, _title: str, begin: str, _kinds: str) -> tuple[str, str]:
            offered.append(begin)
            return str(next(waiting)), kind

        monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(get))

    return answered


def ask(qtbot: QtBot, use: str = "picture", kinds: str = KINDS) -> Path | None:
    parent = QWidget()
    qtbot.addWidget(parent)
    found = file_dialogs.file_to_save(parent, use, "Save", "cat.png", kinds)
    return None if found is None else found[0]


def test_an_unknown_format_is_told_and_the_dialog_comes_back_with_one_that_is_known(
    qtbot: QtBot, tmp_path: Path, answer: Answers, reasons: list[str], offered: list[str]
) -> None:
    answer(tmp_path / "odd.xyz", tmp_path / "odd.png")
    assert ask(qtbot) == tmp_path / "odd.png"
    assert reasons == ["odd cannot be saved as .xyz: end its name in .png or .jpg."]
    assert offered[1] == str(tmp_path / "odd.png")


def test_a_missing_folder_is_told_and_giving_up_saves_nothing(
    qtbot: QtBot, tmp_path: Path, answer: Answers, reasons: list[str], offered: list[str]
) -> None:
    answer(tmp_path / "gone" / "cat.jpg", "")
    assert ask(qtbot) is None
    assert reasons == [f"The folder {tmp_path / 'gone'} does not exist."]
    assert Path(offered[1]).name == "cat.jpg"
    assert Path(offered[1]).parent.is_dir()


@pytest.mark.parametrize(
    ("typed", "kind", "written"),
    [
        ("cat", "JPEG (*.jpg)", "cat.jpg"),
        ("cat.JPEG", "PNG (*.png)", "cat.JPEG"),
        ("cat 1.2", "PNG (*.png)", "cat 1.2.png"),
    ],
)
def test_names_are_completed_by_the_kind(
    qtbot: QtBot, tmp_path: Path, answer: Answers, reasons: list[str], offered: list[str],
    typed: str, kind: str, written: str,
) -> None:  # fmt: skip
    answer(tmp_path / typed, tmp_path / written, kind=kind)
    assert ask(qtbot) == tmp_path / written
    if reasons:  # asked once more, with the name that will do
        assert offered[1] == str(tmp_path / written)


def test_a_folder_of_that_name_is_told(
    qtbot: QtBot, tmp_path: Path, answer: Answers, reasons: list[str]
) -> None:
    (tmp_path / "cat.png").mkdir()
    answer(tmp_path / "cat.png", "")
    assert ask(qtbot) is None
    assert "is a folder" in reasons[0]


def test_a_completed_name_that_is_taken_is_asked_about(
    qtbot: QtBot, tmp_path: Path, answer: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cat.png").write_bytes(b"kept")
    asked: list[str] = []

    def question(_parent: QWidget, _title: str, text: str) -> QMessageBox.StandardButton:
        asked.append(text)
        return QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", staticmethod(question))
    answer(tmp_path / "cat", "")
    assert ask(qtbot) is None
    assert asked == ["cat.png exists. Replace it?"]


def test_each_dialog_keeps_a_folder_of_its_own(
    qtbot: QtBot, tmp_path: Path, answer: Answers, offered: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("photos", "paintings", "results"):
        (tmp_path / name).mkdir()
    begun: list[str] = []

    def opening(*paths: Path) -> None:
        waiting = iter(paths)

        def get(_parent: QWidget, _title: str, folder: str, _kinds: str) -> tuple[str, str]:
            begun.append(folder)
            return str(next(waiting)), ""

        monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(get))

    parent = QWidget()
    qtbot.addWidget(parent)
    photo, style = tmp_path / "photos" / "a.jpg", tmp_path / "paintings" / "b.jpg"
    opening(photo, style, photo, style)
    for _ in range(2):
        for use in ("content", "style"):
            file_dialogs.file_to_open(parent, use, "Open", KINDS)
    answer(tmp_path / "results" / "c.png", "")
    ask(qtbot)
    ask(qtbot)
    first = file_dialogs.first_folder()
    assert begun == [first, first, str(photo.parent), str(style.parent)]
    assert offered == [str(Path(first) / "cat.png"), str(tmp_path / "results" / "cat.png")]


def test_a_folder_that_has_gone_is_not_begun_in(tmp_path: Path) -> None:
    file_dialogs.remember_folder("picture", tmp_path / "gone")
    assert file_dialogs.last_folder("picture") == file_dialogs.first_folder()
    assert Path(file_dialogs.first_folder()).is_dir()


def test_suffixes_are_those_that_pictures_can_be_written_in(tmp_path: Path) -> None:
    suffixes = file_dialogs.suffixes_of(PICTURES)
    assert {file_dialogs.ALSO.get(suffix, suffix) for suffix in WRITTEN} == set(suffixes)
    for suffix in WRITTEN:
        file_dialogs.check_savable(tmp_path / f"x{suffix.upper()}", suffixes)
    with pytest.raises(BadInput, match=r"\.png, \.jpg, .* or \.\w+\."):
        file_dialogs.check_savable(tmp_path / "x.bmp", suffixes)


def test_sixteen_bits_and_the_photo_itself_are_refused_before_the_dialog_goes(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, answer: Answers, reasons: list[str]
) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    photo = window.studio.job.inputs.content
    assert isinstance(photo, str)
    answer(tmp_path / "deep.jpg", photo, tmp_path / "deep.png", kind="PNG, 16 bit (*.png)")
    window.files.save_picture()
    until(qtbot, lambda: not window.background.busy)
    assert "16 bits" in reasons[0]
    assert len(reasons) == 2
    assert Path(photo).name in reasons[1]
    assert np.asarray(open_picture(tmp_path / "deep.png").rgb).size
