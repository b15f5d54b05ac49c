"""Whether a run fits into memory, checked before it begins; and what to say if it does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from traceback import clear_frames
from typing import TYPE_CHECKING

from engine.device import MIB, available_memory
from engine.errors import BadInput, Mention, OutOfMemory, is_out_of_memory
from engine.networks.tile_plan import PER_PIXEL, NoPlan, for_regions, nearest_plan, plan_tiles
from engine.parameterization.scales import fit
from engine.settings import chosen_layers
from engine.task import Task, Technique

if TYPE_CHECKING:
    from engine.networks.network import Network

ON_TOP = 4
"""Bytes for each activation besides its own: gradients, statistics of layers in float32, workspace
of convolutions (measured: 1 to 2 for DeepDream, 4 to 5 for style transfer)."""
FRUGAL = {2: 4.5, 4: 5.5}
"""Bytes in all for each activation, by the bytes of a number, if `Network.taps` runs layers that
keep little (measured: 2.6 to 4.2 and 3.1 to 4.5)."""
UPFRONT = 200 * MIB
"""Bytes that a first run takes whatever its size: mathematics libraries, matrices of channels."""
KEPT = 1
"""Extra bytes for each activation if only a map is made (measured: -1 to 0.5)."""
BESIDE = 50
"""Bytes for each pixel of a picture that is looked at: in its file's colours, resized, and its
map."""
ATTACKED = 120
"""Bytes for each pixel of a picture that is changed, though the network looks at it in another
size: photo, change and gradient (measured: 94 to 117, at 1024 and 2048 pixels)."""
STYLE_SHARE = 0.5
"""Share of a style's activations: only those of the layers compared are kept, none for a gradient."""


def check_fits(task: Task[Technique]) -> None:
    """Raise `OutOfMemory` if a run needs more than is free.

    Without this a Linux machine would kill the program rather than let an allocation fail.
    """
    fitting = size_that_fits(task)
    if fitting < task.size:
        raise _too_much(task.network, task.size, fitting)


def check_look(
    network: "Network", size: tuple[int, int], *, graph: bool = True, count: int = 1
) -> None:
    """Raise `OutOfMemory` if looking at pictures through a network needs more than is free.

    Args:
        network: run in full, on all pictures at once.
        size: height and width of a picture as the network is given it.
        graph: whether activations are kept for a gradient.
        count: pictures at a time.
    """
    side = network.card.input_size
    calls = network.calls().values()
    each = network.dtype.itemsize
    used = max(call.numbers for call in calls) * (each + KEPT)
    if not graph:  # a layer's input, its output, and a copy of what was asked for
        used = min(used, max(prod(call.shape) for call in calls) * (2 * each + KEPT))
    needed = size[0] * size[1] * count * (used / side**2 + BESIDE)
    free = 0.9 * available_memory(network.device) - UPFRONT
    if needed > free:
        fitting = int(max(size) * (max(free, 0) / needed) ** 0.5) // 16 * 16
        raise _too_much(network, max(size), max(fitting, 16))


