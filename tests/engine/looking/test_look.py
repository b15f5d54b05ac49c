"""A look: answers as they come, against the same by other ways; closed, it leaves nothing."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam, Occlusion
from torch import Tensor, nn

import engine
from engine.attribution.class_activation import GradCamPass
from engine.attribution.square import Square
from engine.attribution.unit_name import UnitName
from engine.errors import BadInput
from engine.looking import (
    ActivationsRequest,
    Answer,
    ChannelRequest,
    ComparisonRequest,
    FieldRequest,
    LookMemory,
    OccluderRequest,
    Request,
    look,
)
from engine.networks.card import Card, Preprocessing
from engine.networks.network import Network
from tests.cli.conftest import ROOT
from tests.engine.hooks import hooks_of_all

PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
SIDE = 16


def small() -> nn.Sequential:
    """Return two convolutions with ReLUs, an average, a linear layer: 5 classes."""
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.4, generator=generator)
    return module


@pytest.fixture
def network() -> Network:
    card = Card("small", "Small", "small", preprocessing=PLAIN, input_size=SIDE)
    return Network(small(), card, tuple("abcde"))


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def last(answers: Iterator[Answer]) -> Answer:
    for answer in answers:
        found = answer
    return found


def passes() -> int:
    """Return how many forward passes are kept with their graph."""
    gc.collect()
    return sum(issubclass(type(each), GradCamPass) for each in gc.get_objects())


def counted(network: Network) -> list[int]:
    runs: list[int] = []
    network.module.register_forward_pre_hook(lambda *_: runs.append(1))
    return runs


def test_classes_come_first_then_maps_of_the_same_pass(network: Network, picture: Tensor) -> None:
    request = Request(methods=("Grad-CAM",), activations=ActivationsRequest("1"))
    chances = network.module(picture[None])[0].softmax(-1)
    x = picture[None].clone()
    target = int(chances.argmax())
    by_captum = LayerGradCam(network.module, network.module[4]).attribute(
        x, target, relu_attributions=True
    )
    runs = counted(network)
    list(network.calls((SIDE, SIDE)))  # traced once per size, not once per look
    runs.clear()
    first, *_, whole = look(network, picture, request)
    assert first.unfinished and not first.maps and not whole.unfinished
    assert first.top == whole.top
    assert [name for _, name, _ in first.top] == ["abcde"[i] for i in chances.argsort().flip(0)]
    assert [p for _, _, p in first.top] == pytest.approx(sorted(chances.tolist())[::-1], abs=1e-6)
    assert len(runs) == 1
    assert first.activations is not None and first.activations.tiles is not None
    assert first.activations.tiles.shape == (6, SIDE, SIDE)
    relu = network.module[:2](picture[None])[0]
    assert np.allclose(first.activations.peaks, relu.amax((1, 2)).detach(), atol=1e-5)
    wanted = nn.functional.interpolate(by_captum, (SIDE, SIDE), mode="bilinear")[0, 0]
    assert np.allclose(whole.maps["grad-cam"].values, wanted.detach(), atol=1e-5)
    assert (whole.layer, whole.grid) == ("4", (SIDE // 2, SIDE // 2))


def test_an_occlusion_grows_and_ends_as_captum_has_it(network: Network, picture: Tensor) -> None:
    request = Request(2, ("occlusion",), square=Square(0.25, 0.5))
    answers = list(look(network, picture, request))
    shares = [answer.share for answer in answers]
    assert shares == sorted(shares) and len(set(shares)) > 2 and shares[-1] == 1
    grown = [answer.maps["occlusion"].values for answer in answers if answer.maps]
    assert (grown[0] != 0).sum() < (grown[-1] != 0).sum()
    assert set(answers[-1].occlusion) == {"drop", "probability", "label"}
    wanted = Occlusion(network.module).attribute(
        picture[None], (3, 4, 4), (3, 2, 2), target=2, baselines=0.0
    )[0, 0]
    assert np.allclose(grown[-1], wanted.detach(), atol=1e-4)


def test_time_between_states_spares_maps_and_not_moments_to_stop(
    network: Network, picture: Tensor
) -> None:
    request = Request(2, ("occlusion",), square=Square(0.25, 0.5))
    every, once = (
        list(look(network, picture, request)),
        list(look(network, picture, request, every=3600.0)),
    )
    assert len(every) == len(once)
    states = {id(answer.maps["occlusion"]) for answer in once if answer.maps}
    assert len(states) == 2  # the first and the last
    assert np.array_equal(every[-1].maps["occlusion"].values, once[-1].maps["occlusion"].values)


@pytest.mark.parametrize("method", ["occlusion", "smoothgrad"])
def test_closing_ends_the_work(network: Network, picture: Tensor, method: str) -> None:
    runs = counted(network)
    answers = look(network, picture, Request(2, (method,), square=Square(0.25, 0.25)))
    next(answers)
    next(answers)
    count = len(runs)
    answers.close()  # type: ignore[attr-defined]
    assert len(runs) == count
    whole = last(look(network, picture, Request(2, (method,), square=Square(0.25, 0.25))))
    assert len(runs) > 2 * count and method in whole.maps


def test_closing_frees_the_graph_and_leaves_modes_and_hooks(
    network: Network, picture: Tensor
) -> None:
    hooks, before = hooks_of_all(), passes()
    answers = look(network, picture, Request(methods=("grad-cam", "smoothgrad")))
    next(answers)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert passes() == before + 1, "the pass that Grad-CAM needs is there"
    answers.close()  # type: ignore[attr-defined]
    assert passes() == before
    assert hooks_of_all() == hooks
    assert not network.module.training
    assert all(parameter.grad is None for parameter in network.module.parameters())


def test_the_graph_is_gone_before_what_takes_long(network: Network, picture: Tensor) -> None:
    before = passes()  # others' may wait to be collected
    for answer in look(network, picture, Request(methods=("smoothgrad", "grad-cam"))):
        if answer.unfinished and answer.maps:
            assert set(answer.maps) == {"grad-cam"}, "the quick one came first"
            assert passes() == before
            break
        assert passes() == before + 1
    else:
        pytest.fail("SmoothGrad goes in steps")


def test_a_map_that_fails_leaves_the_others(network: Network, picture: Tensor) -> None:
    found = last(look(network, picture, Request(1, ("Grad-CAM", "gradient"), layer="7")))
    assert "gradient" in found.maps and "grad-cam" not in found.maps and found.top
    assert isinstance(found.error, BadInput) and "7" in str(found.error)


def test_targets_by_number_name_and_unit(network: Network, picture: Tensor) -> None:
    x = picture[None].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network.module(x)[0, 1], x)
    wanted = gradient[0].abs().amax(0)
    for target in (1, "b"):
        found = last(look(network, picture, Request(target, ("gradient",))))
        assert np.allclose(found.maps["gradient"].values, wanted, atol=1e-6)
        assert (found.target, found.target_name) == (1, "b")
    maps = network.module[:4](picture[None])[0, 5]
    row, column = divmod(int(maps.argmax()), SIDE // 2)
    found = last(look(network, picture, Request(UnitName("3", 5), ("gradient",))))
    assert found.unit == UnitName("3", 5, (row, column))
    assert found.activation == pytest.approx(float(maps.max()), abs=1e-5)
    with pytest.raises(BadInput, match="classes 0 to 4"):
        last(look(network, picture, Request(5)))
    with pytest.raises(BadInput, match="no method"):
        last(look(network, picture, Request(methods=("none",))))


def test_a_covered_square_against_covering_by_hand(network: Network, picture: Tensor) -> None:
    memory = LookMemory()
    request = Request(2, classes=False, occluder=OccluderRequest((0.25, 0.5, 0.5, 1.0), "black"))
    (answer,) = look(network, picture, request, memory=memory)
    hidden = picture.clone()
    hidden[:, 8:16, 4:8] = 0
    before, after = (network.module(one[None])[0, 2] for one in (picture, hidden))
    assert answer.occluder is not None
    assert answer.occluder.answers == pytest.approx((float(before), float(after)), abs=1e-5)
    assert answer.occluder.box == (4, 8, 8, 16)
    runs = counted(network)
    (again,) = look(network, picture, request, memory=memory)
    assert len(runs) == 1, "of the whole picture it is known what the network says"
    assert again.occluder is not None and again.occluder.answers == answer.occluder.answers
    other = picture.flip(-1)
    (turned,) = look(network, other, request, memory=memory)
    assert turned.occluder is not None
    assert turned.occluder.answers[0] == pytest.approx(
        float(network.module(other[None])[0, 2]), abs=1e-5
    )


def test_the_field_under_a_place(network: Network, picture: Tensor) -> None:
    request = Request(classes=False, unit_field=FieldRequest((0.5, 0.25), "3"))
    (answer,) = look(network, picture, request)
    # Convolutions of 3 px around a pool by 2: a unit sees 1 + 4 + 1 + 2 px, one every 2 px.
    assert answer.unit_field is not None
    assert answer.unit_field.side == (8, 8)
    row, column = answer.unit_field.unit
    assert answer.unit_field.theoretical == (
        max(0, 2 * row - 3), 2 * column - 3, 2 * row + 5, 2 * column + 5,
    )  # fmt: skip
    assert answer.unit_field.overlay.shape == (SIDE, SIDE, 4)


def test_a_channel_and_what_drives_it(network: Network, picture: Tensor) -> None:
    request = Request(classes=False, channel=ChannelRequest("4", 5, guided=True))
    (answer,) = look(network, picture, request)
    found = answer.channel
    assert found is not None
    wanted = network.module[:5](picture[None])[0, 5].detach()
    assert np.allclose(found.values, wanted, atol=1e-6)
    assert found.peak == pytest.approx(float(wanted.max()), abs=1e-6)
    assert found.guided is not None and found.guided.shape[2] == 3
    left, top, right, bottom = (round(SIDE * edge) for edge in found.seen)
    assert found.guided.shape[:2] == (bottom - top, right - left)
    (last_one,) = look(network, picture, Request(classes=False, channel=ChannelRequest("7", 3)))
    assert last_one.channel is not None and last_one.channel.name == "d"


def test_a_comparison_tells_how_far_it_is_and_may_be_closed(
    network: Network, picture: Tensor
) -> None:
    request = ComparisonRequest(("gradient", "occlusion"), ("a", "b"), own_colours=True)
    answers = list(look(network, picture, request))
    assert [answer.compared is None for answer in answers] == [True] * (len(answers) - 1) + [False]
    assert {(answer.done, answer.total) for answer in answers} == {(i, 4) for i in range(4)}
    made = answers[-1].compared
    assert made is not None
    alone = last(look(network, picture, Request("a", ("gradient",))))
    assert np.array_equal(made.values["gradient - a"], alone.maps["gradient"].values)
    runs = counted(network)
    steps = look(network, picture, ComparisonRequest(("occlusion",), ("a", "b"), sanity=True))
    next(steps)
    count = len(runs)
    steps.close()  # type: ignore[attr-defined]
    assert len(runs) == count


def test_columns_of_networks_that_lack_a_class(network: Network, picture: Tensor) -> None:
    other = Network(small(), network.card, tuple("vwxyz"))
    whole = [network, other]
    *_, answer = look(whole, picture, ComparisonRequest(("gradient",), ("a",)))
    assert len(answer.columns) == 1 and "no class 'a'" in str(answer.refusals[0])
    with pytest.raises(BadInput, match="no class 'a'"):
        list(look(whole, picture, ComparisonRequest(("gradient",), ("a",), strict=True)))
    *_, answer = look(whole, picture, ComparisonRequest(("gradient",)))
    assert [column.network for column in answer.columns] == whole, "each with its likeliest"
    with pytest.raises(BadInput, match="would make 2 columns"):
        list(look(network, picture, ComparisonRequest(("gradient",), ("a", "b"), most_columns=1)))


def test_it_is_asked_from_the_engine_without_torch_in_the_way() -> None:
    code = """
import sys
from engine.looking import ActivationsRequest, Answer, ComparisonRequest, OccluderRequest, Request
Request(3, ("occlusion",)), Answer()
print("torch" in sys.modules, "PySide6" in sys.modules)
import engine
engine.look
print("torch" in sys.modules, "PySide6" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False", "True", "False"]
    assert engine.look is look
