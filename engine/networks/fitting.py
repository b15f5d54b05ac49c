"""Pictures and layers as a network takes them: at which size, and the last layer that has a map."""

from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
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
