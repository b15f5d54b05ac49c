"""Strips of digits: every column is where its label says, and is of that digit's picture."""

import pytest
import torch

from engine.workshop.digits import SIDE, load_digits
from engine.workshop.log_odds import log_odds
from engine.workshop.strips import BLANK, SLOT, draw_strips


def test_a_strip_is_made_of_whole_pictures_where_it_says() -> None:
    pictures, digits = load_digits()
    generator = torch.Generator().manual_seed(1)
    strips = draw_strips(pictures[:300], digits[:300], 20, 5, generator)
    assert strips.columns.shape == (20, 5 * SLOT, SIDE) and len(strips) == 20
    known = {tuple(picture.tolist()): int(d) for picture, d in zip(pictures, digits, strict=True)}
    for i in range(20):
        used = torch.zeros(5 * SLOT, dtype=torch.bool)
        for j, start in enumerate(strips.starts[i].tolist()):
            assert j * SLOT <= start <= j * SLOT + SLOT - SIDE
            part = strips.columns[i, start : start + SIDE].T.flatten()
            assert known[tuple(part.tolist())] == strips.digits[i, j]
            assert (strips.labels[i, start : start + SIDE] == strips.digits[i, j]).all()
            used[start : start + SIDE] = True
        assert (strips.labels[i, ~used] == BLANK).all()
        assert not strips.columns[i, ~used].any()
    assert len(strips.starts.remainder(SLOT).unique()) == 3


def test_log_odds_are_those_of_the_softmax_and_last_where_it_rounds_to_1() -> None:
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    chosen = torch.tensor([0, 1, 2, 3, 4, 0])
    p = logits.softmax(1).gather(1, chosen[:, None])[:, 0]
    found = log_odds(logits, chosen)
    assert torch.allclose(found, torch.log(p / (1 - p)), atol=1e-12)
    (slope,) = torch.autograd.grad(found.sum(), logits)
    (wanted,) = torch.autograd.grad((p.log() / (1 - p).detach()).sum(), logits)
    assert torch.allclose(slope, wanted, atol=1e-12)
    sure = torch.tensor([[60.0, 0.0, 0.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(log_odds(sure, torch.tensor([0])).sum(), sure)
    assert slope.tolist()[0] == pytest.approx([1, -0.5, -0.5])
