"""How much each pixel influences one unit of a layer: the effective receptive field.

Luo, Li, Urtasun, Zemel 2016, "Understanding the Effective Receptive Field in Deep Convolutional
Neural Networks": only a small part of the theoretical field matters, its centre above all.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.inspection.receptive_field import Axis, Box, fields
from engine.networks.network import Network


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """What one unit responds to in a given picture."""

    position: tuple[int, int] | None
    """Row and column of the unit in its layer; None if the layer gives vectors."""
    map: Tensor
    """(H, W), at least 0: norm over the colours of the gradient with respect to the pixel, in the
    precision of the picture, on the CPU. All 0 if the unit is off, after a ReLU."""
    theoretical: Box
    """What the unit can see at all, within the picture."""
    box: Box | None
    """Smallest square around the centre of the theoretical field that holds the share of the map's
    sum, cut to what the unit can see; None if the map is all 0."""
    area: int
    """The smallest number of pixels that hold the share, wherever they are; 0 if the map is all 0."""


def effective_field(
    network: Network,
    picture: Tensor,
    layer: str,
    channel: int | None = None,
    position: tuple[int, int] | None = None,
    share: float = 0.95,
) -> EffectiveField:
    """Return the effective receptive field of one unit, the network running no deeper than it.

    Args:
        network: left as it was found.
        picture: float (3, H, W) or (N, 3, H, W), RGB in [0, 1]; for several, the map is their mean,
            as in the paper.
        layer: as the layer tree names it.
        channel: None: the sum of all channels, as in the paper.
        position: row and column in the layer's map; None: its middle. Must be None for a layer that
            gives vectors.
        share: the fraction of the map's sum that `box` and `area` hold, above 0 and at most 1.

    Raises:
        BadInput: no such layer, channel or position, a layer of tokens, a picture that is too small
            or none, or a share out of range.
    """
    if not 0 < share <= 1:
        raise BadInput(f"the share must be above 0 and at most 1, not {share}")
    with torch.inference_mode(False), torch.enable_grad():
        leaf = picture.detach().clone()
        leaf.requires_grad_(leaf.is_floating_point())  # for others, `taps` raises the error
        output = network.taps(leaf, [layer])[layer]
        position = _position(layer, output, position)
        values = output if position is None else output[:, :, position[0], position[1]]
        if channel is not None:
            if not 0 <= channel < values.shape[1]:
                raise BadInput(
                    f"{layer} has no channel {channel}; its channels are 0 to {values.shape[1] - 1}"
                )
            values = values[:, channel]
        (gradient,) = torch.autograd.grad(values.sum(), leaf)
    lengths = gradient.norm(dim=-3).cpu()
    weights = lengths if lengths.dim() == 2 else lengths.mean(0)
    size = weights.shape[0], weights.shape[1]
    field = fields(network, [layer], size)[layer]
    unit = position or (0, 0)
    theoretical = field.box(unit, size)
    vertical, across = (
        _ends(field.vertical, unit[0], size[0]),
        _ends(field.across, unit[1], size[1]),
    )
    box = _square(weights.double(), vertical, across, theoretical, share)
    return EffectiveField(position, weights, theoretical, box, _area(weights.double(), share))


def _position(
    layer: str, output: Tensor, position: tuple[int, int] | None
) -> tuple[int, int] | None:
    """Return the position in the layer's output, None for vectors."""
    if output.dim() == 2 and position is None:
        return None
    if output.dim() != 4:
        kind = "vectors" if output.dim() == 2 else "tokens"
        raise BadInput(f"{layer} gives {kind}, which have no position in the picture")
    height, width = output.shape[2:]
    row, column = position or (height // 2, width // 2)
    if not (0 <= row < height and 0 <= column < width):
        raise BadInput(
            f"{layer} has no unit at row {row}, column {column}; its map has {height} rows and "
            f"{width} columns"
        )
    return row, column


def _ends(axis: Axis, unit: int, length: int) -> tuple[int, int]:
    """Return the theoretical field's beginning and end, not cut off at the picture's border."""
    if axis.whole:
        return 0, length
    first = axis.start + unit * axis.jump
    return first, first + axis.size


def _square(
    weights: Tensor, vertical: tuple[int, int], across: tuple[int, int], limits: Box, share: float
) -> Box | None:
    """Return the smallest centred square with the share of the weights, cut to the limits."""
    total = float(weights.sum())
    if total == 0:
        return None
    # Sums over all rectangles from the corner: each square then costs four look-ups.
    sums = torch.nn.functional.pad(weights.cumsum(0).cumsum(1), (1, 0, 1, 0))
    middles = sum(vertical) // 2, sum(across) // 2
    # A field of an odd side has a pixel in its middle, one of an even side a border of two.
    odd = sum(vertical) % 2, sum(across) % 2
    top, left, bottom, right = limits
    sides = vertical[1] - vertical[0], across[1] - across[0]
    for reach in range(1 - min(odd), max(sides) // 2 + 1):
        box = (
            max(middles[0] - reach, top),
            max(middles[1] - reach, left),
            min(middles[0] + reach + odd[0], bottom),
            min(middles[1] + reach + odd[1], right),
        )
        if box[0] >= box[2] or box[1] >= box[3]:
            continue  # the middle lies outside the picture
        held = sums[box[2], box[3]] - sums[box[0], box[3]] - sums[box[2], box[1]]
        # Rounding may leave a share of 1 just short of it.
        if float(held + sums[box[0], box[1]]) >= share * total * (1 - 1e-12):
            return box
        if box == limits:
            break
    return limits


def _area(weights: Tensor, share: float) -> int:
    """Return how many of the largest weights hold the share of their sum."""
    held = weights.flatten().sort(descending=True).values.cumsum(0)
    if held[-1] == 0:
        return 0
    return int((held < share * held[-1] * (1 - 1e-12)).sum()) + 1
