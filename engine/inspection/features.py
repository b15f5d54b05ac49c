"""A picture as one vector: the output of a network's last hidden layer."""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from engine.inspection.activations import channels_of
from engine.networks.network import Network


class Features:
    """Turns pictures into feature vectors."""

    def __init__(self, network: Network, layer: str = "") -> None:
        """Choose the features.

        By default, they are what goes into the last linear layer or, in a network without one (all
        layers are convolutions), the last map before its classes, averaged. With `layer`, they are
        that layer's output, a map averaged over its positions. Raises `BadInput` for unknown
        layers.
        """
        self.network = network
        self.layer = layer and network.resolve(layer)
        self._into: nn.Module | None = None
        self.name = layer
        if not layer:
            self._into, self.name = self._last()

    def _last(self) -> tuple[nn.Module | None, str]:
        modules = dict(self.network.module.named_modules())
        calls = [call.split("#")[0] for call in self.network.calls()]
        linear = [c for c in calls if isinstance(modules[c], nn.Linear)]
        convolutions = [c for c in calls if isinstance(modules[c], nn.Conv2d)]
        if linear and self.network.classes:
            return modules[linear[-1]], f"input of {linear[-1]}"
        last = convolutions[-1] if convolutions else calls[-1]
        found = modules[last]
        if isinstance(found, nn.Conv2d) and found.out_channels == len(self.network.classes):
            return found, f"input of {last}"
        self.layer = calls[-1]
        return None, calls[-1]

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return (N, D) float32 on the CPU for (N, 3, H, W) in [0, 1]."""
        with torch.no_grad():
            if self._into is None:
                found = self.network.taps(pictures, [self.layer])[self.layer]
            else:
                found = self._input_of(self._into, pictures)
        if found.dim() != 2:
            found = channels_of(found, self.name).float().mean((2, 3))
        return found.float().cpu()

    def _input_of(self, module: nn.Module, pictures: Tensor) -> Tensor:
        owner, found = threading.get_ident(), list[Tensor]()

        def keep(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if threading.get_ident() == owner:
                found.append(inputs[0])

        handle = module.register_forward_pre_hook(keep)
        try:
            self.network.logits(pictures)  # raises for pictures that are too small
        finally:
            handle.remove()
        return found[-1]
