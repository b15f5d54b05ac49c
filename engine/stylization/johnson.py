"""Networks for one style (Johnson, Alahi, Fei-Fei 2016), as PyTorch's example program trains them.

With instance normalization (Ulyanov et al. 2016) and doubling by repetition instead of transposed
convolutions (Odena et al. 2016): pytorch/examples, fast_neural_style.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from engine.errors import BadInput
from engine.networks.card import BYTES
from engine.networks.contents import Contents
from engine.networks.describing import formula
from engine.networks.identify import WRAPPED
from engine.stylization.layers import Line
from engine.stylization.network import StyleNetwork
from engine.stylization.painter import Plan, filled

FIRST = "conv1.conv2d.weight"
"""The tensor by which such a network is known; what stands before the name is left out."""


def johnson_plan(
    widths: tuple[int, int, int], blocks: int, ends: int = 9, name: str = "style"
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


def pytorch_examples(contents: Contents, path: Path) -> StyleNetwork | None:
    """Return the network of pytorch/examples in a file, or None for other files.

    Its moments of batches, which files from before PyTorch 0.4 hold, mean nothing and are left out.
    Raises `BadInput` for tensors that do not fit together.
    """
    for group in contents.groups:
        names = {WRAPPED.sub("", name): name for name in group.tensors}
        first = next((name for name in names if name.endswith(FIRST)), None)
        if first is None:
            continue
        prefix = first.removesuffix(FIRST)
        state = {
            name.removeprefix(prefix): group.tensors[theirs]
            for name, theirs in names.items()
            if name.startswith(prefix)
        }
        return _network(state, path, contents.kind)
    return None


def _network(state: Mapping[str, object], path: Path, kind: str) -> StyleNetwork:
    def tensor(name: str) -> Tensor:
        found = state.get(name)
        if not isinstance(found, Tensor):
            raise BadInput(f"{path} lacks {name}, which a fast style network needs")
        return found

    blocks = len({m[0] for name in state if (m := re.match(r"res\d+\.", name))})
    widths = tuple(len(tensor(f"conv{i}.conv2d.weight")) for i in (1, 2, 3))
    plan = johnson_plan(widths, blocks, tensor(FIRST).shape[-1], path.stem)  # type: ignore[arg-type]
    order = [layer for i in (1, 2, 3) for layer in (f"conv{i}.conv2d", f"in{i}")]
    for i in range(1, blocks + 1):
        order += [layer for j in (1, 2) for layer in (f"res{i}.conv{j}.conv2d", f"res{i}.in{j}")]
    order += ["deconv1.conv2d", "in4", "deconv2.conv2d", "in5", "deconv3.conv2d"]
    numbers = [tensor(f"{layer}.{part}") for layer in order for part in ("weight", "bias")]
    try:
        network = filled(plan, numbers)
    except ValueError as error:
        raise BadInput(f"{path} holds no fast style network that can be: {error}") from error
    network.found = (
        f"a network for one style, trained with PyTorch's example program ({kind}); "
        f"pictures are prepared as {formula(plan.takes)}"
    )
    return network
