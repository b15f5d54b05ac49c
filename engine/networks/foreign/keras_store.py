"""The weights in Keras's HDF5 files, by layer: the old layout and that of Keras 3."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Arrays = dict[str, "np.ndarray[Any, Any]"]

ROLES = {
    "Conv2D": ("kernel", "bias"),
    "Conv2DTranspose": ("kernel", "bias"),
    "Dense": ("kernel", "bias"),
    "DepthwiseConv2D": ("kernel", "bias"),
    "SeparableConv2D": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "LayerNormalization": ("gamma", "beta"),
    "Normalization": ("mean", "variance", "count"),
    "PReLU": ("alpha",),
}
"""Class of layer -> its variables, in the order in which Keras 3 numbers them."""
ALTERNATIVES = {"depthwise_kernel": "kernel"}
"""Names that older versions gave to the only kernel of a layer."""


class OldStore:
    """Legacy layout: a group per layer, whose attribute `weight_names` lists its variables.

    A nested model has one group, with the variables of all its layers.
    """

    def __init__(self, group: Any, inside: str = "") -> None:
        """`inside` is the nested model whose group this is."""
        self.group, self.inside = group, inside

    def below(self, name: str, _class: str, _place: str) -> "OldStore":
        """Return the store of a nested model."""
        if self.inside:
            return self  # deeper models share the outermost one's group
        return OldStore(self.group[name], name) if name in self.group else self

    def arrays(self, name: str, kind: str, _config: Mapping[str, Any], _place: str) -> Arrays:
        """Return a layer's variables by role."""
        group = self.group if self.inside else self.group.get(name)
        if group is None:
            return {}
        found: Arrays = {}
        for path in _texts(group.attrs.get("weight_names", ())):
            parts = path.split("/")
            if self.inside and (len(parts) < 2 or parts[-2] != name):
                continue
            role = parts[-1].split(":")[0]
            if kind == "DepthwiseConv2D":
                role = ALTERNATIVES.get(role, role)
            found[_old_role(role)] = np.asarray(group[path])
        return found

    def names(self) -> list[str]:
        """Return the names of the layers that have weights."""
        listed = _texts(self.group.attrs.get("layer_names", ())) or list(self.group)
        groups = [(n, self.group.get(n)) for n in listed]
        return [n for n, g in groups if g is not None and len(g.attrs.get("weight_names", ()))]


class NewStore:
    """Keras 3: `layers/<class>_<n>/vars/<i>`; `vars` carries the layer's own name."""

    def __init__(self, group: Any) -> None:
        self.group = group
        inner = group.get("layers")
        self.layers = inner if inner is not None else group

    def below(self, _name: str, _class: str, place: str) -> "NewStore":
        """Return the store of a nested model."""
        return NewStore(self.layers[place]) if place in self.layers else self

    def arrays(self, _name: str, kind: str, config: Mapping[str, Any], place: str) -> Arrays:
        """Return a layer's variables by role."""
        group = self.layers.get(place)
        variables = None if group is None else group.get("vars")
        if variables is None:
            return {}
        roles = [r for r in ROLES.get(kind, ()) if config.get(USED_IF.get(r, ""), True)]
        order = sorted((n for n in variables if n.isdecimal()), key=int)
        return {r: np.asarray(variables[n]) for r, n in zip(roles, order, strict=False)}

    def own_names(self) -> dict[str, str]:
        """Return layers' own names -> their places; layers without a name are left out."""
        found = {}
        for place, group in self.layers.items():
            variables = group.get("vars") if hasattr(group, "get") else None
            if variables is not None and "name" in variables.attrs:
                found[str(variables.attrs["name"])] = str(place)
        return found


Store = OldStore | NewStore

USED_IF = {"bias": "use_bias", "gamma": "scale", "beta": "center"}
"""Variables that a layer has only if its setting says so."""


def places(classes: Sequence[str]) -> list[str]:
    """Return where Keras 3 puts the weights of layers of these classes, in this order."""
    counts: dict[str, int] = {}
    found = []
    for name in classes:
        base = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
        base = re.sub(r"([a-z])([A-Z])", r"\1_\2", base).lower()
        number = counts.get(base, -1) + 1
        counts[base] = number
        found.append(f"{base}_{number}" if number else base)
    return found


def _old_role(name: str) -> str:
    """Return the role of a variable named as in Keras 1 (`conv1_W`, `bn_running_std`)."""
    endings = {
        "_W": "kernel", "_b": "bias", "_gamma": "gamma", "_beta": "beta",
        "_running_mean": "moving_mean", "_running_std": "moving_variance",
    }  # fmt: skip
    return next((role for end, role in endings.items() if name.endswith(end)), name)


def _texts(values: Any) -> list[str]:
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]
