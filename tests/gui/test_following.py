"""Stylization in one pass follows what is set up; its result is refined by optimization."""

import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from engine.image import Picture
from engine.job import Inputs, Job, run
from engine.stylization.texture_network import TextureNetwork, write_texture
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.stylize import Stylize
from gui.flow.following import preview_of
from gui.main_window import MainWindow
from gui.pixels import picture_of
from gui.run.following import Followed, followed
from gui.run.networks import Networks
from gui.run.turn import Turn
from gui.session import Preferences, Session, path_of
from tests.gui.stories import (
    CAT,
    MOSAIC,
    STROKES,
    click,
    closed,
    opened_window,
    until,
    until_idle,
)

TINY = str(Path(__file__).parents[1] / "recipes" / "tiny_style.safetensors")
SIZE = 64


def stylize_job(size: int = SIZE, **settings: Any) -> Job:
    technique = Stylize(**{"style_network": TINY, **settings})
    inputs = Inputs(CAT, ((STROKES, 1.0),))
    return Job(technique, inputs, size=size, device="cpu", precision="fp32")


def set_up(window: MainWindow, job: Job) -> None:
    window.studio.edit(
        "", technique=job.technique, inputs=job.inputs, size=job.size, device=job.device,
        precision=job.precision,
    )  # fmt: skip


def kind(window: MainWindow) -> str:
    current = window.canvas_content.current
    return "" if current is None else current.kind


def until_followed(qtbot: QtBot, window: MainWindow) -> None:
    until(qtbot, lambda: not window.follow.busy)


@pytest.fixture
def small_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.techniques.stylize.steps.LARGE", 32 * 32)
    monkeypatch.setattr("engine.techniques.stylize.steps.SMALL", 24)


def test_the_result_follows_each_change(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, small_first: None
) -> None:
    seen: list[str] = []
    window.canvas_content.changed.connect(lambda: seen.append(kind(window)))
    job = stylize_job()
    set_up(window, job)
    until_followed(qtbot, window)
    assert seen[-2:] == ["preview", "frame"]
    first = window.running.result
    assert first is not None
    assert (first.picture.width, first.job.technique) == (SIZE, job.technique)
    *_, frame = run(job)
    assert np.allclose(first.picture.rgb, frame.picture.permute(1, 2, 0).numpy(), atol=1e-5)
    for change in ("setting", "photo", "undo"):
        if change == "setting":
            window.studio.set_setting("style_strength", 0.2)
        elif change == "photo":
            window.studio.set_inputs("", content=MOSAIC)
        else:
            window.studio.undo_stack.undo()
        assert not window.controller.active
        before = window.running.result
        until(qtbot, lambda before=before: window.running.result is not before)
        result = window.running.result
        assert result is not None
        assert result.job.technique == window.studio.technique
        assert path_of(result.job.inputs.content) == path_of(window.studio.job.inputs.content)
        until_followed(qtbot, window)
    assert not window.variants.entries
    assert window.files.ready() is not None


def test_only_what_stands_a_while_becomes_a_variant(window: MainWindow, qtbot: QtBot) -> None:
    window.follow._standing.setInterval(300)
    set_up(window, stylize_job())
    for strength in (0.9, 0.8, 0.7):
        until_followed(qtbot, window)
        window.studio.set_setting("style_strength", strength)
    until(qtbot, lambda: window.variants.entries)
    until(qtbot, lambda: window.variants.entries[0].in_folder)
    (entry,) = window.variants.entries
    assert entry.job.technique == window.studio.technique
    assert entry.complete
    assert not entry.running
    record = window.running.record
    assert record is not None
    assert record.entry is entry
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert len(window.variants.entries) == 2
    until(qtbot, lambda: not window.background.busy)


def test_a_window_begins_with_the_result_of_what_it_is_opened_with(qtbot: QtBot) -> None:
    window = opened_window(qtbot, Session(job=stylize_job()))
    until(qtbot, lambda: window.running.result is not None)
    until_followed(qtbot, window)
    assert kind(window) == "frame"
    closed(qtbot, window)


