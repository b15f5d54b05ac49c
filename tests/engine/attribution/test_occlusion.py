"""Occlusion, against a calculation by hand, a loop over windows, and captum."""

import gc
import math
from collections.abc import Callable

import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor, nn

from engine.attribution import occlusion, occlusion_steps

SIZES = [
    (4, 4),
    (4, 2),
    (5, 3),
    (3, 1),
    ((2, 5), (1, 4)),
    ((12, 3), (7, 2)),
    ((12, 10), (1, 1)),
    (1, 1),
]


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def window_by_window(
    net: nn.Module, x: Tensor, target: list[int], window: object, stride: object, cover: Tensor
) -> Tensor:
    """The definition, as slowly as it can be done."""
    (high, wide), (down, right) = pair(window), pair(stride)
    height, width = x.shape[-2:]
    total, count = torch.zeros(len(x), height, width), torch.zeros(height, width)
    rows = math.ceil((height - high) / down) + 1
    columns = math.ceil((width - wide) / right) + 1
    total = total.to(x)
    with torch.no_grad():
        for row in range(rows):
            for column in range(columns):
                place = (
                    slice(row * down, row * down + high),
                    slice(column * right, column * right + wide),
                )
                covered = x.clone()
                covered[..., *place] = cover.expand_as(x)[..., *place]
                for n, k in enumerate(target):
                    drop = net(x[n : n + 1])[0, k] - net(covered[n : n + 1])[0, k]
                    total[n, *place] += drop
                count[place] += 1
    return total / count


