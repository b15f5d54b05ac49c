"""Edits of the job: undone, redone, merged, and kept per technique."""

from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from engine.errors import BadInput
from engine.job import Inputs, Job
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from gui import studio as module
from gui.studio import Studio, first_job


@pytest.fixture
def studio(qapp: object) -> Studio:
    return Studio(Job(StyleTransfer(), Inputs("a.png", (("b.png", 1.0),))))


def test_the_first_job_needs_nothing_but_a_click(qapp: object) -> None:
    job = first_job()
    assert job.network == "slim_vgg"
    assert job.technique == replace(StyleTransfer(), **StyleTransfer.presets["Fast preview"])
    from pathlib import Path

    assert Path(str(job.inputs.content)).is_file()
    assert Path(str(job.inputs.styles[0][0])).is_file()


def test_an_edit_is_heard_undone_and_redone(studio: Studio, qtbot: QtBot) -> None:
    with qtbot.waitSignal(studio.changed) as heard:
        studio.set_setting("style_weight", 3.0)
    before, after = heard.args
    assert (before.technique.style_weight, after.technique.style_weight) == (1.0, 3.0)
    studio.undo_stack.undo()
    assert studio.technique.style_weight == 1.0  # type: ignore[attr-defined]
    studio.undo_stack.redo()
    assert studio.technique.style_weight == 3.0  # type: ignore[attr-defined]


def test_an_edit_that_changes_nothing_is_none(studio: Studio, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(studio.changed):
        studio.set_setting("style_weight", 1.0)
    assert studio.undo_stack.count() == 0


def test_a_drag_of_a_slider_is_one_edit(studio: Studio) -> None:
    for weight in (2.0, 3.0, 4.0):
        studio.set_setting("style_weight", weight)
    studio.set_setting("content_weight", 5.0)
    assert studio.undo_stack.count() == 2
    studio.undo_stack.undo()
    studio.undo_stack.undo()
    assert studio.technique == StyleTransfer()


def test_changes_far_apart_are_two_edits(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    studio.set_setting("style_weight", 2.0)
    monkeypatch.setattr(module, "MERGE_SECONDS", -1.0)
    studio.set_setting("style_weight", 3.0)
    assert studio.undo_stack.count() == 2


def test_a_drag_back_to_where_it_began_is_no_edit(studio: Studio) -> None:
    studio.set_setting("style_weight", 2.0)
    studio.set_setting("style_weight", 1.0)
    studio.set_setting("size", 256)
    studio.undo_stack.undo()
    assert studio.job.size == 512
    assert studio.technique.style_weight == 1.0  # type: ignore[attr-defined]


def test_the_jobs_own_settings_are_checked_like_the_techniques(studio: Studio) -> None:
    studio.set_setting("size", 256)
    assert studio.job.size == 256
    with pytest.raises(BadInput):
        studio.set_setting("size", 0)
    with pytest.raises(BadInput):
        studio.set_setting("content_weight", -1.0)
    assert studio.job.size == 256


def test_another_technique_and_back_keeps_both_settings(studio: Studio) -> None:
    studio.set_setting("style_weight", 7.0)
    studio.set_technique("deep-dream")
    assert isinstance(studio.technique, DeepDream)
    studio.set_setting("octaves", 2)
    studio.set_technique("style-transfer")
    assert studio.technique.style_weight == 7.0  # type: ignore[attr-defined]
    studio.set_technique("deep-dream")
    assert studio.technique.octaves == 2  # type: ignore[attr-defined]


def test_a_preset_sets_everything_but_the_chosen_layers(studio: Studio) -> None:
    studio.set_setting("content_layers", {"relu3_1": 2.0})
    studio.set_setting("tv_weight", 9.0)
    studio.apply_preset("Fast preview", StyleTransfer.presets["Fast preview"])
    assert studio.technique.content_layers == {"relu3_1": 2.0}  # type: ignore[attr-defined]
    assert studio.technique.tv_weight == 0.6  # type: ignore[attr-defined]
    assert studio.technique.iterations == 150  # type: ignore[attr-defined]


def test_another_network_is_asked_for_its_own_layers(studio: Studio) -> None:
    studio.set_setting("content_layers", {"relu3_1": 2.0})
    studio.set_network("vgg16")
    assert studio.technique.content_layers is None  # type: ignore[attr-defined]
    studio.undo_stack.undo()
    assert studio.job.network == "slim_vgg"
    assert studio.technique.content_layers == {"relu3_1": 2.0}  # type: ignore[attr-defined]


def test_pictures_are_undone_too(studio: Studio) -> None:
    studio.set_inputs("", content="c.png")
    studio.undo_stack.undo()
    assert studio.job.inputs.content == "a.png"
