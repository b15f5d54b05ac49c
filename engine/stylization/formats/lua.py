"""Networks of Lua Torch: Johnson's own (fast-neural-style, 2016), and Huang's AdaIN (2017).

A file holds its layers one by one, so that any of the program's architectures can be rebuilt.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.networks.card import CAFFE_VGG, IMAGENET
from engine.stylization.formats import adain
from engine.stylization.formats.half import Half, told
from engine.stylization.formats.torch7 import Described, inside, read_torch7
from engine.stylization.layers import Line
from engine.stylization.network import StyleNetwork
from engine.stylization.painter import Plan, filled

PREPARED = {"vgg": CAFFE_VGG, "resnet": IMAGENET}
"""What fast-neural-style calls its ways of preparing a picture."""
MEDIAN = 3
"""Side of the median filter that fast-neural-style applies to a network's output."""
PASSED = ("Identity", "TotalVariation", "Dropout", "Contiguous", "Copy")
"""Layers that do nothing to a picture."""
LICENCE = "personal and research use (fast-neural-style)"
SIDE = 64


def read_lua(path: Path) -> StyleNetwork | Half:
    """Return the network in a file of Lua Torch, or the half of one.

    Raises `BadInput` for damaged files, and for layers that style networks do not have.
    """
    content = read_torch7(path)
    try:
        return _network(content, path)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError) as error:
        # A loop of layers is a RecursionError, which is a RuntimeError.
        raise BadInput(f"{path} holds a network of Lua Torch that contradicts itself") from error


def _network(content: Any, path: Path) -> StyleNetwork | Half:
    checkpoint = content if isinstance(content, dict) else {}
    model = checkpoint.get("model", content)
    network = next((o for o in inside(model) if o.layer == "Sequential"), None)
    if network is None:
        raise BadInput(f"{path} holds no network of Lua Torch")
    half = _half(network, path)
    if half is not None:
        return half
    layers = _Layers(path)
    lines = (*layers.of(network), ("median", MEDIAN))
    options = checkpoint.get("opt")
    said = options.get("preprocessing", "vgg") if isinstance(options, dict) else "vgg"
    if said not in PREPARED:
        raise BadInput(f"{path} wants pictures prepared as {said!r}; known are vgg and resnet")
    plan = Plan(lines, PREPARED[said], PREPARED[said], (path.stem,))
    made = told(
        filled(plan, layers.numbers, path),
        "a network for one style from fast-neural-style (Lua Torch)",
        LICENCE,
    )
    with torch.no_grad():
        given = made.layers(torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, 0)).shape
    if given[1] != 3 or min(given[2:]) < SIDE:
        sizes = " x ".join(str(n) for n in given[1:])
        raise BadInput(
            f"{path} holds no style network: of 3 x {SIDE} x {SIDE} pixels it makes {sizes}"
        )
    return made


def _half(network: Described, path: Path) -> Half | None:
    """Return a half of AdaIN: its decoder, or the part of a VGG up to relu4_1."""
    modules = network.modules()
    convolutions = [m for m in modules if m.layer.startswith("SpatialConvolution")]
    if not convolutions or len(convolutions) == 1:
        return None
    planes = [(_whole(m, "nInputPlane"), _whole(m, "nOutputPlane")) for m in convolutions]
    layers = _Layers(path)
    if planes[0] == (3, 3) and planes[9:10] == [(256, adain.WIDTH)]:
        last = modules.index(convolutions[9]) + 1  # with its ReLU
        return adain.reader(tuple(layers.each(modules[: last + 1])), layers.numbers, path)
    if planes[0][0] == adain.WIDTH and planes[-1][1] == 3:
        return adain.painter(tuple(layers.each(modules)), layers.numbers, path)
    return None


