"""TensorFlow's graph as TensorFlow.js stores it, run node by node: what a network is compared with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class TensorflowGraph:
    """The nodes of a `model.json` and the numbers beside it."""

    def __init__(self, folder: Path) -> None:
        said = json.loads((folder / "model.json").read_text())
        self.nodes = {node["name"]: node for node in said["modelTopology"]["node"]}
        (group,) = said["weightsManifest"]
        data = b"".join((folder / name).read_bytes() for name in group["paths"])
        self.constants: dict[str, Tensor] = {}
        place = 0
        for entry in group["weights"]:
            kind = {"float32": "<f4", "int32": "<i4"}[entry["dtype"]]
            array = np.frombuffer(data, kind, int(np.prod(entry["shape"])), place)
            place += array.nbytes
            self.constants[entry["name"]] = torch.from_numpy(array.reshape(entry["shape"]).copy())

    def run(self, output: str, given: dict[str, Tensor]) -> Tensor:
        """Return a node's value, maps as (N, H, W, C), where `given` are the placeholders'."""
        known = self.constants | given

        def value(name: str) -> Tensor:
            name = name.partition(":")[0]
            if name not in known:
                node = self.nodes[name]
                known[name] = self._do(node, [value(i) for i in node["input"] if i[0] != "^"])
            return known[name]

        return value(output)

    def _do(self, node: dict[str, Any], x: list[Tensor]) -> Tensor:
        said = node["attr"]
        match node["op"]:
            case "Conv2D" | "DepthwiseConv2dNative":
                deep = node["op"] != "Conv2D"
                padding = bytes(said["padding"]["s"]).decode()
                assert padding == "VALID" or x[1].shape[:2] == (1, 1)
                stride = int(said["strides"]["list"]["i"][1])
                weight = x[1].permute(2, 3, 0, 1) if deep else x[1].permute(3, 2, 0, 1)
                groups = len(weight) if deep else 1
                return _last(F.conv2d(_first(x[0]), weight, None, stride, groups=groups))
            case "FusedBatchNorm":
                scale = x[1] / (x[4] + said["epsilon"]["f"]).sqrt()
                return (x[0] - x[3]) * scale + x[2]
            case "Pad" | "MirrorPad":
                (_, _), (top, bottom), (left, right), (_, _) = x[1].tolist()
                mode = "constant" if node["op"] == "Pad" else "reflect"
                return _last(F.pad(_first(x[0]), (left, right, top, bottom), mode))
            case "ResizeNearestNeighbor":
                return _last(F.interpolate(_first(x[0]), x[1].tolist(), mode="nearest"))
            case "Mean":
                return x[0].mean(x[1].tolist(), keepdim=True)
            case "Squeeze":
                return x[0].squeeze().unsqueeze(0)
            case "ExpandDims":
                return x[0].unsqueeze(int(x[1]))
            case "Shape":
                return torch.tensor(x[0].shape)
            case "StridedSlice":
                return x[0][int(x[1])]
            case "Pack":
                return torch.stack(x)
            case "Add" | "BiasAdd":
                return x[0] + x[1]
            case "Sub":
                return x[0] - x[1]
            case "Mul":
                return x[0] * x[1]
            case "SquaredDifference":
                return (x[0] - x[1]).square()
            case "Rsqrt":
                return x[0].rsqrt()
            case "Relu":
                return x[0].relu()
            case "Sigmoid":
                return x[0].sigmoid()
        raise NotImplementedError(node["op"])


def _first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def _last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)
