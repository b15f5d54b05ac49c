"""What a texture synthesis makes: the sizes of sample and pictures, their layers, the scales."""

import math

from engine.errors import BadInput, Mention
from engine.image import Picture
from engine.networks.network import Network
from engine.parameterization.scales import fit, pyramid, usable
from engine.settings import mention
from engine.task import Task
from engine.techniques.layer_weights import each_once
from engine.techniques.style_matching import shared_out
from engine.techniques.style_settings import usual_weights
from engine.techniques.texture_synthesis.settings import TextureSynthesis

GAP = 2
"""Pixels between the pictures of a series."""
LEAST_SIDE = 32
"""Least side of a picture of a series: the deepest layers need some pixels to look at."""


def scales(task: Task[TextureSynthesis]) -> list[tuple[int, int]]:
    """Return the sides of each picture, ascending, with their iterations.

    They begin as small as the sample can be made, and leave out sizes that the network does not
    take.
    """
    settings = task.technique
    end = side_of(task)
    shrunk = min(sample_size(task, end)) / settings.smallest_scale
    smallest = end if shrunk <= 1 else round(end / shrunk)
    sides = pyramid(end, smallest)[-settings.iterations :]
    layers = style_layers(settings, task.network)

    def taken(side: int) -> bool:
        sizes = (side, side), sample_size(task, side)
        return all(task.network.reaches(layers, size) for size in sizes)

    sides = usable(sides, taken)
    counts = shared_out(settings.iterations, sides, settings.first_share)
    return list(zip(sides, counts, strict=True))


def depths(settings: TextureSynthesis, network: Network) -> list[int]:
    """Return how many layers each picture matches: in a series, each one more than the last."""
    deepest = len(style_layers(settings, network))
    return list(range(1, deepest + 1)) if settings.series else [deepest]


def side_of(task: Task[TextureSynthesis]) -> int:
    """Return the side of a picture: a sheet of them has the side that the task asks for."""
    settings = task.technique
    count = len(depths(settings, task.network)) if settings.by_network else 1
    columns = math.ceil(math.sqrt(count))
    side = (task.size + GAP) // columns - GAP
    if count > 1 and side < LEAST_SIDE:
        least = columns * (LEAST_SIDE + GAP) - GAP
        raise BadInput(
            Mention("size"), f" is {task.size}; a series of {count} pictures needs at least {least}"
        )
    return side


def sample_of(task: Task[TextureSynthesis]) -> Picture:
    """Return the picture of the texture. Raises `BadInput` if there is none."""
    if task.content is None:
        raise BadInput("texture synthesis needs a picture of the texture")
    return task.content


def sample_size(task: Task[TextureSynthesis], side: int) -> tuple[int, int]:
    """Return height and width of the sample for a picture of `side` pixels a side."""
    settings, sample = task.technique, sample_of(task)
    own = (sample.height, sample.width)
    end = side_of(task)
    whole = settings.sample_size or min(max(own), end)
    least = min(task.network.card.input_size, 32) if settings.by_network else 1
    return fit(own, max(1, round(whole * side / end)), least=least)


def style_layers(settings: TextureSynthesis, network: Network) -> dict[str, float]:
    """Return the layers to match with weights, as many as the depth asks for."""
    chosen = settings.style_layers
    if chosen is None:
        chosen = usual_weights(list(network.card.style_layers), settings.method)
    named = each_once(network, chosen, mention(settings, "style_layers"))
    layers = dict(list(named.items())[: settings.depth])
    if not layers:
        raise BadInput(
            f"{network.card.name} suggests no style layers; give ",
            mention(settings, "style_layers"),
        )
    return layers
