"""The window comes back as it was left; what has gone is left out with a line in the log."""

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from engine.inspection import folder as reading
from engine.job import Job
from engine.techniques.style_transfer import StyleTransfer
from gui import session
from gui.flow import autosave
from gui.main_window import MainWindow
from gui.panels.embedding import EmbeddingPanel
from gui.panels.folder_line import FolderPanel
from gui.panels.neighbors import NeighborsPanel
from gui.session import Session
from gui.studio import SAMPLES
from gui.window_settings import window_settings
from tests.gui.stories import STROKES, closed, opened_window, quick_job, until

Again = Callable[[], MainWindow]


@pytest.fixture
def again(qtbot: QtBot) -> Again:
    """Close the window and open another, as at the next start of the program."""

    def start() -> MainWindow:
        for widget in QApplication.topLevelWidgets():
            if isinstance(widget, MainWindow) and widget.isVisible():
                closed(qtbot, widget)
        return opened_window(qtbot, session.load())

    return start


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    with Image.open(SAMPLES / "mosaic.jpg") as opened:
        whole = opened.convert("RGB")
    for number in range(20):
        left = 7 * number
        whole.crop((left, left, left + 130, left + 130)).save(made / f"{number:02}.png")
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files of folders that are opened."""
    names: list[str] = []
    quick = reading.square_of

    def noted(path: Path, side: int) -> object:
        names.append(path.name)
        return quick(path, side)

    monkeypatch.setattr(reading, "square_of", noted)
    return names


def folder_panel(window: MainWindow, name: str) -> FolderPanel:
    panel = window.inspection.panels[name]
    assert isinstance(panel, FolderPanel)
    return panel


def turn_to(window: MainWindow, qtbot: QtBot, name: str) -> FolderPanel:
    panel = folder_panel(window, name)
    window.docks["inspect"].raise_()
    window.inspect.setCurrentWidget(panel)
    until(qtbot, panel.isVisible)
    return panel


def no_dialogs() -> bool:
    return not [w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox)]


def leave(qtbot: QtBot, window: MainWindow) -> None:
    until(qtbot, lambda: not window.background.busy)
    closed(qtbot, window)


# -- the maps -----------------------------------------------------------------------------


def test_maps_come_back_with_their_look_and_lie_over_the_picture(
    window: MainWindow, qtbot: QtBot, again: Again
) -> None:
    panel = window.live_maps
    panel.set_map_settings(replace(
        panel.map_settings(), target=17, of_content=True, saliency="gradient", saliency_colours="magma",
        saliency_opacity=0.35, saliency_threshold=0.2, grad_cam="Grad-CAM",
        grad_cam_colours="cividis", grad_cam_opacity=0.8, layer="relu3_1",
    ))  # fmt: skip
    wanted = panel.map_settings()
    assert (wanted.target, wanted.layer, wanted.saliency) == (17, "relu3_1", "gradient")
    other = again()
    until(qtbot, lambda: other.live_maps.map_settings().target == 17)
    assert other.live_maps.map_settings() == wanted
    assert other.actions_table["saliency"].isChecked()
    until(qtbot, lambda: {"saliency", "grad_cam"} <= set(other.canvas.overlays()))
    other.live_maps.saliency.setChecked(False)
    third = again()
    until(qtbot, lambda: third.live_maps.map_settings().target == 17)
    assert not third.live_maps.saliency.isChecked()
    assert third.live_maps.grad_cam.isChecked()
    leave(qtbot, third)


def test_a_unit_that_was_asked_about_comes_back(
    window: MainWindow, qtbot: QtBot, again: Again
) -> None:
    window.live_maps.target.set_unit("relu2_1:5")
    other = again()
    until(qtbot, lambda: other.live_maps.map_settings().unit == "relu2_1:5")
    leave(qtbot, other)


def test_closed_before_the_network_is_there_nothing_is_forgotten(
    window: MainWindow, qtbot: QtBot, again: Again
) -> None:
    window.live_maps.choose_class(17)
    window.live_maps.grad_cam.setChecked(True)
    closed(qtbot, window)
    hasty = MainWindow(session.load())
    hasty.show()
    assert hasty.layers.here is None
    assert hasty.live_maps.grad_cam.isChecked(), "what needs no network is there at once"
    assert hasty.live_maps.map_settings().target is None
    closed(qtbot, hasty)
    other = again()
    until(qtbot, lambda: other.live_maps.map_settings().target == 17)
    leave(qtbot, other)


def test_what_was_asked_of_another_network_is_not_asked_of_this_one(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.live_maps.choose_class(17)
    window.live_maps.grad_cam.setChecked(True)
    closed(qtbot, window)
    kept = window_settings()
    kept.setValue("maps", str(kept.value("maps")).replace('"slim_vgg"', '"vgg19"'))
    kept.sync()
    other = opened_window(qtbot, session.load())
    until(qtbot, lambda: "grad_cam" in other.canvas.overlays())
    assert other.live_maps.map_settings().target is None
    leave(qtbot, other)


def test_a_network_that_is_missing_is_said_in_the_log(
    window: MainWindow, qtbot: QtBot, again: Again, caplog: pytest.LogCaptureFixture
) -> None:
    window.live_maps.choose_class(17)
    window.live_maps.saliency.setChecked(True)
    closed(qtbot, window)
    kept = window_settings()
    kept.setValue("maps", str(kept.value("maps")).replace('"slim_vgg"', '"resnet18"'))
    kept.sync()
    other = MainWindow(Session(job=replace(quick_job(), network="resnet18")))
    other.show()
    until(qtbot, lambda: "resnet18" in caplog.text)
    assert no_dialogs()
    closed(qtbot, other)
    assert '"target": 17' in str(window_settings().value("maps")), "it may be back at the next"


@pytest.mark.parametrize("text", ["", "no table", "[]", '{"network": 1}', "[" * 5000, "{}"])
def test_odd_settings_start_with_none_of_it(
    qtbot: QtBot, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = window_settings()
    for key in ("maps", "inspect_tab", "lesson"):
        kept.setValue(key, text)
    kept.sync()
    window = opened_window(qtbot)
    until(qtbot, lambda: not window.background.busy)
    assert "maps of the last session are left out" in caplog.text
    assert no_dialogs()
    assert not window.live_maps.saliency.isChecked()
    closed(qtbot, window)


def test_numbers_and_lists_that_are_out_of_the_ordinary(qtbot: QtBot) -> None:
    kept = window_settings()
    kept.setValue("inspect_tab", ["a", "b"])
    map_settings = {"target": 10**30, "saliency": "gradient"}
    kept.setValue(
        "maps", json.dumps({"network": "slim_vgg", "weights": None, "wish": map_settings})
    )
    kept.sync()
    window = opened_window(qtbot)
    until(qtbot, lambda: window.live_maps.saliency.isChecked())
    assert window.live_maps.map_settings().target is None
    closed(qtbot, window)


# -- the lesson ---------------------------------------------------------------------------


def test_the_lesson_comes_back_unchanged(
    window: MainWindow, qtbot: QtBot, again: Again, tmp_path: Path
) -> None:
    window.lessons.add()
    until(qtbot, lambda: window.lesson.list.count() == 1)
    window.lesson.title.setText("Cats")
    window.lesson.title.textEdited.emit("Cats")
    window.lessons.document.write(tmp_path / "cats.lesson")
    until(qtbot, lambda: not window.lessons.document.changed)
    other = again()
    until(qtbot, lambda: other.lesson.list.count() == 1)
    assert other.lesson.title.text() == "Cats"
    assert not other.lessons.document.changed, "nothing has to be asked when it is closed"
    other.lessons.document.new()
    third = again()
    until(qtbot, lambda: not third.background.busy)
    assert third.lesson.list.count() == 0
    leave(qtbot, third)


def test_a_lesson_that_has_gone_or_is_damaged_is_left_out(
    window: MainWindow, qtbot: QtBot, again: Again, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    file = tmp_path / "cats.lesson"
    window.lessons.add()
    until(qtbot, lambda: window.lesson.list.count() == 1)
    window.lessons.document.write(file)
    until(qtbot, lambda: not window.lessons.document.changed)
    closed(qtbot, window)
    file.write_bytes(file.read_bytes()[:100])
    other = again()
    until(qtbot, lambda: "the lesson of the last session is not opened" in caplog.text)
    assert no_dialogs()
    assert other.lesson.list.count() == 0
    assert other.lessons.document.file is None
    leave(qtbot, other)


def test_a_lesson_begun_at_once_is_not_replaced(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.lessons.add()
    until(qtbot, lambda: window.lesson.list.count() == 1)
    window.lessons.document.write(tmp_path / "cats.lesson")
    until(qtbot, lambda: not window.lessons.document.changed)
    closed(qtbot, window)
    other = MainWindow(session.load())
    other.lesson.title.textEdited.emit("Dogs")  # before the file has been read
    other.show()
    until(qtbot, lambda: not other.background.busy)
    assert other.lessons.document.lesson.title == "Dogs"
    other.lessons.document.write(tmp_path / "dogs.lesson")
    until(qtbot, lambda: not other.lessons.document.changed)
    leave(qtbot, other)


# -- without an end ------------------------------------------------------------------------


def test_the_job_is_written_before_the_window_closes(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_setting("style_weight", 7.0)
    window.studio.edit(
        "Weights", inputs=replace(window.studio.job.inputs, styles=((STROKES, 0.2),))
    )
    until(qtbot, lambda: written_job() is not None and not window.background.busy)
    job = session.load().job  # as after a crash or a power cut
    assert job is not None
    assert isinstance(job.technique, StyleTransfer)
    assert job.technique.style_weight == 7.0
    assert job.inputs.styles == ((STROKES, 0.2),)
    window.studio.set_setting("style_weight", 9.0)
    closed(qtbot, window)
    job = session.load().job
    assert job is not None
    assert isinstance(job.technique, StyleTransfer)
    assert job.technique.style_weight == 9.0, "a write that was begun earlier came last"


def test_a_job_that_is_late_to_be_written_replaces_no_later_one() -> None:
    turns = autosave._WriteOrder()
    early, late = turns.next(), turns.next()
    turns.write(Session(job=quick_job(size=96)), late, True)
    turns.write(Session(job=quick_job(size=64), recent=["a.png"]), early, True)
    found = session.load()
    assert found.job is not None
    assert found.job.size == 96
    assert found.recent == ["a.png"]


def written_job() -> Job | None:
    return session.load().job if session.file().exists() else None


# -- the inspected folder -----------------------------------------------------------------


def test_the_tab_comes_back_and_shows_what_is_known_without_reading(
    window: MainWindow, qtbot: QtBot, again: Again, pictures: Path, read: list[str]
) -> None:
    panel = turn_to(window, qtbot, "embedding")
    panel.folder.choose(pictures)
    assert isinstance(panel, EmbeddingPanel)
    until(qtbot, lambda: panel.map is not None)
    assert len(read) == 20
    read.clear()
    other = again()
    assert other.inspection.tab() == "embedding"
    later = folder_panel(other, "embedding")
    assert isinstance(later, EmbeddingPanel)
    until(qtbot, later.isVisible)
    until(qtbot, lambda: later.map is not None)
    near = turn_to(other, qtbot, "neighbors")
    assert isinstance(near, NeighborsPanel)
    until(qtbot, lambda: near.near is not None)
    assert not read
    leave(qtbot, other)


def test_a_folder_that_is_not_known_is_offered_not_read(
    window: MainWindow, qtbot: QtBot, again: Again, pictures: Path, read: list[str]
) -> None:
    panel = turn_to(window, qtbot, "neighbors")
    panel.folder.choose(pictures)
    assert isinstance(panel, NeighborsPanel)
    until(qtbot, lambda: panel.near is not None)
    closed(qtbot, window)
    for number in range(3):
        shutil.copy(SAMPLES / "cat.jpg", pictures / f"new{number}.jpg")
    read.clear()
    other = again()
    later = folder_panel(other, "neighbors")
    assert isinstance(later, NeighborsPanel)
    until(qtbot, later.again.isVisible)
    assert later.said.text() == "3 of 23 pictures have not been read yet."
    assert later.again.text() == "Read the folder"
    assert not read
    later.again.click()
    until(qtbot, lambda: later.near is not None)
    assert sorted(read) == ["new0.jpg", "new1.jpg", "new2.jpg"]
    assert not later.again.isVisible()
    leave(qtbot, other)


def test_turning_to_another_tab_asks_for_the_folder(
    window: MainWindow, qtbot: QtBot, again: Again, pictures: Path, own_folders: Path
) -> None:
    panel = turn_to(window, qtbot, "neighbors")
    panel.folder.choose(pictures)
    assert isinstance(panel, NeighborsPanel)
    until(qtbot, lambda: panel.near is not None)
    closed(qtbot, window)
    shutil.rmtree(own_folders / "cache")
    other = again()
    later = folder_panel(other, "neighbors")
    assert isinstance(later, NeighborsPanel)
    until(qtbot, later.again.isVisible)
    patches = turn_to(other, qtbot, "patches")
    until(qtbot, lambda: "20 of 20 pictures" in patches.said.text() and not patches.busy)
    turn_to(other, qtbot, "neighbors")
    until(qtbot, lambda: later.near is not None)
    leave(qtbot, other)


def test_a_folder_that_has_gone_is_left_and_may_come_back(
    window: MainWindow, qtbot: QtBot, again: Again, pictures: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    panel = turn_to(window, qtbot, "neighbors")
    panel.folder.choose(pictures)
    assert isinstance(panel, NeighborsPanel)
    until(qtbot, lambda: panel.near is not None)
    closed(qtbot, window)
    pictures.rename(pictures.with_name("away"))
    other = again()
    until(qtbot, lambda: other.inspection.folder.path is None)
    assert f"{pictures} no longer exists" in caplog.text
    assert no_dialogs()
    later = folder_panel(other, "neighbors")
    until(qtbot, lambda: "Choose a folder" in later.said.text())
    assert later.line.shown.text() == "No folder chosen"
    closed(qtbot, other)
    pictures.with_name("away").rename(pictures)
    third = again()
    back = folder_panel(third, "neighbors")
    assert isinstance(back, NeighborsPanel)
    until(qtbot, lambda: back.near is not None)
    leave(qtbot, third)


# -- one reading for two tabs -------------------------------------------------------------


def test_a_tab_says_that_it_waits_for_another_and_how_far_that_is(
    window: MainWindow, qtbot: QtBot, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, quick = threading.Event(), reading.square_of

    def paced(path: Path, side: int) -> object:
        if int(path.stem) >= 16:  # the second batch
            gate.wait(60)
        return quick(path, side)

    monkeypatch.setattr(reading, "square_of", paced)
    mapped = turn_to(window, qtbot, "embedding")
    mapped.folder.choose(pictures)
    until(qtbot, lambda: mapped.progress.value() == 16)
    near = turn_to(window, qtbot, "neighbors")
    until(qtbot, lambda: near.said.text() == "Waiting while “Map” reads the folder.")
    assert near.progress.isVisible()
    assert (near.progress.value(), near.progress.maximum()) == (16, 20)
    near.cancel()
    assert near.said.text() == "Cancelled."
    near.again.click()
    until(qtbot, lambda: near.said.text() == "Waiting while “Map” reads the folder.")
    mapped.cancel()
    gate.set()
    assert isinstance(near, NeighborsPanel)
    until(qtbot, lambda: near.near is not None)
    assert near.said.text() == "Nearest of 20 pictures."
