"""Looks at a place or a unit, columns of several networks, and what is said instead of an answer."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.attribution import gradient
from engine.attribution.unit_name import UnitName
from engine.errors import BadInput, OutOfMemory
from engine.inspection.receptive_field import Axis
from engine.looking import (
    ActivationsRequest,
    ComparisonRequest,
    FieldRequest,
    OccluderRequest,
    Request,
    look,
)
from engine.looking.answer import Answer
from engine.looking.unit_field import unit_on
from engine.networks.card import Card, Preprocessing
from engine.networks.network import Network

SIDE = 16
PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
CARD = Card("small", "Small", "small", preprocessing=PLAIN, input_size=SIDE)


def module() -> nn.Sequential:
    generator = torch.Generator().manual_seed(3)
    made = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(2), nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    for parameter in made.parameters():
        parameter.data.normal_(0, 0.4, generator=generator)
    return made


@pytest.fixture
def network() -> Network:
    return Network(module(), CARD, tuple("abcde"))


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def last(answers: Iterator[Answer]) -> Answer:
    *_, found = answers
    return found


# -- a covered square ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("square", "rows", "columns"),
    [
        ((0.25, 0.5, 0.5, 1.0), slice(8, 16), slice(4, 8)),
        ((-0.25, -0.5, 0.25, 0.25), slice(0, 4), slice(0, 4)),
        ((0.5, 0.5, 0.5, 0.5), slice(8, 9), slice(8, 9)),  # a pixel at least
    ],
)
def test_a_unit_while_a_square_is_covered(
    network: Network, picture: Tensor, square: tuple[float, float, float, float], rows: slice,
    columns: slice,
) -> None:  # fmt: skip
    hidden = picture.clone()
    hidden[:, rows, columns] = 0
    maps = [network.module[:2](one[None])[0, 5].detach() for one in (picture, hidden)]
    row, column = divmod(int(maps[0].argmax()), SIDE // 2)
    request = Request(UnitName("1", 5), classes=False, occluder=OccluderRequest(square, "black"))
    (answer,) = look(network, picture, request)
    assert answer.occluder is not None
    wanted = float(maps[0].max()), float(maps[1][row, column])
    assert answer.occluder.answers == pytest.approx(wanted, abs=1e-5)
    assert answer.occluder.target_name == UnitName("1", 5, (row, column)).words
    assert answer.occluder.chances is None


def test_a_class_by_name_and_the_likeliest_while_a_square_is_covered(
    network: Network, picture: Tensor
) -> None:
    whole = network.module(picture[None])[0].softmax(0)
    occluder = OccluderRequest((0.0, 0.0, 0.5, 0.5), "black")
    for target, number in (("d", 3), (None, int(whole.argmax()))):
        (answer,) = look(network, picture, Request(target, classes=False, occluder=occluder))
        assert answer.occluder is not None and answer.occluder.chances is not None
        assert answer.occluder.target_name == "abcde"[number]
        assert answer.occluder.chances[0] == pytest.approx(float(whole[number]), abs=1e-6)
    nameless = Network(module()[:2], CARD)
    with pytest.raises(BadInput, match="no classifier"):
        list(look(nameless, picture, Request(classes=False, occluder=occluder)))


# -- a receptive field -----------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [Axis(-3, 8, 2), Axis(-2, 5, 1), Axis(-4, 11, 4)], ids=str)
def test_the_unit_whose_field_lies_nearest(axis: Axis) -> None:
    middles = np.array([axis.start + axis.size / 2 + axis.jump * n for n in range(8)])
    for at in np.linspace(0.1, 15.9, 23):
        found = unit_on(axis, 8, SIDE, float(at))
        assert abs(middles[found] - at) == pytest.approx(np.abs(middles - at).min())


def test_of_units_that_see_everything_the_place_in_the_map_counts() -> None:
    assert [unit_on(Axis(whole=True), 4, 16, at) for at in (0.0, 3.9, 4.1, 15.9, 16.0)] == [
        0,
        0,
        1,
        3,
        3,
    ]


def test_without_a_layer_it_is_the_last_that_has_a_map(network: Network, picture: Tensor) -> None:
    (answer,) = look(network, picture, Request(classes=False, unit_field=FieldRequest((0.5, 0.5))))
    assert answer.unit_field is not None
    assert answer.unit_field.layer == "1.1.1", "what a nameless group ends with"
    vectors = Request(classes=False, unit_field=FieldRequest((0.5, 0.5), "4"))
    with pytest.raises(BadInput, match="4 has no map"):
        list(look(network, picture, vectors))


# -- columns ---------------------------------------------------------------------------------------


def test_the_likeliest_classes_of_the_first_network_are_asked_of_all_by_name(
    network: Network, picture: Tensor
) -> None:
    turned = Network(network.module, CARD, tuple("edcba"))
    first, second = network.module(picture[None])[0].topk(2).indices.tolist()
    *_, answer = look([network, turned], picture, ComparisonRequest(("gradient",), likely=2))
    assert [column.question.target for column in answer.columns] == [
        first, second, 4 - first, 4 - second
    ]  # fmt: skip


def test_a_unit_that_a_network_lacks_leaves_its_column_empty(
    network: Network, picture: Tensor
) -> None:
    small = Network(module()[:2].append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten()), CARD)
    units = (UnitName("4", 2),)
    *_, answer = look([network, small], picture, ComparisonRequest(("gradient",), units=units))
    assert [column.network for column in answer.columns] == [network, small]
    assert len(answer.refusals) == 1 and "No map for unit 4:2" in str(answer.refusals[0])
    with pytest.raises(BadInput, match="No map for unit 4:2"):
        list(look([small], picture, ComparisonRequest(("gradient",), units=units)))


# -- instead of an answer --------------------------------------------------------------------------


def test_activations_that_cannot_be_shown_leave_the_classes(
    network: Network, picture: Tensor
) -> None:
    found = last(look(network, picture, Request(activations=ActivationsRequest("none"))))
    assert found.activations is None and "none" in str(found.activations_error)
    assert len(found.top) == 5
    (alone,) = look(network, picture, Request(classes=False, activations=ActivationsRequest("1")))
    assert alone.activations is not None and alone.activations.means.shape == (8,)
    wanted = network.module[:2](picture[None])[0].mean((1, 2)).detach()
    assert np.allclose(alone.activations.means, wanted, atol=1e-6)


def test_a_unit_that_there_is_not_leaves_the_classes(network: Network, picture: Tensor) -> None:
    found = last(look(network, picture, Request(UnitName("1", 99), ("gradient",))))
    assert len(found.top) == 5 and not found.maps
    assert isinstance(found.error, BadInput) and "99" in str(found.error)


def test_a_map_that_does_not_fit_says_what_would(
    network: Network, picture: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(gradient, "saliency", full)
    found = last(look(network, picture, Request(1, ("gradient", "Grad-CAM"))))
    assert isinstance(found.error, OutOfMemory) and "gradient" in str(found.error)
    assert "grad-cam" in found.maps, "the others are there"


def test_what_an_object_is_cut_out_by(network: Network, picture: Tensor) -> None:
    found = last(look(network, picture, Request(1, ("gradient",), pointed=True)))
    assert found.pointed is not None
    shown = np.rint(picture.permute(1, 2, 0).numpy() * 255)
    assert np.array_equal(found.pointed.pixels, shown)
    assert np.array_equal(found.pointed.saliency, found.maps["gradient"].values)
