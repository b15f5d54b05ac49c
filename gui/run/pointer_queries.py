"""What a network makes of one place in a picture: receptive fields, and a covered square.

For a thread of its own; nothing here belongs into the GUI's.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QCoreApplication, QRectF
from PySide6.QtGui import QImage

from engine.attribution.unit_name import UnitName
from engine.colour_map import colourised
from engine.errors import BadInput
from gui.pixels import to_image
from gui.run.maps import TOP, fitting, unit_of
from gui.run.networks import Networks

if TYPE_CHECKING:
    from torch import Tensor

    from engine.attribution.unit import Located
    from engine.inspection.receptive_field import Axis, Field
    from engine.networks.network import Network

Size = tuple[int, int]
"""Height and width in pixels."""
Box = tuple[int, int, int, int]
SHARE = 0.95
"""Of the gradient's sum, that the effective receptive field holds."""


@dataclass(frozen=True)
class PictureQuery:
    """A picture and the network that looks at it."""

    image: QImage
    network: str
    weights: str | None
    device: str
    preprocessing: str | None = None
    """As the job says it; None: as the weights want."""


class NetworkView:
    """A network and a prepared picture, kept between requests; for one thread at a time."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._own: tuple[Network, str, Network] | None = None
        self._picture: tuple[Any, Tensor] | None = None
        self._cache: dict[Any, Any] = {}

    def prepare(self, query: PictureQuery) -> "tuple[Network, Tensor]":
        """Return the network, and the picture (1, 3, H, W), RGB in [0, 1], at its fitting size."""
        import torch

        from engine.device import choose_device

        shared = self._networks.get(query.network, query.weights, query.preprocessing)
        device = choose_device(query.device)
        if self._own is None or self._own[:2] != (shared, device.type):
            twin = shared.twin() if device.type == "cpu" else shared
            self._own = (shared, device.type, twin.at(device, torch.float32))
            self._picture = None
        network = self._own[2]
        key = query.image.cacheKey()
        if self._picture is None or self._picture[0] != key:
            self._picture = key, fitting(query.image, network)
            self._cache.clear()
        return network, self._picture[1]

    def cached(self, key: Any, make: Any) -> Any:
        """Return what `make()` returned the first time for this picture and network."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]


# -- receptive fields -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class UnitField:
    """The receptive field of the unit under the pointer."""

    layer: str
    unit: tuple[int, int]
    """Row and column."""
    size: Size
    """Of the picture as the network takes it; the boxes are in its pixels."""
    side: Size | None
    """Of the theoretical field, also where the picture ends before; None: the whole picture."""
    theoretical: Box
    """Top, left, bottom, right."""
    effective: Box | None
    """None: the unit does not answer to any pixel."""
    overlay: QImage
    """The effective field in colours, transparent where it is weak."""


def unit_on(axis: "Axis", count: int, length: int, at: float) -> int:
    """Return which of `count` units along an axis has its field's middle nearest to `at`.

    `length` and `at`: pixels of the picture as the network takes it, whose borders are whole
    numbers: the middle of the first pixel is 0.5.
    """
    if axis.whole:
        number = math.floor(at / length * count)
    else:
        number = math.floor((at - axis.start - axis.size / 2) / axis.jump + 0.5)
    return min(max(number, 0), count - 1)


def cell_on(count: int, length: float, at: float) -> int:
    """Return which of `count` equal cells along `length` pixels `at` lies in."""
    return min(max(math.floor(at / length * count), 0), count - 1)


def unit_field(
    view: NetworkView, query: PictureQuery, layer: str, channel: int | None, at: tuple[float, float]
) -> UnitField:
    """Return the receptive fields of the layer's unit at a place.

    Args:
        view: keeps the network.
        query: the picture.
        layer: as the layer tree names it; empty: the last that has a map.
        channel: None: all of them together.
        at: x and y as parts of the picture's width and height, 0 to 1.

    Raises:
        BadInput: the layer has no map.
    """
    from engine.inspection.effective_field import effective_field
    from engine.inspection.receptive_field import fields
    from engine.networks.fitting import last_map

    network, picture = view.prepare(query)
    size = (picture.shape[2], picture.shape[3])
    layer = layer or last_map(network, size)
    shape = network.calls(size)[network.resolve(layer)].shape
    if len(shape) != 4:
        words = QCoreApplication.translate(
            "Pointing", "{0} has no map, so its units have no position in the picture."
        )
        raise BadInput(words.format(layer))
    field: Field = view.cached(("field", layer), lambda: fields(network, [layer], size)[layer])
    row = unit_on(field.vertical, shape[2], size[0], at[1] * size[0])
    column = unit_on(field.across, shape[3], size[1], at[0] * size[1])
    found = effective_field(network, picture[0], layer, channel, (row, column), SHARE)
    side = None if field.vertical.whole else (field.vertical.size, field.across.size)
    values = found.map.double().numpy()
    top = values.max() or 1.0
    pixels = np.dstack(
        (colourised(values, "viridis", 0.0, top), np.rint(255 * np.sqrt(values / top)))
    )
    overlay = to_image(pixels.astype(np.uint8))
    return UnitField(layer, (row, column), size, side, found.theoretical, found.box, overlay)


