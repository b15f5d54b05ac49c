"""The command `attribute` on the network that ships: every method, its raw values, bad input."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli.attribute_options import COMMANDS
from engine.image import open_picture, save_picture


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
    in_process(*arguments, "over.png", "--over", "0.5", "--over-size", "network")
    alone, over = open_picture("alone.png").rgb, open_picture("over.png").rgb
    photo = open_picture("photo.png").resized(64).rgb
    gray = (2 * over - alone).clip(0, 1)
    assert abs(gray[..., 0] - gray[..., 1]).max() < 0.02, "the photo's part has no colour"
    assert np.corrcoef(gray[..., 0].ravel(), photo.mean(-1).ravel())[0, 1] > 0.8


@pytest.mark.parametrize(
    ("asked", "size"), [([], (96, 72)), (["network"], (64, 48)), (["48"], (48, 36))]
)
def test_an_overlay_has_the_photos_size_and_the_network_sees_the_same(in_process, asked, size):
    photo = open_picture("photo.png").resized(96)
    save_picture(photo, "larger.png")
    arguments = ("attribute", "larger.png", "--method", "grad-cam", "--size", "64", "--class", "7",
                 "--json", "--raw", "o.npz", "-o")  # fmt: skip
    alone = json.loads(in_process(*arguments, "alone.png").stdout)
    values = np.load("o.npz")["values"]
    options = ["--over-size", *asked] if asked else []
    over = json.loads(in_process(*arguments, "over.png", "--over", "1", *options).stdout)
    assert (np.load("o.npz")["values"] == values).all()
    assert {**over, "output": ""} == {**alone, "output": ""}
    made, map_alone = open_picture("over.png"), open_picture("alone.png")
    assert (made.width, made.height) == size
    assert (map_alone.width, map_alone.height) == (64, 48)
    # In places the colours are those of the small map, as its values are interpolated.
    small = made.resized(size=(64, 48)).rgb
    assert np.abs(small - map_alone.rgb).mean() < 0.02


@pytest.mark.parametrize("method", ["gradient", "occlusion", "grad-cam"])
def test_a_map_comes_with_its_numbers(in_process, method):
    from PIL import Image
    from PIL.ExifTags import Base

    from engine.networks.fitting import fitted
    from engine.networks.loading import load_network

    arguments = ("attribute", "photo.png", "--method", method, "--size", "64", "--class", "7",
                 "--raw", "n.npz", "-o")  # fmt: skip
    said = json.loads(in_process(*arguments, "n.png", "--json").stdout)
    network = load_network("slim_vgg")
    logits = network.logits(fitted(network, open_picture("photo.png").tensor()[None], 64))[0]
    probability = float(logits.detach().double().softmax(0)[7])
    assert said["probability"] == pytest.approx(probability, rel=1e-6)
    largest = float(np.abs(np.load("n.npz")["values"]).max())
    assert said["largest"] == pytest.approx(largest, rel=1e-6)
    assert 0 < said["scale"] <= said["largest"]
    name = network.classes[7]
    for words in (f"{name} (", f"maximum {largest:.3g}", f"{said['scale']:.3g}"):
        assert words in said["caption"]
    for suffix in ("png", "jpg", "tif", "webp"):
        done = in_process(*arguments, f"n.{suffix}")
        assert done.stdout == f"n.{suffix} ({said['caption']})\n"
        with Image.open(f"n.{suffix}") as image:
            assert image.getexif()[Base.ImageDescription] == said["caption"]
    in_process(*arguments, "below.png", "--caption")
    below, plain = open_picture("below.png"), open_picture("n.png")
    assert below.height > plain.height + 12, "there are words below the map"


@pytest.mark.parametrize("picture", ["long.png", "tall.png"])
def test_a_thin_picture_keeps_its_proportions(in_process, picture):
    crop = open_picture(picture)
    wide = crop.width > crop.height
    rgb = crop.rgb[:, :150] if wide else crop.rgb[:150]
    save_picture(replace(crop, rgb=np.ascontiguousarray(rgb)), "thin.png")  # 50 times as long
    for method in ("grad-cam", "gradient"):
        done = in_process("attribute", "thin.png", "--method", method, "-o", "t.png", "--json")
        assert done.returncode == 0, done.stderr
        made = open_picture("t.png")
        ratio = made.width / made.height if wide else made.height / made.width
        assert ratio == pytest.approx(50, rel=0.05)
        assert json.loads(done.stdout)["looked_at"] == [made.width, made.height]
    # More than a network can look at with a reasonable number of pixels.
    long = np.repeat(np.repeat(crop.rgb[:1, :1], 3, 0), 9000, 1)
    save_picture(replace(crop, rgb=np.ascontiguousarray(long)), "thread.png")
    done = in_process("attribute", "thread.png", "--method", "gradient", "-o", "x.png")
    assert done.returncode == 2
    assert "9000x3 pixels is too thin for slim_vgg; crop it to at most" in done.stderr
    assert not Path("x.png").exists()


def test_a_network_of_squares_says_that_it_squeezes(in_process, monkeypatch):
    from torch import nn

    from engine.networks.card import Card
    from engine.networks.network import Network

    layers = (nn.Conv2d(3, 2, 4, stride=4), nn.Flatten(), nn.Linear(2 * 8 * 8, 2))
    card = Card("squares", "Squares", "some", input_size=32)
    network = Network(nn.Sequential(*layers), card, ("a", "b"))
    monkeypatch.setattr("engine.networks.loading.load_network", lambda *_: network)
    done = in_process("attribute", "photo.png", "--method", "gradient", "-o", "s.png")
    assert done.returncode == 0
    words = "squares takes squares only: it looks at the picture of 48x36 pixels squeezed to 32x32"
    assert done.stderr == f"pareidolia: {words}\n"
    done = in_process("attribute", "sea.png", "--method", "gradient", "-o", "s.png")
    assert done.stderr == "", "a square loses nothing"


def test_the_sanity_check_is_about_all_classes_asked(in_process):
    arguments = ("attribute", "photo.png", "--method", "gradient", "--size", "48", "--sanity",
                 "--class", "7", "--class", "9", "--raw", "s.npz", "-o", "s.png", "--json")  # fmt: skip
    done = in_process(*arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["class"] == [7, 9]
    raw = np.load("s.npz")
    rows = {}
    for key in raw:
        method, name, layer = key.split(" - ")
        assert method == "gradient"
        rows.setdefault(name, []).append((layer, raw[key]))
    assert len(rows) == 2
    (first, second) = rows.values()
    assert [layer for layer, _ in first] == [layer for layer, _ in second]
    assert len(first) == 6
    assert first[0][0] == "trained"
    assert not np.allclose(first[0][1], second[0][1]), "each class has a map of its own"


def test_the_methods_are_told_in_the_help(in_process):
    done = in_process("attribute", "--help")
    told = " ".join(done.stdout.split())
    assert "guided-backprop the gradient, with negative values set to zero at every ReLU" in told
    assert "ReLU6 and functional ReLUs too" in told
    assert "one for each pixel of the network's input" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "gradient", "--over", "1", "--over-size", "0", "-o", "x.png"], "over-size"),
        (["--method", "gradient", "--over", "1", "--over-size", "big", "-o", "x.png"], "over-size"),
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
    from engine.networks.fitting import fitted
    from engine.networks.loading import load_network

    in_process("attribute", "photo.png", "--method", "occlusion", "--class", "7", "--size", "64",
               "--window", "16", "--stride", "16", "-o", "m.png", "--raw", "m.npz")  # fmt: skip
    raw = np.load("m.npz")
    network = load_network("slim_vgg")
    x = network.prepare(fitted(network, open_picture("photo.png").tensor()[None], 64))
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


@pytest.fixture
def gray_network():
    """A file of a small network whose first convolution takes one channel."""
    import torch
    from torch import nn
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    module = squeezenet1_1(num_classes=3)
    module.features[0] = nn.Conv2d(1, 64, 3, 2)
    torch.save({"net." + name: t for name, t in module.state_dict().items()}, "gray.ckpt")
    return "gray.ckpt"


@pytest.mark.parametrize("method", COMMANDS)
def test_every_method_on_a_network_that_sees_gray(in_process, gray_network, method):
    done = in_process("attribute", "photo.png", "--method", method, "-o", "map.png", "--raw", "m.npz",
                      "--network", "squeezenet1_1", "--weights", gray_network, "--class", "1",
                      "--size", "64")  # fmt: skip
    assert done.returncode == 0, done.stderr
    raw = np.load("m.npz")["values"]
    assert np.isfinite(raw).all()
    # One channel: what it says is the same for red, green and blue.
    assert raw.ndim == 2 or np.array_equal(raw[0], raw[2])


def test_what_is_in_a_named_file_is_said(in_process, gray_network):
    done = in_process(
        "attribute",
        "photo.png",
        "--method",
        "gradient",
        "-o",
        "map.png",
        "--network",
        "squeezenet1_1",
        "--weights",
        gray_network,
        "--size",
        "64",
    )
    assert (
        "pareidolia: gray.ckpt: a PyTorch file with 3 classes; the weights stand under net; "
        "it takes grey pictures; pictures are prepared as gray, (x - 0.449) / 0.226"
    ) in done.stderr
