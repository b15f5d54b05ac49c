"""Layers with weights, as settings name them, on the network at hand."""

from collections.abc import Mapping

from engine.errors import BadInput, Mention
from engine.networks.network import Network


def each_once(network: Network, layers: Mapping[str, float], setting: Mention) -> dict[str, float]:
    """Return `layers`, which `setting` gives.

    Raises `BadInput` for names that are not the network's, and for two names of one layer.
    """
    named: dict[str, str] = {}
    for name in layers:
        dotted = network.resolve(name)
        if dotted in named:
            raise BadInput(
                setting,
                f" names one layer of {network.card.name} twice, as {named[dotted]} and as {name}; "
                "give it once",
            )
        named[dotted] = name
    return dict(layers)