@contextmanager
def explained(task: Task[Technique]) -> Iterator[None]:
    """Turn a failed allocation inside the `with` into `OutOfMemory` with a size that may fit."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        clear_frames(error.__traceback__)  # or what failed would still hold its memory
        smaller = task.size * 3 // 4  # the estimate had let this size pass
        fitting = max(min(size_that_fits(task), smaller), 1)
        raise _too_much(task.network, task.size, fitting) from None


def size_that_fits(task: Task[Technique]) -> int:
    """Return the largest long side, at most the task's, whose run fits into free memory."""
    free = 0.9 * available_memory(task.device) - UPFRONT
    at_this_size = least_bytes_at(task, task.size)
    if at_this_size <= free:
        return task.size
    fitting, needed = task.size, at_this_size
    while needed > free and fitting > 16:
        # Memory grows with the area, or less where some of it does not depend on the size.
        smaller = int(fitting * (max(free, 0) / needed) ** 0.5) // 16 * 16
        fitting = max(min(smaller, (fitting - 1) // 16 * 16), 16)
        needed = least_bytes_at(task, fitting)
    return min(task.size, fitting)


def least_bytes_at(task: Task[Technique], size: int) -> int:
    """Return roughly how many bytes a run at `size` pixels takes at least: in tiles, if it can."""
    whole = bytes_at(task, size)
    tiled = _bytes_in_tiles(task, size, 0)
    return whole if tiled is None else min(whole, tiled)


def expected_bytes_at(task: Task[Technique], size: int) -> int:
    """Return roughly how many bytes a run at `size` pixels takes, in tiles if it is to take fewer."""
    whole = bytes_at(task, size)
    if task.memory is None or whole <= task.memory:
        return whole
    tiled = _bytes_in_tiles(task, size, task.memory)
    return whole if tiled is None else min(whole, tiled)


def _bytes_in_tiles(task: Task[Technique], size: int, allowed: int) -> int | None:
    """Return the bytes of a run in tiles: as near to `allowed` as can be; None: it cannot.

    0: the fewest. `allowed` includes what the pictures take.
    """
    if not task.technique.in_tiles:
        return None
    shape = (size, size)
    if task.content is not None and task.technique.sample_side is None:
        shape = fit((task.content.height, task.content.width), size)
    pictures = prod(shape) * PER_PIXEL + remembered(task, float(prod(shape)))
    wanted = task.network, layers_needed(task), shape
    try:
        plan = nearest_plan(*wanted, allowed - pictures) if allowed else plan_tiles(*wanted, 0)
    except NoPlan as small:
        return pictures + small.needed
    except (ValueError, BadInput):  # what refuses the picture as a whole will say so itself
        return None
    return pictures + plan.memory


def bytes_at(task: Task[Technique], size: int) -> int:
    """Return roughly how many bytes a run takes whose result has a long side of `size` pixels."""
    side = task.network.card.input_size
    per_pixel = numbers_needed(task) * bytes_each(task) / side**2 * for_regions(len(task.regions))
    pixels = float(size**2)
    if task.content is not None:
        pixels *= _shape_factor(task.content.height, task.content.width)
    looked_at = task.technique.looked_at(task)
    if looked_at is not None:  # at a size that is the network's, whatever the result's
        return int(prod(looked_at) * per_pixel + pixels * ATTACKED)
    for picture, _ in task.styles:
        long_side = min(size * task.technique.style_size, max(picture.height, picture.width))
        at_scale = long_side**2 * _shape_factor(picture.height, picture.width)
        pixels = max(pixels, STYLE_SHARE * at_scale)
    pixels = max(pixels, STYLE_SHARE * _sample_pixels(task, size))
    return int(pixels * per_pixel) + remembered(task, pixels)


def _sample_pixels(task: Task[Technique], size: int) -> float:
    """Return the pixels of a texture's sample if a scale of its own is set; otherwise 0."""
    whole = task.technique.sample_side
    if whole is None or task.content is None:
        return 0.0
    # A smaller result is compared with a correspondingly smaller sample.
    side = whole * size / task.size
    return float(side**2 * _shape_factor(task.content.height, task.content.width))


def bytes_each(task: Task[Technique]) -> float:
    """Return the bytes that a run takes for each activation."""
    size = task.network.dtype.itemsize
    if task.network.device.type == "cpu" and layers_needed(task) and size in FRUGAL:
        return FRUGAL[size]
    return size + ON_TOP


def remembered(task: Task[Technique], pixels: float, already: int = 0) -> int:
    """Return the bytes of the pairs of pictures that L-BFGS keeps, beyond `already` of them."""
    return int(max(task.technique.pairs_remembered - already, 0) * 2 * 3 * 4 * pixels)


def numbers_needed(task: Task[Technique]) -> int:
    """Return how many activations there are down to the deepest layer that the technique asks for.

    For a picture of the card's input size.
    """
    network = task.network
    calls = network.calls()
    names = [network.resolve(name) for name in layers_needed(task)] or list(calls)
    return max(calls[name].numbers for name in names)


def layers_needed(task: Task[Technique]) -> list[str]:
    """Return the layers that the technique's settings name, or those that the defaults stand for."""
    suggested = task.technique.suggested_layers(task.network)
    chosen = chosen_layers(task.technique)
    return [
        n for name, own in chosen.items() for n in (suggested.get(name, {}) if own is None else own)
    ]


def _shape_factor(height: int, width: int) -> float:
    return min(height, width) / max(height, width)


def _too_much(network: "Network", size: int, fitting: int) -> OutOfMemory:
    return OutOfMemory(
        f"{network.card.name} at {size} pixels needs more memory than is free on "
        f"{network.device.type}; ", Mention("size", value=str(fitting)), " would fit",
    )  # fmt: skip
