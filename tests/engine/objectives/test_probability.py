"""Log probabilities: values worked out by hand, gradients by differences."""

import math

import pytest
import torch

from engine.objectives.probability import (
    gaussian_log_prior,
    log_probability,
    smooth_log_prior,
)


def test_the_log_probability_is_that_of_the_softmax():
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(9.0), 0.0]], dtype=torch.float64)
    expected = torch.tensor([math.log(0.75), math.log(0.1)], dtype=torch.float64)
    torch.testing.assert_close(log_probability(logits, 1), expected)


def test_it_stays_finite_where_the_probability_is_zero_in_floating_point():
    assert float(log_probability(torch.tensor([[1000.0, 0.0]]), 1)) == pytest.approx(-1000)


def test_its_gradient_knows_the_other_classes(right_derivative):
    logits = torch.tensor([[0.3, -1.0, 2.0], [0.0, 0.5, -0.5]], dtype=torch.float64)
    right_derivative(lambda x: log_probability(x, 1).sum(), logits)
    x = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(log_probability(x, 0).sum(), x)
    assert gradient.tolist() == [[0.75, -0.25, -0.25, -0.25]]


def test_the_gaussian_prior_pulls_each_picture_to_the_mean(right_derivative):
    pictures = torch.full((2, 3, 2, 2), 0.5, dtype=torch.float64)
    pictures[1, 0, 0, 0] = 1.0
    mean = torch.tensor([0.5, 0.25, 0.5], dtype=torch.float64).view(3, 1, 1)
    expected = [-0.5 * 4 / 16, -0.5 * (4 / 16 + 0.25)]
    assert gaussian_log_prior(pictures, mean).tolist() == pytest.approx(expected)
    x = pictures.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(gaussian_log_prior(x, mean).sum(), x)
    torch.testing.assert_close(gradient, mean - pictures)
    right_derivative(lambda x: gaussian_log_prior(x, mean).sum(), pictures)


def test_the_smooth_prior_is_counted_for_each_picture_alone(right_derivative, features):
    pictures = torch.zeros(2, 3, 3, 3, dtype=torch.float64)
    pictures[0, 0, 1, 1] = 2.0  # left and above differ by 2; it and its two neighbours: 4 + 4 + 8
    pictures[1, 2, 2, 2] = 1.0  # in the corner: the left and the upper neighbour
    assert smooth_log_prior(pictures).tolist() == [-16.0, -2.0]
    right_derivative(lambda x: smooth_log_prior(x, 1.5).sum(), features(2, 3, 4, 3, seed=2))
