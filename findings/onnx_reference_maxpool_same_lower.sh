#!/bin/sh
# MaxPool with auto_pad SAME_LOWER in onnx's own reference evaluator.
#
# Expected: as the operator says, ceil(size / stride) places a side, as SAME_UPPER and AveragePool have them
# Seen:     one place fewer than that and than onnxruntime; SAME_UPPER and AveragePool are right
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

seen = {}
for kind in ("MaxPool", "AveragePool"):
    for pad in ("SAME_UPPER", "SAME_LOWER"):
        made = model(
            helper.make_node(kind, ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], auto_pad=pad)
        )
        reference = ReferenceEvaluator(made).run(None, {"x": x})[0].shape[2:]
        runtime = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0].shape[2:]
        seen[kind, pad] = reference
        print(f"{kind} {pad}: expected (4, 4), onnxruntime {runtime}, reference {reference}")
        assert runtime == (4, 4)
sys.exit([key for key, shape in seen.items() if shape != (4, 4)] != [("MaxPool", "SAME_LOWER")])
EOF
