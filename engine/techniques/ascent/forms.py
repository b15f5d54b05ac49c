"""The variables that gradient ascent moves: pixels, a spectrum, phases or a pyramid."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.networks.card import Preprocessing
from engine.networks.colours import mean_colour
from engine.parameterization.fourier import Fourier, Phase
from engine.parameterization.pyramid import Pyramid
from engine.settings import mention
from engine.task import Task
from engine.techniques.ascent.settings import Ascent


class Pixels:
    """Pictures as differences from the mean colour of the network's training set."""

    def __init__(self, side: int, mean: Tensor, deviation: float) -> None:
        """Start with noise of `deviation` about `mean` (3,)."""
        self.side = side
        self.mean = mean.view(1, 3, 1, 1)
        self.deviation = deviation

    def start(self, count: int, noise: Callable[..., Tensor]) -> Tensor:
        """Return `count` arrays of differences from the mean."""
        return self.deviation * noise(count, 3, self.side, self.side)

    def picture(self, difference: Tensor) -> Tensor:
        """Return the pictures."""
        return difference + self.mean

    def clamp(self, difference: Tensor) -> None:
        """Keep the pictures in [0, 1]."""
        difference.clamp_(-self.mean, 1 - self.mean)


Form = Fourier | Pyramid | Phase | Pixels


def form_of(task: Task[Ascent], side: int) -> Form:
    """Return the form that describes pictures with sides of `side` pixels.

    Raises `BadInput` for an optimizer that cannot move it.
    """
    settings = task.technique
    if settings.parameterization != "pixels" and settings.optimizer != "adam":
        raise BadInput(
            mention(settings, "optimizer", settings.optimizer),
            " moves pixels; ",
            mention(settings, "parameterization", settings.parameterization),
            " takes adam",
        )
    if settings.parameterization == "fourier":
        return Fourier((side, side), task.device)
    if settings.parameterization == "pyramid":
        return Pyramid((side, side), task.device)
    if settings.parameterization == "phases":
        return Phase((side, side), task.device)
    mean = start_colour(task.network.card.preprocessing).to(task.device)
    return Pixels(side, mean, settings.start_noise / 255)


def variable_of(form: Form, pictures: Tensor) -> Tensor:
    """Return the variable that describes pictures (N, 3, H, W) in [0, 1]."""
    if isinstance(form, Phase):
        return form.phases(pictures)
    if isinstance(form, Fourier):
        return form.spectrum(pictures)
    if isinstance(form, Pyramid):
        return form.pyramid(pictures)
    return pictures - form.mean


def start_colour(preprocessing: Preprocessing) -> Tensor:
    """Return the mean RGB of what a network was trained on; grey if its card does not say."""
    mean = mean_colour(preprocessing)
    return mean if mean.any() else torch.full((3,), 0.5)
