"""Pictures and layers as a network takes them: at which size, and the last layer that has a map."""

from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

LONGEST = 3.0
"""Times the side that the network was made for; panoramas are shrunk to that."""


def fitting_size(network: "Network", width: int, height: int) -> tuple[int, int]:
    """Return the (height, width) at which the network should look at a picture of that shape.

    The short side becomes what the network was made for, unless the long one then is more than
    three times that; a network that takes nothing but squares gets its square.
    """
    side = network.card.input_size
    scale = min(side / min(width, height), LONGEST * side / max(width, height))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    try:
        network.calls(size)
    except BadInput:
        return side, side
    return size


def looking_size(
    network: "Network", width: int, height: int, long_side: int | None = None
) -> tuple[int, int]:
    """Return `fitting_size`, or that of a picture's shape with a long side that is asked for."""
    if long_side is None:
        return fitting_size(network, width, height)
    scale = long_side / max(width, height)
    return max(1, round(height * scale)), max(1, round(width * scale))


def fitted(network: "Network", picture: "Tensor", long_side: int | None = None) -> "Tensor":
    """Return a picture as every tool here looks at it through a network.

    Args:
        network: decides the size, and on which device the result is.
        picture: (1, 3, H, W), RGB in [0, 1] or in bytes, of any size.
        long_side: in pixels, as in `looking_size`.
    """
    import torch
    from torch.nn import functional as F

    size = looking_size(network, picture.shape[3], picture.shape[2], long_side)
    parts = []
    for part in picture.split(1, 1):  # a colour at a time: a third of the memory on the way
        colour = part if part.is_floating_point() else part.float().div(255)
        if size != tuple(colour.shape[2:]):
            colour = F.interpolate(
                colour, size, mode="bilinear", antialias=True, align_corners=False
            )
        parts.append(colour)
    return torch.cat(parts, 1).clamp_(0, 1).to(network.device)


def last_map(network: "Network", size: tuple[int, int] | None = None) -> str:
    """Return the last layer whose output is a map of more than one position.

    Of a vision transformer's maps, which are tokens, the last whose patches matter to the classes.
    `size` is the picture's (height, width). Raises `BadInput` when there is no such layer.
    """
    for call in reversed(list(network.calls(size).values())):
        matters = call.seen_later or call.layout.grid is None
        if len(call.shape) == 4 and min(call.shape[2:]) > 1 and matters:
            return call.name
    raise BadInput(f"{network.card.name} has no layer with a map for this picture")


def call_name(network: "Network", layer: str, size: tuple[int, int] | None = None) -> str:
    """Return a layer's dotted name with the number of its call where its module has several.

    In the tree a plain name is the first call; in `engine.attribution` it is the last. Raises
    `BadInput` when there is no such layer.
    """
    name = network.resolve(layer)
    return f"{name}#1" if f"{name}#2" in network.calls(size) else name
