"""What takes up the state of an optimizer goes on as that one would have, to the last bit."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.optimization.adam import Adam
from engine.optimization.langevin import Langevin
from engine.optimization.lbfgs import LBFGS
from engine.parameterization.scales import Average

SCALE = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
NOTHING = torch.zeros(3, dtype=torch.float64)


def slope(x: Tensor) -> Tensor:
    """Return the gradient of a narrow bowl around (1, 1, 1)."""
    return SCALE * (x - 1)


def peak(states: Tensor) -> tuple[Tensor, Tensor]:
    """Return the height of the same bowl upside down at each state, and its gradient."""
    return -(SCALE * (states - 1) ** 2).sum(1) / 2, -slope(states)


@pytest.mark.parametrize("done", [0, 1, 4])
@pytest.mark.parametrize("kind", [lambda x: Adam(x, 0.1), LBFGS], ids=["adam", "lbfgs"])
def test_descents(kind: Callable[[Tensor], Adam | LBFGS], done: int) -> None:
    whole, other = (kind(torch.tensor([3, -2, 0.5]).double()) for _ in range(2))
    for _ in range(done):
        whole.step(slope)
    other.step(slope)  # its own past is forgotten
    other.take_up(copy.deepcopy(whole.state()))
    for _ in range(4):
        before = whole.variable.clone()
        whole.step(slope)
        other.step(slope)
        assert torch.equal(other.variable, whole.variable)
        assert not torch.equal(before, whole.variable)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("done", [0, 3])
def test_chains(corrected: bool, done: int) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    whole = Langevin(NOTHING.repeat(4, 1), draw, 0.005, corrected=corrected)
    for _ in range(done):
        whole.adapt(float(whole.move(peak).acceptance.mean()))
    other = Langevin(NOTHING.repeat(4, 1), draw, 1.0, 2.0, corrected)
    other.take_up(copy.deepcopy(whole.state()))
    found = []
    for chains in (whole, other):
        generator.manual_seed(7)
        for _ in range(3):
            chains.adapt(float(chains.move(peak).acceptance.mean()))
        found.append(chains.states)
    assert torch.equal(*found)
    assert other.step == whole.step != 0.005


def test_averages() -> None:
    whole, other = Average(0.9), Average(0.9)
    for value in (1.0, 4.0):
        whole.update(torch.tensor([value]))
    other.take_up(copy.deepcopy(whole.state()))
    for average in (whole, other):
        average.update(torch.tensor([2.0]))
    # 0.81, 0.9 and 1 are the weights of the three.
    wanted = (0.81 * 1 + 0.9 * 4 + 2) / (0.81 + 0.9 + 1)
    assert float(whole.value()) == float(other.value()) == pytest.approx(wanted)
    with pytest.raises(ValueError, match="nothing has been averaged"):
        Average(0.9).value()
