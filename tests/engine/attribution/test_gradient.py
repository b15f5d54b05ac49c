"""Saliency, against closed forms, finite differences and captum."""

from collections.abc import Callable

import pytest
import torch
from captum.attr import InputXGradient, Saliency
from torch import Tensor, nn

from engine.attribution import gradient_times_input, saliency, smooth_grad
from tests.engine.attribution.near import TOLERANCE, assert_near


def test_a_linear_model_gives_its_weights() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 5, 7)).eval()
    weights = model[1].weight.detach().view(7, 3, 4, 5)
    x = torch.rand(2, 3, 4, 5)
    signed = saliency(model, x, [6, 2], signed=True)
    assert torch.equal(signed, weights[[6, 2]])
    assert torch.equal(saliency(model, x, [6, 2]), weights[[6, 2]].abs().amax(1))


def test_it_is_the_logit_not_the_probability() -> None:
    """Adding the same to all logits changes no probability, but every logit."""

    class Shifted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum((2, 3)) + 10 * x.sum((1, 2, 3))[:, None]

    signed = saliency(Shifted(), torch.rand(1, 3, 2, 2), 1, signed=True)
    assert signed[0, :, 0, 0].tolist() == [10, 11, 10]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("signed", [True, False])
def test_it_equals_captum(
    make_net: Callable[..., nn.Module],
    pictures: Tensor,
    way: str,
    dtype: torch.dtype,
    signed: bool,
) -> None:
    net, x = make_net(way, dtype), pictures.to(dtype)
    theirs = Saliency(net).attribute(x.clone().requires_grad_(), target=[1, 4], abs=not signed)
    theirs = theirs.detach()
    assert_near(saliency(net, x, [1, 4], signed), theirs if signed else theirs.amax(1))


def test_it_equals_finite_differences(make_net: Callable[..., nn.Module], pictures: Tensor) -> None:
    net, x = make_net(dtype=torch.float64), pictures[:1].double()
    signed = saliency(net, x, 3, signed=True)
    step = 1e-6
    for place in [(0, 0, 0, 0), (0, 1, 5, 7), (0, 2, 11, 9)]:
        more, less = x.clone(), x.clone()
        more[place] += step
        less[place] -= step
        with torch.no_grad():
            slope = (net(more)[0, 3] - net(less)[0, 3]) / (2 * step)
        assert slope.item() == pytest.approx(signed[place].item(), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("signed", [True, False])
def test_a_picture_with_one_colour_or_any_number_of_channels(signed: bool) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)).eval()
    shape = (1, 1, 4, 4) if signed else (1, 4, 4)
    assert saliency(model, torch.rand(1, 1, 4, 4), 0, signed).shape == shape


def test_a_graph_that_does_not_reach_the_pixels_is_explained() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x.detach().mean((2, 3)))

    with pytest.raises(ValueError, match="do not depend on x"):
        saliency(Detached().eval(), torch.rand(1, 3, 4, 4), 0)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_gradient_times_input_equals_captum(
    make_net: Callable[..., nn.Module], pictures: Tensor, way: str, dtype: torch.dtype
) -> None:
    net, x = make_net(way, dtype), pictures.to(dtype)
    theirs = InputXGradient(net).attribute(x.clone().requires_grad_(), target=[1, 4]).detach()
    assert_near(gradient_times_input(net, x, [1, 4]), theirs)


def test_gradient_times_input_adds_up_to_the_logit_of_a_linear_model() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 5, 7, bias=False)).double().eval()
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    summed = gradient_times_input(model, x, 3).sum((1, 2, 3))
    assert torch.allclose(summed, model(x)[:, 3].detach(), rtol=1e-12)


class Parabola(nn.Module):
    """Logit 0: the sum of x³, whose slope is 3x² and smoothed 3 (x² + sigma²)."""

    def forward(self, x: Tensor) -> Tensor:
        return (x**3).sum((1, 2, 3))[:, None]


def test_smooth_grad_is_the_mean_slope_around_the_picture() -> None:
    x = torch.tensor([0.0, 1, 2]).view(1, 3, 1, 1).expand(1, 3, 20, 20).double()
    generator = torch.Generator().manual_seed(0)
    signed = smooth_grad(Parabola(), x, 0, 100, 0.5, generator, signed=True)
    assert signed.mean((0, 2, 3)).tolist() == pytest.approx([0.75, 3.75, 12.75], rel=0.02)
    sharp = smooth_grad(Parabola(), x, 0, 1, 0.0, signed=True)
    assert torch.equal(sharp, 3 * x**2)
    assert smooth_grad(Parabola(), x, 0, 1, 0.0)[0, 0, 0] == 12


def test_smooth_grad_is_the_mean_of_saliencies(
    make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    net = make_net()
    ours = smooth_grad(net, pictures, 2, 3, 0.3, torch.Generator().manual_seed(7), signed=True)
    generator, x = torch.Generator().manual_seed(7), pictures
    noisy = [x + 0.3 * torch.randn(x.shape[1:], generator=generator) for _ in range(3)]
    theirs = [Saliency(net).attribute(n.requires_grad_(), target=2, abs=False) for n in noisy]
    assert_near(ours, torch.stack(theirs).mean(0).detach())


def test_the_same_seed_gives_the_same_smooth_grad(
    make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    maps = [
        smooth_grad(make_net(), pictures, 1, 2, 0.5, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])


@pytest.mark.parametrize(
    ("samples", "sigma", "says"),
    [(0, 0.1, "samples .* not 0"), (2, -1.0, "sigma .* not -1"), (2, float("nan"), "not nan")],
)
def test_settings_that_smooth_nothing(samples: int, sigma: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        smooth_grad(Parabola(), torch.rand(1, 3, 2, 2), 0, samples, sigma)
