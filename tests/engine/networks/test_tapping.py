"""Activations that are kept of a run which somebody else makes."""

import threading
import weakref

import pytest
import torch
from torch import nn

from engine.errors import BadInput
from engine.networks.card import Card, Preprocessing
from engine.networks.network import Network
from tests.engine.hooks import hooks_of

SIZE = (8, 6)
PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@pytest.fixture
def network():
    """A convolution, twice the same ReLU in place around a convolution, a mean, three classes."""
    relu = nn.ReLU(inplace=True)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 5, 3), relu, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(5, 3),
    )  # fmt: skip
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.5, generator=torch.Generator().manual_seed(parameter.numel()))
    card = Card("some", "Some", "some", preprocessing=PLAIN, input_size=8)
    return Network(module, card, "abc", {"first": "0"})


@pytest.fixture
def picture():
    return torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_a_whole_run_gives_the_activations_on_its_way(network, picture):
    layers = network.module
    first = layers[0](picture).clone()
    second = layers[2](first.relu()).clone()
    with network.tapping(["first", "1", "2", "1#2", "6"], SIZE) as kept:
        logits = layers(picture)
    assert list(kept) == ["first", "1", "2", "1#2", "6"]
    assert torch.equal(kept["first"], first)
    assert torch.equal(kept["1"], first.relu())
    assert torch.equal(kept["2"], second)
    assert torch.equal(kept["1#2"], second.relu())
    assert torch.equal(kept["6"], logits)
    assert first.min() < 0
    assert hooks_of(layers) == 0


@torch.no_grad()
def test_it_ends_at_the_deepest_only_if_told_to(network, picture):
    behind = []
    network.calls(SIZE)
    network.module[6].register_forward_hook(lambda *_: behind.append(1))
    with network.tapping(["2"], SIZE, no_deeper=True) as kept:
        network.module(picture)
    assert (list(kept), behind) == (["2"], [])
    with network.tapping(["2"], SIZE):
        network.module(picture)
    assert behind == [1]


def test_what_is_wrong_is_said_before_anything_runs(network):
    with pytest.raises(BadInput, match="no layer 'third'"):
        network.tapping(["third"], SIZE)
    with network.tapping(["first"], (4, 4)):  # the second convolution is too large for it
        pass
    with pytest.raises(BadInput, match="cannot take a picture of 4x4 pixels as far as 2"):
        network.tapping(["first", "2"], (4, 4))


def test_runs_of_other_threads_are_not_kept_and_errors_leave_no_hook(network, picture):
    with pytest.raises(ZeroDivisionError), network.tapping(["first"], SIZE) as kept:
        thread = threading.Thread(target=network.module, args=(picture,))
        thread.start()
        thread.join()
        assert kept == {}
        raise ZeroDivisionError
    assert hooks_of(network.module) == 0


@torch.no_grad()
def test_a_visitor_sees_layers_in_order_and_says_what_goes_on(network, picture):
    layers = network.module
    first = layers[0](picture).clone()
    seen = {}

    def visit(name, activations):
        seen[name] = activations.clone()
        return 10 * activations

    network.visit(picture, ["1#2", "first", "1", "2"], visit)
    assert list(seen) == ["first", "1", "2", "1#2"]
    assert torch.equal(seen["first"], first)
    # The first layer's output is overwritten by a ReLU in place: nothing else can go on there.
    assert torch.equal(seen["1"], first.relu())
    torch.testing.assert_close(seen["2"], layers[2](10 * first.relu()))
    assert hooks_of(layers) == 0


@torch.no_grad()
def test_two_names_of_one_layer_are_visited_one_after_the_other(network, picture):
    seen = {}

    def visit(name, activations):
        seen[name] = activations.clone()
        return activations + 1

    network.visit(picture, ["0", "first"], visit)
    assert torch.equal(seen["first"], seen["0"] + 1)


@torch.no_grad()
def test_what_a_visitor_does_not_keep_is_given_back(network, picture):
    seen, alive = [], []

    def visit(name, activations):
        alive.append(sum(w() is not None for w in seen))
        seen.append(weakref.ref(activations))
        return activations

    network.visit(picture, ["1", "2", "1#2"], visit)
    # The convolution still holds what it was given; the second was a copy of what is overwritten.
    assert alive == [0, 1, 0]


def test_a_visitor_that_fails_leaves_no_hook(network, picture):
    def visit(name, activations):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        network.visit(picture, ["1"], visit)
    assert hooks_of(network.module) == 0
    with pytest.raises(BadInput, match="no layer 'nothing'"):
        network.visit(picture, ["nothing"], visit)
    network.visit(picture, [], visit)


def test_the_gradient_passes_through_a_visitor(network, picture):
    x = picture.clone().requires_grad_(True)
    found = []

    def visit(name, activations):
        found.append(activations.sum())
        return activations * 2 if name == "1" else activations

    network.visit(x, ["1", "2"], visit)
    (gradient,) = torch.autograd.grad(found[1], x)
    layers = network.module
    plain = layers[2](layers[0](x).relu() * 2).sum()
    torch.testing.assert_close(gradient, torch.autograd.grad(plain, x)[0])
