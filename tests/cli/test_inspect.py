"""The command `inspect` on the network that ships: every kind, its numbers, bad input."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.image import open_picture


@pytest.fixture(scope="module", autouse=True)
def many(folder):
    """A folder of eight small pictures and a damaged one, beside the others."""
    made = folder / "many"
    made.mkdir()
    for i in range(8):
        values = np.random.default_rng(i).integers(0, 256, (5, 5, 3), np.uint8)
        Image.fromarray(values).resize((48, 40)).save(made / f"{i}.png")
    shutil.copy(folder / "notes.txt", made / "broken.jpg")


def said(in_process, *arguments):
    done = in_process("inspect", *arguments, "-o", "out.png", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert np.ptp(open_picture("out.png").rgb) > 0.5
    return json.loads(done.stdout)


def test_filters(in_process):
    assert said(in_process, "--what", "filters")["shape"] == [32, 3, 3, 3]
    deep = said(in_process, "--what", "filters", "--layer", "conv2_1", "--each", "--top", "4")
    assert deep["layer"] == "conv2_1" and deep["shape"] == [64, 32, 3, 3]


def test_activations(in_process):
    arguments = ("photo.png", "--what", "activations", "--layer", "relu2_1", "--size", "64")
    found = said(in_process, *arguments, "--top", "5")
    means = [channel["mean"] for channel in found["channels"]]
    assert len(means) == 5 and means == sorted(means, reverse=True)
    assert found["shape"] == [64, 24, 32]
    assert len(said(in_process, *arguments, "--each")["channels"]) == 64


def test_patches(in_process):
    arguments = ("many", "--what", "patches", "--size", "32", "--precision", "fp32")
    found = said(in_process, *arguments, "--layer", "relu1_2", "--layer", "relu3_1", "--top", "2")
    assert found["pictures"] == 9 and found["unreadable"] == [str(Path("many/broken.jpg"))]
    assert list(found["layers"]) == ["relu1_2", "relu3_1"]
    for channels in found["layers"].values():
        assert len(channels) == 2
        for places in channels.values():
            values = [place["value"] for place in places]
            assert len(values) == 8 and values == sorted(values, reverse=True)
    chosen = said(in_process, *arguments, "--channel", "3", "--channel", "9")
    assert [list(channels) for channels in chosen["layers"].values()] == [["3", "9"]]


def test_neighbors(in_process):
    found = said(in_process, "many/3.png", "--what", "neighbors", "--among", "many", "--top", "3",
                 "--metric", "cosine", "--size", "32")  # fmt: skip
    for kind in ("features", "pixels"):
        distances = [near["distance"] for near in found[kind]]
        assert len(distances) == 3 and distances == sorted(distances)
        assert str(Path("many/3.png")) not in [near["picture"] for near in found[kind]]


def test_embedding(in_process):
    arguments = ("many", "--what", "embedding", "--size", "32", "--seed", "1")
    found = said(in_process, *arguments)
    assert len(found["pictures"]) == 8 and found["unreadable"] == [str(Path("many/broken.jpg"))]
    assert sum(found["explained"]) == pytest.approx(1, abs=1e-3)
    assert found["perplexity"] == pytest.approx(7 / 3)
    assert said(in_process, *arguments)["pictures"] == found["pictures"]
    assert said(in_process, *arguments, "--method", "pca")["perplexity"] == 0


def test_map_and_neighbors_read_a_folder_once(in_process, monkeypatch):
    from engine.inspection import folder as folders

    opened, read = [], folders.square_of
    monkeypatch.setattr(folders, "square_of", lambda p, s: opened.append(p.name) or read(p, s))
    said(in_process, "many", "--what", "embedding", "--size", "40", "--method", "pca")
    assert len(opened) == 9
    opened.clear()
    near = ("many/3.png", "--what", "neighbors", "--among", "many", "--size", "40")
    first = said(in_process, *near)
    assert opened == ["broken.jpg"] and first["unreadable"] == [str(Path("many/broken.jpg"))]
    said(in_process, *near, "--layer", "relu2_1")
    assert len(opened) == 1 + 9, "another layer is another reading"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--what", "magic"], "magic"),
        (["--what", "activations"], "needs a photo"),
        (["--what", "patches"], "needs a folder"),
        (["photo.png", "--what", "patches"], "needs a folder"),
        (["missing", "--what", "embedding"], "missing"),
        (["many", "--what", "activations"], "many"),
        (["photo.png", "--what", "neighbors"], "--among"),
        (["photo.png", "--what", "neighbors", "--among", "photo.png"], "is not a folder"),
        (["many", "--what", "embedding", "--among", "many"], "--among"),
        (["many", "--what", "embedding", "--perplexity", "0"], "--perplexity"),
        (["many", "--what", "embedding", "--perplexity", "nan"], "--perplexity"),
        (["many", "--what", "patches", "--channel", "999", "--size", "32"], "999"),
        (["--what", "filters", "--layer", "relu1_1"], "conv1_1"),
        (["--what", "filters", "--top", "-1"], "--top"),
        (["photo.png", "--what", "activations", "--layer", "relu9_9"], "relu9_9"),
        (["photo.png", "--what", "activations", "--layer", "relu1_1", "--layer", "relu2_1"], "one"),
        (["photo.png", "--what", "activations", "-o", "x.docx"], "x.docx"),
    ],
)
def test_bad_input_is_one_sentence(in_process, arguments, words):
    done = in_process("inspect", "-o", "x.png", *arguments, "--quiet")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("x.png").exists()
