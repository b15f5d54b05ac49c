"""What a network says about a picture, as NumPy arrays and plain numbers ready to be shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.attribution.heat import Heat
from engine.attribution.unit_name import UnitName
from engine.errors import PareidoliaError
from engine.looking.request import Request

if TYPE_CHECKING:
    from engine.attribution.comparison import Column, Compared
    from engine.attribution.cut_out import Pointed
    from engine.attribution.occluding import Occluded

LARGEST = 192
"""Long side of a tile of activations; larger maps are shrunk to it, as none is shown larger."""
SHARE = 0.95
"""The share of the gradient's sum that the effective receptive field holds."""
Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""Height and width in pixels."""
Box = tuple[int, int, int, int]
Part = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the picture's width and height."""
TopClass = tuple[int, str, float]
"""Number, name, probability."""


@dataclass(frozen=True, eq=False)
class ActivationGrid:
    """The channels of a layer."""

    layer: str
    """As the layer tree names it."""
    size: Size
    """Height and width of each map; (1, 1) for vectors."""
    seen: Size
    """Height and width of the picture as the network saw it."""
    means: Floats
    """(C,), each channel's mean over the map's positions."""
    peaks: Floats
    """(C,), the highest activation of each channel."""
    tiles: Bytes | None = None
    """(C, h, w) in grey: zero is black, or mid-grey if the layer goes below zero; larger maps are
    shrunk. None for vectors, whose numbers are all there is."""
    names: tuple[str, ...] = ()
    """The classes, if each channel stands for one."""


@dataclass(frozen=True, eq=False)
class UnitField:
    """What one unit sees."""

    layer: str
    unit: tuple[int, int]
    """Row and column."""
    size: Size
    """Height and width of the picture as the network takes it; the boxes are in its pixels."""
    side: Size | None
    """Height and width of the theoretical field, even beyond the picture; None: the whole picture."""
    theoretical: Box
    """Top, left, bottom, right."""
    effective: Box | None
    """None if the unit does not respond to any pixel."""
    overlay: Bytes
    """(H, W, 4), the effective field in colours, transparent where it is weak."""


@dataclass(frozen=True, eq=False)
class OccluderAnswer:
    """What the network says while a square is covered."""

    top: tuple[TopClass, ...]
    """The most likely classes now; () without classes."""
    before: dict[int, float]
    """Probability of each of them with nothing covered."""
    target_name: str
    """The class's name, or the unit's with its place."""
    answers: tuple[float, float]
    """The class's logit or the unit's activation, before and now."""
    chances: tuple[float, float] | None
    """The class's probability, before and now; None if the target is a unit."""
    fill: str
    """One of `engine.attribution.square.FILLS`."""
    size: Size
    box: Box
    """Left, top, right, bottom: what is covered, in pixels of the picture as the network takes it."""
    cover: Bytes
    """(H, W, 3): what covers, for the whole picture; a single pixel if it is one colour."""


@dataclass(frozen=True, eq=False)
class ChannelAnswer:
    """A channel's response to a picture."""

    values: Floats
    """(h, w), its map."""
    place: tuple[int, int]
    """Row and column of the highest unit."""
    peak: float
    mean: float
    seen: Part
    """What the highest unit sees."""
    name: str
    """The class that the channel stands for, or empty."""
    colours: Bytes | None = None
    """(h, w, 3), the map; None if there is only one unit."""
    guided: Bytes | None = None
    """(H, W, 3): guided backpropagation from the highest unit, around grey, within what it sees."""


@dataclass(frozen=True)
class Answer:
    """Most likely classes, maps, activations: what was asked for, as far as it is known."""

    request: Request = field(default_factory=Request)
    looked_at: Size = (0, 0)
    """Height and width of the picture as the network took it."""
    squeezed: Size | None = None
    """The same, if the network takes only squares and the picture is not one."""
    top: tuple[TopClass, ...] = ()
    """The most likely classes."""
    target: int = 0
    target_name: str = ""
    """The class's name, or the unit's with its place."""
    probability: float = 0.0
    """The class's probability."""
    unit: UnitName | None = None
    """The unit that the maps are about, with its place."""
    activation: float | None = None
    """That unit's activation."""
    maps: Mapping[str, Heat] = field(default_factory=dict)
    """Maps by the methods' commands."""
    raw: Mapping[str, Floats] = field(default_factory=dict)
    """The same before colours were combined: (H, W) or (3, H, W)."""
    occlusion: Mapping[str, Heat] = field(default_factory=dict)
    """All that one occlusion makes, by the names in `SHOWN`; for a unit, the drop alone."""
    occluded: "Occluded | None" = None
    """The numbers behind them, for each position of the square."""
    layer: str = ""
    """Where the CAM family looked."""
    grid: Size | None = None
    """Rows and columns of that layer, if its map has them."""
    plain: tuple[str, ...] = ()
    """Activations for which a map's method has no rule."""
    activations: ActivationGrid | None = None
    occluder: OccluderAnswer | None = None
    unit_field: UnitField | None = None
    channel: ChannelAnswer | None = None
    pointed: "Pointed | None" = None
    error: PareidoliaError | None = None
    """Why a map or, if `top` is empty, everything is missing."""
    activations_error: PareidoliaError | None = None
    """Why the activations are missing."""
    unfinished: bool = False
    """Whether more is to come, or would have come if nothing else had been asked for."""
    share: float = 0.0
    """The fraction of an occlusion's work that is done."""


@dataclass(frozen=True, eq=False)
class ComparisonAnswer:
    """How far a figure has come; finally the figure itself."""

    done: int
    total: int
    """How many maps there are in all."""
    columns: "tuple[Column, ...]"
    """What each column is about."""
    refusals: tuple[PareidoliaError, ...] = ()
    """Why some of the networks could not be asked about some of the targets."""
    compared: "Compared | None" = None
    """The figure and its values, in the last answer."""


def part_of(part: Part, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom in pixels of a part of a picture, at least one pixel."""
    left, top = round(part[0] * width), round(part[1] * height)
    left, top = min(left, width - 1), min(top, height - 1)
    right, bottom = round(part[2] * width), round(part[3] * height)
    return left, top, left + max(1, right - left), top + max(1, bottom - top)
