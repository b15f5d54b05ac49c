"""Pictures and layers as a network needs them: the size, and the last layer with a map."""

from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

LONGEST = 3.0
"""The longest that a picture may be, as a multiple of the side that the network was made for;
panoramas are shrunk to that."""
STEP = 2**0.5
"""Factor between the sizes that are tried for a thin picture."""


def fitting_size(network: "Network", width: int, height: int) -> tuple[int, int]:
    """Return the (height, width) at which the network should look at a picture of that shape.

    The short side becomes what the network was made for, unless the long one would then be more
    than three times that; if this makes a thin picture's short side too short, it is as long as the
    network needs. A network that takes only squares gets its square: `squeezed` says so.

    Raises:
        BadInput: the picture is so thin that the network would have to look at too many pixels.
    """
    side = network.card.input_size
    most = side / min(width, height)
    scale = min(most, LONGEST * side / max(width, height))
    thin = min(most, side * (LONGEST / (width * height)) ** 0.5)  # as many pixels as a panorama's
    while width * height * scale**2 <= (LONGEST * side) ** 2:
        size = max(1, round(height * scale)), max(1, round(width * scale))
        if _takes(network, size):
            return size
        if scale >= most:
            break
        scale = min(max(scale * STEP, thin), most)
    if most * max(width, height) <= LONGEST * side or not _takes(network, (side, 2 * side)):
        return side, side
    raise BadInput(
        f"a picture of {width}x{height} pixels is too thin for {network.card.name}; crop it to at "
        f"most {_thinnest(network)} times as long as it is wide"
    )


def squeezed(network: "Network", width: int, height: int) -> str:
    """Return a sentence if `fitting_size` distorts a picture of this shape; otherwise ""."""
    down, across = fitting_size(network, width, height)
    if down != across or abs(width - height) <= 0.02 * max(width, height):
        return ""
    return (
        f"{network.card.name} takes squares only: it looks at the picture of {width}x{height} pixels "
        f"squeezed to {across}x{down}"
    )


def _takes(network: "Network", size: tuple[int, int]) -> bool:
    try:
        network.calls(size)
    except BadInput:
        return False
    return True


def _thinnest(network: "Network") -> int:
    """Return about how many times as long as wide a picture may be, erring on the low side."""
    side = network.card.input_size
    short = 1.0
    while short < side and not _takes(network, (max(1, round(short)), side)):
        short *= STEP
    return int((LONGEST * side / (STEP * min(short, side))) ** 2)


def looking_size(
    network: "Network", width: int, height: int, long_side: int | None = None
) -> tuple[int, int]:
    """Return `fitting_size` or, if a long side is given, the size (height, width) that has it."""
    if long_side is None:
        return fitting_size(network, width, height)
    scale = long_side / max(width, height)
    return max(1, round(height * scale)), max(1, round(width * scale))


def fitted(network: "Network", picture: "Tensor", long_side: int | None = None) -> "Tensor":
    """Return a picture (1, 3, H, W) in [0, 1], resized as every tool here does for a network.

    Args:
        network: decides the size and the device of the result.
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

    For a vision transformer, whose maps are tokens, that is the last one whose patches matter to
    the classes, before the projection to queries, keys and values. `size` is the picture's (height,
    width). Raises `BadInput` when there is no such layer.
    """
    for call in reversed(list(network.calls(size).values())):
        matters = call.layout.grid is None or (call.seen_later and call.kind != "Linear")
        if len(call.shape) == 4 and min(call.shape[2:]) > 1 and matters:
            return call.name
    raise BadInput(f"{network.card.name} has no layer with a map for this picture")


def call_name(network: "Network", layer: str, size: tuple[int, int] | None = None) -> str:
    """Return a layer's dotted name, with the number of its call if its module has several.

    In the tree a plain name means the first call; in `engine.attribution`, the last. Raises
    `BadInput` when there is no such layer.
    """
    name = network.resolve(layer)
    return f"{name}#1" if f"{name}#2" in network.calls(size) else name
