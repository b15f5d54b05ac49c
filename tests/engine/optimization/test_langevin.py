"""Langevin dynamics on densities whose moments are known: Gaussians and the logistic density."""

import math

import pytest
import torch
from scipy.stats import multivariate_normal

from engine.optimization.langevin import BEST_ACCEPTANCE, Langevin

PRECISION = torch.tensor([[2.0, -0.6], [-0.6, 0.5]], dtype=torch.float64)
MEAN = torch.tensor([1.0, -2.0], dtype=torch.float64)


def gaussian(x):
    away = x - MEAN.to(x)
    slope = -away @ PRECISION.to(x)
    return (away * slope).sum(1) / 2, slope


def logistic(x):
    return -(x + 2 * torch.nn.functional.softplus(-x)).sum(1), -torch.tanh(x / 2)


def drawing(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=dtype)


def samples(target, start, step, temperature=1.0, corrected=False, steps=300, keep=10):
    """Return states of many chains at some late steps, far apart."""
    sampler = Langevin(start.clone(), drawing(), step, temperature, corrected)
    found = []
    for i in range(steps):
        sampler.move(target)
        if i >= steps // 2 and i % (steps // 2 // keep) == 0:
            found.append(sampler.states.clone())
    return torch.cat(found)


def stationary_covariance(step, temperature):
    """Of x <- (1 - step P) x + sqrt(2 step T) noise, eigenvalue by eigenvalue."""
    values, vectors = torch.linalg.eigh(PRECISION)
    spread = temperature / (values * (1 - step * values / 2))
    return vectors @ torch.diag(spread) @ vectors.T


def moments(x):
    return x.double().mean(0), torch.cov(x.double().T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_without_correction_the_covariance_is_the_recursions_own(dtype, temperature):
    start = torch.zeros(4000, 2, dtype=dtype)
    found = samples(gaussian, start, 0.6, temperature)
    assert found.dtype == dtype
    mean, covariance = moments(found)
    expected = stationary_covariance(0.6, temperature)
    torch.testing.assert_close(mean, MEAN, atol=0.03, rtol=0)
    torch.testing.assert_close(covariance, expected, atol=0.04 * temperature, rtol=0.03)
    # Which is far from the target's: the bias that the correction is there for.
    assert (expected - temperature * PRECISION.inverse())[0, 0] > 0.2 * temperature


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_with_correction_the_covariance_is_the_targets(dtype, temperature):
    start = torch.zeros(4000, 2, dtype=dtype)
    mean, covariance = moments(samples(gaussian, start, 0.6, temperature, corrected=True))
    torch.testing.assert_close(mean, MEAN, atol=0.03, rtol=0)
    expected = temperature * PRECISION.inverse()
    torch.testing.assert_close(covariance, expected, atol=0.04 * temperature, rtol=0.03)


def test_the_correction_is_right_beyond_gaussians():
    start = torch.zeros(4000, 1, dtype=torch.float64)
    exact = math.pi**2 / 3  # the variance of the logistic density
    corrected = samples(logistic, start, 1.5, corrected=True).square().mean()
    assert float(corrected) == pytest.approx(exact, rel=0.02)
    biased = samples(logistic, start, 1.5).square().mean()
    assert float(biased) > 1.08 * exact


def test_the_acceptance_is_metropolis_and_hastings():
    # Densities and proposals by scipy, with the same noise.
    step, temperature = 0.7, 0.5
    start = drawing(3)(6, 2) * 2
    noise = drawing(4)(6, 2)
    draws = iter([noise, drawing(5)(6)])
    sampler = Langevin(start.clone(), lambda *_: next(draws), step, temperature, corrected=True)
    move = sampler.move(gaussian)
    proposed = start + step * gaussian(start)[1] + math.sqrt(2 * step * temperature) * noise

    def log_target(x):
        cov = temperature * PRECISION.inverse().numpy()
        return multivariate_normal(MEAN.numpy(), cov).logpdf(x.numpy())

    def log_proposal(to, frm):
        centre = (frm + step * gaussian(frm[None])[1][0]).numpy()
        return multivariate_normal(centre, 2 * step * temperature).logpdf(to.numpy())

    for i in range(6):
        a, b = start[i], proposed[i]
        ratio = log_target(b) - log_target(a) + log_proposal(a, b) - log_proposal(b, a)
        assert float(move.acceptance[i]) == pytest.approx(min(1.0, math.exp(ratio)), rel=1e-9)
        torch.testing.assert_close(sampler.states[i], b if move.accepted[i] else a)
    assert 0 < float(move.acceptance.min()) < 1


def test_at_temperature_zero_it_climbs():
    start = torch.zeros(1, 2, dtype=torch.float64)
    sampler = Langevin(start, drawing(), 0.3, 0.0)
    for _ in range(3):
        sampler.move(gaussian)
    pull = torch.linalg.matrix_power(torch.eye(2, dtype=torch.float64) - 0.3 * PRECISION, 3)
    torch.testing.assert_close(start[0], MEAN - pull @ MEAN)


def test_the_step_adapts_to_the_best_acceptance():
    def many(x):
        return -x.square().sum(1) / 2, -x

    sampler = Langevin(drawing(1)(8, 60), drawing(), 3.0, corrected=True)
    for _ in range(300):
        sampler.adapt(float(sampler.move(many).acceptance.mean()))
    fixed = sampler.step
    rates = [float(sampler.move(many).acceptance.mean()) for _ in range(200)]
    assert sum(rates) / 200 == pytest.approx(BEST_ACCEPTANCE, abs=0.06)
    assert sampler.step == fixed < 3.0


def test_a_changed_target_counts_from_the_next_step():
    # Left as remembered, the value of the first target would let nothing be accepted.
    sampler = Langevin(torch.zeros(50, 1, dtype=torch.float64), drawing(), 0.1, corrected=True)
    sampler.move(lambda x: (torch.full((len(x),), 1e6, dtype=x.dtype), torch.zeros_like(x)))
    flat = lambda x: (torch.zeros(len(x), dtype=x.dtype), torch.zeros_like(x))  # noqa: E731
    assert not sampler.move(flat).accepted.any()
    sampler.refresh(flat)
    assert sampler.move(flat).accepted.all()


def test_states_stay_when_the_target_refuses():
    calls = []

    def failing(x):
        calls.append(x)
        if len(calls) == 2:
            raise ArithmeticError
        return gaussian(x)

    for corrected in (True, False):
        calls.clear()
        sampler = Langevin(torch.zeros(3, 2), drawing(), 0.1, corrected=corrected)
        if not corrected:
            calls.append(None)
        with pytest.raises(ArithmeticError):
            sampler.move(failing)
        assert not sampler.states.any()


def test_a_proposal_of_no_value_is_rejected():
    def cliff(x):
        return torch.where(x[:, 0] == 0, 0.0, math.nan), torch.zeros_like(x)

    sampler = Langevin(torch.zeros(3, 1), drawing(), 0.1, corrected=True)
    move = sampler.move(cliff)
    assert not move.accepted.any()
    assert not move.acceptance.any()
    assert not sampler.states.any()


def test_there_is_no_correction_without_temperature():
    with pytest.raises(ValueError, match="temperature"):
        Langevin(torch.zeros(1, 2), drawing(), 0.1, 0.0, corrected=True).move(gaussian)
