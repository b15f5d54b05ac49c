"""What is measured of classifiers with few labels, and what their figure shows."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.techniques.workshop_semi_supervised.game import Game
from engine.workshop.digits import SIDE
from engine.workshop.plot import BLUE, GREEN, GREY, INK, ORANGE, Axes, Canvas

EVERY = 10
"""Iterations after which errors are measured again."""
ACROSS, LINES = 10, 3
"""How many digits are side by side, and how many lines of them are generated."""
COLOURS = {"with GAN": BLUE, "alone": ORANGE, "SVM": GREY, "label spreading": GREEN}


@dataclass
class Held:
    """What was measured last; in a checkpoint, as it is not measured in every iteration."""

    errors: dict[str, float] = field(default_factory=dict)


class View:
    """Four errors as bars, below labelled digits and generated ones."""

    def __init__(self, game: Game) -> None:
        """Look at `game`, which goes on."""
        self.game, self.held = game, Held()
        self.others = game.others()
        self.noise = game.noise(ACROSS * LINES)

    def measured(self, again: bool) -> dict[str, float]:
        """Return the errors in percent on the test digits."""
        if again:
            adversarial, alone = self.game.errors()
            self.held.errors = {"with GAN": adversarial, "alone": alone, **self.others}
        return {f"error % {name}": error for name, error in self.held.errors.items()}

    def picture(self, side: int) -> Tensor:
        """Draw the figure (3, side, side)."""
        canvas, game = Canvas(side, side), self.game
        unit = canvas.type_size or max(side / 40, 1)
        cell = max(int(min((side - 2.4 * unit) / ACROSS, side / 11)), 1)
        left, top = (side - ACROSS * cell) // 2, 2.4 * unit
        labelled = game.pictures[game.known[:ACROSS]]
        canvas.text(f"the first of {len(game.known)} labelled digits", left, top - unit, (0, 0.5))
        below = top + cell + 2.2 * unit
        canvas.text("generated", left, below - unit, (0, 0.5))
        places = [(left + i * cell, top) for i in range(len(labelled))]
        places += [
            (left + i % ACROSS * cell, below + i // ACROSS * cell) for i in range(ACROSS * LINES)
        ]
        shown = torch.cat([labelled, game.generated(self.noise)])
        for picture, (x, y) in zip(shown, places, strict=True):
            canvas.tile(picture.view(SIDE, SIDE), x, round(y), max(cell - cell // 12, 1))
        box = (left, below + LINES * cell + 3.6 * unit, left + ACROSS * cell, side - 2.2 * unit)
        errors = self.held.errors
        # The scale follows the worst of those that take no steps, so that it stands still.
        axes = Axes(canvas, box, (0, 1), (0, 1.3 * max(self.others.values())))
        axes.bars(
            [
                (name, errors.get(name, 0), f"{errors.get(name, 0):.1f} %", colour)
                for name, colour in COLOURS.items()
            ]
        )
        axes.curve(torch.tensor([0.0, 1.0]), torch.zeros(2), INK, 1)
        canvas.text("error on other digits", left, box[1] - 2 * unit, (0, 0.5))
        return canvas.picture()
