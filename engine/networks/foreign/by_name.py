"""Names that stand for networks which a file or another library describes."""

from engine.networks.card import Card

FORMATS = {
    "keras": "the network in a Keras file",
    "onnx": "the network in an ONNX file",
    "caffe": "the network in a Caffe model",
}
"""Names that mean whatever a file of that format describes."""
TIMM = "timm/"
"""The prefix of the names of timm's networks."""


def is_foreign(architecture: str) -> bool:
    """Return whether a card's architecture is described outside this program."""
    return architecture in FORMATS or architecture.startswith(TIMM)


def card(architecture: str) -> Card:
    """Return the card of a foreign architecture before anything is known of its weights."""
    title = FORMATS.get(architecture) or f"{architecture.removeprefix(TIMM)} (timm)"
    return Card(name=architecture, title=title, architecture=architecture)
