"""The companions of an occlusion map: by hand, in colours, in the figure of many methods."""

import itertools
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from engine.attribution import Unit, occlusion_steps, tiles
from engine.attribution.companions import (
    OTHERS,
    PALETTE,
    ChanceMap,
    ClassMap,
    companions_of,
    heats,
    ranked,
)
from engine.attribution.comparison import Column, compare, sanity_check
from engine.attribution.heat import LegendLine
from engine.attribution.methods import Question, attribute
from engine.attribution.registry import find_method
from engine.attribution.square import SHOWN, Square
from engine.errors import BadInput
from engine.image import Picture
from engine.networks.card import Card, Preprocessing
from engine.networks.network import Network

OCCLUSION = find_method("occlusion")
CLASSES = ("ant", "bee", "cow", "dog", "elk")
RGB = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def named(module, classes=CLASSES):
    return Network(module, Card("some", "Some", "some", preprocessing=RGB, input_size=12), classes)


def class_map(grid, names=None):
    grid = np.array(grid, np.float32)
    names = names or {n: f"class {n}" for n in range(20)}
    return ClassMap(OCCLUSION, grid, grid, names, ranked([(grid, names)]))


class Columns(nn.Module):
    """A logit for each column of a row of pixels, and one that is always 1."""

    def forward(self, x):
        return torch.cat((x.sum((1, 2)), torch.ones(len(x), 1)), 1)


# -- numbers ---------------------------------------------------------------------------------------


def test_a_place_is_the_answer_to_a_picture_covered_by_hand(make_net):
    net, x = make_net(), torch.randn(1, 3, 12, 10, generator=torch.Generator().manual_seed(1))
    last = deque(maxlen=1)
    about = Question(3, window=5, stride=3, fill="gray")
    attribute(OCCLUSION, named(net), x, about, publish=last.append)
    chance, label = companions_of(OCCLUSION, last[0], CLASSES)
    assert chance.grid.shape == label.grid.shape == (4, 3)
    # The place in the last row and the middle: from row 9, where the picture ends at 12.
    covered = x.clone()
    covered[:, :, 9:12, 3:8] = 0.5
    with torch.no_grad():
        answer = net(covered)[0].softmax(0)
    assert chance.grid[3, 1] == pytest.approx(float(answer[3]), abs=1e-6)
    assert label.grid[3, 1] == int(answer.argmax())
    # It is seen where its middle is the nearest: those of the rows are 2, 5, 8 and 10 (9 to 11 is
    # what is left of it), those of the columns 2, 5 and 7.5.
    shown = np.zeros((12, 10), bool)
    shown[10:, 4:7] = True
    assert np.array_equal(chance.values == chance.grid[3, 1], shown)
    assert chance.said(chance.values[11, 5]) == f"occlusion probability {float(answer[3]):.1%}"
    assert label.said(label.values[11, 5]) == (
        f"occlusion most likely class: {CLASSES[int(answer.argmax())]}"
    )


def test_every_place_is_a_block_about_its_middle():
    x = torch.tensor([5.0, 4, 3, 2, 9]).view(1, 1, 1, 5)
    *_, last = occlusion_steps(Columns(), x, 4, (1, 2), 2)
    _, label = companions_of(OCCLUSION, last, "abcdef")
    # Squares at 0 and 1, at 2 and 3, and at 4, the last one cut off; there 9 is away, 5 is highest.
    assert label.grid.tolist() == [[4, 4, 0]]
    assert label.values.tolist() == [[4, 4, 4, 4, 0]]
    x[..., 1] = 12  # and away with the first square alone
    *_, last = occlusion_steps(Columns(), x, 4, (1, 2), 2)
    _, label = companions_of(OCCLUSION, last, "abcdef")
    assert label.values.tolist() == [[4, 4, 1, 1, 1]]


def test_what_is_not_known_yet_is_not_shown():
    x = torch.tensor([5.0, 4, 3, 2, 9]).view(1, 1, 1, 5)
    first, *_, last = occlusion_steps(Columns(), x, 0, (1, 2), 2, batch=1)
    chance, label = companions_of(OCCLUSION, first, "abcdef")
    for heat in (chance, label):
        assert heat.seen(0.0).tolist() == [[True, True, False, False, False]]
        assert heat.said(heat.values[0, 4]) == ""
    for heat in companions_of(OCCLUSION, last, "abcdef"):
        assert heat.seen(0.0) is None
    # With 5 covered next to nothing is left of it; the highest is where 9 is covered.
    chance, _ = companions_of(OCCLUSION, last, "abcdef")
    assert chance.seen(0.5).tolist() == [[False, False, False, False, True]]
    assert chance.reach == chance.grid.max()


