"""Guides: what is seen of masks laid on each other, erosion, and Gram matrices written out."""

import numpy as np
import pytest
import torch

from engine.image import Picture
from engine.networks.loading import load_network
from engine.objectives.regions import LEAST_LEFT, Guide, Work, eroded, mask_of, partition
from engine.objectives.style import GramLoss, Statistics, WassersteinLoss
from engine.regions import Region


@pytest.fixture(scope="module")
def network():
    return load_network("slim_vgg")


def masks_of(count, height, width, seed=0):
    random = np.random.default_rng(seed)
    masks = torch.from_numpy(random.random((count, 1, 1, height, width)))
    masks[0, ..., :3] = 1
    masks[-1, ..., -4:] = 0
    return masks


def test_later_masks_lie_on_earlier_ones_like_paint():
    """One place by hand: 0.5 over 0.8 over the ground."""
    masks = [torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (0.8, 0.5)]
    found = [float(each) for each in partition(masks, masks[0])]
    assert found == pytest.approx([0.2 * 0.5, 0.8 * 0.5, 0.5], abs=1e-15)


def test_what_is_seen_adds_up_to_one_everywhere():
    masks = masks_of(8, 9, 11)
    found = torch.stack(partition(list(masks), masks[0]))
    assert found.shape == (9, 1, 1, 9, 11)
    assert float(found.min()) >= 0
    torch.testing.assert_close(found.sum(0), torch.ones_like(masks[0]), rtol=0, atol=1e-14)


def test_a_mask_that_is_white_everywhere_stays_so_at_every_size():
    region = Region(Picture(np.ones((37, 53, 3), np.float32)))
    for size in ((37, 53), (100, 143), (8, 11), (1, 2)):
        assert bool((mask_of(region, size) == 1).all()), size


@pytest.mark.parametrize("reach", [0, 1, 3, 40])
def test_erosion_takes_the_least_of_all_that_is_near(reach):
    mask = masks_of(1, 12, 17, seed=4)[0].float()
    wanted = torch.empty_like(mask)
    for y in range(12):
        for x in range(17):
            rows = slice(max(y - reach, 0), y + reach + 1)
            wanted[0, 0, y, x] = mask[0, 0, rows, max(x - reach, 0) : x + reach + 1].min()
    torch.testing.assert_close(eroded(mask, reach), wanted, rtol=0, atol=1e-7)


def test_inside_counts_what_sees_nothing_but_the_region(network):
    """relu2_1 of a VGG: two 3 x 3 convolutions, 2 x 2 pooling, one more: 10 pixels, 5 to each side."""
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:, :40] = 1
    counted = Guide(network, mask, "inside").of("relu2_1").alpha
    assert bool((counted[..., 21:, :35] == 1).all())
    assert float(counted[..., :21, :].max()) == float(counted[..., 35:].max()) == 0
    assert torch.equal(Guide(network, mask, "simple").of("relu2_1").alpha, mask)
    assert torch.equal(Guide(network, mask, "inside").here.alpha, mask)


def test_enough_of_a_small_region_is_left_for_deep_layers(network):
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 20:44, 20:44] = 1
    counted = Guide(network, mask, "inside").of("relu4_1").alpha
    assert LEAST_LEFT * mask.sum() <= counted.sum() < mask.sum()


@pytest.mark.parametrize("statistic", ["gram", "wasserstein"])
@pytest.mark.parametrize("rows", [slice(0, 12), slice(4, 9), slice(11, 12)])
def test_a_guided_loss_is_the_one_written_out(features, network, statistic, rows):
    """By hand, in float64: G = Σ w f fᵀ / Σ w with w the region's area in each cell of the grid."""
    made, style = features(1, 4, 6, 5, seed=1), features(1, 4, 7, 8, seed=2)
    mask = torch.zeros(1, 1, 12, 15)
    mask[..., rows, 3:] = masks_of(1, 12, 15, seed=3)[0].float()[..., rows, 3:]
    guide = Guide(network, mask).of("relu2_1")
    target = Statistics.of(style)
    w = mask[0, 0].double().reshape(6, 2, 5, 3).mean((1, 3)).numpy()
    f, s = made[0].numpy(), style[0].flatten(1).numpy()
    gram = np.einsum("yx,iyx,jyx->ij", w, f, f) / w.sum()
    gram_of_style = s @ s.T / s.shape[1]
    if statistic == "gram":
        loss, wanted = GramLoss(target, coverage=guide), np.square(gram - gram_of_style).mean()
    else:
        mean, mean_of_style = np.einsum("yx,iyx->i", w, f) / w.sum(), s.mean(1)
        floor = 1e-3 * np.trace(gram_of_style) / 4 * np.eye(4)
        a = gram - np.outer(mean, mean) + floor
        b = gram_of_style - np.outer(mean_of_style, mean_of_style) + floor
        values, vectors = np.linalg.eigh(b)
        root = vectors * np.sqrt(values) @ vectors.T
        fidelity = np.sqrt(np.linalg.eigvalsh(root @ a @ root)).sum()
        loss = WassersteinLoss(target, guide)
        wanted = np.square(mean - mean_of_style).mean()
        wanted += (np.trace(a) + np.trace(b) - 2 * fidelity) / 4
    assert float(loss(made)) == pytest.approx(wanted, rel=1e-6)


def test_the_derivative_of_a_guided_loss(features, network, right_derivative):
    target = Statistics.of(features(1, 3, 5, 5, seed=6))
    guide = Guide(network, masks_of(1, 8, 8, seed=7)[0].float()).of("relu1_1")
    right_derivative(GramLoss(target, coverage=guide), features(1, 3, 4, 4, seed=5))


def test_without_styles_regions_say_where_to_work():
    left = Region(Picture(np.repeat(np.float32([[[1.0], [0.25], [0.0]]]), 3, -1)), weight=2.0)
    middle = Region(Picture(np.repeat(np.float32([[[0.0], [1.0], [0.0]]]), 3, -1)))
    kept = Region(middle.mask, kept=True)

    def strength(*regions):
        found = Work.of(regions, (1, 3))
        return None if found is None else found.strength.flatten().tolist()

    assert strength(left) == pytest.approx([2, 0.5, 0], abs=1e-4)
    assert strength(left, middle) == pytest.approx([2, 1, 0], abs=1e-4)
    assert strength(left, kept) == pytest.approx([2, 0, 0], abs=1e-4)
    assert strength(kept) == pytest.approx([1, 0, 1], abs=1e-4)
    white = Picture(np.ones((1, 3, 3), np.float32))
    assert strength() is None and strength(Region(white)) is None
    assert Work.of([left], (1, 3)).where.flatten().tolist() == pytest.approx([1, 0.25, 0], abs=1e-4)
