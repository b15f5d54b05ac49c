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
        (["--method", "gradient", "--over", "2", "-o", "x.png"], "0 to 1"),
        (["--method", "gradient", "--over", "much", "-o", "x.png"], "0 to 1"),
        (["--method", "gradient", "-o", "photo.png"], "one of the pictures to work from"),
        (["--method", "gradient", "--cut", "photo.png", "-o", "x.png"], "to work from"),
        (["--method", "gradient", "--cut", "x.png", "-o", "x.png"], "written twice"),
        (["--method", "gradient", "--raw", "no/x.npz", "-o", "x.png"], "does not exist"),
        (["--method", "gradient", "--layer", "relu1_1", "-o", "x.png"], "--layer is for grad-cam"),
        (
            ["--method", "gradient", "--sanity", "--class", "1", "--class", "2", "-o", "x.png"],
            "--sanity takes one",
        ),
        (["--method", "occlusion", "--class", "1", "--class", "2", "--window", "999", "-o", "x.png"],
         "999"),
        (["--method", "gradient", "--companions", "-o", "x.png"], "for --method occlusion"),
        (["--method", "occlusion", "--companions", "--sanity", "-o", "x.png"], "choose one"),
        (["--method", "occlusion", "--companions", "--unit", "relu1_1:2", "-o", "x.png"],
         "a unit has no probability"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(in_process, arguments, words):
    before = Path("photo.png").read_bytes()
    done = in_process("attribute", "photo.png", "--size", "64", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("x.png").exists()
    assert Path("photo.png").read_bytes() == before


def test_a_unit_takes_the_place_of_a_class(in_process):
    done = in_process("attribute", "photo.png", "--method", "guided-backprop", "-o", "u.png",
                      "--unit", "relu3_1:5:2,3", "--size", "64", "--raw", "u.npz", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["unit"] == "relu3_1:5:2,3"
    assert said["name"] == "relu3_1 channel 5 at 2, 3"
    assert "class" not in said
    raw = np.load("u.npz")
    assert str(raw["unit"]) == "relu3_1 channel 5 at 2, 3"
    rows, columns = np.nonzero(np.abs(raw["values"]).max(0))
    # Its receptive field is 24 px wide at most.
    assert max(np.ptp(rows), np.ptp(columns)) < 24
    assert said["activation"] >= 0


def test_units_and_classes_stand_beside_each_other(in_process):
    done = in_process("attribute", "photo.png", "--method", "gradient", "-o", "both.png", "--class",
                      "7", "--unit", "relu3_1:5", "--unit", "relu2_1:1", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["class"] == [7]
    assert [text.split(":")[:2] for text in said["unit"]] == [["relu3_1", "5"], ["relu2_1", "1"]]


def test_the_object_is_written_as_a_mask_of_the_photos_size(in_process):
    done = in_process("attribute", "photo.png", "--method", "gradient", "-o", "m.png", "--size", "64",
                      "--cut", "mask.png", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cut"] == "mask.png"
    mask, photo = open_picture("mask.png"), open_picture("photo.png")
    assert (mask.width, mask.height) == (photo.width, photo.height)
    assert set(np.unique(mask.rgb)) == {0.0, 1.0}


@pytest.fixture
def smooth(monkeypatch):
    """A network whose activations have no rule for ReLUs, in place of the one that ships."""
    from torch import nn

    from engine.networks.card import Card
    from engine.networks.network import Network

    layers = (nn.Conv2d(3, 4, 3, padding=1), nn.GELU(), nn.Conv2d(4, 4, 3, padding=1))
    network = Network(nn.Sequential(*layers), Card("smooth", "Smooth", "some", input_size=32))
    monkeypatch.setattr("engine.networks.loading.load_network", lambda *_: network)
    return network


@pytest.mark.parametrize("layers", [["0"], ["0", "2"]])
def test_activations_without_a_rule_are_told_of(in_process, smooth, layers):
    units = [word for layer in layers for word in ("--unit", f"{layer}:1")]
    done = in_process("attribute", "photo.png", "--method", "deconvnet", *units, "-o", "g.png")
    assert done.returncode == 0, done.stderr
    words = "deconvnet on smooth: no rule for GELU, which keep their ordinary gradient"
    assert done.stderr == f"pareidolia: {words}\n"
    done = in_process("attribute", "photo.png", "--method", "gradient", *units, "-o", "g.png")
    assert done.stderr == ""


def test_a_network_without_classes_says_so_unless_a_unit_is_asked_about(in_process, smooth):
    done = in_process("attribute", "photo.png", "--method", "gradient", "-o", "none.png")
    assert done.returncode == 2
    assert "no classifier" in done.stderr
    done = in_process("attribute", "photo.png", "--method", "gradient", "-o", "some.png",
                      "--unit", "2:3")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 channel 3 at" in done.stdout


@pytest.mark.parametrize("unit", ["relu3_1", "relu3_1:x", "relu3_1:9999", "nowhere:1"])
def test_a_unit_that_is_none_is_one_sentence(in_process, unit):
    done = in_process("attribute", "photo.png", "--method", "gradient", "--unit", unit, "--size",
                      "64", "-o", "y.png")  # fmt: skip
    assert done.returncode == 2
    assert unit.split(":")[0] in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("y.png").exists()


def test_the_mask_is_about_the_class_that_is_told(in_process):
    done = in_process("attribute", "photo.png", "--method", "gradient", "--size", "64",
                      "-o", "map.png", "--cut", "likely.png", "--json")  # fmt: skip
    said = json.loads(done.stdout)["class"]
    in_process("attribute", "photo.png", "--method", "gradient", "--size", "64", "--class", str(said),
               "-o", "map2.png", "--cut", "asked.png")  # fmt: skip
    likely, asked = open_picture("likely.png"), open_picture("asked.png")
    assert np.array_equal(likely.rgb, asked.rgb)


def test_an_occlusion_tells_probability_and_class_at_each_place(in_process):
    from engine.networks.loading import load_network

    in_process("attribute", "photo.png", "--method", "occlusion", "--class", "7", "--size", "64",
               "--window", "16", "--stride", "16", "-o", "m.png", "--raw", "m.npz")  # fmt: skip
    raw = np.load("m.npz")
    network = load_network("slim_vgg")
    x = network.prepare(open_picture("photo.png").resized(64).tensor()[None])
    x[..., :16, :16] = 0  # the first place, the mean colour in it
    chances = network.module(x).detach().softmax(1)[0]
    assert raw["probability"].shape == raw["label"].shape
    assert abs(float(raw["probability"][0, 0]) - float(chances[7])) < 1e-4
    assert int(raw["label"][0, 0]) == int(chances.argmax())


def test_the_companions_are_a_figure_with_a_legend(in_process):
    from engine.attribution.companions import PALETTE

    arguments = ("attribute", "photo.png", "--method", "occlusion", "--class", "7", "--size", "64",
                 "--window", "32", "--stride", "32", "--raw", "m.npz", "-o")  # fmt: skip
    done = in_process(*arguments, "m.png", "--companions", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["class"] == [7]
    raw, figure = np.load("m.npz"), open_picture("m.png")
    keys = {key.partition(" - ")[0]: raw[key] for key in raw}
    assert set(keys) == {"occlusion", "occlusion probability", "occlusion most likely class"}
    assert keys["occlusion probability"].shape == keys["occlusion most likely class"].shape
    blue = np.abs(figure.rgb - np.array(PALETTE[0][1]) / 255).max(-1) < 0.01
    rows, columns = np.nonzero(blue)
    assert rows.min() > figure.height / 2, "the most likely class comes last"
    chip = figure.rgb[rows.max(), columns[rows == rows.max()][-1] + 4 :]
    assert np.ptp(chip) > 0.5, "its name stands beside it"
