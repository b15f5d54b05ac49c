"""Folders and pictures that go during a run: a sentence, and what was made can be saved elsewhere."""

import shutil
from pathlib import Path

import numpy as np
from pytestqt.qtbot import QtBot

from engine.image import open_picture
from gui.main_window import MainWindow
from tests.gui.stories import CAT, click, until, until_idle
from tests.gui.test_project import opened, saved, settled
from tests.gui.test_unsaved import Answers, answer  # noqa: F401 - a fixture


def begun(window: MainWindow, qtbot: QtBot) -> None:
    """A long run that is kept ten times a second."""
    window.controller.keep_every = 0.1
    window.studio.set_setting("iterations", 100_000)
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.pace.iteration > 1)


def stopped(window: MainWindow, qtbot: QtBot) -> np.ndarray:
    """The picture that the run has left, 0 to 1."""
    click(qtbot, window, "stopButton")
    until_idle(qtbot, window)
    settled(window, qtbot)
    result = window.running.result
    assert result is not None
    return result.picture.rgb.copy()


def test_the_programs_own_folder_becomes_a_file_during_a_run(
    window: MainWindow,
    qtbot: QtBot,
    tmp_path: Path,
    own_folders: Path,
    answer: Answers,  # noqa: F811
) -> None:
    said: list[str] = []
    window.variants_flow.failed.connect(said.append)
    begun(window, qtbot)
    until(qtbot, lambda: window.project_writer.folder is not None)
    own_folders.rename(tmp_path / "unmounted")
    own_folders.write_text("in the way")
    until(qtbot, lambda: said)
    wanted = stopped(window, qtbot)
    # Not each time anew; what was being written just then may have met it in another way.
    assert len(said) == len(set(said)) <= 2, said
    picture, project = tmp_path / "out.png", tmp_path / "out.pareidolia"
    answer(picture)
    window.files.save_picture()
    until(qtbot, lambda: picture.exists() and not window.background.busy)
    np.testing.assert_allclose(open_picture(picture).rgb, wanted, atol=0.51 / 255)
    saved(window, qtbot, project)
    own_folders.unlink()
    (tmp_path / "unmounted").rename(own_folders)
    window.project.new()
    until(qtbot, lambda: not window.variants.entries)
    opened(window, qtbot, project)
    until(qtbot, lambda: window.running.result is not None)
    np.testing.assert_allclose(window.running.result.picture.rgb, wanted, atol=1e-4)  # type: ignore[union-attr]
    assert window.run_bar.go_on.isEnabled(), "the checkpoint came along from memory"


def test_a_photo_that_goes_during_a_run_costs_nothing(
    window: MainWindow,
    qtbot: QtBot,
    tmp_path: Path,
    answer: Answers,  # noqa: F811
) -> None:
    photo = Path(shutil.copy(CAT, tmp_path / "photo.jpg"))
    window.studio.set_inputs("", content=str(photo))
    window.controller.keep_every = 1000
    window.studio.set_setting("iterations", 100_000)
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.controller.pace.iteration > 1)
    photo.unlink()
    wanted = stopped(window, qtbot)
    picture = tmp_path / "out.png"
    answer(picture)
    window.files.save_picture()
    until(qtbot, lambda: picture.exists() and not window.background.busy)
    np.testing.assert_allclose(open_picture(picture).rgb, wanted, atol=0.51 / 255)
    heard: list[str] = []
    window.running.failed.connect(lambda sentence, _details: heard.append(sentence))
    window.variants_flow.failed.connect(heard.append)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    until(qtbot, lambda: heard)
    assert "photo.jpg" in heard[0] and "Traceback" not in heard[0]
    assert window.running.result is not None, "the last picture is still there"
