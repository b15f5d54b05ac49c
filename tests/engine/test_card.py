"""The pretended card refuses what a real one refuses, or the tests on it would say nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.objectives.moments import double, moments
from engine.objectives.style import Statistics, WassersteinLoss
from tests.card import PretendCard, pretended


@pytest.fixture(params=["cuda", "mps"])
def card(request: pytest.FixtureRequest) -> Iterator[PretendCard]:
    with pytest.MonkeyPatch.context() as patch, pretended(request.param, patch) as one:
        yield one


def refused(card: PretendCard, words: str, call: Callable[[], Any]) -> None:
    with pytest.raises((RuntimeError, TypeError, NotImplementedError), match=words):
        call()


def test_tensors_of_two_places_do_not_meet(card: PretendCard) -> None:
    here, there = torch.ones(2, 3), torch.ones(2, 3, device=card.kind)
    assert (here.device.type, there.device.type) == ("cpu", card.kind)
    assert (there * 2).device == there.new_zeros(1).device == torch.zeros_like(there).device
    for call in (
        lambda: here + there,
        lambda: torch.cat([there, here]),
        lambda: torch.where(here > 0, there, there),
        lambda: here[torch.zeros(2, dtype=torch.long, device=card.kind)],
        lambda: nn.Linear(3, 3)(there),
        lambda: nn.Linear(3, 3).to(card.kind)(here),
    ):
        refused(card, "on .*(cuda|mps)", call)
    there += here.sum()  # one number may come from the processor
    there[0] = here[0]
    there.copy_(here)
    assert torch.equal(here.to(there) + there, there.cpu().to(card.kind) * 2)
    assert nn.Linear(3, 3).to(card.kind)(there).device.type == card.kind


def test_what_only_the_processor_can(card: PretendCard) -> None:
    there, noise = torch.ones(4, device=card.kind), torch.Generator()
    refused(card, "cpu", there.numpy)
    refused(card, "generator", lambda: torch.randn(4, device=card.kind, generator=noise))
    refused(card, "generator", lambda: there.normal_(generator=noise))
    assert there.cpu().numpy().sum() == 4
    assert torch.randn(4, generator=noise).to(card.kind).device.type == card.kind
    if card.kind == "mps":
        refused(card, "float64", there.double)
        refused(card, "float64", lambda: torch.zeros(3, dtype=torch.float64, device="mps"))
        refused(card, "eigh", lambda: torch.linalg.eigh(torch.eye(3, device="mps")))
        assert double(there).device.type == "cpu"
    else:
        assert double(there).device.type == "cuda"


def test_the_way_back_is_watched(card: PretendCard) -> None:
    class Careless(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return gradients[0] * (x + torch.ones(3))

    x = torch.ones(3, device=card.kind, requires_grad=True)
    refused(card, "tensors on", lambda: torch.autograd.grad(Careless.apply(x).sum(), x))
    (gradient,) = torch.autograd.grad((x.cpu() * 3).sum(), x)
    assert gradient.device.type == card.kind


def test_statistics_are_the_processors(card: PretendCard) -> None:
    noise = torch.Generator().manual_seed(1)
    one, other = (torch.randn(1, 5, 6, 7, generator=noise) for _ in range(2))

    def found(where: str) -> tuple[Tensor, Tensor]:
        x = one.to(where).requires_grad_(True)
        loss = WassersteinLoss(Statistics.of(other.to(where)))(x)
        (gradient,) = torch.autograd.grad(loss + moments(x)[1].sum(), x)
        assert loss.device.type == gradient.device.type == where
        return loss.cpu(), gradient.cpu()

    for a, b in zip(found("cpu"), found(card.kind), strict=True):
        assert torch.equal(a, b)