def test_a_newer_question_gives_up_the_one_under_way(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, small_first: None
) -> None:
    painted: list[float] = []
    held, going = threading.Event(), threading.Event()
    from engine.stylization.stylize import Painted

    small, whole = Painted.at, Painted.whole

    def at(self: Painted, size: tuple[int, int]) -> object:
        if self.manner.strength == 1.0:
            going.set()
            held.wait(20)
        return small(self, size)

    def noted(self: Painted) -> object:
        painted.append(self.manner.strength)
        return whole(self)

    monkeypatch.setattr(Painted, "at", at)
    monkeypatch.setattr(Painted, "whole", noted)
    set_up(window, stylize_job())
    until(qtbot, going.is_set)
    for strength in (0.8, 0.6, 0.4):
        window.studio.set_setting("style_strength", strength)
    until(qtbot, lambda: not window.follow._settling.isActive())
    held.set()
    until(qtbot, lambda: window.running.result is not None)
    assert painted == [0.4]


def test_it_can_be_switched_off_and_leaves_runs_alone(window: MainWindow, qtbot: QtBot) -> None:
    action = window.actions_table["follow"]
    assert action.isChecked()
    action.trigger()
    assert window.session.preferences == Preferences(follow=False)
    set_up(window, stylize_job())
    assert not window.follow.busy
    action.trigger()
    until(qtbot, lambda: window.running.result is not None)
    until_followed(qtbot, window)
    window.studio.set_technique("style-transfer")
    assert not window.follow.busy
    set_up(window, stylize_job())
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert not window.follow.busy
    assert len(window.variants.entries) == 1
    window.studio.set_setting("style_network", "/nowhere.safetensors")
    until_followed(qtbot, window)
    assert "nowhere" in window.run_bar.eta.text()


def no() -> bool:
    return False


def result_of(states: Generator[Followed, None, Followed | None]) -> Followed | None:
    with pytest.raises(StopIteration) as end:
        next(states)
    found: Followed | None = end.value.value
    return found


def test_what_is_stale_is_given_up_between_layers(small_first: None) -> None:
    networks, turn, asked = Networks(), Turn(), 0

    def stale() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    for job in (stylize_job(), stylize_job(style_network="")):  # a painter; one for any style
        states = followed(1, job, networks, turn, stale, no)
        asked = 0
        assert next(states).image.width() == 24  # a slider in motion shows something
        assert asked == 0
        assert result_of(states) is None
        assert asked == 3
        asked = 0
        assert result_of(followed(1, job, networks, turn, no, stale)) is None
        assert asked == 3
        states = followed(1, job, networks, turn, no, no)
        next(states)
        made = result_of(states)
        assert made is not None
        assert made.result is not None
        assert made.result.picture.width == SIZE


def test_refined_by_optimization(window: MainWindow, qtbot: QtBot) -> None:
    assert not window.actions_table["refine"].isEnabled()
    left = window.studio.technique
    set_up(window, stylize_job(colour="luminance-after", stroke_size=0.5))
    until_followed(qtbot, window)
    texts = [action.text() for action in window.menus.menu_of_canvas().actions()]
    assert window.actions_table["refine"].text() in texts
    stylized = window.running.result
    assert stylized is not None
    window.actions_table["refine"].trigger()
    until(qtbot, lambda: len(window.variants.entries) == 2)
    until_idle(qtbot, window)
    first, second = window.variants.entries
    assert second.parent is first
    technique = second.job.technique
    assert technique == replace(
        left, colour="luminance-after", style_scale=0.5, start="picture", smallest_scale=65536
    )
    assert isinstance(technique, StyleTransfer)
    start = window.running.result.job.inputs.start  # type: ignore[union-attr]
    assert isinstance(start, Picture)
    assert abs(start.rgb - stylized.picture.rgb).max() < 1e-4
    window.studio.undo_stack.undo()
    assert isinstance(window.studio.technique, Stylize)
    until_followed(qtbot, window)
    until(qtbot, lambda: not window.background.busy)


def previewed(window: MainWindow) -> bool:
    return window.canvas.labels() == ["Preview: stylized in one pass"]


