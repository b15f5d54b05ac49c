"""What the panels that look into a network show."""

from dataclasses import dataclass

from PySide6.QtGui import QImage

from gui.run.networks import NetworkKey


@dataclass(frozen=True)
class LayerChoice:
    """A layer that can be looked at."""

    name: str
    """The name that `Network.taps` takes."""
    shown: str
    kind: str
    channels: int | None
    size: tuple[int, int] | None
    """Height and width of its maps; None for vectors and tokens."""


@dataclass(frozen=True)
class Subject:
    """The common subject of all panels: one picture, network, layer and class."""

    image: QImage | None
    """The picture on the canvas, or the content photo; None: neither."""
    network: str
    weights: str | None
    layers: tuple[LayerChoice, ...] = ()
    """In the network's order; empty until it has been loaded."""
    layer: str = ""
    """The layer selected in the tree; empty: none."""
    target: int | None = None
    """The class asked about; None: the most likely one."""
    preprocessing: str | None = None
    """As in the job; None: what the weights need."""

    @property
    def network_key(self) -> NetworkKey:
        """The network that looks: its name, its weights and how it takes pictures."""
        return self.network, self.weights, self.preprocessing
