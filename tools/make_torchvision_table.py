"""Write engine/networks/torchvision_table.json: torchvision's classification models as plain facts.

Importing torchvision takes more than a second; the table lets `networks list` and the recognition
of weight files do without it. Run again after an upgrade: python tools/make_torchvision_table.py
"""

import json
import re
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.ops import Permute

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.networks.building import build
from engine.networks.fingerprints import TABLE_FILE, fingerprint, fingerprints


def table() -> dict[str, Any]:
    """Return what the file holds: the 1000 class names and a row per model."""
    names = models.list_models(module=models)
    rows = {name: row(name) for name in names}
    categories = models.get_model_weights("vgg19").DEFAULT.meta["categories"]
    return {"categories": categories, "models": rows}


def row(name: str) -> dict[str, Any]:
    """Return the facts about one model and its default weights."""
    weights = models.get_model_weights(name).DEFAULT
    prepare = weights.transforms()
    size = prepare.crop_size[0]
    module = build(name, 1000, input_size=size)
    small = build(name, 7, input_size=size).state_dict()
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    head = [k for k, s in shapes.items() if s != tuple(small[k].shape)]
    stages = activation_stages(module, size)
    file = weights.url.rsplit("/", 1)[-1]
    return {
        "weights": str(weights),
        "url": weights.url,
        "hash": file.removesuffix(".pth").rsplit("-", 1)[-1],
        "mib": weights.meta["_file_size"],
        "top1": weights.meta["_metrics"]["ImageNet-1K"]["acc@1"],
        "input_size": size,
        "mean": list(prepare.mean),
        "std": list(prepare.std),
        "head": head,
        "prints": fingerprints(shapes, head),
        "stem": next(key for key, s in shapes.items() if len(s) == 4 and s[1] == 3),
        "tops": list(dict.fromkeys(key.partition(".")[0] for key in shapes)),
        "slots": slots(module, size, shapes, head[0].rpartition(".")[0]),
        "stages": stages,
    }


def slots(
    module: nn.Module, size: int, shapes: dict[str, tuple[int, ...]], last: str
) -> dict[str, Any]:
    """Return where people put heads of their own: the last layer, and what it stands in.

    For each: the shape of what comes in (without the number of pictures), and the fingerprint of
    all other tensors.
    """
    names = [last[: m.start()] for m in re.finditer(r"\.", last)] + [last]
    inputs: dict[str, list[int]] = {}

    def hook(name: str, _part: nn.Module, given: tuple[Tensor, ...]) -> None:
        inputs[name] = list(given[0].shape[1:])

    parts = {name: module.get_submodule(name) for name in names}
    handles = [p.register_forward_pre_hook(partial(hook, name)) for name, p in parts.items()]
    module.to("meta").eval()(torch.empty(1, 3, size, size, device="meta"))
    for handle in handles:
        handle.remove()
    rest = {n: {k: s for k, s in shapes.items() if not k.startswith(f"{n}.")} for n in names}
    return {n: {"input": inputs[n], "print": fingerprint(rest[n])} for n in reversed(names)}


def activation_stages(module: nn.Module, size: int) -> list[str]:
    """Return the modules whose outputs are worth tapping: parts of the trunk, in order of depth."""
    wanted: dict[str, nn.Module] = {}
    for child_name, child in module.named_children():
        if child_name in ("features", "trunk_output", "layers", "blocks"):
            wanted |= {f"{child_name}.{n}": m for n, m in child.named_children()}
        elif child_name == "encoder":
            wanted |= {f"encoder.layers.{n}": m for n, m in child.layers.named_children()}
        else:
            wanted[child_name] = child
    kept: list[str] = []
    seen = {m: n for n, m in wanted.items()}

    def hook(part: nn.Module, _inputs: Any, output: Tensor) -> None:
        spatial = output.dim() == 4 and min(output.shape[1:3]) > 1
        tokens = output.dim() == 3 and seen[part].startswith("encoder.")
        if spatial or tokens:
            kept.append(seen[part])

    handles = [part.register_forward_hook(hook) for part in wanted.values()]
    # Buffers that follow from the settings are real; the picture must not meet them.
    module.to("meta").eval()(torch.empty(1, 3, size, size, device="meta"))
    for handle in handles:
        handle.remove()
    skip = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.LayerNorm, nn.Dropout, Permute)
    skip += (nn.AdaptiveAvgPool2d,)
    return [n for n in dict.fromkeys(kept) if not isinstance(wanted[n], skip)]


if __name__ == "__main__":
    warnings.simplefilter("error")
    TABLE_FILE.write_text(json.dumps(table(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"wrote {TABLE_FILE}")