def test_of_a_unit_there_is_the_drop_alone(make_net):
    x = torch.randn(1, 3, 12, 10)
    *_, last = occlusion_steps(make_net(), x, Unit("relu2", 1, (1, 1)), 4, 2)
    assert companions_of(OCCLUSION, last, CLASSES) == ()
    assert list(heats(OCCLUSION, last, CLASSES)) == ["drop"]
    *_, last = occlusion_steps(make_net(), x, 2, 4, 2)
    made = heats(OCCLUSION, last, CLASSES)
    assert tuple(made) == SHOWN
    assert np.array_equal(made["drop"].values, last.map()[0].float().numpy())


@pytest.mark.parametrize(
    ("square", "size", "pixels"),
    [
        (Square(), (224, 300), (32, 16)),
        (Square(0.25, 0.3), (100, 80), (20, 6)),
        (Square(0.02, 0.1), (30, 30), (1, 1)),
        (Square(1.0, 1.0), (12, 10), (10, 10)),
    ],
)
def test_shares_become_pixels(square, size, pixels):
    assert square.pixels(size) == pixels
    assert square.pixels(size, 40)[0] == 40


# -- colours ---------------------------------------------------------------------------------------


def lab(rgb):
    """CIE L*a*b* of linear RGB."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    t = np.clip(to_xyz @ rgb / [0.9505, 1, 1.089], 0, 1)
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(
    "seen",  # all colours, and as Machado, Oliveira, Fernandes 2009 say people without L, M, S see
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]],
    ],
    ids=["all", "protanopia", "deuteranopia", "tritanopia"],
)  # fmt: skip
def test_everybody_tells_the_classes_apart(seen):
    colours = [np.array(colour) / 255 for _, colour in (*PALETTE, OTHERS)]
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in colours]
    looks = [lab(np.clip(np.array(seen) @ c, 0, 1)) for c in linear]
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(looks, 2)]
    assert min(distances) > 15  # 2.3 can just be seen


def test_colours_go_by_area_and_names_by_the_legend():
    heat = class_map([[7, 7, 7, 2], [2, 9, 4, -1]])
    assert heat.order == ("class 7", "class 2", "class 4", "class 9")
    pixels = heat.coloured("viridis")
    for at, word in (((0, 0), "blue"), ((1, 0), "orange"), ((1, 2), "green"), ((1, 1), "purple")):
        assert tuple(pixels[at]) == dict(PALETTE)[word]
    blue = LegendLine("class 7", dict(PALETTE)["blue"], "blue", 3 / 7)
    assert heat.legend[0] == blue
    assert [line.share for line in heat.legend] == [3 / 7, 2 / 7, 1 / 7, 1 / 7]
    assert heat.key.startswith("blue: class 7 42.9%, orange: class 2 28.6%")


def test_classes_beyond_the_colours_are_gray_together():
    heat = class_map([[*range(9), 0]])
    *named_ones, rest = heat.legend
    assert [line.name for line in named_ones] == [f"class {n}" for n in range(6)]
    assert rest == LegendLine("3 other classes", OTHERS[1], "gray", 3 / 10)
    assert sum(line.share for line in heat.legend) == pytest.approx(1)
    assert tuple(heat.coloured("")[0, 8]) == OTHERS[1]


def test_one_class_beyond_the_colours_keeps_its_name():
    alone = class_map([[*range(7), 0]])
    assert alone.legend[-1] == LegendLine("class 6", OTHERS[1], "gray", 1 / 8)
    assert alone.key.endswith("gray: class 6 12.5%")


def test_the_probability_is_drawn_from_zero_to_its_highest():
    values = np.array([[0.0, 0.3, 0.6, np.nan]], np.float32)
    heat = ChanceMap(OCCLUSION, values, values)
    gray = heat.coloured("gray")[0, :, 0].tolist()
    assert gray[:3] == [0, 128, 255]
    assert heat.coloured("gray", 1.2)[0, 2, 0] == 128
    assert heat.range == "0.0% to 60.0%"


def test_all_words_of_the_companions_can_be_said_in_another_language(make_net):
    said = {
        "{0} probability": "Wahrscheinlichkeit ({0})", "{0} to {1}": "{0} bis {1}",
        "{0}, colours from 0 up": "{0}, Farben ab 0",
        "{0} most likely class": "wahrscheinlichste Klasse ({0})",
        "{0} other classes": "{0} andere", "blue": "blau", "gray": "grau",
    }  # fmt: skip
    x = torch.randn(1, 3, 12, 10, generator=torch.Generator().manual_seed(1))
    *_, last = occlusion_steps(make_net(), x, 3, 4, 2)
    chance = heats(OCCLUSION, last, CLASSES, said.get)["probability"]
    low, high = f"{chance.grid.min():.1%}", f"{chance.grid.max():.1%}"
    assert chance.key == f"{low} bis {high}, Farben ab 0"
    assert chance.said(0.25) == "Wahrscheinlichkeit (occlusion) 25.0%"
    words = {**said, **dict.fromkeys(("orange", "green", "purple", "yellow", "red"), "bunt")}
    label = replace(class_map([list(range(8))], dict(enumerate("abcdefgh"))), words=words.get)
    assert label.said(2) == "wahrscheinlichste Klasse (occlusion): c"
    assert (label.legend[0].name, label.legend[0].colour_name) == ("a", "blau")
    assert str(label.legend[-1]) == "2 andere 25.0%"
    assert label.key.endswith("grau: 2 andere 25.0%")


# -- the figure ------------------------------------------------------------------------------------


def colours_in(figure):
    return {tuple(np.rint(255 * pixel).astype(int)) for pixel in figure.rgb.reshape(-1, 3)}


def test_the_figure_shows_the_companions_and_keeps_their_numbers(make_net):
    network, picture = named(make_net()), torch.rand(1, 3, 12, 12)
    columns = [Column(network, Question(t, window=4, stride=4)) for t in (3, 1)]
    plain = compare(picture, columns, [OCCLUSION])
    made = compare(picture, columns, [OCCLUSION], companions=True)
    assert list(plain.values) == ["occlusion - dog", "occlusion - bee"]
    assert sorted(set(made.values) - set(plain.values)) == [
        "occlusion most likely class - bee", "occlusion most likely class - dog",
        "occlusion probability - bee", "occlusion probability - dog",
    ]  # fmt: skip
    covered = picture.clone()
    covered[..., 4:8, 8:12] = 0
    with torch.no_grad():
        answer = make_net()(covered)[0].softmax(0)
    for name, number in (("dog", 3), ("bee", 1)):
        chance = made.values[f"occlusion probability - {name}"]
        assert chance.shape == (3, 3)
        assert chance[1, 2] == pytest.approx(float(answer[number]), abs=1e-6)
        assert made.values[f"occlusion most likely class - {name}"][1, 2] == int(answer.argmax())
    assert PALETTE[0][1] in colours_in(made.figure)
    assert PALETTE[0][1] not in colours_in(plain.figure)
    assert made.figure.height > plain.figure.height


def test_a_class_has_the_same_colour_under_other_networks_numbers():
    """Two networks that see the same, but number it otherwise; ant is 0 here and 4 there."""
    here = dict(enumerate(CLASSES))
    there = dict(enumerate(reversed(CLASSES)))
    numbers = {name: number for number, name in there.items()}
    seen = np.array([["ant", "ant", "bee"], ["ant", "cow", "elk"]])
    maps = [
        class_map([[number_of[name] for name in row] for row in seen], names)
        for number_of, names in (({n: i for i, n in here.items()}, here), (numbers, there))
    ]
    # A third, in which what is 0 elsewhere, and most of all, is another class.
    maps.append(class_map([[0, 0], [0, 1]], {0: "yak", 1: "bee"}))
    look = tiles.Look(torch.rand(3, 40, 60))
    rows = look.companion_rows(maps, maps, ["here", "there", "third"], False)
    first, second, third = (tile.picture for tile in rows[1][1])
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    colour = {name: first[:, 20 * (at // 3) + 10, 20 * (at % 3) + 10]
              for at, name in enumerate(seen.flat)}  # fmt: skip
    assert torch.equal(third[:, 30, 45], colour["bee"])
    assert not any(torch.equal(third[:, 10, 10], each) for each in colour.values())


def test_a_unit_beside_a_class_has_words_in_place_of_companions(make_net, monkeypatch):
    said = []
    blank = tiles.Look.blank
    monkeypatch.setattr(
        tiles.Look, "blank", lambda self, words: said.append(words) or blank(self, words)
    )
    network, picture = named(make_net()), torch.rand(1, 3, 12, 12)
    columns = [Column(network, Question(t)) for t in (3, Unit("relu2", 1, (1, 1)))]
    made = compare(picture, columns, [OCCLUSION], companions=True)
    assert said == ["A unit has no class and no probability."] * 2
    assert sum("probability" in key for key in made.values) == 1


class NoHead(nn.Module):
    """A network that CAM has no answer for."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 144, 5)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).flatten(1))


