"""A network cut into parts that run one after the other, each in tiles with a margin around them.

The numbers inside a tile's margin are the untiled network's: the margin is as wide as what a unit
sees beyond the tile, and at the picture's own border the tile ends where the picture does. So tiles
change nothing but the memory that is needed, and leave no seams. Cutting a network where it has just
made its maps smaller keeps margins narrow: what a part sees beyond a tile is a few of its own
positions, however much of the picture that is.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod

import torch
from torch import Tensor, nn

from engine.networks.boxes import Box, Place
from engine.networks.low_memory import frugally, layout_of
from engine.networks.network import Network
from engine.networks.reach import pair
from engine.networks.replay import REPLAYED, Record

POINTWISE = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Dropout, nn.Identity, nn.BatchNorm2d,
             nn.LocalResponseNorm)  # fmt: skip
"""Modules that see one position at a time, in eval mode."""
MARGIN = 160
"""The widest margin, in pixels, of a network that cannot be cut: what units see beyond it hardly
influences them (Luo et al. 2016, "Understanding the Effective Receptive Field")."""


TileVisit = Callable[[str, Tensor, Place], Tensor]
"""Takes a layer's name, its activations in a tile with its margin, and which of them are the
tile's own; returns what is passed on in their place, as `Visit` does."""


@dataclass(frozen=True)
class Rewiring:
    """How pools and convolutions behave, as `Network.visit` takes it."""

    pooling: str = "max"
    padding: str = "zeros"
    everywhere: bool = False


@dataclass(frozen=True)
class Link:
    """A module of a chain, called once, with what it sees: the same along both axes."""

    name: str
    module: nn.Module
    kernel: int
    stride: int
    padding: int
    shape: tuple[int, int, int]
    """Channels, height and width of its output."""
    multiplications: float
    """For the whole picture."""


def _window(module: nn.Module) -> tuple[int, int, int] | None:
    """Return kernel (dilated), stride and padding; None for what is not known to be local."""
    if isinstance(module, POINTWISE):
        return 1, 1, 0
    if not isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
        return None
    if isinstance(module.padding, str) or getattr(module, "padding_mode", "zeros") != "zeros":
        return None
    kernel, stride = pair(module.kernel_size), pair(module.stride or module.kernel_size)
    padding, dilation = pair(module.padding), pair(getattr(module, "dilation", 1))
    if any(a != b for a, b in (kernel, stride, padding, dilation)):
        return None
    return (kernel[0] - 1) * dilation[0] + 1, stride[0], padding[0]


