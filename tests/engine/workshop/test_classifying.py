"""Reading digits: the split, the slope of the loss against PyTorch's own modules, the shares."""

import pytest
import torch
from torch import nn

from engine.workshop.classifying import accuracy, agreement, learning_slope, right, split_digits
from engine.workshop.digits import load_digits
from engine.workshop.nets import Net


def test_digits_are_split_without_overlap() -> None:
    split = split_digits()
    pictures, digits = load_digits()
    assert [len(part) for part in split] == [1000, 1000, 797, 797]
    assert torch.equal(torch.cat([split.pictures, split.test_pictures]), pictures)
    assert torch.equal(torch.cat([split.digits, split.test_digits]), digits)
    assert len(split.test_digits.unique()) == len(split.digits.unique()) == 10


def test_the_slope_is_that_of_modules() -> None:
    net = Net((5, 7, 3), "relu")
    generator = torch.Generator().manual_seed(1)
    parameters, points = net.start(generator), torch.rand(8, 5, generator=generator)
    labels = torch.arange(8) % 3
    module = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    nn.utils.vector_to_parameters(parameters, module.parameters())
    loss = nn.CrossEntropyLoss()(module(points), labels)
    loss.backward()
    with torch.no_grad():  # as within an optimizer's step
        slope, value = learning_slope(net, parameters, points, labels)
    expected = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
    assert torch.allclose(slope, expected, atol=1e-6)
    assert value == pytest.approx(loss.item(), abs=1e-6)


def test_shares_are_counted() -> None:
    points = torch.eye(4)
    labels = torch.tensor([0, 1, 0, 3])
    assert right(lambda x: x, points, labels).tolist() == [True, True, False, True]
    assert accuracy(lambda x: x, points, labels) == 0.75
    assert agreement(lambda x: x, lambda x: x.roll(1, 1), points) == 0.0
    assert agreement(lambda x: x, lambda x: 2 * x, points) == 1.0
