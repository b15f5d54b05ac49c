"""The receptive fields of the unit at a place of a picture."""

import math

import numpy as np
from torch import Tensor

from engine.colour_map import colourised
from engine.errors import BadInput
from engine.inspection.effective_field import effective_field
from engine.inspection.receptive_field import Axis, fields
from engine.looking.answer import SHARE, UnitField
from engine.looking.memory import LookMemory
from engine.looking.request import FieldRequest
from engine.networks.fitting import last_map
from engine.networks.network import Network


def unit_on(axis: Axis, count: int, length: int, at: float) -> int:
    """Return which of `count` units along an axis has the centre of its field nearest to `at`.

    `length` and `at`: pixels of the picture as the network takes it, whose borders are whole
    numbers: the middle of the first pixel is 0.5.
    """
    if axis.whole:
        number = math.floor(at / length * count)
    else:
        number = math.floor((at - axis.start - axis.size / 2) / axis.jump + 0.5)
    return min(max(number, 0), count - 1)


def unit_field(
    network: Network, picture: Tensor, request: FieldRequest, memory: LookMemory
) -> UnitField:
    """Return the receptive fields of the layer's unit at a place.

    `picture`: (1, 3, H, W) as `memory` fitted it. Raises `BadInput` if the layer has no map.
    """
    size = (picture.shape[2], picture.shape[3])
    layer = request.layer or memory.kept("last layer", lambda: last_layer(network, size))
    shape = network.calls(size)[network.resolve(layer)].shape
    if len(shape) != 4:
        raise BadInput(f"{layer} has no map, so its units have no position in the picture.")
    field = memory.kept(("field", layer), lambda: fields(network, [layer], size)[layer])
    row = unit_on(field.vertical, shape[2], size[0], request.at[1] * size[0])
    column = unit_on(field.across, shape[3], size[1], request.at[0] * size[1])
    found = effective_field(network, picture[0], layer, request.channel, (row, column), SHARE)
    side = None if field.vertical.whole else (field.vertical.size, field.across.size)
    values = found.map.double().numpy()
    top = values.max() or 1.0
    pixels = np.dstack(
        (colourised(values, "viridis", 0.0, top), np.rint(255 * np.sqrt(values / top)))
    )
    overlay = pixels.astype(np.uint8)
    return UnitField(layer, (row, column), size, side, found.theoretical, found.box, overlay)


def last_layer(network: Network, size: tuple[int, int]) -> str:
    """Return the last layer with a map by the name that the tree shows.

    A Sequential without a name in the literature stands for the layer that it ends with.
    """
    wanted = last_map(network, size)
    flat = (layer for top in network.layers(size) for layer in top.flat())
    layer = next(layer for layer in flat if layer.name == wanted)
    while layer.kind == "Sequential" and layer.children and not layer.field_name:
        layer = layer.children[-1]
    return layer.known_as
