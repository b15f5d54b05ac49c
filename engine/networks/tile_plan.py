"""In which parts and tiles a network looks at a large picture, so that it fits into some memory."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import prod

from torch import nn

from engine.networks.network import Network
from engine.networks.parts import Link, Part, chain, cut, uncut
from engine.networks.replay import bytes_recorded

MIB = 1 << 20
KEPT = {2: 4.5, 4: 5.5, 8: 11.0}
"""Bytes in all for each number that layers give, by the bytes of one, with what their gradients
need (measured; see `engine.networks.low_memory`)."""
PER_PIXEL = 96
"""Bytes for each pixel of a picture that is optimized: itself, gradient, Adam's moments, mean of
iterates and photo, three float32 numbers each, and what drawing it takes."""
LARGEST_TILE = 384 * MIB
"""Larger tiles save hardly any time."""
MOST_CUTS = 3
"""More would save memory that what is kept between them takes."""
NARROWEST = 2
"""A tile is no narrower than so many margins, unless the picture is."""


BEYOND = 256 * MIB
"""By how much the smallest plan may be exceeded where even that is more than there is to be: what
takes least takes up to five times as long."""


def for_regions(count: int) -> float:
    """Return how many times as much memory a run takes whose picture is divided into regions.

    Each weighs the layers that are compared anew (measured at 512 px: eight take a third more).
    """
    return 1 + 0.04 * count


class NoPlan(ValueError):
    """No tiles are small enough for the memory."""

    def __init__(self, needed: int) -> None:
        """`needed`: bytes that would do."""
        super().__init__(f"{needed} bytes are needed at least")
        self.needed = needed


@dataclass(frozen=True)
class TilePlan:
    """The parts of a network for pictures of one size, and how large tiles are."""

    parts: tuple[Part, ...]
    keeps_last: bool
    """Whether the last part runs as a whole and keeps what its gradient needs."""
    tile_bytes: float
    """What a tile may take, in any part."""
    kept_bytes: float
    """For each number that layers give."""
    memory: int
    """Bytes at the peak, beyond the pictures and the weights."""
    work: float
    """Multiplications of a gradient, those of margins included."""

    def area_of(self, part: Part) -> float:
        """Return how many positions of a part's input a tile has."""
        if self.keeps_last and part is self.parts[-1]:
            return float(prod(part.size))
        return self.tile_bytes / _bytes_per_position(part, self.kept_bytes)

    @property
    def tiles(self) -> int:
        """How many tiles the first part runs in."""
        return len(self.parts[0].tiles(self.area_of(self.parts[0])))


def _bytes_per_position(part: Part, kept: float) -> float:
    return part.numbers / prod(part.size) * kept


def untiled_bytes(network: Network, names: Sequence[str], size: tuple[int, int]) -> int:
    """Return roughly what a gradient takes beyond pictures and weights if nothing is in tiles."""
    calls = network.calls()
    side = network.card.input_size
    numbers = max(calls[network.resolve(name)].numbers for name in names)
    return int(prod(size) / side**2 * numbers * KEPT[network.dtype.itemsize])


def plan_tiles(
    network: Network, names: Sequence[str], size: tuple[int, int], memory: float
) -> TilePlan:
    """Return the fastest plan for a picture of `size` (height, width) within `memory` bytes.

    `memory` is what there is beyond the pictures, their optimizer and the weights. Raises `NoPlan`,
    or `ValueError` for a network that cannot run in tiles.
    """
    kept = KEPT[network.dtype.itemsize]
    found: TilePlan | None = None
    least = 1 << 62
    each = network.dtype.itemsize
    wanted = {network.resolve(name) for name in names}
    packed = network.device.type == "cpu"
    for parts in _choices(network, names, size):
        costs = [_Costs.of(part, wanted, packed) for part in parts]
        for keeps_last in (True, False) if len(parts) > 1 else (False,):
            plan = _fitted(parts, costs, keeps_last, kept, each, memory)
            if plan.memory > memory:
                least = min(least, plan.memory)
            elif found is None or plan.work < found.work:
                found = plan
    if found is None:
        raise NoPlan(least)
    return found


def nearest_plan(
    network: Network, names: Sequence[str], size: tuple[int, int], memory: float
) -> TilePlan:
    """Return `plan_tiles`, or a plan that takes little more than the least if that exceeds `memory`.

    Raises `ValueError` for a network that cannot run in tiles.
    """
    try:
        return plan_tiles(network, names, size, memory)
    except NoPlan as small:
        return plan_tiles(network, names, size, small.needed + min(small.needed, BEYOND))


def _choices(
    network: Network, names: Sequence[str], size: tuple[int, int]
) -> Iterator[tuple[Part, ...]]:
    links = chain(network, names, size)
    if links is None:
        yield (uncut(network, names, size),)
        return
    places = _cuts(links)
    for count in range(MOST_CUTS + 1):
        for after in combinations(places, count):
            yield tuple(cut(network, links, after, size))


def _cuts(links: Sequence[Link]) -> list[str]:
    """Return the links after which maps are smaller than before, and nothing changes them in place."""
    return [
        link.name
        for link, after in pairwise(links)
        if link.stride > 1 and isinstance(after.module, nn.Conv2d)
        and isinstance(link.module, (nn.MaxPool2d, nn.AvgPool2d))
    ]  # fmt: skip


@dataclass(frozen=True)
class _Costs:
    """What a part in tiles takes, if margins were nothing."""

    work: float
    """Multiplications of a gradient."""
    recorded: float
    """Bytes that the first run leaves for the second one."""

    @classmethod
    def of(cls, part: Part, wanted: Collection[str], packed: bool) -> "_Costs":
        again = part.run_again(wanted) if part.links else 0
        if again == len(part.links):
            return cls(3 * part.multiplications, 0.0)
        work = 2 * part.multiplications + sum(k.multiplications for k in part.links[:again])
        behind = part.links[again:]
        return cls(work, sum(bytes_recorded(k.module, prod(k.shape), packed) for k in behind))


def _fitted(
    parts: tuple[Part, ...], costs: Sequence[_Costs], keeps_last: bool, kept: float, each: int,
    memory: float,
) -> TilePlan:  # fmt: skip
    """Return the plan with these parts whose tiles are as large as `memory` allows, or too large."""
    count = len(parts) - keeps_last
    tiled = parts[:count]
    last = parts[-1].numbers * kept if keeps_last else 0.0
    between = [prod(part.out) * each for part in parts[:-1]]
    # Each is kept until its part's turn on the way back, where two gradients are there at a time.
    boundaries: float = sum(between) + max(
        (a + b for a, b in zip([*between, 0], [0, *between], strict=True)), default=0
    )
    boundaries += sum(cost.recorded for cost in costs[:count])
    smallest = max(_smallest_tile(part, kept) for part in tiled)
    room = min(max(memory - boundaries, smallest), LARGEST_TILE)
    plan = TilePlan(parts, keeps_last, room, kept, int(boundaries + max(last, room)), 0.0)
    work = 2 * parts[-1].multiplications if keeps_last else 0.0
    for part, cost in zip(tiled, costs, strict=False):
        work += cost.work * part.overhead(plan.area_of(part))
    return TilePlan(parts, keeps_last, room, kept, plan.memory, work)


def _smallest_tile(part: Part, kept: float) -> float:
    side = max(NARROWEST * part.margin, part.stride) + 2 * part.margin
    height, width = part.size
    return min(side, height) * min(side, width) * _bytes_per_position(part, kept)
