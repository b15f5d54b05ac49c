"""Networks for one style (Johnson, Alahi, Fei-Fei 2016), with instance normalization.

Ulyanov, Vedaldi, Lempitsky 2016, "Instance Normalization: The Missing Ingredient for Fast
Stylization"; sizes are doubled by repetition instead of transposed convolutions (Odena et al. 2016).
"""

from engine.networks.card import BYTES
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
