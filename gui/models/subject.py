"""What the panels that look into a network are about."""

from dataclasses import dataclass

from PySide6.QtGui import QImage

from gui.run.networks import NetworkKey


@dataclass(frozen=True)
class LayerChoice:
    """A layer to look at."""

    name: str
    """As `Network.taps` takes it."""
    shown: str
    kind: str
    channels: int | None
    size: tuple[int, int] | None
    """Height and width of its map; None for vectors and tokens."""


@dataclass(frozen=True)
class Subject:
    """The common subject of all panels: one picture, network, layer and class."""

    image: QImage | None
    """What is on the canvas, or the content photo; None: nothing."""
    network: str
    weights: str | None
    layers: tuple[LayerChoice, ...] = ()
    """In the network's order; empty until it has been loaded."""
    layer: str = ""
    """Selected in the tree; empty: none."""
    target: int | None = None
    """The class asked about; None: the most likely one."""
    preprocessing: str | None = None
    """As the job says it; None: as the weights want."""

    @property
    def network_key(self) -> NetworkKey:
        """Who looks: network, weights and how pictures are prepared."""
        return self.network, self.weights, self.preprocessing
