"""Nothing that the window reads is written over, whichever dialog asks where to save."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PySide6.QtWidgets import QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot

from engine.errors import BadInput
from engine.job import Inputs
from engine.lesson import Step, write_lesson
from gui.dialogs.file_dialogs import file_to_save
from gui.dialogs.open_sources import apart
from gui.flow.lesson_state import digests, restore_point
from gui.main_window import MainWindow
from gui.run.film_frames import FilmFrames
from gui.session import job_to_values
from tests.gui.stories import CAT, STROKES, quick_job, until


@pytest.fixture
def photo(window: MainWindow, tmp_path: Path) -> Path:
    """The photo that the window works on, a link to it, and a lesson that is open."""
    photo = tmp_path / "photo.jpg"
    shutil.copy(CAT, photo)
    (tmp_path / "link.jpg").symlink_to(photo)
    window.studio.set_inputs("", content=str(photo))
    write_lesson(window.lessons.document.lesson, tmp_path / "a.pareidolia-lesson")
    window.lessons.document.open(tmp_path / "a.pareidolia-lesson")
    return photo


def page(window: MainWindow, path: Path) -> None:
    window.lessons.document.write_page(path)


def lesson(window: MainWindow, path: Path) -> None:
    window.lessons.document.write(path)


def film(window: MainWindow, path: Path) -> None:
    film_frames = FilmFrames()
    film_frames.add(torch.zeros(3, 8, 8))
    window.film_flow.write(path, 10.0, film_frames)


def project(window: MainWindow, path: Path) -> None:
    window.project.write(path)


@pytest.mark.parametrize("write", [page, lesson, film, project])
def test_a_photo_is_not_written_over(
    window: MainWindow, qtbot: QtBot, photo: Path, write: Callable[[MainWindow, Path], None]
) -> None:
    before = photo.read_bytes()
    said: list[str] = []
    for flow in (window.lessons.document, window.film_flow, window.files, window.project):
        flow.failed.connect(said.append)
    for path in (photo, photo.with_name("link.jpg")):
        write(window, path)
        until(qtbot, lambda: said)
        assert "to work from" in said.pop()
        until(qtbot, lambda: window.film_flow.progress is None)
    assert photo.read_bytes() == before


def test_a_page_is_not_written_over_its_lesson(
    window: MainWindow, qtbot: QtBot, photo: Path
) -> None:
    file = photo.with_name("a.pareidolia-lesson")
    until(qtbot, lambda: window.lessons.document.file == file)
    before, said = file.read_bytes(), []
    window.lessons.document.failed.connect(said.append)
    window.lessons.document.write_page(file)
    until(qtbot, lambda: said)
    assert file.read_bytes() == before
    window.lessons.document.lesson = replace(window.lessons.document.lesson, title="New")
    window.lessons.document.write(file)  # saved anew where it came from
    until(qtbot, lambda: not window.lessons.document.changed)
    assert b"New" in file.read_bytes()


def test_the_dialog_stays_until_another_path_is_given(
    window: MainWindow, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [photo, photo.with_name("link.jpg"), photo.with_name("new.jpg")]
    warned: list[str] = []
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(answers.pop(0)), "JPEG (*.jpg)")
    )
    monkeypatch.setattr(QMessageBox, "warning", lambda *words: warned.append(words[-1]))
    found = file_to_save(window, "mask", "Save", "mask.jpg", "JPEG (*.jpg)")
    assert found == (photo.with_name("new.jpg"), "JPEG (*.jpg)")
    assert len(warned) == 2


def test_what_was_made_of_a_folder_stays_out_of_it(window: MainWindow, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="as one of its pictures"):
        apart(tmp_path / "map.png", lambda: tmp_path, folder=tmp_path)()
    assert apart(tmp_path / "map.csv", lambda: tmp_path, folder=tmp_path)() == tmp_path
    assert apart(tmp_path / "map.png", lambda: tmp_path)() == tmp_path


# -- lessons that come from elsewhere --------------------------------------------------------------


def step(**changes: Any) -> Step:
    state: dict[str, Any] = {"job": job_to_values(quick_job()) | changes, "shown": {}}
    return Step("", "", False, Path(CAT).read_bytes(), (), state | {"sha256": digests(state)})


@pytest.mark.parametrize(
    "changes",
    [
        {"content": r"\\server\share\a.png"},
        {"styles": [["//server/a.png", 1.0]]},
        {"guide": "/dev/zero"},
        {"weights": r"\\server\share\net.pth"},
    ],
)
def test_a_lesson_opens_nothing_on_other_machines(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="on another machine or a device"):
        restore_point(step(**changes))


def test_pictures_that_moved_with_a_lesson_are_found(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    for name, source in (("photo.jpg", CAT), ("style.jpg", STROKES)):
        shutil.copy(source, old / name)
    made = step(content=str(old / "photo.jpg"), styles=[[str(old / "style.jpg"), 2.0]])
    shutil.move(old, new)
    job: Any = restore_point(made, new).job
    wanted = Inputs(str(new / "photo.jpg"), ((str(new / "style.jpg"), 2.0),))
    assert job.inputs == wanted
