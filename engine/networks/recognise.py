"""Which network a file of weights belongs to, judged by the names and shapes of its tensors."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.networks.architectures.names import (
    VGG_BLOCKS,
    caffe_modules,
    caffe_vgg_modules,
    slim_vgg_shapes,
    transformer_names,
)
from engine.networks.fingerprints import Shapes
from engine.networks.recognise_torchvision import recognise_torchvision
from engine.networks.recognised import Recognised

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.contents import Unusable


def recognise(state: "Mapping[str, Tensor | Unusable]") -> Recognised | None:
    """Return what `state` (tensor name -> tensor) holds, or None for an unknown network."""
    found = recognise_shapes({name: tuple(tensor.shape) for name, tensor in state.items()})
    return with_preprocessing(found, state) if found else None


def with_preprocessing(found: Recognised, state: "Mapping[str, Tensor | Unusable]") -> Recognised:
    """Return what was found with the preprocessing that the values of its tensors reveal."""
    if found.architecture not in CAFFE_VGG_START or found.preprocessing or found.channels != 3:
        return found
    known = {ours: state[theirs] for theirs, ours in found.mapping.items()}
    weight, bias = known["features.0.weight"], known["features.0.bias"]
    if isinstance(weight, tuple) or isinstance(bias, tuple):
        return found  # without values
    first = {"features.0.weight": weight, "features.0.bias": bias}
    return replace(found, preprocessing=vgg_preprocessing(found.architecture, first))


def recognise_shapes(shapes: Shapes) -> Recognised | None:
    """Return what a file holds from tensor names and shapes alone (preprocessing of VGG unsure)."""
    families = (_slim_vgg, _googlenet_bvlc, _transformer, _caffe_vgg, recognise_torchvision)
    return next((found for family in families if (found := family(shapes))), None)


def _slim_vgg(shapes: Shapes) -> Recognised | None:
    layers = slim_vgg_shapes()
    body = {f"{name}.{kind}" for name in layers for kind in ("weight", "bias")}
    if any(shapes.get(f"{name}.weight") != shape for name, shape in layers.items()):
        return None
    same = {name: name for name in body}
    classes = shapes.get("classifier.weight", (0,))[0]
    if not classes:
        return Recognised("slim_vgg", "body", mapping=same)
    same |= {f"classifier.{kind}": f"classifier.{kind}" for kind in ("weight", "bias")}
    return Recognised("slim_vgg", "whole", classes, "imagenet", same)


def _googlenet_bvlc(shapes: Shapes) -> Recognised | None:
    """Recognize BVLC GoogLeNet, by Caffe's names or by our own module names."""
    modules = caffe_modules()
    ours = {name: name for name in modules.values()}
    for names in (modules, ours):
        mapping = {
            f"{theirs}.{kind}": f"{module}.{kind}"
            for theirs, module in names.items()
            for kind in ("weight", "bias")
        }
        body = {n for n, module in mapping.items() if not module.startswith("loss3")}
        if body <= shapes.keys():
            if mapping.keys() <= shapes.keys():
                head = next(n for n, m in mapping.items() if m == "loss3_classifier.weight")
                return Recognised("googlenet_bvlc", "whole", shapes[head][0], "caffe-bvlc", mapping)
            mapping = {n: mapping[n] for n in body}
            return Recognised("googlenet_bvlc", "body", 0, "caffe-bvlc", mapping)
    return None


def _transformer(shapes: Shapes) -> Recognised | None:
    names = transformer_names()
    if names <= shapes.keys() and shapes["deconv3.conv2d.weight"] == (3, 32, 9, 9):
        return Recognised("transformer_net", "whole", 0, "bytes", {n: n for n in sorted(names)})
    return None


def _caffe_vgg(shapes: Shapes) -> Recognised | None:
    """Recognize Oxford's VGG by Caffe's names, with its classifier or without."""
    # The longest first: the other's layers are among its own.
    for architecture in sorted(VGG_BLOCKS, key=lambda name: -sum(VGG_BLOCKS[name])):
        modules = caffe_vgg_modules(architecture)
        mapping = {
            f"{layer}.{kind}": f"{module}.{kind}"
            for layer, module in modules.items()
            for kind in ("weight", "bias")
            if f"{layer}.{kind}" in shapes
        }
        found = recognise_torchvision({ours: shapes[theirs] for theirs, ours in mapping.items()})
        if found and found.architecture == architecture and not found.unread:
            return replace(found, mapping=mapping, preprocessing="caffe-vgg")
    return None


CAFFE_VGG_START = {
    "vgg16": ((0.7343, 0.0934, 0.0678, 0.8863), 0.4295),
    "vgg19": ((0.7334, 0.0623, 0.0346, 0.8232), 0.3394),
}
"""Oxford's own weights: the first biases, and the first kernel's upper left value for blue."""
CLOSE = 0.03
"""Above what 8-bit storage or a little fine-tuning changes, below any chance agreement."""


def vgg_preprocessing(architecture: str, state: "Mapping[str, Tensor]") -> str:
    """Return the key of `card.KNOWN` for VGG weights, which have the same names wherever trained.

    Oxford's weights (trained with Caffe on BGR 0...255) are known by their first numbers; some
    conversions of them have the colours swapped to RGB. All others are taken for torchvision's.
    """
    biases, blue = CAFFE_VGG_START[architecture]
    weight, bias = state["features.0.weight"], state["features.0.bias"]
    if any(abs(float(b) - c) > CLOSE for b, c in zip(bias[:4], biases, strict=True)):
        return "imagenet"
    distance = [abs(float(weight[0, channel, 0, 0]) - blue) for channel in (0, 2)]
    return "caffe-vgg" if distance[0] <= distance[1] else "caffe-vgg-rgb"
