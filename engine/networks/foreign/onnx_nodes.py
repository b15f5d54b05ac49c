"""What an ONNX node says besides its inputs: attributes, and constants written as nodes."""

from typing import Any

import numpy as np

from engine.networks.foreign.unsupported import UnsupportedLayer

Array = Any


def attribute(node: Any, name: str, default: Any) -> Any:
    """Return an attribute's value, or `default`."""
    return attributes(node).get(name, default)


def attributes(node: Any) -> dict[str, Any]:
    """Return all attributes by name."""
    from onnx import helper

    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def constant(node: Any) -> Array:
    """Return what a node of the kind Constant gives."""
    from onnx import helper

    (given,) = node.attribute
    value = helper.get_attribute_value(given)
    if given.name == "value":
        return tensor(value)
    kind = {"value_float": "f4", "value_floats": "f4", "value_int": "i8", "value_ints": "i8"}
    if given.name not in kind:
        raise UnsupportedLayer(f"a constant of the kind {given.name}")
    return np.asarray(value, kind[given.name])


def tensor(value: Any) -> Array:
    """Return the numbers of ONNX's tensor."""
    from onnx import numpy_helper

    return numpy_helper.to_array(value)
