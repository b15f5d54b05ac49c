"""Looks for the window: the engine's `look` at a picture of Qt's, on whatever thread asks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QImage

from engine.looking import Answer, Request
from gui.pixels import picture_of, to_array
from gui.run.networks import NetworkKey, Networks

if TYPE_CHECKING:
    from torch import Tensor

    from engine.looking import LookMemory
    from engine.networks.network import Network


@dataclass(frozen=True)
class PictureQuery:
    """A picture and the network that looks at it."""

    image: QImage
    network: str
    weights: str | None
    device: str
    preprocessing: str | None = None
    """As in the job; None: what the weights need."""

    @property
    def network_key(self) -> NetworkKey:
        """The network that looks: its name, its weights and how it takes pictures."""
        return self.network, self.weights, self.preprocessing


class NetworkView:
    """A network and a picture, kept between requests; for one thread at a time."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._own: tuple[Network, str, Network] | None = None
        self._pixels: tuple[int, Tensor] | None = None
        self._memory: LookMemory | None = None

    def look(self, query: PictureQuery, request: Request, every: float = 0.0) -> Iterator[Answer]:
        """Yield `engine.look`'s answers, in the user's language."""
        import engine
        from engine.looking import LookMemory

        network, key = self.network(query), query.image.cacheKey()
        if self._pixels is None or self._pixels[0] != key:
            self._pixels = key, pixels_of(query.image)
        self._memory = self._memory or LookMemory()
        target = request.target
        if isinstance(target, int) and not 0 <= target < len(network.classes):
            request = replace(request, target=None)  # the copy was of the previous network
        return engine.look(
            network, self._pixels[1], request, every=every, words=in_words, memory=self._memory
        )

    def one(self, query: PictureQuery, request: Request) -> Answer:
        """Return the last answer. Raises `PareidoliaError`s."""
        *_, answer = self.look(query, request)
        return answer

    def network(self, query: PictureQuery) -> "Network":
        """Return the network in float32 on the device asked for; nobody else runs this one."""
        import torch

        from engine.device import choose_device

        shared = self._networks.get(*query.network_key)
        device = choose_device(query.device)
        if self._own is None or self._own[:2] != (shared, device.type):
            own = shared.twin() if device.type == "cpu" else shared
            self._own = (shared, device.type, own.at(device, torch.float32))
        return self._own[2]


def pixels_of(image: QImage) -> "Tensor":
    """Return an image as a picture (3, H, W): in bytes or, if it has transparency, in [0, 1]."""
    import torch

    if image.hasAlphaChannel():  # invisible colours must not count
        return picture_of(image).tensor()
    return torch.from_numpy(to_array(image)).permute(2, 0, 1)[:3]


def in_words(text: str) -> str:
    """Return the engine's words about a map in the user's language. Any thread may ask."""
    return QCoreApplication.translate("Maps", text)
