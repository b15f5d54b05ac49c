"""Boxes covered by hand, against sums that are plain to see; and what covers."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.attribution import fill, occluded_logits, occlusion_steps
from engine.errors import BadInput
from engine.networks.loading import load_network


class Sums(nn.Module):
    """Logits: the sum of all numbers, and of the left column."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        assert not torch.is_grad_enabled()
        return torch.stack([x.sum((1, 2, 3)), x[..., 0].sum((1, 2))], 1)


COUNTING = torch.arange(16.0).view(1, 1, 4, 4)


def test_it_equals_a_calculation_by_hand() -> None:
    # All: 120, and 0 + 4 + 8 + 12 at the left.
    found = occluded_logits(Sums(), COUNTING, (1, 0, 3, 2))
    assert found.before.tolist() == [[120, 24]]
    assert found.after.tolist() == [[[120 - 1 - 2 - 5 - 6, 24]]]
    tall = occluded_logits(Sums(), COUNTING, (0, 1, 1, 4), baseline=1.0)
    assert tall.after.tolist() == [[[120 - 24 + 3, 24 - 24 + 3]]]


def test_boxes_at_and_beyond_the_border() -> None:
    boxes = [(-5, -5, 1, 1), (3, 3, 9, 9), (-9, -9, 99, 99), (4, 0, 6, 4), (2, 2, 2, 3)]
    found = occluded_logits(Sums(), COUNTING, boxes)
    assert found.after[0, :, 0].tolist() == [120, 120 - 15, 0, 120, 120]


def test_several_pictures_boxes_and_batches() -> None:
    x = torch.rand(3, 2, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    boxes = [(0, 0, 2, 2), (1, 2, 6, 3), (5, 0, 6, 5), (2, 1, 4, 4)]
    cover = torch.rand(3, 2, 5, 6, generator=torch.Generator().manual_seed(1)).double()
    model = Sums()
    found = occluded_logits(model, x, boxes, cover, batch=5)
    assert model.seen == [3, 5, 5, 2]
    assert found.after.shape == (3, 4, 2)
    assert found.after.dtype == torch.float64
    for n in range(3):
        for b, (left, top, right, bottom) in enumerate(boxes):
            covered = x[n].clone()
            covered[:, top:bottom, left:right] = cover[n, :, top:bottom, left:right]
            expected = torch.stack([covered.sum(), covered[..., 0].sum()])
            assert torch.allclose(found.after[n, b], expected, rtol=1e-12)


def test_it_is_one_window_of_the_occlusion_map() -> None:
    *_, last = occlusion_steps(Sums(), COUNTING, 0, 2, 2)
    boxes = [(0, 0, 2, 2), (2, 0, 4, 2), (0, 2, 2, 4), (2, 2, 4, 4)]
    found = occluded_logits(Sums(), COUNTING, boxes)
    drop = found.before[:, None] - found.after
    assert drop[0, :, 0].tolist() == last.drop.flatten().tolist()


def test_what_was_known_before_is_not_computed_again() -> None:
    model = Sums()
    first = occluded_logits(model, COUNTING, (0, 0, 1, 1))
    model.seen.clear()
    second = occluded_logits(model, COUNTING, (3, 3, 4, 4), before=first.before)
    assert model.seen == [1]
    assert second.before.tolist() == [[120, 24]]
    assert second.after.tolist() == [[[105, 24]]]


def test_the_model_and_the_picture_stay() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3)).train()
    x = COUNTING.clone()
    with torch.inference_mode():
        found = occluded_logits(model, x, (0, 0, 4, 4))
    assert torch.allclose(found.after[0, 0], model[2].bias)
    assert all(m.training for m in model.modules())
    assert torch.equal(x, COUNTING)
    assert not found.before.requires_grad
    assert not found.after.requires_grad


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"boxes": (1, 2, 3)}, "boxes must be .* not"),
        ({"boxes": (0.5, 0, 1, 1)}, "whole pixels"),
        ({"boxes": [(0, 0, 1, 1), (0, 0, 1)]}, "boxes must be"),
        ({"boxes": "all"}, "boxes must be .* not 'all'"),
        ({"boxes": []}, "boxes must be"),
        ({"boxes": (3, 0, 1, 1)}, r"box \(3, 0, 1, 1\) ends before it begins"),
        ({"baseline": torch.zeros(7)}, "baseline must"),
        ({"batch": 0}, "batch must be"),
        ({"before": torch.zeros(2, 2)}, r"before must be logits \(1, classes\), not \(2, 2\)"),
        ({"x": torch.zeros(4, 4)}, "x must be a float tensor"),
    ],
)
def test_what_cannot_be(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        occluded_logits(Sums(), **({"x": COUNTING, "boxes": (0, 0, 1, 1)} | settings))


# -- what covers ------------------------------------------------------------------------------


def test_fills_are_colours_for_the_network() -> None:
    network = load_network("slim_vgg")
    picture = torch.rand(2, 3, 30, 44, generator=torch.Generator().manual_seed(0))
    x = network.prepare(picture)
    p = network.card.preprocessing
    assert fill(network, x, "mean").unique().tolist() == [0]
    mean = torch.tensor(p.mean) / p.scale
    mean = mean.flip(0) if p.order == "BGR" else mean
    shown = network.prepare(mean.view(1, 3, 1, 1))
    assert shown.abs().max() < 1e-6
    for kind, level in [("gray", 0.5), ("black", 0.0)]:
        whole = network.prepare(torch.full_like(picture, level))
        assert torch.equal(fill(network, x, kind).expand_as(x), whole)


def test_the_blur_takes_away_what_is_fine_and_keeps_what_is_coarse() -> None:
    network = load_network("slim_vgg")
    flat = torch.ones(1, 3, 56, 70) * torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1)
    stripes = flat.clone()
    stripes[..., ::2] += 0.1
    stripes[..., 1::2] -= 0.1
    blurred = fill(network, network.prepare(stripes), "blur")
    assert (blurred - network.prepare(flat))[..., 16:-16].abs().max() < 1e-3
    # A step becomes the Gaussian's integral: 84 % of the way one standard deviation (4) behind it.
    step = torch.zeros(1, 3, 56, 70)
    step[..., 35:] = 1
    risen = fill(network, step, "blur")[0, 0, 28]
    assert np.interp(38.5, np.arange(70), risen) == pytest.approx(0.841, abs=0.005)
    assert fill(network, step.double(), "blur").dtype == torch.float64
    assert torch.equal(step[..., :35], torch.zeros(1, 3, 56, 35))


def test_there_are_no_other_fills() -> None:
    network = load_network("slim_vgg")
    with pytest.raises(BadInput, match="no fill is called 'noise'; there are mean, gray"):
        fill(network, torch.zeros(1, 3, 4, 4), "noise")
