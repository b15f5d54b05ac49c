"""Weights and activations as they are, and how they become tiles."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from engine.errors import BadInput
from engine.inspection.activations import activations, tiles, top_channels
from engine.inspection.filters import filters
from engine.inspection.tiling import enlarged, grid
from engine.networks.loading import load_network


def test_first_filters_have_one_scale_or_each_its_own(network):
    found = filters(network)
    weight = network.module.conv1_1.weight
    assert found.layer == "conv1_1" and found.coloured
    together, each = found.pictures(), found.pictures(together=False)
    assert together.shape == (32, 3, 3, 3)
    # back from the picture to the weight: gray is zero
    torch.testing.assert_close((together - 0.5) * 2 * weight.abs().max(), weight)
    reach = (each - 0.5).abs().flatten(1).amax(1)
    torch.testing.assert_close(reach, torch.full((32,), 0.5))
    assert ((together - 0.5).abs().flatten(1).amax(1) < 0.49).any()


def test_a_network_that_takes_bgr_shows_red_as_red(data_folder):
    network = load_network("googlenet_bvlc", data_folder / "weights")
    assert network.card.preprocessing.order == "BGR"
    found = filters(network)
    first = next(m for m in network.module.modules() if isinstance(m, torch.nn.Conv2d))
    assert torch.equal(found.weight[:, 0], first.weight[:, 2].float())
    assert not torch.equal(found.weight[:, 0], found.weight[:, 2])


def test_slices_of_a_deeper_layer(network):
    found = filters(network, "conv3_1")
    slices = found.slices(5, 7)
    weight = network.module.conv3_1.weight[:5, :7]
    torch.testing.assert_close(slices, 0.5 + weight / (2 * weight.abs().max()))
    own = found.slices(5, 7, together=False)
    torch.testing.assert_close((own - 0.5).abs().flatten(1).amax(1), torch.full((5,), 0.5))
    with pytest.raises(BadInput, match="64 channels"):
        found.pictures()


@pytest.mark.parametrize(("layer", "near"), [("relu3_2", "conv3_2"), ("classifier", "conv5_4")])
def test_what_is_no_convolution_has_no_filters(network, layer, near):
    with pytest.raises(BadInput, match=f"{layer} has no filters.*{near}"):
        filters(network, layer)


def test_activations_are_those_of_a_convolution_done_by_hand(network):
    picture = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))
    p = network.card.preprocessing
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (p.mean, p.std))
    x = (picture * p.scale - mean) / std
    first = network.module.conv1_1
    before = F.conv2d(x[None], first.weight, first.bias, padding=1)[0]
    torch.testing.assert_close(
        activations(network, picture, "conv1_1"), before, atol=1e-4, rtol=1e-4
    )
    after = activations(network, picture, "relu1_1")
    torch.testing.assert_close(after, before.relu(), atol=1e-4, rtol=1e-4)
    assert activations(network, torch.rand(3, 32, 32), "classifier").shape == (101, 1, 1)


def test_tiles():
    positive = torch.tensor([[[0.0, 4.0]], [[1.0, 2.0]], [[0.0, 0.0]]])
    white = float(np.percentile(positive, 99.8))
    torch.testing.assert_close(tiles(positive), (positive / white).clamp(max=1))
    own = tiles(positive, together=False)
    assert torch.equal(own, torch.tensor([[[0.0, 1]], [[0.5, 1]], [[0, 0]]]))
    signed = torch.tensor([[[-2.0, 0.0]], [[4.0, 1.0]]])
    far = float(np.percentile(signed.abs(), 99.8))
    torch.testing.assert_close(tiles(signed), (signed / far / 2 + 0.5).clamp(max=1))
    strong = torch.ones(10, 10, 10)
    strong[0, 0, 0] = 1000
    assert (tiles(strong) == 1).all(), "a single one does not leave the rest dark"
    assert tiles(strong, together=False)[0, 1, 1] == 0.001


def test_top_channels():
    maps = torch.tensor([[[1.0, 1.0]], [[9.0, -9.0]], [[3.0, 1.0]], [[2.0, 2.0]]])
    assert top_channels(maps, 3) == [(2, 2.0), (3, 2.0), (0, 1.0)]
    assert top_channels(maps, 2, "max") == [(1, 9.0), (2, 3.0)]


def test_a_grid_in_reading_order():
    made = grid(torch.arange(5.0).view(5, 1, 1).expand(5, 2, 3) / 10, columns=3, gap=1, shade=1)
    assert made.shape == (3, 5, 11)
    assert made[0, 0].tolist() == pytest.approx([0, 0, 0, 1, 0.1, 0.1, 0.1, 1, 0.2, 0.2, 0.2])
    assert made[1, 4].tolist() == pytest.approx([0.3] * 3 + [1] + [0.4] * 3 + [1] * 4)
    assert enlarged(torch.tensor([[[1.0, 2.0]]]), 4).tolist() == [[[1, 1, 2, 2], [1, 1, 2, 2]]]
