"""What is found again at the next start, also when the file is damaged."""

import json
import logging
from pathlib import Path

import pytest

from engine.image import Picture, from_tensor
from engine.job import Inputs, Job
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from gui import session
from gui.session import Preferences, Session

JOB = Job(
    StyleTransfer(content_layers={"relu3_1": 0.5}, tv_weight=2.0),
    Inputs("photo.jpg", (("a.png", 1.0), ("b.png", 0.25)), start="s.png"),
    "vgg16", size=300, seed=-7, precision="fp32",
)  # fmt: skip


def test_everything_is_found_again() -> None:
    kept = Session(
        JOB,
        ["one.png", "two.png"],
        {"style-transfer": {"mine": {"tv_weight": 3.0}}},
        Preferences(theme="light", threads=3),
        ["Optimizer"],
    )
    session.save(kept)
    assert session.load() == kept


def test_the_first_start_finds_nothing(own_folders: Path) -> None:
    assert session.load() == Session()
    assert not own_folders.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', "null", "\0" * 50])
def test_a_damaged_file_starts_afresh(text: str, caplog: pytest.LogCaptureFixture) -> None:
    session.file().parent.mkdir(parents=True)
    session.file().write_text(text)
    with caplog.at_level(logging.CRITICAL):
        assert session.load() == Session()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("job", {"technique": "no-such"}),
        ("job", None),
        ("recent", 7),
        ("presets", []),
        ("preferences", {"theme": "pink"}),
    ],
)
def test_a_damaged_part_is_left_out_and_the_others_kept(part: str, value: object) -> None:
    kept = Session(JOB, ["x.png"], {}, Preferences(theme="light"))
    session.save(kept)
    values = json.loads(session.file().read_text())
    values[part] = value
    session.file().write_text(json.dumps(values))
    found = session.load()
    for name in ("job", "recent", "preferences"):
        wanted = getattr(Session(), name) if name == part else getattr(kept, name)
        assert getattr(found, name) == wanted


def test_presets_of_settings_that_are_gone_are_left_out() -> None:
    values = {"style-transfer": {"good": {"tv_weight": 3.0}, "bad": {"sparkle": 1}}, "gone": {}}
    session.save(Session(presets=values))
    assert session.load().presets == {"style-transfer": {"good": {"tv_weight": 3.0}}}


def test_saving_leaves_one_file(own_folders: Path) -> None:
    session.save(Session())
    session.save(Session())
    assert [p.name for p in own_folders.iterdir()] == ["session.json"]


def test_recent_files_are_each_once_and_few() -> None:
    kept = Session()
    for n in [*range(15), 12]:
        kept.remember_file(f"{n}.png")
    assert kept.recent[:3] == ["12.png", "14.png", "13.png"]
    assert len(kept.recent) == session.MOST_RECENT


def test_opened_pictures_are_kept_by_path() -> None:
    from dataclasses import replace

    import torch

    picture: Picture = replace(from_tensor(torch.zeros(3, 4, 4)), path=Path("p.png"))
    memory = from_tensor(torch.zeros(3, 4, 4))
    job = Job(DeepDream(), Inputs(picture, ((memory, 2.0),), guide=memory))
    assert session.with_paths(job).inputs == Inputs("p.png")


@pytest.mark.parametrize("weights", [["a"], 3, "a\0b"])
def test_a_job_of_odd_values_is_left_out(weights: object) -> None:
    session.save(Session(JOB, ["x.png"]))
    values = json.loads(session.file().read_text())
    values["job"]["weights"] = weights
    session.file().write_text(json.dumps(values))
    assert session.load().job is None
    assert session.load().recent == ["x.png"]


def test_one_odd_preset_costs_no_other() -> None:
    good = {"mine": {"tv_weight": 3.0}}
    session.save(Session(presets={"style-transfer": good}))
    values = json.loads(session.file().read_text())
    values["presets"]["style-transfer"]["x"] = 3
    values["presets"]["deep-dream"] = 5
    session.file().write_text(json.dumps(values))
    assert session.load().presets == {"style-transfer": good}


def test_a_session_of_another_version_is_put_aside(own_folders: Path) -> None:
    own_folders.mkdir(parents=True)
    session.file().write_text('{"version": 99, "presets": {}}')
    assert session.load() == Session()
    assert [p.name for p in own_folders.iterdir()] == ["session.other.json"]
