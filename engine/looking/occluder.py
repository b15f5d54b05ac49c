"""What a network says while a person covers a square of the picture."""

from dataclasses import replace

from torch import Tensor

from engine.attribution.fills import fill
from engine.attribution.methods import located
from engine.attribution.occluding import occluded_logits
from engine.attribution.state import values_of_unit, without_gradients
from engine.attribution.unit import Located, Unit
from engine.attribution.unit_name import UnitName
from engine.looking.answer import Box, Bytes, OccluderAnswer, Size, TopClass
from engine.looking.memory import LookMemory
from engine.looking.request import Request
from engine.networks.classes import find_class, probabilities
from engine.networks.colours import unprepared
from engine.networks.fitting import call_name
from engine.networks.network import Network


def covered(
    network: Network, picture: Tensor, request: Request, memory: LookMemory
) -> OccluderAnswer:
    """Return what the network says with `request.occluder` covered.

    The target is a unit (without a position: where it is highest with nothing covered) or a class
    (None: the most likely one with nothing covered). `picture`: (1, 3, H, W) as `memory` fitted it.

    Raises:
        BadInput: the network has no classes, or no such class or unit.
    """
    asked, target = request.occluder, request.target
    assert asked is not None
    if not network.classes and not isinstance(target, UnitName):
        network.logits(picture)  # raises if it has no classes
    size = (picture.shape[2], picture.shape[3])
    x = memory.kept("x", lambda: network.prepare(picture))
    base = memory.kept(("fill", asked.fill), lambda: fill(network, x, asked.fill))
    cover = memory.kept(("cover", asked.fill), lambda: _shown(network, base))
    box = pixels_of(asked.square, size)
    top: tuple[TopClass, ...] = ()
    shares: dict[int, float] = {}
    if network.classes:
        whole = memory.kept("before", lambda: network.module(x).detach())
        said = occluded_logits(network.module, x, box, base, before=whole)
        before, after = said.before[0].cpu().double(), said.after[0, 0].cpu().double()
        was, now = probabilities(before), probabilities(after)
        likely = [int(i) for i in now.topk(min(request.top, len(now))).indices]
        top = tuple((i, network.classes[i], float(now[i])) for i in likely)
        shares = {i: float(was[i]) for i in likely}
    chances = None
    if isinstance(target, UnitName):
        name, answers = _unit_covered(memory, network, x, box, base, target)
    else:
        number = find_class(network, target) if isinstance(target, str) else target
        if number is None:
            number = int(before.argmax())
        name = network.classes[number]
        answers = float(before[number]), float(after[number])
        chances = float(was[number]), float(now[number])
    return OccluderAnswer(top, shares, name, answers, chances, asked.fill, size, box, cover)


def _unit_covered(
    memory: LookMemory, network: Network, x: Tensor, box: Box, base: Tensor, unit: UnitName
) -> tuple[str, tuple[float, float]]:
    """Return the unit with its place, and its activation there before and with a box covered."""

    def settled() -> tuple[str, float, Located]:
        """Look for the unit with nothing covered: it stays at that place."""
        found, answer = located(network, x, Unit.named(unit))
        called = replace(found, layer=call_name(network, found.layer, (x.shape[2], x.shape[3])))
        with without_gradients(network.module):
            _, place = values_of_unit(network.module, x.clone(), called)
        return found.name.words, answer, place

    name, before, place = memory.kept(("unit", unit), settled)
    left, top, right, bottom = (max(0, edge) for edge in box)  # a slice counts negatives back
    hidden = x.clone()
    hidden[..., top:bottom, left:right] = base.expand_as(x)[..., top:bottom, left:right]
    with without_gradients(network.module):
        now, _ = values_of_unit(network.module, hidden, place)
    return name, (before, float(now[0]))


def pixels_of(square: tuple[float, float, float, float], size: Size) -> Box:
    """Return left, top, right, bottom in whole pixels, at least one pixel each way."""
    height, width = size
    left, top = round(square[0] * width), round(square[1] * height)
    right = max(left + 1, round(square[2] * width))
    return left, top, right, max(top + 1, round(square[3] * height))


def _shown(network: Network, base: Tensor) -> Bytes:
    """Return the cover as people see it: `Network.prepare` undone."""
    rgb = unprepared(base, network.card.preprocessing)
    pixels: Bytes = rgb[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
    return pixels
