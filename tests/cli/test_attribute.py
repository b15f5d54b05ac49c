"""The command `attribute` on the network that ships: every method, its raw values, bad input."""

import json
from pathlib import Path

import numpy as np
import pytest

from cli.attribute import COMMANDS
from engine.image import open_picture


@pytest.mark.parametrize("method", COMMANDS)
def test_every_method_writes_a_map_and_its_values(in_process, method):
    arguments = ["attribute", "photo.png", "--method", method, "-o", "map.png", "--raw", "map.npz",
                 "--class", "7", "--size", "64", "--json"]  # fmt: skip
    done = in_process(*arguments)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["class"] == 7
    raw = np.load("map.npz")
    picture = open_picture("map.png")
    assert raw["values"].shape[-2:] == (picture.height, picture.width)
    assert np.isfinite(raw["values"]).all()
    assert int(raw["target"]) == 7
    assert str(raw["method"]) == method
    assert np.ptp(picture.rgb) > 0.1


def test_by_itself_it_is_about_the_most_likely_class(in_process):
    from engine.networks.loading import load_network

    done = in_process("attribute", "photo.png", "--method", "gradient", "-o", "m.png", "--size", "64",
                      "--json")  # fmt: skip
    network = load_network("slim_vgg")
    likely = int(network.logits(open_picture("photo.png").resized(64).tensor()).argmax())
    assert json.loads(done.stdout)["class"] == likely


def test_a_map_can_lie_over_the_photo(in_process):
    arguments = ("attribute", "photo.png", "--method", "grad-cam", "--size", "64", "-o")
    in_process(*arguments, "alone.png")
    in_process(*arguments, "over.png", "--over", "0.5")
    alone, over = open_picture("alone.png").rgb, open_picture("over.png").rgb
    photo = open_picture("photo.png").resized(64).rgb
    gray = (2 * over - alone).clip(0, 1)
    assert abs(gray[..., 0] - gray[..., 1]).max() < 0.02, "the photo's part has no colour"
    assert np.corrcoef(gray[..., 0].ravel(), photo.mean(-1).ravel())[0, 1] > 0.8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "magic", "-o", "x.png"], "magic"),
        (["--method", "grad-cam", "--layer", "relu9_9", "-o", "x.png"], "relu9_9"),
        (["--method", "gradient", "--class", "unicorn", "-o", "x.png"], "unicorn"),
        (["--method", "gradient", "-o", "x.docx"], "x.docx"),
        (["--method", "occlusion", "--window", "900", "-o", "x.png"], "900"),
        (["--method", "gradient", "--over", "2", "-o", "x.png"], "over"),
    ],
)
def test_bad_input_is_one_sentence(in_process, arguments, words):
    done = in_process("attribute", "photo.png", "--size", "64", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("x.png").exists()
