"""The sanity check: what a map owes to the trained weights."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from engine.attribution import guided_backprop, saliency
from engine.attribution.sanity import randomisation, rank_correlation
from engine.networks.loading import load_network


def tiny() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    ).eval()  # fmt: skip


def gradient(model: nn.Module, x: Tensor) -> Tensor:
    return saliency(model, x, 1)


def test_layers_are_randomised_from_the_top_down_and_the_model_is_left_alone() -> None:
    model, x = tiny(), torch.rand(2, 3, 8, 8)
    before = copy.deepcopy(model.state_dict())
    steps = list(randomisation(model, x, gradient, torch.Generator().manual_seed(3)))
    assert [s.layer for s in steps] == ["", "7", "3", "0"]
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(steps[0].map, saliency(model, x, 1))
    assert steps[0].correlation == 1.0
    assert not torch.equal(steps[1].map, steps[0].map)
    again = list(randomisation(model, x, gradient, torch.Generator().manual_seed(3)))
    assert all(torch.equal(a.map, b.map) for a, b in zip(steps, again, strict=True))


def test_maps_are_made_only_where_they_are_wanted() -> None:
    model, x, asked = tiny(), torch.rand(1, 3, 8, 8), list[nn.Module]()

    def counted(model: nn.Module, x: Tensor) -> Tensor:
        asked.append(model)
        return gradient(model, x)

    all_of_them = list(randomisation(model, x, gradient, torch.Generator().manual_seed(3)))
    some = list(randomisation(model, x, counted, torch.Generator().manual_seed(3), {3}))
    assert [step.layer for step in some] == ["", "0"]
    assert len(asked) == 2
    assert torch.equal(some[1].map, all_of_them[3].map)


def test_what_does_not_look_at_the_network_keeps_its_map() -> None:
    steps = randomisation(tiny(), torch.rand(1, 3, 8, 8), lambda m, x: x.sum(1), torch.Generator())
    assert [s.correlation for s in steps] == pytest.approx([1.0] * 4)


def test_rank_correlation_is_scipys() -> None:
    random = np.random.default_rng(0)
    a, b = random.integers(0, 5, (2, 6, 7)).astype(float), random.random((2, 6, 7))
    b += a / 10
    wanted = spearmanr(a.ravel(), b.ravel()).statistic
    assert rank_correlation(torch.tensor(a), torch.tensor(b)) == pytest.approx(wanted, abs=1e-12)
    assert rank_correlation(torch.zeros(4), torch.rand(4)) == 0.0


def test_guided_backprop_cares_less_than_the_gradient() -> None:
    network = load_network("slim_vgg")
    y, x = torch.meshgrid(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 48), indexing="ij")
    disc = ((x**2 + y**2) < 0.4).float() * 0.7 + 0.15
    picture = network.prepare(disc.expand(3, 48, 48))

    def guided(model: nn.Module, x: Tensor) -> Tensor:
        return guided_backprop(model, x, 5).abs().amax(1)

    ends = []
    for method in (gradient, guided):
        steps = randomisation(network.module, picture, method, torch.Generator().manual_seed(0))
        ends.append([next(steps).correlation, next(steps).correlation])
    assert ends[1][1] > ends[0][1], "with a random classifier guided backprop still draws the edges"
