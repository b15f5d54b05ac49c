"""What is measured of a game and what its picture shows, for each kind of data."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.techniques.workshop_adversaries.game import Game
from engine.workshop.adversarial_losses import pulls
from engine.workshop.densities import EIGHT, TWO_BUMPS, gaussian
from engine.workshop.digits import SIDE, digits_found, usual_distance
from engine.workshop.measures import (
    distance_from_optimum,
    expected_loss,
    jensen_shannon,
    least_loss,
    modes_found,
    optimal_discriminator,
)
from engine.workshop.plot import BLUE, GREEN, INK, ORANGE, PURPLE, Axes, Canvas

EVERY = 10
"""Iterations after which samples are measured again: that takes longer than an iteration."""
SAMPLES, SHOWN = 4000, 400
"""How many generated points are measured, and how many of them are drawn."""
DIGITS, ACROSS = 500, 8
"""How many generated digits are measured, and how many are side by side in the picture."""
REACH, PARTS = 6.0, 2000
"""Half of the line that is shown, and integrated over in parts unless the generator reaches further."""
TICKS = -6, -4, -2, 0, 2, 4, 6
SHARPEST = 0.02
"""The least deviation of a generated density: narrower ones would fall between two points."""
HALF = 3.0
"""Half the side of the plane that is shown."""
HEAT = 96
"""Points per side at which D is evaluated for the picture."""
PALE_ORANGE, PALE_BLUE = (247, 178, 128), (150, 200, 236)


@dataclass
class Held:
    """What was measured last; in a checkpoint, as it is not measured in every iteration."""

    numbers: dict[str, float] = field(default_factory=dict)


class View(ABC):
    """Measures a game and draws it. What it draws from the task's generator, it draws at once."""

    def __init__(self, game: Game) -> None:
        """Look at `game`, which goes on."""
        self.game, self.held = game, Held()

    @abstractmethod
    def losses(self, played: tuple[float, float], again: bool) -> dict[str, float]:
        """Return the curves after an iteration; `again`: whether samples are measured anew."""

    @abstractmethod
    def picture(self, side: int) -> Tensor:
        """Return the figure (3, side, side), float32 in [0, 1] on the CPU."""


