"""A network's layers as PyTorch runs them: float32, contiguous tensors, one call a layer."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.networks.network import Network


class PlainNetwork:
    """The layers of a plain chain of convolutions down to the deepest one wanted."""

    def __init__(self, network: Network, names: Sequence[str], replicate: bool = False) -> None:
        """`replicate` continues pictures at their border in the first convolution; zeros elsewhere."""
        self.names = {network.resolve(name): name for name in names}
        self.layers = list(self._copied(network, replicate))
        p, device = network.card.preprocessing, network.device
        self.flipped, self.scale = p.order == "BGR", p.scale
        self.mean = torch.tensor(p.mean, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(p.std, device=device).view(1, 3, 1, 1)

    def _copied(self, network: Network, replicate: bool) -> Iterator[tuple[str, nn.Module]]:
        """Yield the layers with parameters of their own."""
        wanted = set(self.names)
        for name, module in network.module.named_modules():
            if isinstance(module, nn.Conv2d):
                weight = module.weight.detach().float().contiguous().clone()
                bias = None if module.bias is None else module.bias.detach().float().clone()
                yield name, _Convolution(weight, bias, "replicate" if replicate else "constant")
                replicate = False
            elif isinstance(module, nn.ReLU):
                yield name, nn.ReLU()
            elif isinstance(module, nn.MaxPool2d):
                yield name, nn.MaxPool2d(2)
            wanted.discard(name)
            if not wanted:
                return

    def taps(self, x: Tensor) -> dict[str, Tensor]:
        """Return the wanted activations of pictures (N, 3, H, W) in [0, 1]."""
        x = x.flip(1) if self.flipped else x
        x = (x * self.scale - self.mean) / self.std
        found = {}
        for name, layer in self.layers:
            x = layer(x)
            if name in self.names:
                found[self.names[name]] = x
        return found


class _Convolution(nn.Module):
    def __init__(self, weight: Tensor, bias: Tensor | None, border: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.border = border

    def forward(self, x: Tensor) -> Tensor:
        if self.border == "constant":
            return F.conv2d(x, self.weight, self.bias, padding=1)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode=self.border), self.weight, self.bias)
