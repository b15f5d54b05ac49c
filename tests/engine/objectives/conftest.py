"""Activations made by hand, and derivatives by central differences in numpy."""

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Thousands of tiny tensors are quicker without a second thread to wait for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def features():
    """Return a maker of activations like a ReLU's: some zeros, a mean, different channels."""

    def make(*shape, seed=0, dtype=torch.float64):
        random = np.random.default_rng(seed)
        values = random.normal(0.3, 1.0, shape) * np.linspace(0.5, 2.0, shape[1])[:, None, None]
        return torch.from_numpy(np.maximum(values, 0)).to(dtype)

    return make


@pytest.fixture
def differences():
    """Return a maker of the derivatives of a scalar function in each entry of a float64 tensor."""

    def make(function, x, step=1e-6):
        base = x.detach().numpy().copy()
        result = np.zeros_like(base)
        for index in np.ndindex(*base.shape):
            ends = []
            for sign in (1, -1):
                moved = base.copy()
                moved[index] += sign * step
                ends.append(float(function(torch.from_numpy(moved))))
            result[index] = (ends[0] - ends[1]) / (2 * step)
        return torch.from_numpy(result)

    return make


@pytest.fixture
def right_derivative(differences):
    """Return a check that a scalar's gradient is right by gradcheck and by plain differences."""

    def check(function, x):
        x = x.detach().clone().requires_grad_(True)
        assert x.dtype == torch.float64
        value = function(x)
        assert value.shape == ()
        assert value.dtype == torch.float64
        assert torch.autograd.gradcheck(function, (x,), eps=1e-6, atol=1e-7, rtol=1e-4)
        (gradient,) = torch.autograd.grad(value, x)
        assert gradient.abs().max() > 0
        torch.testing.assert_close(gradient, differences(function, x), atol=1e-7, rtol=1e-4)

    return check
