"""Networks for one style as PyTorch's example program fast_neural_style saves them."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from engine.errors import BadInput
from engine.networks.contents import Contents
from engine.networks.identify import WRAPPED
from engine.stylization.formats.half import told
from engine.stylization.johnson import johnson_plan
from engine.stylization.network import StyleNetwork
from engine.stylization.painter import filled

FIRST = "conv1.conv2d.weight"
"""The tensor by which such a network is recognized; any prefix of its name is left out."""


def pytorch_examples(contents: Contents, path: Path) -> StyleNetwork | None:
    """Return the network of pytorch/examples in a file, or None for other files.

    Batch moments, which files from before PyTorch 0.4 hold, mean nothing and are left out. Raises
    `BadInput` for tensors that do not fit together.
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
    first, second, third = (len(tensor(f"conv{i}.conv2d.weight")) for i in (1, 2, 3))
    plan = johnson_plan((first, second, third), blocks, tensor(FIRST).shape[-1], path.stem)
    order = [layer for i in (1, 2, 3) for layer in (f"conv{i}.conv2d", f"in{i}")]
    for i in range(1, blocks + 1):
        order += [layer for j in (1, 2) for layer in (f"res{i}.conv{j}.conv2d", f"res{i}.in{j}")]
    order += ["deconv1.conv2d", "in4", "deconv2.conv2d", "in5", "deconv3.conv2d"]
    numbers = [tensor(f"{layer}.{part}") for layer in order for part in ("weight", "bias")]
    what = f"a network for one style from PyTorch's example program ({kind})"
    return told(filled(plan, numbers, path), what)
