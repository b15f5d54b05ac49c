"""Losses against logarithms of D; pulls, penalty and unrolled gradient against finite differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.workshop.adversarial_losses import (
    discriminator_loss,
    non_saturating_loss,
    pulls,
    saddle_point_loss,
    squared_gradient,
    unrolled,
    with_deviation,
)
from engine.workshop.nets import Net

JUDGE, MAKER = Net((2, 5, 1), "tanh"), Net((3, 4, 2), "tanh")


def numbers(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def by_differences(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Return the gradient of a scalar function by central differences."""
    found = torch.zeros_like(at)
    for i in range(at.numel()):
        step = torch.zeros_like(at)
        step.view(-1)[i] = 1e-5
        ahead, back = function(at + step), function(at - step)
        found.view(-1)[i] = (ahead.detach() - back.detach()) / 2e-5
    return found


def test_losses_are_what_the_lecture_writes() -> None:
    real, fake = numbers(7, 1, seed=1), numbers(9, 1, seed=2)
    d_real, d_fake = 1 / (1 + torch.exp(-real)), 1 / (1 + torch.exp(-fake))
    value = torch.log(d_real).mean() + torch.log(1 - d_fake).mean()
    assert float(discriminator_loss(real, fake)) == pytest.approx(-float(value))
    assert float(saddle_point_loss(fake)) == pytest.approx(float(torch.log(1 - d_fake).mean()))
    assert float(non_saturating_loss(fake)) == pytest.approx(-float(torch.log(d_fake).mean()))


def test_only_the_saddle_point_saturates_where_the_discriminator_is_sure() -> None:
    slopes = []
    for loss in (saddle_point_loss, non_saturating_loss):
        fake = torch.tensor([[-200.0]], requires_grad=True)
        slopes.append(float(torch.autograd.grad(loss(fake), fake)[0]))
    assert slopes == [pytest.approx(0, abs=1e-30), pytest.approx(-1)]


def test_pulls_are_the_negative_gradients_of_the_two_losses() -> None:
    judge = JUDGE.start(torch.Generator().manual_seed(1)).double()
    point = numbers(1, 2, seed=3)
    at = point.clone().requires_grad_()
    found = pulls(JUDGE(judge, at), at)
    for pull, loss in zip(found, (saddle_point_loss, non_saturating_loss), strict=True):
        expected = -by_differences(lambda p, loss=loss: loss(JUDGE(judge, p)), point)
        assert torch.allclose(pull, expected, atol=1e-8)


def test_the_penalty_is_the_squared_slope_and_can_be_differentiated() -> None:
    judge, points = numbers(JUDGE.count, seed=1), numbers(6, 2, seed=2)

    def penalty(parameters: Tensor) -> Tensor:
        at = points.clone().requires_grad_()
        return squared_gradient(JUDGE(parameters, at), at)

    slopes = torch.stack(
        [by_differences(lambda p: JUDGE(judge, p[None]).sum(), point) for point in points]
    )
    assert float(penalty(judge).detach()) == pytest.approx(
        float(slopes.square().sum(1).mean()), rel=1e-7
    )
    parameters = judge.clone().requires_grad_()
    (found,) = torch.autograd.grad(penalty(parameters), parameters)
    assert torch.allclose(found, by_differences(penalty, judge), atol=1e-6)


def test_a_batch_tells_its_deviation() -> None:
    points = numbers(50, 3, seed=4)
    found = with_deviation(points)
    assert torch.equal(found[:, :3], points)
    expected = points.std(0, correction=0).mean()
    assert torch.allclose(found[:, 3], expected.expand(50), atol=1e-6)
    assert torch.allclose(with_deviation(points[:4], points)[:, 3], expected.expand(4), atol=1e-6)


def test_a_batch_of_equal_points_has_a_finite_gradient() -> None:
    points = torch.ones(5, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(with_deviation(points).sum(), points)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("steps", [1, 3])
def test_unrolled_parameters_are_those_after_gradient_descent(steps: int) -> None:
    judge, real, fake = numbers(JUDGE.count, seed=1), numbers(8, 2, seed=2), numbers(8, 2, seed=3)

    def loss(parameters: Tensor) -> Tensor:
        return discriminator_loss(JUDGE(parameters, real), JUDGE(parameters, fake))

    expected = judge.clone()
    for _ in range(steps):
        expected = expected - 0.1 * by_differences(loss, expected)
    assert torch.allclose(unrolled(judge, loss, steps, 0.1), expected, atol=1e-8)


def test_the_generators_gradient_goes_through_the_unrolled_steps() -> None:
    """Against differences of the whole: it is not the gradient with the discriminator held still."""
    maker, judge = numbers(MAKER.count, seed=5), numbers(JUDGE.count, seed=1)
    noise, real = numbers(8, 3, seed=6), numbers(8, 2, seed=2)

    def loss(parameters: Tensor, still: bool = False) -> Tensor:
        fake = MAKER(parameters, noise)

        def inner(ahead: Tensor) -> Tensor:
            made = fake.detach() if still else fake
            return discriminator_loss(JUDGE(ahead, real), JUDGE(ahead, made))

        return non_saturating_loss(JUDGE(unrolled(judge, inner, 3, 0.1), fake))

    at = maker.clone().requires_grad_()
    (found,) = torch.autograd.grad(loss(at), at)
    assert torch.allclose(found, by_differences(loss, maker), atol=1e-7)
    (without,) = torch.autograd.grad(loss(at, still=True), at)
    assert not torch.allclose(found, without, atol=1e-4)
