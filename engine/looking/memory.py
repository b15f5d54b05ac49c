"""What one look has worked out, to save the next one the work."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from torch import Tensor

from engine.networks.fitting import fitted
from engine.networks.network import Network

T = TypeVar("T")


class LookMemory:
    """Results for the network and the picture that were looked at last; for one thread at a time."""

    def __init__(self) -> None:
        self._network: Network | None = None
        self._picture: tuple[Tensor, int | None, Tensor] | None = None
        self._of_picture: dict[Hashable, object] = {}
        self.cam_layers: dict[Hashable, str] = {}
        """Where the CAM family looks for a unit in pictures of a given size: found by trial."""

    def fitted(self, network: Network, picture: Tensor, long_side: int | None) -> Tensor:
        """Return `engine.networks.fitting.fitted` of a picture (3, H, W) or (1, 3, H, W).

        For the same tensor the result is reused: it must not have been written to since.
        """
        if network is not self._network:
            self._network, self._picture = network, None
            self.cam_layers.clear()
        kept = self._picture
        if kept is None or kept[0] is not picture or kept[1] != long_side:
            self._of_picture.clear()
            whole = picture if picture.dim() == 4 else picture[None]
            self._picture = kept = picture, long_side, fitted(network, whole, long_side)
        return kept[2]

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make()` returned the first time for this picture and network."""
        if key not in self._of_picture:
            self._of_picture[key] = make()
        return self._of_picture[key]  # type: ignore[return-value]
