"""Laplacian pyramids: their pictures, the way back, and that Adam finds a picture with them."""

import pytest
import torch

from engine.parameterization.fourier import COLOURS, GAIN
from engine.parameterization.pyramid import Pyramid


@pytest.mark.parametrize("size", [(112, 112), (37, 64), (8, 9), (5, 5), (1, 1)])
def test_a_picture_comes_back(size):
    form = Pyramid(size, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    picture = 0.02 + 0.96 * torch.rand(2, 3, *size, generator=generator, dtype=torch.float64)
    pyramid = form.pyramid(picture)
    assert pyramid.shape == (2, 3, form.numbers)
    torch.testing.assert_close(form.picture(pyramid), picture, atol=1e-10, rtol=0)


def test_octaves_halve_and_one_number_of_each_paints_a_hat_of_its_width():
    form = Pyramid((16, 16), dtype=torch.float64)
    assert form.sizes == [(16, 16), (8, 8), (4, 4)]
    assert form.numbers == 256 + 64 + 16
    before = torch.logit(form.picture(torch.zeros(1, 3, form.numbers, dtype=torch.float64)))
    assert before.abs().max() < 1e-12, "zeros are gray"
    for first, side, across in ((0, 16, 1), (256, 8, 4), (256 + 64, 4, 10)):
        pyramid = torch.zeros(1, 3, form.numbers, dtype=torch.float64)
        pyramid[0, 0, first + side * (side // 2) + side // 2] = 1.0
        changed = torch.logit(form.picture(pyramid))[0] != 0
        assert changed.all(0).any(0).sum() == across, "bilinear: twice 2 x 2 pixels, then again"
    # The finest one, by hand: brightness along the first axis of colour.
    pyramid = torch.zeros(1, 3, form.numbers, dtype=torch.float64)
    pyramid[0, 0, 16 * 3 + 5] = 2.0
    expected = torch.sigmoid(2 * GAIN * COLOURS[:, 0])
    torch.testing.assert_close(form.picture(pyramid)[0, :, 3, 5], expected)


def test_the_gradient_is_right():
    form = Pyramid((9, 8), dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, 3, form.numbers, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(form.picture, x.requires_grad_(True))


def test_adam_fits_a_noisy_picture():
    form = Pyramid((112, 112))
    generator = torch.Generator().manual_seed(0)
    wave = torch.linspace(0, 12, 112).sin()
    picture = 0.5 + 0.25 * wave[:, None] * wave[None] * torch.ones(1, 3, 1, 1)
    picture = (picture + 0.05 * torch.randn(1, 3, 112, 112, generator=generator)).clamp(0.05, 0.95)
    x = form.start(1, lambda *shape: torch.randn(*shape, generator=generator)).requires_grad_(True)
    adam = torch.optim.Adam([x], lr=0.05)
    for _ in range(400):
        adam.zero_grad()
        (form.picture(x) - picture).square().sum().backward()
        adam.step()
    assert (form.picture(x) - picture).abs().mean() < 0.01
