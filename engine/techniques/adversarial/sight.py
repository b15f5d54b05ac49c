"""What a network sees in a picture file: just as the program's other tools look at it.

They look at the size that suits the network and in float32, whatever the size of the file and the
precision of the attack. An attack that is to fool them climbs through the same reduction.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.networks.fitting import fitted, fitting_size
from engine.networks.network import Network


class Sight:
    """A network's view of pictures of one size."""

    def __init__(self, network: Network, size: tuple[int, int]) -> None:
        """Take a network, of whatever precision, for pictures of `size` (height, width)."""
        self.network = network.exact()
        self.size = fitting_size(self.network, size[1], size[0])
        """Height and width at which the network looks."""
        down, across = (_line(*pair) for pair in zip(size, self.size, strict=True))
        self._down, self._across = down.to(network.device), across.to(network.device)

    @torch.no_grad()
    def logits(self, picture: Tensor) -> Tensor:
        """Return (classes,) of a picture (1, 3, H, W), in float64 on the CPU."""
        # On the CPU, as files are reduced: two ways of adding up differ in their last digits.
        return self.network.logits(fitted(self.network, picture.cpu()))[0].cpu().double()

    def reduced(self, picture: Tensor) -> Tensor:
        """Return a picture (1, 3, H, W) at the size that is looked at, with a gradient.

        The same as `fitted` up to rounding, but as matrix products, whose gradient adds up in the
        same order every time, on every device.
        """
        return self._down @ picture @ self._across.mT


def _line(before: int, after: int) -> Tensor:
    """Return the matrix (after, before) that reduces a line as `fitted` does."""
    if before == after:
        return torch.eye(before)
    each = torch.eye(before)[None, None]
    return F.interpolate(
        each, (after, before), mode="bilinear", antialias=True, align_corners=False
    )[0, 0]