class _Layers:
    """Lines made from a network's layers, and their numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.numbers: list[Tensor] = []

    def of(self, network: Described) -> list[Line]:
        """Return the lines of a layer that holds others."""
        return self.each(network.modules())

    def each(self, modules: list[Described]) -> list[Line]:
        """Return the lines of layers one after the other."""
        lines: list[Line] = []
        for module in modules:
            self._take(module, lines)
        return lines

    def _take(self, module: Described, lines: list[Line]) -> None:
        """Append the lines of a layer."""
        kind, fields = module.layer, module.fields
        if kind == "Sequential":
            lines += self.of(module)
        elif kind in ("SpatialConvolution", "SpatialConvolutionMM"):
            lines += self._convolution(module)
        elif kind in ("SpatialFullConvolution", "SpatialDeconvolution"):
            lines.append(self._transposed(module))
        elif kind == "InstanceNormalization":
            self.numbers += [self._tensor(module, "weight"), self._tensor(module, "bias")]
            lines.append(("norm", len(self.numbers[-1]), float(fields.get("eps", 1e-5))))
        elif kind == "SpatialBatchNormalization":
            self._fold(module, lines)
        elif kind == "ConcatTable":
            lines.append(self._residual(module))
        elif kind == "MulConstant":
            self._times(float(fields.get("constant_scalar", 1.0)), lines)
        elif kind in PADDINGS:
            sides = {_whole(module, side) for side in ("pad_l", "pad_r", "pad_t", "pad_b")}
            if len(sides) != 1:
                raise self._unknown(f"{module.kind} of several widths")
            lines.append(("border", sides.pop(), PADDINGS[kind]))
        elif kind == "SpatialUpSamplingNearest":
            lines.append(("up", _whole(module, "scale_factor")))
        elif kind == "SpatialMaxPooling" and _whole(module, "kW") == _whole(module, "dW"):
            lines.append(("pool", _whole(module, "kW")))
        elif kind in ("ReLU", "Tanh", "Sigmoid"):
            lines.append((kind.lower(),))
        elif kind != "CAddTable" and kind not in PASSED:
            raise self._unknown(module.kind)

    def _convolution(self, module: Described) -> list[Line]:
        inputs, outputs, size, stride = self._sizes(module)
        pad = _whole(module, "padW")
        if pad != _whole(module, "padH"):
            raise self._unknown(f"{module.kind} with two borders")
        weight = self._tensor(module, "weight").reshape(outputs, inputs, size, size)
        self.numbers += [weight, self._tensor(module, "bias")]
        usual = pad == size // 2
        lines: list[Line] = [] if usual or not pad else [("border", pad, "constant")]
        border = "zero" if usual and pad else "none"
        return [*lines, ("conv", inputs, outputs, size, stride, border)]

    def _transposed(self, module: Described) -> Line:
        inputs, outputs, size, stride = self._sizes(module)
        pad, more = _whole(module, "padW"), _whole(module, "adjW")
        if more > pad:
            raise self._unknown(f"{module.kind} with more than its border")
        weight = self._tensor(module, "weight").reshape(inputs, outputs, size, size)
        self.numbers += [weight, self._tensor(module, "bias")]
        return ("transposed", inputs, outputs, size, stride, pad, pad - more)

    def _sizes(self, module: Described) -> tuple[int, int, int, int]:
        """Return channels in and out, the kernel's size and the stride."""
        names = ("nInputPlane", "nOutputPlane", "kW", "dW")
        inputs, outputs, size, stride = (_whole(module, name) for name in names)
        if _whole(module, "kH") != size or _whole(module, "dH") != stride or not stride:
            raise self._unknown(f"{module.kind} that is not square")
        return inputs, outputs, size, stride

    def _fold(self, module: Described, lines: list[Line]) -> None:
        """Fold a batch normalization into the convolution before it."""
        if not lines or lines[-1][0] not in ("conv", "transposed"):
            raise self._unknown(f"{module.kind} that follows no convolution")
        epsilon = float(module.fields.get("eps", 1e-5))
        mean = self._tensor(module, "running_mean").double()
        if isinstance(module.fields.get("running_var"), Tensor):
            inverse = (self._tensor(module, "running_var").double() + epsilon).rsqrt()
        else:  # older versions, which call it a deviation: it is the inverse of one
            inverse = self._tensor(module, "running_std").double()
        scale, shift = inverse, -mean * inverse
        if isinstance(module.fields.get("weight"), Tensor):
            gamma = self._tensor(module, "weight").double()
            scale, shift = scale * gamma, shift * gamma + self._tensor(module, "bias")
        weight, bias = self.numbers[-2:]
        outputs = 1 if lines[-1][0] == "transposed" else 0
        if len(scale) != weight.shape[outputs]:
            raise self._unknown(f"{module.kind} of other channels than its convolution")
        shape = [-1 if i == outputs else 1 for i in range(4)]
        self.numbers[-2:] = [
            (weight * scale.reshape(shape)).float(), (bias * scale + shift).float()
        ]  # fmt: skip

    def _residual(self, module: Described) -> Line:
        """Return the line of a residual block, with or without a cut; the sum follows in the file."""
        branch, *others = module.modules()
        if len(others) != 1 or others[0].layer not in ("Identity", "ShaveImage"):
            raise self._unknown(f"{module.kind} that is not a residual block")
        cut = _whole(others[0], "size") if others[0].layer == "ShaveImage" else 0
        return ("residual", self.each([branch]), cut)

    def _times(self, factor: float, lines: list[Line]) -> None:
        if not lines or lines[-1][0] != "tanh":
            raise self._unknown("MulConstant that follows no Tanh")
        lines[-1] = ("tanh", factor)

    def _tensor(self, module: Described, name: str) -> Tensor:
        found = module.fields.get(name)
        if not isinstance(found, Tensor):
            raise BadInput(f"{self.path}: a layer {module.kind} lacks its {name}")
        return found

    def _unknown(self, what: str) -> BadInput:
        return BadInput(f"{self.path} has a layer that style networks do not have: {what}")


PADDINGS = {
    "SpatialReflectionPadding": "reflect",
    "SpatialReplicationPadding": "replicate",
    "SpatialZeroPadding": "constant",
}


def _whole(module: Described, name: str) -> int:
    """Return a whole number that a layer holds; 0 if it holds none."""
    found: Any = module.fields.get(name, 0)
    return int(found) if isinstance(found, int | float) and abs(found) < 1e6 else 0
