"""The pictures that an ascent starts from, if not from noise."""

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.networks.square import middle_square
from engine.settings import START_PICTURE, mention
from engine.task import Task
from engine.techniques.ascent.forms import start_colour
from engine.techniques.ascent.start import Start

GRAY = 0.5
FLAT = 1e-3
"""Deviation of a picture's values below which it has no shapes: a quarter of an 8-bit step."""


def first_pictures(task: Task[Start], count: int, side: int) -> Tensor | None:
    """Return `count` pictures (N, 3, side, side) in [0, 1] to begin with; None: noise.

    Raises `BadInput` if there is no start picture, or none that phases could describe, and for
    copies that would start, and so end, alike.
    """
    settings = task.technique
    start, parameterization = settings.start, settings.parameterization
    if start == "noise":
        return None
    if settings.copies > 1:
        raise BadInput(
            f"{settings.copies} copies that start alike stay alike: ",
            mention(settings, "start", "noise"),
            ", or ",
            mention(settings, "copies", 1),
        )
    if start == "picture":
        if task.start is None:
            raise BadInput("the start is a picture; give it with ", START_PICTURE.mention())
        first = middle_square(task.start, side)[None]
        if parameterization == "phases" and float(first.std((2, 3)).max()) < FLAT:
            raise BadInput("the start picture is of one colour: it has no phases; take another")
    elif parameterization == "phases":
        raise BadInput(
            mention(settings, "start", start), " is flat and has no phases; take noise or picture"
        )
    elif start == "mean" or (start == "zeros" and parameterization == "pixels"):
        mean = start_colour(task.network.card.preprocessing)
        first = mean.view(1, 3, 1, 1).expand(1, 3, side, side)
    else:
        first = torch.full((1, 3, side, side), GRAY)
    return first.to(task.device).repeat(count, 1, 1, 1)
