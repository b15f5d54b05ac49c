#!/bin/sh
# onnx2pytorch on two small valid networks: a constant times the input, and Gather along the last axis.
#
# Expected: what onnxruntime computes: constant @ x, and places of the axis that `axis=-1` means
# Seen:     x @ constant, and places of the first axis; without an error or a warning of either
# Exits non-zero when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check onnx2pytorch==0.6.0 torch==2.15.0 torchvision==0.29.2 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'EOF'
PACKAGES = ("onnx2pytorch", "torch", "onnx", "onnxruntime", "numpy")
import importlib.metadata as meta
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

warnings.simplefilter("ignore")  # of torch, about how the library indexes
from onnx2pytorch import ConvertModel

print(*(f"{n} {meta.version(n)}" for n in PACKAGES))
x = np.random.default_rng(0).random((3, 3), dtype="f4")


def both(node, **constants):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node], "one", [value("x", TensorProto.FLOAT, (3, 3))],
        [value("y", TensorProto.FLOAT, ("a", "b"))],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(made)
    runtime = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0]
    return runtime, ConvertModel(made)(torch.from_numpy(x)).detach().numpy()


c = np.arange(9, dtype="f4").reshape(3, 3)
runtime, library = both(helper.make_node("MatMul", ["c", "x"], ["y"]), c=c)
product = abs(runtime - c @ x).max() < 1e-5 and abs(library - x @ c).max() < 1e-5
print("expected: c @ x from both")
print(f"seen: onnxruntime off by {abs(runtime - c @ x).max():.1e},",
      f"the library by {abs(library - c @ x).max():.2f}; from x @ c by {abs(library - x @ c).max():.1e}")
runtime, library = both(helper.make_node("Gather", ["x", "i"], ["y"], axis=-1), i=np.array([2]))
print("expected: the last column, (3, 1), from both")
print("seen: onnxruntime", runtime.shape, "and the library", library.shape)
gathered = np.array_equal(runtime, x[:, [2]]) and np.array_equal(library, x[[2]])
sys.exit(not (product and gathered))
EOF
