"""Exports from the window: what is asked for is in the file, and is asked for again next time."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin
from PySide6.QtWidgets import QDialog, QFileDialog
from pytestqt.qtbot import QtBot

from engine.animation import write_timeline
from engine.export import Export
from engine.finish import Finish
from engine.image import open_picture, read_recipe
from engine.job import Job
from gui.dialogs.export import ExportDialog
from gui.flow.export import ToExport, last_export
from gui.main_window import MainWindow
from gui.panels.settings_form import SettingsForm
from tests.gui.stories import click, until, until_idle


@pytest.fixture
def made(window: MainWindow, qtbot: QtBot) -> Iterator[MainWindow]:
    """The window after a run."""
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    yield window
    until(qtbot, lambda: not window.background.busy)


def wanted_of(window: MainWindow) -> ToExport:
    ready = window.files.ready()
    assert ready is not None
    return ToExport(*ready, tuple(window.running.moments()))


def exported(window: MainWindow, export: Export, path: Path, qtbot: QtBot) -> Path:
    window.export_flow.write(wanted_of(window), export, path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    return path


def rows(dialog: ExportDialog) -> set[str]:
    form = dialog.findChild(SettingsForm)
    assert form is not None
    return set(form.rows)


def test_the_dialog_asks_what_matters_and_is_as_it_was_left(
    made: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, qtbot: QtBot
) -> None:
    def chosen(dialog: ExportDialog) -> int:
        assert {"bits"} <= rows(dialog) and not {"quality", "subsampling", "gap"} & rows(dialog)
        for name, value in (("what", "pair"), ("format", "jpeg"), ("subsampling", "4:2:0")):
            dialog.form.edited.emit(name, value)
        assert {"quality", "subsampling", "gap"} <= rows(dialog) and "bits" not in rows(dialog)
        return QDialog.DialogCode.Accepted

    path = tmp_path / "pair.jpg"
    monkeypatch.setattr(ExportDialog, "exec", chosen)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(path), "JPG (*.jpg)"))
    )
    made.actions_table["export"].trigger()
    until(qtbot, path.exists)
    result = made.running.result
    assert result is not None
    with Image.open(path) as image:
        assert image.width > 2 * result.picture.width
        assert image.height == result.picture.height
        assert JpegImagePlugin.get_sampling(image) == 2, "4:2:0"
    assert last_export() == Export(what="pair", format="jpeg", subsampling="4:2:0")
    again = made.export_flow.dialog_for(wanted_of(made))
    assert again.export == last_export()
    again.deleteLater()


def test_an_exported_picture_is_finished_and_carries_its_recipe(
    made: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    made.studio.set_setting("recolour", "gray")
    until(qtbot, lambda: not made.background.busy)
    path = exported(made, Export(format="tiff", bits="16"), tmp_path / "a.tif", qtbot)
    picture, recipe = open_picture(path), read_recipe(path)
    assert np.ptp(picture.rgb, axis=2).max() < 1e-4, "gray"
    assert recipe is not None
    assert Job.from_recipe(recipe).finish == Finish(recolour="gray")


def test_how_a_picture_came_about_is_a_film(made: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    export = Export(what="timeline", film="gif", seconds=0.5, rate=10, hold=0.5)
    path = exported(made, export, tmp_path / "a.gif", qtbot)
    with Image.open(path) as film:
        durations = []
        for frame in range(film.n_frames):
            film.seek(frame)
            durations.append(film.info["duration"])
    assert sum(durations) == 1000
    assert made.export_flow.progress is None


def test_a_place_that_cannot_be_written_is_said_and_another_is_offered(
    made: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, qtbot: QtBot
) -> None:
    offered: list[str] = []
    monkeypatch.setattr("gui.flow.export.offer_again", lambda *a, again: offered.append(a[2]))
    made.export_flow.write(wanted_of(made), Export(), tmp_path / "none" / "a.png")
    until(qtbot, lambda: bool(offered))
    assert "none" in offered[0]


def test_choices_that_are_not_here_are_left(made: MainWindow) -> None:
    few = {"what": ("picture",), "film": ("gif", "webp")}
    dialog = ExportDialog(replace(Export(), what="timeline"), few, made)
    assert (dialog.export.what, dialog.export.film) == ("picture", "gif")
    dialog.deleteLater()


def test_a_picture_that_is_done_first_leaves_the_films_bar(
    made: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, qtbot: QtBot
) -> None:
    go = threading.Event()

    def late(*given: Any) -> Path:
        assert go.wait(60)
        return write_timeline(*given)

    monkeypatch.setattr("gui.flow.export.write_timeline", late)
    film, picture = tmp_path / "a.gif", tmp_path / "a.png"
    made.export_flow.write(wanted_of(made), Export(what="timeline", film="gif"), film)
    with qtbot.waitSignal(made.export_flow.said, timeout=60_000):
        made.export_flow.write(wanted_of(made), Export(), picture)
    assert picture.exists() and made.export_flow.progress is not None
    go.set()
    until(qtbot, lambda: film.exists() and made.export_flow.progress is None)


def test_save_picture_keeps_no_place_where_the_photo_was_taken(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    photo, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)
    Image.new("RGB", (48, 40), "teal").save(photo, exif=exif.tobytes())
    with Image.open(photo) as image:
        assert dict(image.getexif().get_ifd(0x8825)), "the photo says where"
    window.studio.set_inputs("", content=str(photo))
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    path = tmp_path / "saved.jpg"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    with Image.open(path) as image:
        assert image.getexif()[0x010F] == "Maker"
        assert not dict(image.getexif().get_ifd(0x8825))