def test_a_refusal_is_told_in_full_once(monkeypatch):
    said, notes = [], []
    blank, below = tiles.Look.blank, tiles.Notes.below

    def recorded(self, figure, size):
        notes.append((list(self.texts), figure.height))
        return below(self, figure, size)

    monkeypatch.setattr(
        tiles.Look, "blank", lambda self, words: said.append(words) or blank(self, words)
    )
    monkeypatch.setattr(tiles.Notes, "below", recorded)
    network, picture = named(NoHead()), torch.rand(1, 3, 12, 12)
    columns = [Column(network, Question(t)) for t in (0, 1, 2)]
    methods = [find_method(name) for name in ("gradient", "cam")]
    made = compare(picture, columns, methods)
    assert said == ["CAM: no map, see note 1."] * 3
    ((texts, height),) = notes
    assert len(texts) == 1
    assert texts[0].startswith("CAM on some: CAM needs a network that ends in")
    below_maps = made.figure.rgb[height:]
    assert below_maps.min() < 0.3, "the note is written below"
    notes.clear()
    sanity_check(picture, columns[:1], methods)
    assert notes[0][0] == texts
    with pytest.raises(BadInput, match="global average pooling"):
        compare(picture, columns, [find_method("cam")])


def test_words_stay_within_their_tile():
    look = tiles.Look(torch.rand(3, 120, 100))
    tile = look.blank("Of a unit there is no probability, and neither is there a class, ever.")
    assert tile.shape == (3, 120, 100)
    dark = (tile[0] < 0.5).nonzero()
    assert len(dark) > 50
    rows, columns = dark[:, 0], dark[:, 1]
    assert columns.min() > 2 and columns.max() < 97
    assert rows.min() > 2 and rows.max() < 117
    assert rows.max() - rows.min() > 2 * look.type_size, "in several lines"


