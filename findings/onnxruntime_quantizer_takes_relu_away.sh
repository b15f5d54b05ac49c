#!/bin/sh
# quantize_static in the format QDQ, on a convolution, a ReLU and another convolution.
#
# Expected: the pairs of QuantizeLinear and DequantizeLinear only round: without them the network is the float one
# Seen:     the ReLU is gone; the lower limit of an integer type does its work, so the pairs cannot be dropped
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
from onnxruntime import quantization as q

folder = sys.argv[1]
random = np.random.default_rng(1)
nodes = [
    helper.make_node("Conv", ["x", "v"], ["a"], "first"),
    helper.make_node("Relu", ["a"], ["b"], "relu"),
    helper.make_node("Conv", ["b", "w"], ["y"], "second"),
]
graph = helper.make_graph(
    nodes, "three", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 7, 7))],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 2, 3, 3))],
    [numpy_helper.from_array(random.normal(0, 0.3, s).astype("f4"), n)
     for n, s in (("v", (4, 4, 3, 3)), ("w", (2, 4, 3, 3)))],
)
made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
onnx.save(made, f"{folder}/float.onnx")


class Pictures(q.CalibrationDataReader):
    def __init__(self):
        self.left = iter([{"x": x}])

    def get_next(self):
        return next(self.left, None)


q.quantize_static(f"{folder}/float.onnx", f"{folder}/qdq.onnx", Pictures(), q.QuantFormat.QDQ)
made = onnx.load(f"{folder}/qdq.onnx")
kinds = [n.op_type for n in made.graph.node]
values = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
zeros = [values[n.input[2]] for n in made.graph.node if n.op_type == "QuantizeLinear"]
lowest = [int(z) == np.iinfo(z.dtype).min for z in zeros]
print("expected: Relu among", sorted(set(kinds)))
print("seen: Relu" if "Relu" in kinds else "seen: none;", "zero point at the lower limit:", lowest)
sys.exit("Relu" in kinds or not any(lowest))
EOF
