#!/usr/bin/env bash
# safetensors.numpy writes the wrong numbers for arrays that are not laid out row by row.
#
# A transposed weight (what everybody makes who turns Keras's (in, out) matrices into PyTorch's
# (out, in)), an array in Fortran's order, every other column: save_file() writes the memory as it
# lies there, under the array's shape, without an error. The file is valid, its numbers are wrong.
# The sister function for PyTorch refuses such tensors.
# Exits with 0 while this is so, with 1 when it has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
cd "$place"
"$place/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

print("safetensors", safetensors.__version__, "numpy", np.__version__)
weight = np.arange(6, dtype=np.float32).reshape(2, 3)
arrays = {
    "row by row": weight,
    "transposed": weight.T,
    "Fortran's order": np.asfortranarray(weight),
    "every other column": np.arange(12, dtype=np.float32).reshape(2, 6)[:, ::2],
}
print("expected: what is loaded equals what was saved, or saving is refused")
wrong = []
for name, array in arrays.items():
    save_file({"weight": array}, "x.safetensors")
    loaded = load_file("x.safetensors")["weight"]
    equal = loaded.shape == array.shape and bool((loaded == array).all())
    print(f"seen: {name}: saved {array.tolist()}, loaded {loaded.tolist()}", "" if equal else "WRONG")
    wrong += [] if equal else [name]
fixed = wrong != list(arrays)[1:]
print("the behaviour has changed" if fixed else "wrong numbers without an error; row by row is right")
sys.exit(fixed)
PYTHON
