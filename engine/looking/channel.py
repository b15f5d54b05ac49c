"""Where one channel responds to a picture, and what drives it there (Springenberg et al. 2015)."""

import numpy as np
from torch import Tensor

from engine.attribution.relu_rules import guided_backprop
from engine.attribution.unit import Unit
from engine.colour_map import colourised, display_range
from engine.errors import BadInput
from engine.image import to_bytes8
from engine.inspection.activations import activations
from engine.inspection.receptive_field import fields
from engine.inspection.tiling import around_gray
from engine.looking.activation_grid import of_classes
from engine.looking.answer import Bytes, ChannelAnswer, Part, part_of
from engine.looking.request import ChannelRequest
from engine.networks.colours import in_rgb
from engine.networks.fitting import call_name
from engine.networks.network import Network


def channel_answer(network: Network, picture: Tensor, request: ChannelRequest) -> ChannelAnswer:
    """Return the channel's map of a picture (1, 3, H, W).

    Raises `BadInput` if there is no such layer or channel, or guided backpropagation has no answer.
    """
    maps = activations(network, picture, request.layer)
    if not 0 <= request.number < len(maps):
        raise BadInput(
            f"{request.layer} has no channel {request.number}; it has 0 to {len(maps) - 1}"
        )
    values = maps[request.number].numpy()
    place = np.unravel_index(int(values.argmax()), values.shape)
    row, column = int(place[0]), int(place[1])
    height, width = picture.shape[2], picture.shape[3]
    field = fields(network, [request.layer], (height, width))[request.layer]
    top, left, bottom, right = field.box((row, column), (height, width))
    seen = left / width, top / height, right / width, bottom / height
    peak, low = float(values.max()), float(values.min())
    colours = None
    if values.size > 1:
        size = max(abs(peak), abs(low))
        if low < 0:
            colours = colourised(values, "signed", -size, size)
        else:
            colours = colourised(values, "viridis", 0.0, peak)
    classes = of_classes(network, request.layer, (height, width))
    name = network.classes[request.number] if classes else ""
    guided = _guided(network, picture, request, seen) if request.guided else None
    return ChannelAnswer(
        values, (row, column), peak, float(values.mean()), seen, name, colours, guided
    )


def _guided(network: Network, picture: Tensor, request: ChannelRequest, seen: Part) -> Bytes:
    """Return guided backpropagation from the strongest unit, around grey, within what it sees."""
    height, width = picture.shape[2], picture.shape[3]
    unit = Unit(call_name(network, request.layer, (height, width)), request.number)
    try:
        gradient = guided_backprop(network.module, network.prepare(picture), unit)[0].float().cpu()
    except ValueError as error:
        raise BadInput(f"Guided backprop on {network.card.name}: {error}") from error
    gradient = in_rgb(gradient, network.card.preprocessing, 0)
    left, top, right, bottom = part_of(seen, width, height)
    gradient = gradient[:, top:bottom, left:right].expand(3, -1, -1)
    reach = max(abs(limit) for limit in display_range(gradient))
    return to_bytes8(around_gray(gradient.clamp(-reach, reach)[None])[0])
