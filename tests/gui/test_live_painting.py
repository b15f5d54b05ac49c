"""A film that is stylized as it plays: what is shown, what is kept, and how it ends."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import QSize
from pytestqt.qtbot import QtBot

from engine.film import film
from engine.image import from_tensor, open_picture
from engine.job import Inputs, run
from gui.main_window import MainWindow
from gui.pixels import picture_of
from tests.gui.stories import MOSAIC, closed, until
from tests.gui.test_following import kind, set_up, stylize_job, until_followed

pytest.importorskip("av")
COLOUR = (0.2, 0.5, 0.7)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A film that stands still, a colour with a bright square."""
    picture = torch.tensor(COLOUR).reshape(3, 1, 1).repeat(1, 48, 64)
    picture[:, 10:30, 10:40] = 0.95
    path = tmp_path / "plain.mkv"
    with film(path, 12) as take:
        for _ in range(24):
            take(picture)
    return path


def test_a_film_is_painted_as_it_plays(window: MainWindow, qtbot: QtBot, plain: Path) -> None:
    job = stylize_job(steadiness=0.0)
    set_up(window, job)
    until(qtbot, lambda: window.run_bar.eta.text() == "painting…")
    window.live.play_film(plain)
    assert window.run_bar.eta.text() == "", "the film is painted instead"
    until(qtbot, lambda: kind(window) == "live")
    shown = window.canvas_content.current
    assert shown is not None
    assert window.canvas.logical_size() == QSize(64, 48)
    with_photo = replace(job, inputs=replace(job.inputs, content=decoded(plain)))
    *_, frame = run(with_photo)
    wanted = frame.picture.permute(1, 2, 0).numpy()
    assert np.abs(picture_of(shown.image).rgb - wanted).mean() < 0.01

    window.studio.set_setting("style_strength", 0.0)
    bright = np.asarray(COLOUR)

    def is_itself() -> bool:
        current = window.canvas_content.current
        assert current is not None
        return bool(np.abs(picture_of(current.image).rgb[40, 55] - bright).max() < 0.03)

    until(qtbot, is_itself)
    window.studio.set_setting("style_strength", 1.0)
    until(qtbot, lambda: not is_itself())
    window.follow.switch(False)
    until(qtbot, is_itself)
    window.follow.switch(True)
    until(qtbot, lambda: not is_itself())
    window.actions_table["freeze"].trigger()
    until(qtbot, lambda: window.studio.job.inputs.content != job.inputs.content)
    kept = open_picture(Path(str(window.studio.job.inputs.content)))
    assert np.abs(kept.rgb[40, 55] - bright).max() < 0.03, "the frame is the photo, not its picture"
    until_followed(qtbot, window)


def decoded(path: Path) -> object:
    from engine.film_reader import opened_film

    with opened_film(path) as opened:
        return from_tensor(next(iter(opened.frames())).picture)


def test_without_a_painting_the_film_is_shown_as_it_is(
    window: MainWindow, qtbot: QtBot, plain: Path
) -> None:
    job = stylize_job(style_network="")
    set_up(window, replace(job, inputs=Inputs(MOSAIC)))
    window.live.play_film(plain)
    until(qtbot, lambda: kind(window) == "live")
    shown = window.canvas_content.current
    assert shown is not None
    assert np.abs(picture_of(shown.image).rgb[40, 55] - np.asarray(COLOUR)).max() < 0.03
    window.live.stop()


def test_what_cannot_paint_is_said_once_and_the_film_goes_on(
    window: MainWindow, qtbot: QtBot, plain: Path
) -> None:
    said: list[str] = []
    window.live.failed.connect(said.append)
    window.follow.switch(False)
    set_up(window, stylize_job(style_network="nobody.pth"))
    window.follow.switch(True)
    until_followed(qtbot, window)
    window.live.play_film(plain)
    until(qtbot, lambda: kind(window) == "live")
    assert len(said) == 1
    assert "nobody.pth" in said[0]
    window.live.stop()


def test_a_window_closes_while_a_film_is_painted(
    window: MainWindow, qtbot: QtBot, plain: Path
) -> None:
    set_up(window, stylize_job())
    until_followed(qtbot, window)
    window.live.play_film(plain)
    until(qtbot, lambda: kind(window) == "live")
    closed(qtbot, window)
    assert not window.live_painting._background._pool._threads