class Sums(nn.Module):
    """Logit 0: the sum of all numbers."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x.sum((1, 2, 3)), -x.sum((1, 2, 3))], 1)


def test_it_equals_a_calculation_by_hand() -> None:
    """Windows of two at every second pixel of five: the last one covers a single pixel."""
    x = torch.tensor([1.0, 2, 3, 4, 5]).view(1, 1, 1, 5)
    assert occlusion(Sums(), x, 0, (1, 2), 2).tolist() == [[[3, 3, 7, 7, 5]]]
    assert occlusion(Sums(), x, 1, (1, 2), 2).tolist() == [[[-3, -3, -7, -7, -5]]]
    # At every pixel: 3, 5, 7, 9 and the mean of both windows that cover.
    assert occlusion(Sums(), x, 0, (1, 2), 1).tolist() == [[[3, 4, 6, 8, 9]]]
    assert occlusion(Sums(), x, 0, (1, 2), 2, baseline=1.0).tolist() == [[[1, 1, 5, 5, 4]]]


@pytest.mark.parametrize(("window", "stride"), SIZES)
def test_it_equals_captum(
    make_net: Callable[..., nn.Module], pictures: Tensor, window: object, stride: object
) -> None:
    net = make_net("shared")
    shape, steps = (3, *pair(window)), (3, *pair(stride))
    theirs = Occlusion(net).attribute(pictures, shape, steps, target=[0, 3])[:, 0].detach()
    ours = occlusion(net, pictures, [0, 3], window, stride)
    assert ours.dtype == torch.float32
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 5e-5 * theirs.abs().max()


@pytest.mark.parametrize(("window", "stride"), SIZES)
@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_it_equals_the_definition(
    make_net: Callable[..., nn.Module],
    pictures: Tensor,
    window: object,
    stride: object,
    batch: int,
) -> None:
    """In float64, where captum rounds to float32."""
    net, x = make_net("functional", torch.float64), pictures.double()
    for baseline in (0.3, torch.randn(3, 1, 1), torch.randn(2, 3, 12, 10)):
        cover = torch.as_tensor(baseline, dtype=torch.float64)
        theirs = window_by_window(net, x, [0, 3], window, stride, cover)
        ours = occlusion(net, x, [0, 3], window, stride, baseline, batch)
        assert ours.dtype == torch.float64
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max()
        if batch != 7:
            break


def test_the_model_sees_whole_batches(pictures: Tensor) -> None:
    seen: list[int] = []

    class Counting(Sums):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    occlusion(Counting(), pictures, 0, 3, 3)
    # 4 times 4 windows of 2 pictures behind the pictures themselves.
    assert seen == [2, 32]
    seen.clear()
    occlusion(Counting(), pictures, 0, 3, 3, batch=20)
    assert seen == [2, 20, 12]


class Bright(nn.Module):
    """Logits: pixels at the left, pixels at the right, and 1 for nothing."""

    def forward(self, x: Tensor) -> Tensor:
        left, right = x[..., :2].sum((1, 2, 3)), x[..., 2:].sum((1, 2, 3))
        return torch.stack([left, right, torch.ones(len(x))], 1)


def test_the_companion_maps_of_zeiler() -> None:
    """Which class is likely where the window is, and how likely the target remains."""
    x = torch.zeros(1, 1, 2, 4)
    x[..., 0, 0], x[..., 0, 3] = 4, 3
    *_, last = occlusion_steps(Bright(), x, 0, 2, 2)
    assert last.label.tolist() == [[[1, 0]]]
    e = math.e
    expected = [1 / (1 + e**3 + e), e**4 / (e**4 + 1 + e)]
    assert last.probability[0, 0].tolist() == pytest.approx(expected)
    assert last.drop.tolist() == [[[4, 0]]]
    assert last.map().tolist() == [[[4, 4, 0, 0], [4, 4, 0, 0]]]


def test_steps_show_what_is_known_so_far(pictures: Tensor) -> None:
    x = pictures[:1, :, :6, :6]
    steps = list(occlusion_steps(Sums(), x, 0, 3, 3, batch=3))
    assert [(step.done, step.total) for step in steps] == [(3, 4), (4, 4)]
    first, last = steps
    assert first.map()[0, 3:, 3:].abs().max() == 0
    known = torch.ones(6, 6, dtype=torch.bool)
    known[3:, 3:] = False
    assert torch.equal(first.map()[0][known], last.map()[0][known])
    assert (first.label < 0).tolist() == [[[False, False], [False, True]]]
    assert first.drop.isnan().tolist() == [[[False, False], [False, True]]]
    assert first.probability.isnan().sum() == 1
    assert torch.equal(last.map().float(), occlusion(Sums(), x, 0, 3, 3))


def test_stopping_between_steps_leaves_all_as_it_was(
    make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    net = make_net().train()
    net.conv2.eval()
    steps = occlusion_steps(net, pictures, 0, 4, 4, batch=5)
    for _ in range(2):
        next(steps)
        assert torch.is_grad_enabled()
        assert (net.training, net.conv1.training, net.conv2.training) == (True, True, False)
    steps.close()
    del steps
    gc.collect()
    assert net.training


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"window": 13}, "window is 13 pixels high, the picture only 12"),
        ({"window": (4, 11)}, "window is 11 pixels wide, the picture only 10"),
        ({"stride": 5}, "stride 5 would leave out pixels"),
        ({"window": 0}, "window must be .* not 0"),
        ({"window": (1, 2, 3)}, "window must be one or two whole numbers"),
        ({"window": 2.5}, "window must be .* not 2.5"),
        ({"stride": (0, 1)}, "stride must be"),
        ({"stride": -1}, "stride must be"),
        ({"batch": 0}, "batch must be"),
        ({"baseline": torch.zeros(2, 1, 1)}, r"baseline must .* not \(2, 1, 1\)"),
        ({"baseline": torch.zeros(1, 2, 3, 12, 10)}, "baseline must"),
        ({"baseline": "gray"}, "baseline must .* not 'gray'"),
    ],
)
def test_settings_that_cannot_be(pictures: Tensor, settings: dict[str, object], says: str) -> None:
    for call in (occlusion, occlusion_steps):
        with pytest.raises(ValueError, match=says):
            call(Sums(), pictures, 0, **({"window": 4, "stride": 2} | settings))


def test_a_window_as_high_as_the_picture_needs_no_stride(pictures: Tensor) -> None:
    assert occlusion(Sums(), pictures, 0, (12, 5), (99, 5)).shape == (2, 12, 10)
