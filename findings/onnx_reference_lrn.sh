#!/bin/sh
# LRN in onnx's own reference evaluator, on a picture with few channels.
#
# Expected: the formula of the operator: x / (bias + alpha / size * sum over the window of channels) ** beta
# Seen:     most places differ, by more than the inputs' spread; onnxruntime gives the formula
# Exits non-zero when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'EOF'
PACKAGES = ("onnx", "onnxruntime", "numpy")
import importlib.metadata as meta
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

print(*(f"{n} {meta.version(n)}" for n in PACKAGES))


def model(node, constants=(), shape=(1, 4, 7, 7), opset=21):
    graph = helper.make_graph(
        [node], "one", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("nchw"))],
        [numpy_helper.from_array(v, k) for k, v in constants],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(made)
    return made


x = np.random.default_rng(0).normal(0, 1, (1, 4, 7, 7)).astype("f4")

import onnxruntime
from onnx.reference import ReferenceEvaluator

made = model(helper.make_node("LRN", ["x"], ["y"], size=3, alpha=0.5, beta=0.75, bias=1.0))
squares = np.pad(x.astype("f8") ** 2, ((0, 0), (1, 1), (0, 0), (0, 0)))
windows = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
formula = x / (1 + 0.5 / 3 * windows) ** 0.75
reference = ReferenceEvaluator(made).run(None, {"x": x})[0]
runtime = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0]
off = abs(reference - formula)
print("expected: both within 1e-6 of the formula")
print(f"seen: onnxruntime off by {abs(runtime - formula).max():.1e},",
      f"the reference by {off.max():.2f}, in channels",
      [c for c in range(4) if off[0, c].max() > 1e-3])
sys.exit(not (abs(runtime - formula).max() < 1e-5 and off.max() > 0.1))
EOF
