"""Adam, step by step beside torch's own."""

import numpy as np
import pytest
import torch

from engine.optimization.adam import Adam
from engine.parameterization.scales import resize


def start(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def slope(x):
    """Gradient of a function without symmetry that is not convex."""
    return 4 * x * (x.square() - 1) + x.roll(1, -1).cos()


def gradient_in(x, optimizer):
    x.grad = slope(x.detach())
    optimizer.step()


@pytest.mark.parametrize(
    ("betas", "epsilon"),
    [((0.9, 0.999), 1e-8), ((0.9, 0.99), 1e-8), ((0.0, 0.5), 1e-3), ((0.99, 0.9), 1e-1)],
)
def test_the_same_steps_as_torch(betas, epsilon):
    ours, theirs = start(1, 3, 4, 5), start(1, 3, 4, 5).requires_grad_(True)
    mine = Adam(ours, 0.05, betas, epsilon)
    other = torch.optim.Adam([theirs], 0.05, betas, epsilon)
    for _ in range(40):
        before = ours.clone()
        mine.step(slope)
        gradient_in(theirs, other)
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-10, atol=1e-11)
        assert (ours - before).abs().max() > 1e-3
    assert mine.steps == 40


def test_the_same_steps_as_torch_in_single_precision():
    ours, theirs = start(1, 3, 4, 5).float(), start(1, 3, 4, 5).float().requires_grad_(True)
    mine, other = Adam(ours, 0.02), torch.optim.Adam([theirs], 0.02)
    for _ in range(20):
        mine.step(slope)
        gradient_in(theirs, other)
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-5)


def test_the_first_step_is_the_learning_rate_against_the_slope():
    x = start(1, 3, 4, 4)
    gradient = start(1, 3, 4, 4, seed=1)
    moved = x.clone()
    Adam(moved, 0.25).step(lambda _: gradient)
    torch.testing.assert_close(moved, x - 0.25 * gradient.sign(), atol=1e-6, rtol=0)


def test_the_learning_rate_may_change_between_steps():
    ours, theirs = start(1, 3, 4, 5), start(1, 3, 4, 5).requires_grad_(True)
    mine, other = Adam(ours, 0.05), torch.optim.Adam([theirs], 0.05)
    for rate in (0.05, 0.5, 0.001):
        mine.learning_rate = other.param_groups[0]["lr"] = rate
        mine.step(slope)
        gradient_in(theirs, other)
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-10, atol=1e-11)


def test_the_variable_is_handed_to_the_closure_and_changed_in_place():
    x = start(1, 3, 2, 2)
    seen = []

    def closure(given):
        seen.append(given)
        return slope(given)

    optimizer = Adam(x, 0.1)
    optimizer.step(closure)
    optimizer.step(closure)
    assert all(given is x for given in seen)
    assert optimizer.variable is x


def test_carried_without_a_change_nothing_changes():
    ours, other = start(1, 3, 6, 6), start(1, 3, 6, 6)
    mine, whole = Adam(ours, 0.05, (0.8, 0.95), 1e-4), Adam(other, 0.05, (0.8, 0.95), 1e-4)
    for step in range(6):
        if step == 3:
            mine = mine.carry(ours, lambda moments: moments.clone())
        mine.step(slope)
        whole.step(slope)
    assert torch.equal(ours, other)


def test_carried_to_another_size_it_goes_on_as_torch_would():
    small = start(1, 3, 6, 6)
    before = Adam(small, 0.05, (0.8, 0.95), 1e-4)
    for _ in range(5):
        before.step(slope)

    def enlarged(moments):
        return moments.repeat_interleave(2, -1).repeat_interleave(2, -2)

    ours, theirs = start(1, 3, 12, 12, seed=1), start(1, 3, 12, 12, seed=1).requires_grad_(True)
    after = before.carry(ours, enlarged)
    assert after is not before
    other = torch.optim.Adam([theirs], 0.05, (0.8, 0.95), 1e-4)
    gradient_in(theirs, other)  # makes its state, which is then replaced
    state = other.state[theirs]
    with torch.no_grad():
        theirs.copy_(ours)
    state["step"].fill_(5)
    state["exp_avg"].copy_(enlarged(before.mean))
    state["exp_avg_sq"].copy_(enlarged(before.square))
    for _ in range(3):
        after.step(slope)
        gradient_in(theirs, other)
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-10, atol=1e-11)
    assert (before.steps, after.steps) == (5, 8)


def test_no_squared_moment_is_negative_after_an_overshooting_resize():
    small = torch.zeros(1, 3, 8, 8)
    before = Adam(small, 0.1)
    spike = torch.zeros(1, 3, 8, 8)
    spike[..., 4, 4] = 10
    before.step(lambda _: spike)
    assert resize(before.square, (16, 16)).min() < 0
    large = torch.zeros(1, 3, 16, 16)
    after = before.carry(large, lambda moments: resize(moments, (16, 16)))
    assert after.square.min() == 0
    after.step(lambda _: torch.zeros_like(large))
    assert torch.isfinite(large).all()
