"""What the figure of a texture synthesis shows: the sample, and what was made from it."""

from torch import Tensor

from engine.figure import Tile
from engine.parameterization.scales import resize_picture
from engine.parameterization.sheet import tiles_of
from engine.task import Task
from engine.techniques.texture_synthesis.plan import (
    GAP,
    sample_of,
    sample_size,
    side_of,
    style_layers,
)
from engine.techniques.texture_synthesis.settings import TextureSynthesis


def shown(task: Task[TextureSynthesis], picture: Tensor) -> list[Tile]:
    """Return the sample, then the result `picture` (3, H, W), or each picture of a series.

    A seamless result is repeated 3 x 3.
    """
    settings = task.technique
    side = side_of(task)
    size = sample_size(task, side)
    tiles = [Tile(resize_picture(sample_of(task).tensor()[None], size)[0], "sample")]
    if settings.series:
        names = list(style_layers(settings, task.network))
        made = tiles_of(picture, len(names), gap=GAP)
        captions = [names[0], *(f"up to {name}" for name in names[1:])]
        return tiles + [Tile(p, name) for p, name in zip(made, captions, strict=True)]
    if settings.tiles:
        return [*tiles, Tile(picture.repeat(1, 3, 3), "tiled 3 x 3")]
    return [*tiles, Tile(picture, "texture")]
