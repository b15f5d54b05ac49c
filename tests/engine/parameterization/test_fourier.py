"""Spectra and phases: numbers worked out with numpy, what they can fit, and the way back."""

import numpy as np
import pytest
import torch

from engine.optimization.adam import Adam
from engine.parameterization.fourier import Fourier, Phase, coloured, decorrelated, frequencies
from engine.parameterization.smoothing import gaussian_blur

MATRIX = np.array(
    [[0.56283, 0.19483, 0.04329], [0.58448, 0, -0.10824], [0.58448, -0.19483, 0.06494]]
)
"""Published decorrelation of colours: rows red, green, blue."""


def maker(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator)


def by_numpy(spectrum, height, width):
    s = (spectrum[..., 0] + 1j * spectrum[..., 1]).numpy()
    f = np.sqrt(np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None] ** 2)
    scale = 1 / np.maximum(f, 1 / max(height, width))
    # The same as Lucid's: sqrt(H W) times the scale, with the inverse divided by H W.
    planes = np.fft.irfft2(s * scale * np.sqrt(height * width), s=(height, width)) / 4
    logits = np.einsum("rc,nchw->nrhw", MATRIX, planes)
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (12, 9), (7, 5), (1, 3)])
def test_the_picture_is_the_one_that_numpy_makes(size):
    form = Fourier(size, dtype=torch.float64)
    spectrum = 100 * form.start(2, maker())
    expected = by_numpy(spectrum, *size)
    picture = form.picture(spectrum)
    assert picture.shape == (2, 3, *size)
    np.testing.assert_allclose(picture.numpy(), expected, atol=1e-5)
    assert picture.std() > 0.01


@pytest.mark.parametrize(("side", "deviation"), [(128, 0.0114), (224, 0.0123), (512, 0.0130)])
def test_a_start_picture_is_gray_with_the_known_deviation(side, deviation):
    form = Fourier((side, side))
    logits = torch.logit(form.picture(form.start(8, maker()))).double()
    # Most of it lies in a few low frequencies, so eight draws are known to a few per cent only.
    assert float(logits.std()) == pytest.approx(deviation, rel=0.06)


@pytest.mark.parametrize("size", [(24, 32), (15, 21)])
def test_a_photo_comes_back_from_its_spectrum(size):
    picture = torch.sigmoid(gaussian_blur(2 * maker(3)(2, 3, *size), 1.0)).double()
    form = Fourier(size, dtype=torch.float64)
    torch.testing.assert_close(
        form.picture(form.spectrum(picture)), picture.clamp(0.01, 0.99), atol=1e-9, rtol=0
    )


def test_black_and_white_come_back_as_far_as_they_can():
    picture = torch.zeros(1, 3, 6, 6)
    picture[..., 3:] = 1
    form = Fourier((6, 6))
    back = form.picture(form.spectrum(picture))
    torch.testing.assert_close(back, picture.clamp(0.01, 0.99), atol=1e-5, rtol=0)


def test_it_fits_a_noisy_picture():
    generator = torch.Generator().manual_seed(0)
    target = (0.5 + 0.1 * torch.randn(1, 3, 112, 112, generator=generator)).clamp(0, 1)
    form = Fourier((112, 112))
    adam = Adam(form.start(1, maker(1)), 0.05)

    def gradient(spectrum):
        with torch.enable_grad():
            x = spectrum.detach().requires_grad_()
            return torch.autograd.grad((form.picture(x) - target).square().mean(), x)[0]

    distance = 1.0
    for _ in range(400):
        adam.step(gradient)
        distance = float((form.picture(adam.variable) - target).abs().mean())
        if distance < 0.01:
            break
    assert distance < 0.01


@pytest.mark.parametrize("kind", [Fourier, Phase])
@pytest.mark.parametrize("size", [(4, 6), (5, 3)])
def test_gradients(kind, size):
    form = kind(size, dtype=torch.float64)
    x = (20 * form.start(1, maker())).requires_grad_()
    weights = maker(1)(1, 3, *size).double()
    assert torch.autograd.gradcheck(lambda v: (form.picture(v) * weights).sum(), (x,), atol=1e-6)


def test_colours_and_back():
    x = maker()(2, 3, 4, 5).double()
    np.testing.assert_allclose(
        coloured(x).numpy(), np.einsum("rc,nchw->nrhw", MATRIX, x.numpy()), atol=1e-4
    )
    torch.testing.assert_close(decorrelated(coloured(x)), x, atol=1e-9, rtol=0)


def test_frequencies_are_in_cycles_per_pixel():
    f = frequencies((4, 6), floor=0.1)
    assert f.shape == (4, 4)
    assert f[0, 0] == 0.1
    assert float(f[1, 0]) == pytest.approx(0.25)
    assert float(f[2, 3]) == pytest.approx(np.hypot(0.5, 0.5))


@pytest.mark.parametrize("side", [63, 64])
def test_phases_keep_the_magnitudes_of_photographs(side):
    form = Phase((side, side), dtype=torch.float64)
    picture = form.picture(form.start(1, maker()))
    planes = decorrelated(torch.logit(picture))
    np.testing.assert_allclose(float(planes.mean()), 0, atol=1e-4)
    assert float(planes.std()) == pytest.approx(1, rel=1e-3)
    # Away from the axes, where real transforms constrain phases, magnitudes are in the ratio of
    # f^-1.3 below a tenth of a cycle and f^-2.7 above.
    size = torch.fft.rfft2(planes).abs()[0]

    def ratio(a, b):
        return (size[:, a, a] / size[:, b, b]).tolist()

    f = np.fft.fftfreq(side) * np.sqrt(2)
    assert ratio(2, 4) == pytest.approx([(f[4] / f[2]) ** 1.3] * 3, rel=1e-6)
    assert ratio(8, 16) == pytest.approx([(f[16] / f[8]) ** 2.7] * 3, rel=1e-6)


@pytest.mark.parametrize("size", [(24, 32), (15, 21)])
def test_a_photo_comes_back_from_its_phases(size):
    pictures = torch.sigmoid(gaussian_blur(2 * maker(3)(2, 3, *size), 1.0)).clamp(0.01, 0.99)
    form = Phase(size)
    phase = form.phases(pictures)
    torch.testing.assert_close(form.picture(phase), pictures, atol=1e-4, rtol=0)
    assert float(phase.std()) == pytest.approx(1, abs=0.01)
    # What other phases make has the same magnitudes, brightness and contrast.
    planes = decorrelated(torch.logit(pictures)).double()
    other = decorrelated(torch.logit(form.picture(maker(4)(*phase.shape)))).double()
    for stat in (lambda x: x.mean((1, 2, 3)), lambda x: x.std((1, 2, 3))):
        torch.testing.assert_close(stat(other), stat(planes), atol=1e-3, rtol=1e-3)
    sizes = [torch.fft.rfft2(x).abs()[:, :, 2, 3] for x in (planes, other)]
    ratio = (sizes[1] / sizes[0]).flatten(1)  # all of a picture are scaled alike
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3, atol=0)
