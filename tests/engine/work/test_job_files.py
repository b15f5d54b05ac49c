"""Lists of jobs: what they may leave out, what is wrong with them, and what 200 broken ones say."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadInput
from engine.image_metadata import read_recipe
from engine.job import Inputs, Job
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from engine.work.job_files import Wanted, wanted_of_file, wanted_of_photos
from engine.work.naming import is_made, named
from tests.cli.conftest import draw_pictures, noise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw_pictures(tmp_path)
    return tmp_path


def listed(folder: Path, *entries: Any) -> list[Wanted]:
    (folder / "jobs.json").write_text(json.dumps(entries))
    return wanted_of_file(folder / "jobs.json")


SHORT = {
    "technique": "style-transfer",
    "preset": "fast preview",
    "settings": {"iterations": 7},
    "inputs": {"content": "photo.png", "styles": ["sea.png", {"path": "fire.png", "weight": 2}]},
    "size": 96,
}


def test_what_an_entry_leaves_out_has_its_usual_value(folder: Path) -> None:
    (wanted,) = listed(folder, SHORT)
    technique = StyleTransfer(**{**StyleTransfer.presets["Fast preview"], "iterations": 7})
    styles = ((str(folder / "sea.png"), 1.0), (str(folder / "fire.png"), 2.0))
    job = Job(technique, Inputs(str(folder / "photo.png"), styles), size=96)
    assert wanted.recipe == job.recipe()
    assert (wanted.name, wanted.suffix, wanted.bits) == ("photo_sea+fire", ".png", 8)
    assert Job.from_recipe(wanted.recipe).recipe() == job.recipe()


def test_a_recipe_of_the_program_is_an_entry(folder: Path) -> None:
    job = Job(DeepDream(), Inputs(str(folder / "photo.png"), guide=str(folder / "sea.png")), seed=5)
    (wanted,) = listed(folder, job.recipe())
    assert wanted.recipe == job.recipe()
    (folder / "alone.json").write_text(json.dumps(job.recipe()))
    (alone,) = wanted_of_file(folder / "alone.json")
    assert (alone.recipe, alone.name) == (job.recipe(), "alone")


def test_pictures_that_moved_with_the_list_are_found(folder: Path) -> None:
    recipe = Job(DeepDream(), Inputs(str(folder / "photo.png"))).recipe()
    moved = folder / "moved"
    moved.mkdir()
    (folder / "photo.png").rename(moved / "photo.png")
    (wanted,) = listed(moved, recipe)
    assert wanted.recipe["inputs"]["content"]["path"] == str(moved / "photo.png")


def test_as_large_as_the_photo(folder: Path) -> None:
    entry = {"technique": "deep-dream", "inputs": {"content": "photo.png"}, "size": "photo"}
    assert listed(folder, entry)[0].recipe["size"] == 48


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"technique": "cubism"}, "cubism"),
        ({"technique": None}, "None"),
        ({"preset": "finest"}, "Fast preview"),
        ({"settings": {"iteration": 3}}, "did you mean iterations"),
        ({"settings": {"iterations": "many"}}, "whole number"),
        ({"settings": [1]}, "must be an object"),
        ({"inputs": {"styles": ["sea.png"]}}, "needs a photo as content"),
        ({"inputs": {"content": "photo.png"}}, "needs at least one style"),
        ({"inputs": {"content": 7, "styles": ["sea.png"]}}, "must be the path of a picture"),
        ({"inputs": {"photo": "photo.png"}}, "content, styles, guide, start"),
        (
            {"inputs": {"content": "photo.png", "styles": [{"path": "sea.png", "weight": -1}]}},
            "a number above 0",
        ),
        ({"inputs": {"content": "//server/share/a.png", "styles": ["sea.png"]}}, "another machine"),
        ({"size": 0}, "1 to 65536"),
        ({"size": 1e400}, "damaged"),
        ({"bits": 12}, "8 or 16"),
        ({"bits": 16, "output": "a.jpg"}, "16 bits"),
        ({"output": "../a.png"}, "a file name"),
        ({"output": "a.txt"}, "end in one of"),
        ({"output": ".a.png"}, "a file name"),
        ({"format": 99}, "update Pareidolia"),
        ({"colour": "blue"}, "unknown in a job"),
    ],
)
def test_a_mistake_is_said_with_the_entry_it_is_in(
    folder: Path, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadInput) as caught:
        listed(folder, SHORT, {**SHORT, **change})
    said = str(caught.value)
    assert "jobs.json, job 2" in said
    assert sentence in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "cannot be read as a list of jobs"),
        ("[]", "an empty list"),
        ("3", "must be a JSON list"),
        ('[{"technique": "deep-dream", "technique": "langevin"}]', "stands there twice"),
        ("[" * 100_000, "cannot be read as a list of jobs"),
        ("[null]", "job 1: None is not a job"),
    ],
)
def test_files_that_hold_no_list(folder: Path, content: str, sentence: str) -> None:
    (folder / "jobs.json").write_text(content)
    with pytest.raises(BadInput, match=sentence):
        wanted_of_file(folder / "jobs.json")


def test_200_broken_lists_say_one_sentence_each(folder: Path) -> None:
    """Bytes and values are changed at random: a list is read, or refused in one sentence."""
    recipe = Job(DeepDream(), Inputs(str(folder / "photo.png")), seed=5).recipe()
    whole = json.dumps([SHORT, recipe])
    chance = random.Random(16)
    values = [
        None,
        True,
        -1,
        0,
        1e308,
        10**400,
        "",
        "x" * 5000,
        [],
        [[]],
        {},
        {"path": 1},
        "\0",
        "../a",
    ]
    refused = 0
    for number in range(200):
        if number % 2:
            entries = json.loads(whole)
            place: Any = chance.choice(entries)
            while isinstance(place, (dict, list)) and place:
                key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
                if not isinstance(place[key], (dict, list)) or chance.random() < 0.3:
                    place[key] = chance.choice(values)
                    break
                place = place[key]
            data = json.dumps(entries).encode()
        else:
            broken = bytearray(whole.encode())
            for _ in range(chance.randrange(1, 6)):
                at = chance.randrange(len(broken))
                broken[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
            data = bytes(broken)
        (folder / "broken.json").write_bytes(data)
        began = time.process_time()
        try:
            wanted = wanted_of_file(folder / "broken.json")
        except BadInput as error:
            refused += 1
            assert "\n" not in str(error)
            assert "broken.json" in str(error)
            assert len(str(error)) < 12_000
        else:
            assert 1 <= len(wanted) <= 2
            assert all(w.name and "/" not in w.name for w in wanted)
        assert time.process_time() - began < 20  # bounded: not a measurement
    assert 100 < refused < 200


# -- folders and names -----------------------------------------------------------------------------


def test_the_same_for_every_photo_in_a_folder(folder: Path) -> None:
    photos = folder / "photos"
    (photos / "below").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "a.png", ".hidden.png", "below/c.png"):
        noise(20, 30, 3, 1).save(photos / name)
    job = Job(DeepDream(), Inputs(str(photos)), size=None)
    wanted = wanted_of_photos(job, photos)
    assert [w.title for w in wanted] == ["a.jpg", "a.png", "b.png"]
    for each in wanted:
        photo = str(photos / each.title)
        assert each.recipe == Job(DeepDream(), Inputs(photo), size=30).recipe()
    out = folder / "out"
    out.mkdir()
    assert [p.path.name for p in named(wanted, out)] == ["a_jpg.png", "a_png.png", "b.png"]
    with pytest.raises(BadInput, match="holds no pictures"):
        wanted_of_photos(job, out)


def test_nothing_that_is_there_is_taken_for_a_place(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    entry = {"technique": "deep-dream", "inputs": {"content": "photo.png"}}
    (wanted,) = listed(folder, {**entry, "output": "A.png"})
    assert named([wanted], out)[0].path.name == "A.png"
    for there, chosen in (
        ("a.png", "A-2.png"),  # of the user's; some disks know no capitals
        ("A-2.partial.png", "A-3.png"),
        ("A-3.figure.png", "A-4.png"),
    ):
        noise(9, 9, 3, 0).save(out / there)
        assert named([wanted], out)[0].path.name == chosen
    first, second = named([wanted, wanted], out)
    assert (first.path.name, second.path.name) == ("A-4.png", "A-5.png")


def test_a_picture_is_known_by_its_recipe(folder: Path) -> None:
    from engine.image import open_picture, save_picture

    (wanted,) = listed(folder, {**SHORT, "output": "a.png"})
    picture, recipe = open_picture(folder / "photo.png"), wanted.recipe
    saved = save_picture(picture, folder / "saved.png", recipe=recipe)
    assert read_recipe(saved) == recipe
    assert is_made(saved, recipe)
    assert not is_made(saved, recipe, bits=16)
    assert not is_made(saved, {**recipe, "seed": 1})
    assert not is_made(folder / "photo.png", recipe)
    assert not is_made(folder / "notes.txt", recipe)
    elsewhere = json.loads(json.dumps(recipe).replace(str(folder), "/elsewhere"))
    assert is_made(saved, elsewhere)
    other = json.loads(json.dumps(recipe))
    other["inputs"]["content"]["sha256"] = "0" * 64
    assert not is_made(saved, other)
    decided = {**recipe, "precision": "bf16"}
    assert not is_made(saved, decided)
    assert is_made(saved, decided, open_precision=True)
    out = folder / "out"
    out.mkdir()
    save_picture(picture, out / "a-3.png", recipe=recipe)
    (place,) = named([wanted], out)
    assert (place.path.name, place.made) == ("a-3.png", True)