def test_style_transfer_is_previewed_when_its_pictures_change(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.follow.previews = True
    window.studio.set_setting("iterations", 7)
    assert not window.follow.busy, "that is not seen in a preview"
    window.studio.set_inputs("", styles=((MOSAIC, 1.0),))
    assert window.follow.busy
    until_followed(qtbot, window)
    assert kind(window) == "preview"
    assert previewed(window)
    assert window.running.result is None
    assert window.files.ready() is None, "there is nothing to export yet"
    assert not window.variants.entries
    shown = window.canvas_content.current
    assert shown is not None
    wanted = Job(Stylize(), window.studio.job.inputs, size=SIZE, device="cpu", precision="fp32")
    *_, frame = run(wanted)
    assert np.abs(picture_of(shown.image).rgb - frame.picture.permute(1, 2, 0).numpy()).max() < 0.01

    window.studio.set_inputs("", styles=())
    until(qtbot, lambda: kind(window) == "content")
    assert window.canvas.labels() == [], "without a painting nothing is foretold"
    window.studio.undo_stack.undo()
    until(qtbot, lambda: previewed(window))
    click(qtbot, window, "runButton")
    until(qtbot, lambda: kind(window) == "frame")
    assert window.canvas.labels() == []
    until_idle(qtbot, window)
    window.studio.set_inputs("", styles=((STROKES, 1.0),))
    until(qtbot, lambda: previewed(window))
    window.timeline.moment_selected.emit(window.running.moments()[-1])
    assert kind(window) == "moment", "the result of the run is a click away"
    until(qtbot, lambda: not window.background.busy)


def test_a_small_preview_comes_at_once_and_a_better_one_after_it(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.flow.following.FIRST_PREVIEW", 32)
    monkeypatch.setattr("gui.flow.following.PREVIEW_SIZE", 48)
    window.follow.previews = True
    widths: list[int] = []

    def note() -> None:
        current = window.canvas_content.current
        if current is not None and current.kind == "preview":
            widths.append(current.image.width())

    window.canvas_content.changed.connect(note)
    for style in (MOSAIC, STROKES):
        widths.clear()
        window.studio.set_inputs("", styles=((style, 1.0),))
        until_followed(qtbot, window)
        assert widths == [32, 48]
        assert window.canvas.logical_size().width() == SIZE, "it lies as the result will"


def test_no_preview_takes_the_place_of_a_result_or_a_picture_looked_at(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.follow.previews = True
    set_up(window, stylize_job())
    until_followed(qtbot, window)
    assert kind(window) == "frame"
    window.studio.edit("", technique=StyleTransfer(iterations=3))
    assert not window.follow.busy
    assert kind(window) == "frame"
    assert window.files.ready() is not None
    window.canvas_content.show_input(STROKES)
    until(qtbot, lambda: kind(window) == "input")
    window.studio.set_inputs("", styles=((MOSAIC, 1.0),))
    until_followed(qtbot, window)
    assert kind(window) == "input"
    window.follow.switch(False)
    window.studio.set_inputs("", styles=((STROKES, 1.0),))
    assert not window.follow.busy


def test_a_preview_is_small_and_has_the_settings_that_it_can_show() -> None:
    technique = StyleTransfer(colour="match", colour_strength=0.5, style_scale=2.0, iterations=9)
    inputs = Inputs(CAT, ((STROKES, 1.0),), start=MOSAIC)
    job = Job(technique, inputs, size=2048, changes=((3, {"tv_weight": 1.0}),), stop_after=5)
    found = preview_of(job)
    assert found is not None
    assert found.technique == Stylize(colour="match", colour_strength=0.5, stroke_size=2.0)
    assert (found.size, found.inputs.start, found.changes) == (512, None, ())
    assert preview_of(replace(job, technique=DeepDream())) is None


def test_a_texture_follows_without_a_photo(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    """A network for a texture draws it from noise; one that paints still asks for a photo."""
    network = TextureNetwork(3).eval()
    write_texture(network, tmp_path / "bark.safetensors", {})
    painting = replace(stylize_job(), inputs=Inputs())
    set_up(window, painting)
    window.running.start()
    assert window.running.missing() == "Open a photo first (Ctrl+I)."
    texture = replace(painting, technique=Stylize(style_network=str(tmp_path / "bark.safetensors")))
    set_up(window, texture)
    assert window.running.missing() == ""
    until_followed(qtbot, window)
    made = window.running.result
    assert made is not None
    assert (made.picture.width, made.picture.height) == (SIZE, SIZE)
    *_, frame = run(made.job)
    assert np.allclose(made.picture.rgb, frame.picture.permute(1, 2, 0).numpy(), atol=1e-5)
    assert kind(window) == "frame"
    window.running.start()
    until_idle(qtbot, window)
    assert window.running.result is not None
