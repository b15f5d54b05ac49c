"""Networks for one style (Johnson, Alahi, Fei-Fei 2016), with instance normalization.

Ulyanov, Vedaldi, Lempitsky 2016, "Instance Normalization: The Missing Ingredient for Fast
Stylization"; sizes are doubled by repetition instead of transposed convolutions (Odena et al. 2016).
"""

from engine.networks.card import BYTES, IMAGENET
from engine.stylization.layers import Line
from engine.stylization.painter import Plan


def johnson_plan(
    widths: tuple[int, int, int], blocks: int = 5, ends: int = 9, name: str = "style"
) -> Plan:
    """Return the plan of such a network: three convolutions, residual blocks, three convolutions.

    `widths` are the channels of the first three, `ends` the size of the first and last kernel.
    """
    first, second, third = widths

    def normal(*convolution: int) -> list[Line]:
        return [("conv", *convolution), ("norm", convolution[1])]

    block = [*normal(third, third, 3), ("relu",), *normal(third, third, 3)]
    lines = [
        *normal(3, first, ends), ("relu",),
        *normal(first, second, 3, 2), ("relu",),
        *normal(second, third, 3, 2), ("relu",),
        *[("residual", block)] * blocks,
        ("up", 2), *normal(third, second, 3), ("relu",),
        ("up", 2), *normal(second, first, 3), ("relu",),
        ("conv", first, 3, ends),
    ]  # fmt: skip
    return Plan(tuple(lines), BYTES, BYTES, (name,))


def light_plan(
    norm: str,
    names: tuple[str, ...] = ("style",),
    painting_size: int | None = None,
    widths: tuple[int, int, int] = (16, 32, 64),
    blocks: int = 5,
) -> Plan:
    """Return the plan of a network with a quarter of the work, half as wide: Johnson's own lighter one.

    Its last convolution comes straight after the last doubling. It takes and gives normalized
    colours, so that 0 is a middle grey, and nothing bounds its output; the last convolution alone
    has a bias, as a normalization would take one away.

    Args:
        norm: "norm" (of each picture), "batch", or "styled": scale and shift are the style's.
        names: of the styles; several only with "styled".
        painting_size: see `StyleNetwork`.
        widths: channels of the first three convolutions.
        blocks: residual ones.
    """
    first, second, third = widths
    start = 0

    def normal(inputs: int, outputs: int, size: int, stride: int = 1) -> list[Line]:
        nonlocal start
        line: Line = (norm, outputs)
        if norm == "styled":
            line = (norm, outputs, start)
            start += 2 * outputs
        return [("conv", inputs, outputs, size, stride, "reflect", 1, False), line]

    lines: list[Line] = [
        *normal(3, first, 9), ("relu",),
        *normal(first, second, 3, 2), ("relu",),
        *normal(second, third, 3, 2), ("relu",),
    ]  # fmt: skip
    for _ in range(blocks):
        block = [*normal(third, third, 3), ("relu",), *normal(third, third, 3)]
        lines.append(("residual", block))
    lines += [
        ("up", 2), *normal(third, second, 3), ("relu",),
        ("up", 2), ("conv", second, 3, 9),
    ]  # fmt: skip
    return Plan(tuple(lines), IMAGENET, IMAGENET, names, painting_size=painting_size)