def _leaves(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential):
            yield from _leaves(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def chain(network: Network, names: Sequence[str], size: tuple[int, int]) -> list[Link] | None:
    """Return the modules down to the deepest of the layers `names`, if each feeds just the next one.

    None if the network branches before, or does something that may see the whole picture. `size`:
    height and width of the picture.
    """
    module = network.module
    prefix = ""
    if not isinstance(module, nn.Sequential):
        first = next(iter(module.named_children()), None)
        if first is None or not isinstance(first[1], nn.Sequential):
            return None
        prefix, module = f"{first[0]}.", first[1]
    wanted = {network.resolve(name) for name in names}
    calls = network.calls(size)
    links: list[Link] = []
    for name, leaf in _leaves(module, prefix):
        window = _window(leaf)
        if window is None or name not in calls or f"{name}#2" in calls:
            return None
        shape = calls[name].shape
        if len(shape) != 4:
            return None
        work = 0.0
        if isinstance(leaf, nn.Conv2d):
            work = float(leaf.weight[0].numel()) * prod(shape[1:])
        links.append(Link(name, leaf, *window, (shape[1], shape[2], shape[3]), work))
        wanted.discard(name)
        if not wanted:
            return links if _is_chain(network, links) else None
    return None


@torch.no_grad()
def _is_chain(network: Network, links: Sequence[Link]) -> bool:
    """Return whether nothing else happens between the picture and the last link."""
    side = max(prod(link.stride for link in links) * 2, 32)
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    picture = picture.to(network.device)
    last = links[-1].name
    if not network.reaches([last], (side, side)):
        return False
    whole = network.taps(picture, [last])[last]
    x = network.prepare(picture)
    for link in links:
        x = link.module(x)
    return bool(torch.equal(x, whole))


Stretch = tuple[tuple[int, int], tuple[int, int]]
"""Where a tile begins and ends along one axis, without and with its margin."""


@dataclass(frozen=True)
class Part:
    """What runs between two cuts."""

    links: tuple[Link, ...]
    """Empty: the whole network."""
    size: tuple[int, int]
    """Height and width of what it takes."""
    channels: int
    """Of what it takes."""
    jumps: dict[str, int]
    """By the name of a call: how many positions of the input lie between two of its own."""
    sizes: dict[str, tuple[int, int]]
    """By the name of a call: height and width of its maps."""
    stride: int
    """Tiles begin at multiples of it."""
    margin: int
    """How far a unit sees beyond its own place, rounded up to a multiple of the stride."""
    numbers: float
    """How many numbers all its layers give, pointwise ones in place."""
    multiplications: float
    """How many multiplications it takes."""

    @property
    def out(self) -> tuple[int, int, int]:
        """Channels, height and width of what it gives."""
        return self.links[-1].shape

    def run_again(self, wanted: Collection[str]) -> int:
        """Return how many links have to run again on the way back, if those behind were recorded.

        `wanted`: names of calls whose activations are compared.
        """
        return max(
            (i + 1 for i, link in enumerate(self.links)
             if link.name in wanted or not isinstance(link.module, REPLAYED)),
            default=0,
        )  # fmt: skip

    def tiles(self, area: float, torus: bool = False) -> list[tuple[Box, Box]]:
        """Return tiles of about `area` positions with their margins, each also without.

        On a torus, margins go on at the opposite border: beyond the maps. Strips across the whole
        width where they are much higher than their margins: their rows lie in memory one after the
        other.
        """
        rows, columns = self._stretches(area, torus)
        return [
            (Box(top, bottom, left, right), Box(first, last, begin, end))
            for (top, bottom), (first, last) in rows
            for (left, right), (begin, end) in columns
        ]

    def overhead(self, area: float) -> float:
        """Return how many times as many positions there are with margins, in tiles of about `area`."""
        rows, columns = self._stretches(area, False)
        seen = [sum(end - begin for _, (begin, end) in each) for each in (rows, columns)]
        return prod(seen) / prod(self.size)

    def _stretches(self, area: float, torus: bool) -> tuple[list[Stretch], list[Stretch]]:
        """Return how rows and columns are divided: without and with margins."""
        height, width = self.size
        if area >= height * width:
            return [((0, height),) * 2], [((0, width),) * 2]
        rows = area / width - 2 * self.margin
        if rows >= 12 * self.margin and not torus:
            return self._margins(height, rows, torus), [((0, width),) * 2]
        side = max(area**0.5 - 2 * self.margin, self.stride)
        return self._margins(height, side, torus), self._margins(width, side, torus)

    def _margins(self, length: int, step: float, torus: bool) -> list[Stretch]:
        found = []
        for begin, end in self._steps(length, step):
            first, last = begin - self.margin, end + self.margin
            seen = (first, last) if torus else (max(first, 0), min(last, length))
            found.append(((begin, end), seen))
        return found

    def _steps(self, length: int, step: float) -> list[tuple[int, int]]:
        """Return where equal pieces of about `step` begin and end, at multiples of the stride."""
        # A last piece that is shorter than a stride may have no position of a deep layer.
        count = min(max(ceil(length / max(step, 1)), 1), max(length // self.stride, 1))
        units = length // self.stride
        marks = [round(units * i / count) * self.stride for i in range(count)] + [length]
        return list(itertools.pairwise(marks))

    def place(self, name: str, core: Box, seen: Box) -> Place:
        """Return where a tile's own positions lie on the maps of the call `name`."""
        jump, size = self.jumps[name], self.sizes[name]
        box = core.divided(jump, self.size, size)
        corner = Box(seen.top // jump, 0, seen.left // jump, 0)  # of a torus: perhaps below 0
        return Place(box, box.within(corner), size)


def cut(
    network: Network, links: Sequence[Link], after: Sequence[str], size: tuple[int, int]
) -> list[Part]:
    """Return a chain in parts that end after the links named, and at its end."""
    parts: list[Part] = []
    begin, channels, here = 0, network.channels, size
    ends = [i + 1 for i, link in enumerate(links) if link.name in set(after)]
    for end in [*ends, len(links)]:
        if end == begin:
            continue
        own = tuple(links[begin:end])
        parts.append(_part(own, here, channels))
        begin, channels, here = end, own[-1].shape[0], own[-1].shape[1:]
    return parts


def _part(links: tuple[Link, ...], size: tuple[int, int], channels: int) -> Part:
    jump, before, field = 1, 0, 1
    jumps, sizes = {}, {}
    for link in links:
        before += link.padding * jump
        field += (link.kernel - 1) * jump
        jump *= link.stride
        jumps[link.name], sizes[link.name] = jump, link.shape[1:]
    reach = max(before, field - before - jump, 0)
    numbers = sum(prod(k.shape) for k in links if not isinstance(k.module, POINTWISE))
    work = sum(link.multiplications for link in links)
    margin = ceil(reach / jump) * jump
    return Part(links, size, channels, jumps, sizes, jump, margin, float(numbers), work)


def uncut(network: Network, names: Sequence[str], size: tuple[int, int]) -> Part:
    """Return a network that is not a chain as a single part, for tiles of the picture.

    Its margins are as wide as what the deepest layer sees, or `MARGIN`.
    """
    calls = network.calls(size)
    far = network.calls((size[0] + 512, size[1] + 512))
    wanted = {network.resolve(name) for name in names}
    jumps, sizes, reach = {}, {}, 1
    for name in wanted:
        shape, larger = calls[name].shape, far[name].shape
        grown = larger[2] - shape[2] if len(shape) == 4 else 0
        if grown <= 0 or 512 % grown:
            raise ValueError(f"{name} has no maps that tiles could be cut from")
        jumps[name], sizes[name] = 512 // grown, (shape[2], shape[3])
        reach = max(reach, (calls[name].receptive_field or 2 * MARGIN) // 2)
    stride = max(jumps.values())
    margin = ceil(min(reach, MARGIN) / stride) * stride
    numbers = float(max(calls[name].numbers for name in wanted))
    return Part((), size, 3, jumps, sizes, stride, margin, numbers, numbers)


def run_part(
    network: Network,
    part: Part,
    x: Tensor,
    core: Box,
    seen: Box,
    wanted: dict[str, list[str]],
    visit: TileVisit,
    *,
    first: bool,
    rewiring: Rewiring,
    aside: list[Tensor],
    record: Record | None = None,
) -> Tensor:
    """Run a part on a tile `x` with its margin; return what it gives there.

    Args:
        network: what is run.
        part: the part of it.
        x: (1, C, h, w): what the part takes, the picture itself for the `first` one.
        core: the tile.
        seen: the tile with its margin, of which `x` is what is there.
        wanted: names of calls, and under which names each is shown to `visit`.
        visit: see `TileVisit`.
        first: whether the part begins with the picture.
        rewiring: how pools and convolutions behave.
        aside: gets what `visit` returns that cannot be passed on.
        record: if new, gets what the gradient of the links behind the last one shown needs; else
            they are replayed, and what the part gives is blank.
    """
    if not part.links:
        names = [key for keys in wanted.values() for key in keys]
        calls = {key: name for name, keys in wanted.items() for key in keys}

        def show(key: str, features: Tensor) -> Tensor:
            return visit(key, features, part.place(calls[key], core, seen))

        network.visit(
            x, names, show,
            pooling=rewiring.pooling, padding=rewiring.padding, everywhere=rewiring.everywhere,
        )  # fmt: skip
        return x
    if first:
        x = network.prepare(x)
    changed = [isinstance(k.module, POINTWISE) and getattr(k.module, "inplace", False)
               for k in part.links[1:]] + [False]  # fmt: skip
    begin = len(part.links) if record is None else part.run_again(wanted)
    rewired = network.rewired(rewiring.pooling, rewiring.padding, rewiring.everywhere)
    with frugally(), rewired:
        for link, overwritten in zip(part.links[:begin], changed, strict=False):
            x = link.module(x)
            for key in wanted.get(link.name, ()):
                if overwritten:  # in place, by what comes next
                    aside.append(visit(key, x.clone(), part.place(link.name, core, seen)))
                else:
                    x = visit(key, x, part.place(link.name, core, seen))
    if record is None or begin == len(part.links):
        return x
    rewired = network.rewired(rewiring.pooling, rewiring.padding, rewiring.everywhere)
    with record.running(layout_of(x)), rewired:
        for link in part.links[begin:]:
            x = link.module(x)
    return x
