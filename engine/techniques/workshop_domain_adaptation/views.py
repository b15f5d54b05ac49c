"""What is measured of nets in two domains, and what their figures show."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.techniques.workshop_domain_adaptation.digits import DOMAINS, TRAINED, Digits, named
from engine.techniques.workshop_domain_adaptation.moons import COUNT, Moons
from engine.workshop.measures import principal_components
from engine.workshop.plot import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, Axes, Canvas

HALF = 4.4
"""Half the side of the plane that is shown."""
HEAT = 64
"""Points per side at which the nets are evaluated for the picture."""
PALE_ORANGE, PALE_BLUE = (247, 178, 128), (150, 200, 236)
PALE_GREEN, PALE_PURPLE = (150, 214, 190), (222, 178, 208)
SHOWN = 8
"""How many digits of each domain are shown."""


@dataclass
class Held:
    """What was measured last; in a checkpoint, as it is not measured in every iteration."""

    numbers: dict[str, float] = field(default_factory=dict)


class MoonsView:
    """The two moons: both domains' points, what the two heads say of the plane, the features."""

    every = 1

    def __init__(self, game: Moons) -> None:
        """Look at `game`, which goes on."""
        self.game, self.held = game, Held()

    def measured(self, again: bool) -> dict[str, float]:
        """Return the shares of points that the nets are right about."""
        if again:
            self.held.numbers = self.game.accuracies()
        return self.held.numbers

    def picture(self, side: int) -> Tensor:
        """Draw four panels (3, side, side): classes, domains, features, shares."""
        canvas = Canvas(side, side)
        unit = canvas.type_size or max(side / 40, 1)
        wide, edge = (side - 2.4 * unit) / 2, 0.8 * unit
        tall = wide - 2.6 * unit
        boxes = [
            (left, top, left + tall, top + tall)
            for top in (2.8 * unit, side / 2 + 2.8 * unit)
            for left in (edge + 1.3 * unit, side / 2 + edge + 0.5 * unit)
        ]
        self._classes(Axes(canvas, boxes[0], (-HALF, HALF), (-HALF, HALF)))
        self._domains(Axes(canvas, boxes[1], (-HALF, HALF), (-HALF, HALF)))
        self._features(Axes(canvas, boxes[2], (-1.08, 1.08), (-1.08, 1.08)))
        left, top, right, bottom = boxes[3]
        self._shares(Axes(canvas, (left, top, right, bottom - 2.4 * unit), (0, 1), (0, 1.12)))
        return canvas.picture()

    def _plane(self, *, adapted: bool = True) -> tuple[Tensor, Tensor]:
        line = torch.linspace(-HALF, HALF, HEAT, device=self.game.task.device)
        y, x = torch.meshgrid(line, line, indexing="ij")
        points = torch.stack([x.flatten(), y.flatten()], 1)
        classed, told = self.game.logits(points, adapted=adapted)
        return classed.view(HEAT, HEAT).cpu(), told.view(HEAT, HEAT).cpu()

    def _classes(self, axes: Axes) -> None:
        game = self.game
        classed, _ = self._plane()
        plain, _ = self._plane(adapted=False)
        axes.heat(torch.sigmoid(classed), PALE_ORANGE, PALE_BLUE)
        axes.points(game.target.cpu(), INK, 2.2)
        for number, colour in enumerate((ORANGE, BLUE)):
            axes.points(game.source[game.classes == number].cpu(), colour, 2.2)
        axes.contour(plain, GREY, 1.5)
        axes.contour(classed, INK, 2.5)
        axes.frame()
        axes.legend([("", ORANGE), ("source", BLUE), ("target", INK)])

    def _domains(self, axes: Axes) -> None:
        _, told = self._plane()
        axes.heat(torch.sigmoid(told), PALE_PURPLE, PALE_GREEN)
        axes.points(self.game.source.cpu(), GREEN, 2.2)
        axes.points(self.game.target.cpu(), PURPLE, 2.2)
        axes.contour(told, INK, 2.5)
        axes.frame()
        axes.legend([("told source", PALE_GREEN), ("told target", PALE_PURPLE)])

    def _features(self, axes: Axes) -> None:
        places = principal_components(self.game.features()).cpu()
        places = places / places.abs().max().clamp_min(1e-12)
        axes.points(places[:COUNT], GREEN, 2.2)
        axes.points(places[COUNT:], PURPLE, 2.2)
        axes.frame()
        axes.legend([("features: source", GREEN), ("target", PURPLE)])

    def _shares(self, axes: Axes) -> None:
        numbers = self.held.numbers
        entries = [
            ("source", "source accuracy", BLUE),
            ("target", "target accuracy", INK),
            ("target,\nlambda 0", "target accuracy without reversal", GREY),
            ("domain", "domain accuracy", GREEN),
        ]
        axes.bars([(n, numbers.get(k, 0), f"{numbers.get(k, 0):.0%}", c) for n, k, c in entries])
        axes.curve(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.0]), INK, 1)
        unit = axes.canvas.type_size
        axes.canvas.text("accuracy", axes.box[0], axes.box[1] - 0.9 * unit, (0, 0.5))


class DigitsView:
    """Digits of both domains, and what each of two nets makes of either."""

    every = 25

    def __init__(self, game: Digits) -> None:
        """Look at `game`, which goes on."""
        self.game, self.held = game, Held()

    def measured(self, again: bool) -> dict[str, float]:
        """Return the shares of test digits that the nets are right about."""
        if again:
            self.held.numbers = self.game.accuracies()
        return self.held.numbers

    def picture(self, side: int) -> Tensor:
        """Draw test digits of both domains above, and the four shares as bars below."""
        canvas = Canvas(side, side)
        unit = canvas.type_size or max(side / 40, 1)
        cell = max(int((side - 2.4 * unit) / SHOWN), 1)
        left, top = (side - SHOWN * cell) // 2, 2.4 * unit
        for row, (name, pictures) in enumerate(zip(DOMAINS, self.game.pictures, strict=True)):
            y = round(top + row * (cell + 2 * unit))
            canvas.text(name, left, y - 0.9 * unit, (0, 0.5))
            for column, picture in enumerate(pictures[TRAINED : TRAINED + SHOWN]):
                canvas.tile(picture, left + column * cell, y, max(cell - cell // 12, 1))
        above = top + 2 * (cell + 2 * unit) + 2 * unit
        axes = Axes(canvas, (left, above, side - left, side - 4 * unit), (0, 1), (0, 1))
        numbers, entries = self.held.numbers, []
        for trained, colour in zip(DOMAINS, (BLUE, ORANGE), strict=True):
            for tested in DOMAINS:
                share = numbers.get(named(trained, tested), 0)
                words = f"learned {trained},\nsees {tested}"
                entries.append((words, share, f"{share:.0%}", colour))
        axes.bars(entries)
        axes.curve(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.0]), INK, 1)
        axes.curve(torch.tensor([0.0, 1.0]), torch.tensor([0.1, 0.1]), GREY, 1)
        return canvas.picture()
