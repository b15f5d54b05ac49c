"""Building an architecture without spending memory or time on random weights."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from engine.networks.architectures.googlenet_bvlc import googlenet_bvlc
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.networks.architectures.squeezenet import squeezenet1_1
from engine.networks.architectures.transformer_net import TransformerNet
from engine.networks.architectures.vgg import vgg
from engine.networks.own_head import HeadLayer

Part = Literal["whole", "body", "features"]
"""The parts of a network: all; all but the last layer; only its `features`."""


class WithoutWeights(TorchFunctionMode):
    """While active, `torch.empty` gives tensors without memory (meta device).

    Parameters are made with `torch.empty`; buffers that follow from settings are not, and stay
    real. (`with torch.device("meta")` would take those too, and some torchvision networks compute
    with numbers while they are built.)
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Put `torch.empty` on the meta device; leave everything else."""
        kwargs = kwargs or {}
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


OURS: dict[str, Callable[[int], nn.Module]] = {
    "slim_vgg": slim_vgg,
    "googlenet_bvlc": googlenet_bvlc,
    "squeezenet1_1": squeezenet1_1,
    "transformer_net": lambda _classes: TransformerNet(),
    "vgg16": partial(vgg, "vgg16"),
    "vgg19": partial(vgg, "vgg19"),
}
"""Architectures defined in this package; all others are torchvision's, by its names."""

LAST_LAYERS = {
    "slim_vgg": "classifier",
    "googlenet_bvlc": "loss3_classifier",
    "squeezenet1_1": "classifier.1",
    "vgg16": "classifier.6",
    "vgg19": "classifier.6",
}


def build(
    architecture: str,
    classes: int,
    part: Part = "whole",
    last_layer: str = "",
    input_size: int = 224,
    head: Sequence[HeadLayer] = (),
    channels: int = 3,
) -> nn.Module:
    """Return the network in eval mode with parameters that have shapes and no values.

    `last_layer` is the module (default: ours) that is replaced by the identity for part "body", or
    by `head`; `input_size` (pixels) matters to vision transformers only; `channels` are those of
    the pictures (1: grey).
    """
    with WithoutWeights():
        if architecture in OURS:
            module = OURS[architecture](classes)
        else:
            module = _torchvision(architecture, classes, input_size, channels)
        if channels != 3:
            _take(module, channels)
        if head:
            _replace(module, last_layer, _head(head))
    if part == "features":
        # Under their own name, so that layer names are the same with and without a classifier.
        module = nn.Sequential(OrderedDict(features=module.get_submodule("features")))
    elif part == "body":
        _replace(module, last_layer or LAST_LAYERS[architecture], nn.Identity())
    return module.eval()


def _replace(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, part)


def _take(module: nn.Module, channels: int) -> None:
    """Let the first convolution take pictures of `channels` channels."""
    first = next(m for m in module.modules() if isinstance(m, nn.Conv2d))
    first.in_channels = channels
    shape = first.weight.shape
    first.weight = nn.Parameter(torch.empty(shape[0], channels, *shape[2:]))


LAYERS: dict[str, Callable[[HeadLayer], nn.Module]] = {
    "linear": lambda layer: nn.Linear(layer.inputs, layer.outputs, layer.bias),
    "conv": lambda layer: nn.Conv2d(layer.inputs, layer.outputs, 1, bias=layer.bias),
    "batch norm": lambda layer: nn.BatchNorm1d(layer.inputs),
    "layer norm": lambda layer: nn.LayerNorm(layer.inputs),
    "relu": lambda layer: nn.ReLU(),
    "flatten": lambda layer: nn.Flatten(),
}


def _head(layers: Sequence[HeadLayer]) -> nn.Module:
    if len(layers) == 1 and not layers[0].name:
        return LAYERS[layers[0].kind](layers[0])
    return nn.Sequential(OrderedDict((one.name, LAYERS[one.kind](one)) for one in layers))


def _torchvision(architecture: str, classes: int, input_size: int, channels: int) -> nn.Module:
    from torchvision import models

    settings: dict[str, Any] = {"num_classes": classes}
    if architecture in ("googlenet", "inception_v3"):
        # torchvision's flag would convert pictures to Google's range, [-1, 1]; which range weights
        # want is said by their card (`catalogue`), since others of these networks want others.
        settings |= {"transform_input": False, "init_weights": False, "aux_logits": False}
    elif architecture.startswith("vit_"):
        settings["image_size"] = input_size
    module: nn.Module = models.get_model(architecture, weights=None, **settings)
    return module
