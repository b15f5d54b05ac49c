"""The field's names of layers (conv1_1, relu1_1, pool1 …), which VGG's publications use."""

from torch import nn


def vgg_names(module: nn.Module) -> dict[str, str]:
    """Return the field's names (conv1_1, relu1_1, pool1 …) of a VGG-like network's layers.

    VGG-like: 3x3 convolutions, ReLU (batch norm) and pools in a row, by themselves or in `features`.
    """
    features = getattr(module, "features", None)
    if not isinstance(features, nn.Sequential):
        return {}
    names: dict[str, str] = {}
    block, number = 1, 0
    for key, layer in features.named_children():
        if isinstance(layer, nn.Conv2d):
            if layer.kernel_size != (3, 3) or layer.stride != (1, 1):
                return {}
            number += 1
            names[f"conv{block}_{number}"] = f"features.{key}"
        elif isinstance(layer, nn.BatchNorm2d):
            names[f"bn{block}_{number}"] = f"features.{key}"
        elif isinstance(layer, nn.ReLU):
            names[f"relu{block}_{number}"] = f"features.{key}"
        elif isinstance(layer, nn.MaxPool2d):
            names[f"pool{block}"] = f"features.{key}"
            block, number = block + 1, 0
        else:
            return {}
    return names


VGG_FIELD = frozenset(
    [f"{kind}{b}_{i}" for kind in ("conv", "relu") for b in range(1, 6) for i in range(1, 5)]
    + [f"pool{b}" for b in range(1, 6)]
)