class RatioView(View):
    """Two densities on a line, the discriminator and the best one, and the generator's pulls."""

    def __init__(self, game: Game) -> None:
        """Look at a game on the line."""
        super().__init__(game)
        self.device = game.task.device

    def _generator(self) -> tuple[float, float]:
        """Return the mean and the deviation of what is generated: stretched and shifted noise."""
        stretch, shift = self.game.maker.variable.tolist()
        return shift, max(abs(stretch), SHARPEST)

    def _densities(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = self._generator()
        return TWO_BUMPS.density(x[:, None]), gaussian(x[:, None], (mean,), deviation)

    def _logits(self, x: Tensor) -> Tensor:
        """Return the logits (N,) at x (N,), as if each lay in a batch of what is generated."""
        mean, deviation = self._generator()
        batch = torch.tensor([[mean - deviation], [mean + deviation]]).to(x)
        return self.game.logits(self.game.judge.variable, x[:, None], batch)[:, 0]

    def losses(self, played: tuple[float, float], again: bool) -> dict[str, float]:
        """Return the discriminator's loss by integration, its least value, and |D - D*|."""
        mean, deviation = self._generator()
        low, high = min(-REACH, mean - 6 * deviation), max(REACH, mean + 6 * deviation)
        x = torch.linspace(low, high, PARTS + 1, device=self.device)
        step = (high - low) / PARTS
        data, generated = self._densities(x)
        logits = self._logits(x)
        return {
            "discriminator loss": expected_loss(logits, data, generated, step),
            "2 log 2 - 2 JS": least_loss(jensen_shannon(data, generated, step)),
            "mean |D - D*|": distance_from_optimum(logits, data, generated),
        }

    def picture(self, side: int) -> Tensor:
        """Draw densities and discriminators above, the pulls on a generated point below."""
        canvas = Canvas(side, side)
        unit = canvas.type_size or max(side // 40, 1)
        x = torch.linspace(-REACH, REACH, 601, device=self.device).requires_grad_()
        logits = self._logits(x)
        saddle, other = (pull.cpu() for pull in pulls(logits, x))
        x = x.detach()
        densities = self._densities(x)
        best = optimal_discriminator(*densities).cpu()
        known = torch.sigmoid(logits.detach()).cpu()
        data, generated = (each.cpu() for each in densities)
        x = x.cpu()
        left, right, middle = 3.2 * unit, side - 1.2 * unit, 0.6 * side
        above = Axes(canvas, (left, 2.6 * unit, right, middle), (-REACH, REACH), (0, 1))
        above.grid(TICKS, (0, 0.5, 1))
        above.area(x, data, BLUE)
        above.area(x, generated, ORANGE)
        above.curve(x, best, INK, 5)
        above.curve(x, known, GREEN, 2.5)
        above.frame()
        above.legend([("data", BLUE), ("generated", ORANGE), ("D", GREEN), ("D*, the best", INK)])
        limit = _round_limit(float(torch.cat([saddle, other]).abs().max()))
        box = (left, middle + 4.6 * unit, right, side - 2 * unit)
        below = Axes(canvas, box, (-REACH, REACH), (-limit, limit))
        below.grid(TICKS, (-limit, 0, limit))
        below.curve(x, saddle, PURPLE, 2.5)
        below.curve(x, other, INK, 2.5)
        below.frame()
        below.legend([("pull of log(1 - D)", PURPLE), ("pull of -log D", INK)])
        return canvas.picture()


class GaussiansView(View):
    """Points of eight Gaussians, generated points, and D as the ground below them."""

    def __init__(self, game: Game) -> None:
        """Look at a game in the plane."""
        super().__init__(game)
        self.data = game.data(SHOWN)
        self.noise = game.noise(SAMPLES)
        self.centres = torch.tensor(EIGHT.centres, device=game.task.device)

    def losses(self, played: tuple[float, float], again: bool) -> dict[str, float]:
        """Return both losses, how many modes are found, and the share of samples within them."""
        if again:
            points = self.game.generated(self.noise)
            modes, within = modes_found(points, self.centres, EIGHT.deviations[0])
            self.held.numbers = {"modes": float(modes), "within 3 std": within}
        return {**_of_both(played), **self.held.numbers}

    def picture(self, side: int) -> Tensor:
        """Draw the plane."""
        canvas, game = Canvas(side, side), self.game
        unit = canvas.type_size or max(side // 40, 1)
        # The plane stays square, so that the circle is one.
        edge = 1.6 * unit
        width = side - 4.8 * unit - edge
        box = ((side - width) / 2, 4.2 * unit, (side + width) / 2, 4.2 * unit + width)
        axes = Axes(canvas, box, (-HALF, HALF), (-HALF, HALF))
        with torch.no_grad():
            line = torch.linspace(-HALF, HALF, HEAT, device=game.task.device)
            y, x = torch.meshgrid(line, line, indexing="ij")
            points = game.generated(self.noise[:SHOWN])
            plane = torch.stack([x.flatten(), y.flatten()], 1)
            logits = game.logits(game.judge.variable, plane, points)
        axes.heat(torch.sigmoid(logits).view(HEAT, HEAT).cpu(), PALE_ORANGE, PALE_BLUE)
        axes.points(self.data.cpu(), BLUE, 3)
        axes.points(points.cpu(), ORANGE, 4)
        axes.frame()
        axes.legend(
            [("data", BLUE), ("generated", ORANGE), ("D = 1", PALE_BLUE), ("D = 0", PALE_ORANGE)]
        )
        found, within = (self.held.numbers.get(name, 0) for name in ("modes", "within 3 std"))
        words = f"{found:.0f} of 8 modes, {within:.0%} of what is generated within 3 std"
        canvas.text(words, side / 2, 1.6 * unit, (0.5, 0.5))
        return canvas.picture()


class DigitsView(View):
    """Generated digits, and a line of real ones."""

    def __init__(self, game: Game) -> None:
        """Look at a game of digits."""
        super().__init__(game)
        self.noise, self.real = game.noise(DIGITS), game.data(ACROSS)
        self.distance = usual_distance(game.pictures)

    def losses(self, played: tuple[float, float], again: bool) -> dict[str, float]:
        """Return both losses, how many digits are generated, and the share of legible samples."""
        if again:
            samples, game = self.game.generated(self.noise), self.game
            found, legible = digits_found(samples, game.pictures, game.digits, self.distance)
            self.held.numbers = {"digits": float(found), "legible": legible}
        return {**_of_both(played), **self.held.numbers}

    def picture(self, side: int) -> Tensor:
        """Draw eight lines of generated digits, and one of data below."""
        canvas = Canvas(side, side)
        unit = canvas.type_size or max(side // 40, 1)
        cell = max(int((side - 7 * unit) / (ACROSS + 1)), 1)
        gap = max(cell // 12, 1)
        left, top = (side - ACROSS * cell) // 2, round(2.6 * unit)
        with torch.no_grad():
            made = self.game.generated(self.noise)[: ACROSS**2]
        below = top + ACROSS * cell + round(2.6 * unit)
        places = [(left + i % ACROSS * cell, top + i // ACROSS * cell) for i in range(ACROSS**2)]
        places += [(left + i * cell, below) for i in range(ACROSS)]
        for picture, (x, y) in zip(torch.cat([made, self.real]), places, strict=True):
            canvas.tile(picture.view(SIDE, SIDE), x, y, max(cell - gap, 1))
        found, legible = (self.held.numbers.get(name, 0) for name in ("digits", "legible"))
        words = f"generated: {found:.0f} of the 10 digits, {legible:.0%} legible"
        canvas.text(words, left, top - 1.3 * unit, (0, 0.5))
        canvas.text("data", left, below - 1.3 * unit, (0, 0.5))
        return canvas.picture()


VIEWS: dict[str, type[View]] = {
    "ratio": RatioView, "gaussians": GaussiansView, "digits": DigitsView
}  # fmt: skip


def _of_both(played: tuple[float, float]) -> dict[str, float]:
    return {"discriminator loss": played[0], "generator loss": played[1]}


def _round_limit(most: float) -> float:
    """Return the smallest of 1, 2, 5, 10, … that is not below `most`: limits that seldom change."""
    limits = (digit * 10**power for power in range(6) for digit in (1, 2, 5))
    return float(next((limit for limit in limits if limit >= most), 10**6))
