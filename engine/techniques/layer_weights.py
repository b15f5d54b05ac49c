"""Layers with weights, as settings name them, on the network at hand."""

from collections.abc import Mapping

from engine.errors import BadInput
from engine.networks.network import Network


def each_once(network: Network, layers: Mapping[str, float], label: str) -> dict[str, float]:
    """Return `layers`, which the setting `label` gives.

    Raises `BadInput` for names that are not the network's, and for two names of one layer.
    """
    named: dict[str, str] = {}
    for name in layers:
        dotted = network.resolve(name)
        if dotted in named:
            raise BadInput(
                f"{label}: {named[dotted]} and {name} are two names of one layer of "
                f"{network.card.name}; give it once"
            )
        named[dotted] = name
    return dict(layers)
