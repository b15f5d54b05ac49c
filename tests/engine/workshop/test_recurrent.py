"""GRUs as functions of a vector, compared with PyTorch's own module: outputs and gradients."""

import math

import torch
from torch import nn

from engine.workshop.parameters import Layout, convolution_shapes, linear_shapes
from engine.workshop.recurrent import both_ways, gru, gru_shapes, gru_step, inputs_of

NAMES = {
    "input": "weight_ih",
    "hidden": "weight_hh",
    "input bias": "bias_ih",
    "hidden bias": "bias_hh",
}


def loaded(module: nn.GRU, parts: dict[str, torch.Tensor], name: str, ending: str) -> None:
    with torch.no_grad():
        for own, theirs in NAMES.items():
            getattr(module, theirs + ending).copy_(parts[f"{name}.{own}"])


def test_a_gru_is_pytorchs_in_outputs_and_gradients() -> None:
    layout = Layout(gru_shapes("gru", 5, 7))
    assert layout.count == sum(p.numel() for p in nn.GRU(5, 7).parameters())
    vector = layout.start(torch.Generator().manual_seed(1)).double().requires_grad_()
    module = nn.GRU(5, 7, batch_first=True).double()
    loaded(module, layout.parts(vector), "gru", "_l0")
    torch.manual_seed(2)
    x, state = torch.randn(3, 6, 5).double(), torch.randn(3, 7).double()
    x.requires_grad_(), state.requires_grad_()
    found, (wanted, _) = gru(layout.parts(vector), "gru", x, state), module(x, state[None])
    assert torch.allclose(found, wanted, atol=1e-12)
    weights = torch.randn_like(wanted)
    mine = torch.autograd.grad((found * weights).sum(), (vector, x, state))
    theirs = torch.autograd.grad((wanted * weights).sum(), (*module.parameters(), x, state))
    by_name = dict(zip((n for n, _ in module.named_parameters()), theirs, strict=False))
    for own, name in NAMES.items():
        part = layout.parts(mine[0])[f"gru.{own}"]
        assert torch.allclose(part, by_name[f"{name}_l0"], atol=1e-12), own
    assert torch.allclose(mine[1], theirs[-2], atol=1e-12)
    assert torch.allclose(mine[2], theirs[-1], atol=1e-12)


def test_single_precision_agrees_to_a_millionth() -> None:
    layout = Layout(gru_shapes("gru", 8, 32))
    parts = layout.parts(layout.start(torch.Generator().manual_seed(1)))
    module = nn.GRU(8, 32, batch_first=True)
    loaded(module, parts, "gru", "_l0")
    x = torch.rand(4, 20, 8, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(gru(parts, "gru", x), module(x)[0], atol=1e-6)


def test_both_ways_is_pytorchs_bidirectional_gru() -> None:
    layout = Layout({**gru_shapes("there", 4, 6), **gru_shapes("back", 4, 6)})
    parts = layout.parts(layout.start(torch.Generator().manual_seed(1)))
    module = nn.GRU(4, 6, batch_first=True, bidirectional=True)
    loaded(module, parts, "there", "_l0")
    loaded(module, parts, "back", "_l0_reverse")
    x = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(both_ways(parts, "there", "back", x), module(x)[0], atol=1e-6)


def test_a_step_follows_the_formula() -> None:
    """By hand, for one unit: all weights 1, all biases 0."""
    layout = Layout(gru_shapes("gru", 1, 1))
    parts = layout.parts(torch.tensor([1.0] * 6 + [0.0] * 6))
    x, h = 0.5, -0.25
    gate = 1 / (1 + math.exp(-(x + h)))
    wanted = (1 - gate) * math.tanh(x + gate * h) + gate * h
    seen = inputs_of(parts, "gru", torch.tensor([[x]]))
    assert abs(float(gru_step(parts, "gru", seen, torch.tensor([[h]]))) - wanted) < 1e-6


def test_parts_lie_one_after_the_other_and_start_as_layers_do() -> None:
    shapes = {**linear_shapes("a", 100, 3), **convolution_shapes("b", 4, 30, 5)}
    layout = Layout(shapes)
    vector = torch.arange(layout.count)
    parts = layout.parts(vector)
    assert torch.equal(torch.cat([part.flatten() for part in parts.values()]), vector)
    assert parts["b.weight"].shape == (30, 4, 5, 5)
    drawn = layout.parts(layout.start(torch.Generator().manual_seed(1)))
    for name, most in (("a.weight", 0.1), ("a.bias", 0.1), ("b.weight", 0.1), ("b.bias", 0.1)):
        assert float(drawn[name].abs().max()) <= most
    assert abs(float(drawn["b.weight"].std()) - 0.1 / math.sqrt(3)) < 0.002
