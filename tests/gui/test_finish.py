"""Colours and strength of a result are changed after the run, on the canvas and in the file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from pytestqt.qtbot import QtBot

from cli import commands
from engine import settings
from engine.finish import Finish
from engine.image import open_picture, read_recipe
from engine.techniques import TECHNIQUES
from engine.techniques.deep_dream import DeepDream
from gui.main_window import MainWindow
from gui.pixels import to_array
from tests.gui.stories import CAT, click, until, until_idle


def shown(window: MainWindow) -> np.ndarray:
    image = window.canvas.picture()
    assert image is not None
    return to_array(image)[..., :3].astype(float)


def finished(window: MainWindow, qtbot: QtBot, name: str, value: object) -> np.ndarray:
    window.studio.set_setting(name, value)
    until(qtbot, lambda: not window.running.finishing.busy)
    return shown(window)


def test_colours_and_strength_are_live_after_the_run(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    result = window.running.result
    assert result is not None
    plain = shown(window)
    gray = finished(window, qtbot, "recolour", "gray")
    assert np.ptp(gray, axis=2).max() <= 1 < np.ptp(plain, axis=2).max()
    finished(window, qtbot, "recolour", "luminance")
    half = finished(window, qtbot, "strength", 0.5)
    photo = open_picture(CAT).resized(size=(plain.shape[1], plain.shape[0])).rgb * 255
    none = finished(window, qtbot, "strength", 0.0)
    assert np.abs(none - photo).max() <= 0.51
    assert np.abs(half - photo).mean() > 1
    assert window.running.result is result, "nothing was run again"
    assert finished(window, qtbot, "strength", 0.5).tolist() == half.tolist()

    path, again = tmp_path / "made.png", tmp_path / "again.png"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    assert np.array_equal(open_picture(path).rgb * 255, half)
    recipe = read_recipe(path)
    assert recipe is not None
    assert recipe["finish"] == settings.values(Finish("luminance", strength=0.5))
    assert commands.run(["render", str(path), "-o", str(again), "--quiet"]) == 0
    assert np.array_equal(open_picture(path).rgb, open_picture(again).rgb)

    window.studio.undo_stack.undo()
    window.studio.undo_stack.undo()
    until(qtbot, lambda: not window.running.finishing.busy)
    assert window.studio.job.finish == Finish()
    assert np.array_equal(shown(window), plain)


def test_sharpening_and_grain_are_live_and_in_the_file(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    plain = shown(window)
    finished(window, qtbot, "sharpen", 1.0)
    seen = finished(window, qtbot, "grain", 0.05)
    assert np.abs(seen - plain).mean() > 2
    path, again = tmp_path / "made.png", tmp_path / "again.png"
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    assert np.array_equal(open_picture(path).rgb * 255, seen)
    assert commands.run(["render", str(path), "-o", str(again), "--quiet"]) == 0
    assert np.array_equal(open_picture(path).rgb, open_picture(again).rgb)


def test_a_film_is_finished_as_the_canvas_shows_it(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    dream = DeepDream(frame_count=2, iterations=1, octaves=1)
    window.studio.load(replace(window.studio.job, technique=dream))
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    gray = finished(window, qtbot, "recolour", "gray")
    window.film_flow.write(tmp_path / "frames", 24.0)
    until(qtbot, lambda: not window.background.busy)
    frames = [open_picture(path).rgb * 255 for path in sorted((tmp_path / "frames").iterdir())]
    assert len(frames) == 2
    assert all(np.ptp(frame, axis=2).max() <= 1 for frame in frames)
    assert np.abs(frames[-1] - gray).max() <= 1, "the last frame is the picture on the canvas"


def test_an_earlier_moment_is_finished_too(window: MainWindow, qtbot: QtBot) -> None:
    window.studio.set_setting("recolour", "gray")
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    until(qtbot, lambda: window.timeline.current() is not None)
    moments = window.controller.history.moments()
    window.canvas_content.show_moment(moments[2])
    until(qtbot, lambda: not window.running.finishing.busy)
    assert np.ptp(shown(window), axis=2).max() <= 1
    raw = to_array(moments[2].image)[..., :3]
    assert np.ptp(raw.astype(int), axis=2).max() > 1, "what is kept is as it was made"
    picture = window.running.picture()
    assert picture is not None
    assert np.array_equal(picture.rgb, raw.astype(np.float32) / 255)


def test_how_it_is_finished_is_not_part_of_an_opened_run(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    job = replace(window.studio.job, precision="bf16", stop_after=3)
    window.studio.open("Open", job)
    window.studio.set_setting("recolour", "gray")
    assert window.studio.job == replace(job, finish=Finish(recolour="gray"))
    window.studio.set_setting("seed", 5)
    assert (window.studio.job.stop_after, window.studio.job.precision) == (None, "fp32")
    assert window.studio.job.finish == Finish(recolour="gray")


def test_no_technique_has_a_setting_of_that_name() -> None:
    from engine import settings

    for kind in TECHNIQUES.values():
        assert not settings.describe(kind).keys() & settings.describe(Finish).keys()
