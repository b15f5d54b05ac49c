"""A picture that was saved is opened and made again; what its recipe pins ends with it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from cli import commands
from engine.image import open_picture, read_recipe
from engine.job import Inputs, Job
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from gui import session as sessions
from gui.main_window import MainWindow
from gui.session import Session, path_of
from gui.studio import Studio
from tests.gui.stories import (
    CAT,
    MOSAIC,
    STROKES,
    click,
    closed,
    opened_window,
    quick_job,
    until,
    until_idle,
)


def saved(window: MainWindow, qtbot: QtBot, path: Path) -> Path:
    window.files.write_picture(path)
    until(qtbot, lambda: path.exists() and not window.background.busy)
    return path


def steered_picture(window: MainWindow, qtbot: QtBot, path: Path) -> Path:
    """A picture of two styles whose weights, and that of style, are changed in the middle."""
    inputs = Inputs(CAT, ((STROKES, 1.0), (MOSAIC, 1.0)))
    window.studio.load(replace(quick_job(iterations=14), inputs=inputs))
    window.running.step()
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.kind == "frame",
    )
    window.studio.set_setting("style_weight", 30.0)
    window.input_pictures._on_weight(1, 5.0)
    window.running.step()
    until(qtbot, lambda: window.running.changes)
    window.running.pause()
    until_idle(qtbot, window)
    return saved(window, qtbot, path)


def test_a_steered_picture_is_opened_and_made_again_bit_for_bit(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    path = steered_picture(window, qtbot, tmp_path / "made.png")
    recipe = read_recipe(path)
    assert recipe is not None
    changed = {n: v for _, values in recipe["changes"] for n, v in values.items()}
    assert changed == {"style_weight": 30.0, "style_weights": [1.0, 5.0]}
    rendered = tmp_path / "rendered.png"
    assert commands.run(["render", str(path), "-o", str(rendered), "--quiet"]) == 0
    window.studio.set_setting("iterations", 3)  # something else is set up meanwhile
    window.files.read_recipe(path)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == str(path),
    )
    assert window.studio.technique.iterations == 14  # type: ignore[attr-defined]
    click(qtbot, window, "runButton")
    until(qtbot, lambda: window.running.result is not None and not window.controller.active)
    again = saved(window, qtbot, tmp_path / "again.png")
    assert np.array_equal(open_picture(path).rgb, open_picture(again).rgb)
    assert np.array_equal(open_picture(path).rgb, open_picture(rendered).rgb)
    again_recipe = read_recipe(again)
    assert again_recipe is not None
    assert again_recipe["changes"] == recipe["changes"]
    marks = {text for _, text, _ in window.losses.marks}
    assert {"Style 30.0", "Styles 1 : 5"} <= marks
    assert "Styles 1 : 5" in window.timeline._said


def test_without_its_change_the_picture_is_another(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    """What an edit of the opened job ends."""
    path = steered_picture(window, qtbot, tmp_path / "made.png")
    window.files.read_recipe(path)
    until(qtbot, lambda: window.studio.job.changes)
    window.studio.set_setting("seed", 1)
    assert window.studio.job.changes == ()
    window.studio.undo_stack.undo()
    assert window.studio.job.changes
    window.studio.set_setting("seed", 1)
    window.studio.set_setting("seed", 0)  # style transfer from the photo: no randomness in it
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    other = saved(window, qtbot, tmp_path / "other.png")
    assert not np.array_equal(open_picture(path).rgb, open_picture(other).rgb)


def test_the_opened_picture_is_shown_beside_its_photo(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    made = saved(window, qtbot, tmp_path / "made.png")
    path = tmp_path / "somewhere else.png"
    shutil.move(made, path)
    window.studio.set_technique("class-visualization")
    window.files.read_recipe(path)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == str(path),
    )
    until(qtbot, lambda: window.canvas.original.has_image())
    assert window.canvas_content.original == path_of(window.studio.job.inputs.content)
    shown = window.canvas.picture()
    assert shown is not None
    colour = shown.pixelColor(20, 20)
    assert [colour.red(), colour.green(), colour.blue()] == [
        round(float(v) * 255) for v in open_picture(path).rgb[20, 20]
    ]


@pytest.mark.parametrize("edit", ["setting", "technique", "picture"])
def test_what_a_recipe_pins_ends_with_its_job(qapp: object, edit: str) -> None:
    studio = Studio(Job(StyleTransfer(), Inputs("a.png", (("b.png", 1.0),)), device="cuda"))
    opened = Job(DeepDream(), Inputs("c.png"), precision="bf16", device="cpu", stop_after=4)
    studio.open("Open", opened)
    assert studio.job == opened
    if edit == "setting":
        studio.set_setting("octaves", 2)
    elif edit == "technique":
        studio.set_technique("style-transfer")
    else:
        studio.set_inputs("", content="d.png")
    job = studio.job
    assert (job.precision, job.device, job.stop_after) == ("auto", "cuda", None)
    studio.undo_stack.undo()
    assert studio.job == opened


def test_a_precision_chosen_by_hand_stays(qapp: object) -> None:
    studio = Studio(Job(DeepDream(), Inputs("a.png")))
    studio.open("Open", Job(DeepDream(), Inputs("c.png"), precision="bf16"))
    studio.set_setting("precision", "fp32")
    studio.set_technique("style-transfer")
    assert studio.job.precision == "fp32"


def test_each_technique_has_its_own_size(qapp: object) -> None:
    studio = Studio(Job(StyleTransfer(), Inputs("a.png", (("b.png", 1.0),)), size=2048))
    studio.set_technique("deep-dream")
    assert studio.job.size == 512
    studio.set_setting("size", 128)
    studio.set_technique("style-transfer")
    assert studio.job.size == 2048
    studio.undo_stack.undo()
    assert (studio.technique.command, studio.job.size) == ("deep-dream", 128)


def test_all_techniques_come_back_after_a_restart(qtbot: QtBot) -> None:
    window = opened_window(qtbot, Session(job=quick_job()))
    window.studio.set_setting("style_weight", 7.0)
    window.studio.set_setting("size", 96)
    window.studio.set_technique("deep-dream")
    window.studio.set_setting("octaves", 3)
    window.studio.set_technique("langevin")
    closed(qtbot, window)
    other = Studio(sessions.load().job, None, sessions.load().techniques)
    assert other.technique.command == "langevin"
    other.set_technique("style-transfer")
    assert other.technique.style_weight == 7.0  # type: ignore[attr-defined]
    assert other.job.size == 96
    other.set_technique("deep-dream")
    assert other.technique.octaves == 3  # type: ignore[attr-defined]
    assert other.job.size == 512


def test_damaged_settings_of_a_technique_are_left_out_alone(own_folders: Path) -> None:
    kept = Session(job=quick_job(), techniques={"deep-dream": (DeepDream(octaves=3), 128)})
    sessions.save(kept)
    text = sessions.file().read_text("utf-8")
    damaged = text.replace('"octaves": 3', '"octaves": "many"')
    assert damaged != text
    sessions.file().write_text(damaged, "utf-8")
    loaded = sessions.load()
    assert loaded.techniques == {}
    assert loaded.job == quick_job()


def test_a_run_at_another_size_is_fitted(window: MainWindow, qtbot: QtBot) -> None:
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    window.canvas.set_zoom(6.0)
    window.studio.set_setting("iterations", 3)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert window.canvas.zoom() == 6.0, "at the same size one goes on looking at the same place"
    window.studio.set_setting("size", 96)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert window.canvas.fitted()