def test_notes_wrap_to_the_figure():
    notes = tiles.Notes()
    assert notes.take("CAM", "it is so") == "CAM: no map, see note 1."
    assert notes.take("Grad-CAM", "it is otherwise " * 10) == "Grad-CAM: no map, see note 2."
    assert notes.take("CAM", "it is so") == "CAM: no map, see note 1."
    figure = Picture(np.ones((20, 200, 3), np.float32))
    made = notes.below(figure, 12)
    assert made.width == 200
    assert made.height > 20 + 5 * 12
    assert np.array_equal(tiles.Notes().below(figure, 12).rgb, figure.rgb)


def test_a_unit_has_a_scale_of_its_own(make_net):
    """Activations of hundreds would leave nothing to see of the drops of logits beside them."""
    net = make_net()
    net.conv1.weight.data *= 300
    net.conv2.weight.data /= 300  # the logits stay about what they are
    picture, network = torch.rand(1, 3, 12, 12), named(net)
    about = [
        Question(3, window=4, stride=4),
        Question(Unit("relu1", 1, (5, 5)), window=4, stride=4),
    ]
    alone = colours_in(compare(picture, [Column(network, about[0])], [OCCLUSION]).figure)
    both = colours_in(
        compare(picture, [Column(network, each) for each in about], [OCCLUSION]).figure
    )
    coloured = {colour for colour in alone if max(colour) - min(colour) > 100}
    assert coloured
    assert coloured <= both
