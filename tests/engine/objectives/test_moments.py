"""Moments of activations: every derivative, and what half precision loses."""

import pytest
import torch

from engine.objectives.moments import (
    moments,
    passing_moments,
    passing_second_moments,
    second_moments,
)


def gradient_of(function, x):
    x = x.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(function(x), x)
    return gradient


def test_they_are_means_over_positions(features):
    f = features(2, 3, 5, 7)
    for i in range(2):
        vectors = f[i].reshape(3, 35).T
        outer = sum(v[:, None] * v[None] for v in vectors) / 35
        torch.testing.assert_close(second_moments(f)[i], outer)
        torch.testing.assert_close(moments(f)[0][i], sum(vectors) / 35)


def test_the_whole_jacobian(features):
    # Each entry by itself: also for results that are not used symmetrically.
    f = features(2, 3, 3, 4).requires_grad_(True)
    assert torch.autograd.gradcheck(second_moments, (f,))
    assert torch.autograd.gradcheck(lambda x: moments(x)[0], (f,))
    assert torch.autograd.gradcheck(moments, (f,))


@pytest.mark.parametrize("size", [(20, 20), (64, 64), (90, 100)])  # under, at and over blocks
def test_half_precision_moments_are_close(size, features):
    f = features(2, 24, *size)
    exact, rough = second_moments(f), second_moments(f.bfloat16())
    assert rough.dtype == torch.float32
    # bfloat16 keeps 8 bits: each activation and each block's product is off by up to 2^-9
    assert ((rough - exact).abs() / exact).max() < 2**-7
    assert moments(f.bfloat16())[0].dtype == torch.float32
    torch.testing.assert_close(moments(f.bfloat16())[0].double(), moments(f)[0], rtol=2e-3, atol=0)


def test_rounded_products_are_close_to_exact_ones_as_a_whole(features):
    f = features(1, 48, 96, 97).bfloat16()
    exact = second_moments(f.double())
    # What bfloat16 rounds of a block's sums is half of 2^-8 at most, and differs from block to block.
    assert (second_moments(f) - exact).norm() / exact.norm() < 5e-4
    assert not torch.equal(second_moments(f), moments(f)[1])
    torch.testing.assert_close(moments(f)[1].double(), exact, rtol=1e-5, atol=1e-6)


def test_half_precision_adds_up_over_large_pictures():
    ones = torch.ones(1, 3, 300, 301, dtype=torch.bfloat16)
    torch.testing.assert_close(second_moments(ones), torch.ones(1, 3, 3), rtol=4e-3, atol=0)
    assert torch.equal(moments(ones)[0], torch.ones(1, 3))


def test_half_precision_gradients_do_not_under_or_overflow():
    f = torch.full((1, 2, 3, 3), 0.5, dtype=torch.float16)
    gradient = gradient_of(lambda x: 1e-6 * second_moments(x).sum(), f)
    exact = gradient_of(lambda x: 1e-6 * second_moments(x).sum(), f.double())
    torch.testing.assert_close(gradient.double(), exact, rtol=0.1, atol=0)


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("kind", ["first", "second"])
def test_they_add_to_the_gradient_of_what_comes_after(kind, last, features):
    f = features(2, 3, 4, 5)
    if last:
        f = f.to(memory_format=torch.channels_last)
    weights = features(2, 3, 4, 5, seed=9).to(memory_format=torch.channels_last)
    of_second = features(2, 3, 1, 3, seed=10)[:, :, 0]
    passing = passing_moments if kind == "first" else passing_second_moments

    def along(x):
        onward, *means, second = passing(x * 1)
        after = (onward.sin() * weights).sum() + sum(mean.square().sum() for mean in means)
        return after + (second * of_second).sum()

    def by_hand(x):
        rows = x.flatten(2)
        second = rows @ rows.mT / 20
        after = (x.sin() * weights).sum() + (second * of_second).sum()
        return after + (rows.mean(2).square().sum() if kind == "first" else 0)

    torch.testing.assert_close(gradient_of(along, f), gradient_of(by_hand, f))


def test_a_gradient_that_others_hold_is_not_changed(features):
    f, ahead = features(1, 3, 4, 5).to(memory_format=torch.channels_last), features(1, 3, 4, 5)
    ahead = ahead.to(memory_format=torch.channels_last)
    kept = ahead.clone()
    x = f.requires_grad_(True)
    onward, second = passing_second_moments(x)
    both = torch.autograd.grad((onward, second.sum()), x, (ahead, None))[0]
    assert torch.equal(ahead, kept)
    expected = kept + gradient_of(lambda t: second_moments(t).sum(), f)
    torch.testing.assert_close(both, expected)


def test_moments_that_nobody_uses_change_nothing(features):
    f = features(1, 3, 4, 5)
    assert torch.equal(gradient_of(lambda x: passing_moments(x)[0].sum(), f), torch.ones_like(f))
    torch.testing.assert_close(
        gradient_of(lambda x: moments(x)[0].sum(), f), torch.full_like(f, 1 / 20)
    )