# -- a covered square -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class OccluderAnswer:
    """What the network says while a square is covered."""

    top: tuple[tuple[int, str, float], ...]
    """Number, name, probability: the most likely classes now; () without classes."""
    before: dict[int, float]
    """Probability of each of them with nothing covered."""
    target_name: str
    """The class's; of a unit with the place where it is looked at."""
    answers: tuple[float, float]
    """The class's logit or the unit's activation, before and now."""
    chances: tuple[float, float] | None
    """The class's probability, before and now; None: the target is a unit."""
    kind: str
    """One of `engine.attribution.square.FILLS`."""
    size: Size
    box: Box
    """Left, top, right, bottom: what is covered, in pixels of the picture as the network takes it."""
    cover: QImage
    """What covers, of the whole picture; of one pixel where it is one colour."""


def covered(
    view: NetworkView, query: PictureQuery, kind: str, square: QRectF, target: int | UnitName | None
) -> OccluderAnswer:
    """Return what the network says with a square covered.

    Args:
        view: keeps the network, and what it says of the whole picture.
        query: the picture.
        kind: one of `engine.attribution.square.FILLS`.
        square: in parts of the picture's width and height; may reach beyond it.
        target: a unit, without a position where it is highest with nothing covered; or the class;
            None: the most likely one with nothing covered.

    Raises:
        BadInput: the network has no classes, or no such unit.
    """
    from engine.attribution.fills import fill
    from engine.attribution.occluding import occluded_logits
    from engine.networks.classes import probabilities

    network, picture = view.prepare(query)
    if not network.classes and not isinstance(target, UnitName):
        network.logits(picture)  # says that it has no classes
    size = (picture.shape[2], picture.shape[3])
    x = view.cached("x", lambda: network.prepare(picture))
    base = view.cached(("fill", kind), lambda: fill(network, x, kind))
    cover = view.cached(("cover", kind), lambda: _shown(network, base))
    box = pixels_of(square, size)
    top: tuple[tuple[int, str, float], ...] = ()
    shares: dict[int, float] = {}
    if network.classes:
        whole = view.cached("before", lambda: network.module(x).detach())
        said = occluded_logits(network.module, x, box, base, before=whole)
        before, after = said.before[0].cpu().double(), said.after[0, 0].cpu().double()
        was, now = probabilities(before), probabilities(after)
        likely = [int(i) for i in now.topk(min(TOP, len(now))).indices]
        top = tuple((i, network.classes[i], float(now[i])) for i in likely)
        shares = {i: float(was[i]) for i in likely}
    if isinstance(target, UnitName):
        name, answers = _unit_covered(view, network, x, box, base, target)
        chances = None
    else:
        if target is None or not 0 <= target < len(network.classes):
            target = int(before.argmax())
        name = network.classes[target]
        answers = float(before[target]), float(after[target])
        chances = float(was[target]), float(now[target])
    return OccluderAnswer(top, shares, name, answers, chances, kind, size, box, cover)


def _unit_covered(
    view: NetworkView, network: "Network", x: "Tensor", box: Box, base: "Tensor", unit: UnitName
) -> tuple[str, tuple[float, float]]:
    """Return the unit with its place, and its activation there before and with a box covered."""
    from engine.attribution.methods import located
    from engine.attribution.state import values_of_unit, without_gradients
    from engine.networks.fitting import call_name

    def settled() -> "tuple[str, float, Located]":
        """Look for the unit with nothing covered: it stays at that place."""
        found, answer = located(network, x, unit_of(unit))
        called = replace(found, layer=call_name(network, found.layer, (x.shape[2], x.shape[3])))
        with without_gradients(network.module):
            _, place = values_of_unit(network.module, x.clone(), called)
        return UnitName(found.layer, found.channel, found.position).words, answer, place

    name, before, place = view.cached(("unit", unit), settled)
    left, top, right, bottom = (max(0, edge) for edge in box)  # a slice counts them from the end
    hidden = x.clone()
    hidden[..., top:bottom, left:right] = base.expand_as(x)[..., top:bottom, left:right]
    with without_gradients(network.module):
        now, _ = values_of_unit(network.module, hidden, place)
    return name, (before, float(now[0]))


def pixels_of(square: QRectF, size: Size) -> Box:
    """Return left, top, right, bottom in whole pixels, at least one pixel each way."""
    height, width = size
    left, top = round(square.left() * width), round(square.top() * height)
    right = max(left + 1, round(square.right() * width))
    return left, top, right, max(top + 1, round(square.bottom() * height))


def _shown(network: "Network", base: "Tensor") -> QImage:
    """Return what covers as people see it: `Network.prepare` undone."""
    p = network.card.preprocessing
    std, mean = (base.new_tensor(v).view(1, 3, 1, 1) for v in (p.std, p.mean))
    rgb = (base * std + mean) / p.scale
    if p.order == "BGR":
        rgb = rgb.flip(1)
    pixels = rgb[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
    return to_image(pixels)
