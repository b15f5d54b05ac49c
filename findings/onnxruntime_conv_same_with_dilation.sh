#!/bin/sh
# A dilated convolution with auto_pad SAME_UPPER: TensorFlow's atrous convolutions.
#
# Expected: runs, since the operator has both attributes and the checker accepts them; onnx's reference does
# Seen:     onnxruntime's CPU refuses to run it; the same padding written out as pads runs
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

onnxruntime.set_default_logger_severity(4)
w = np.random.default_rng(1).normal(0, 1, (2, 4, 3, 3)).astype("f4")


def run(**attributes):
    made = model(helper.make_node("Conv", ["x", "w"], ["y"], **attributes), [("w", w)])
    return onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": x})[0]


print("expected: the same maps of 7 x 7 twice")
print("seen, padding written out:", run(dilations=[2, 2], pads=[2, 2, 2, 2]).shape)
try:
    found = run(dilations=[2, 2], auto_pad="SAME_UPPER").shape
except Exception as error:
    print("seen, auto_pad:", str(error)[:160])
    sys.exit("INVALID_ARGUMENT" not in str(error))
print("seen, auto_pad:", found)
sys.exit(1)
EOF
