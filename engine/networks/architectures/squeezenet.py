"""SqueezeNet 1.1 (Iandola et al. 2016) with torchvision's tensor and module names.

Defined here for the same reason as VGG: importing torchvision takes longer than a quick run.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn


class Fire(nn.Module):
    """Squeeze by a 1x1 convolution, then expand by 1x1 and 3x3 ones side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 2 * expanded, H, W) for (N, channels, H, W)."""
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        return torch.cat([narrow, self.expand3x3_activation(self.expand3x3(x))], 1)


def squeezenet1_1(classes: int) -> nn.Sequential:
    """Return an untrained SqueezeNet 1.1 for (N, 3, H, W) normalized pictures."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    first = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(inplace=True), pool()]
    fires = [Fire(64, 16, 64), Fire(128, 16, 64), pool(), Fire(128, 32, 128), Fire(256, 32, 128)]
    deep = [Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)]
    last = nn.Conv2d(512, classes, 1)
    return nn.Sequential(
        OrderedDict(
            features=nn.Sequential(*first, *fires, pool(), *deep),
            classifier=nn.Sequential(
                nn.Dropout(), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)
            ),
            flatten=nn.Flatten(),
        )
    )
