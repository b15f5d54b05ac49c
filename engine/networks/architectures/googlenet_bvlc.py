"""BVLC GoogLeNet: the network of the original DeepDream, layer for layer as Caffe trained it.

Szegedy et al. 2014, "Going Deeper with Convolutions", in the version of the Caffe model zoo: no
batch norm, true 5x5 convolutions, local response norm twice, pools that round up, no auxiliary
heads. Modules carry Caffe's layer names, with "_" and "." where Caffe writes "/"; `ALIASES` takes
Caffe's own names.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.networks.architectures.names import CONVOLUTIONS, INCEPTION, caffe_modules

WIDTHS = {
    # name: input channels, 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj
    "inception_3a": (192, 64, 96, 128, 16, 32, 32),
    "inception_3b": (256, 128, 128, 192, 32, 96, 64),
    "inception_4a": (480, 192, 96, 208, 16, 48, 64),
    "inception_4b": (512, 160, 112, 224, 24, 64, 64),
    "inception_4c": (512, 128, 128, 256, 24, 64, 64),
    "inception_4d": (512, 112, 144, 288, 32, 64, 64),
    "inception_4e": (528, 256, 160, 320, 32, 128, 128),
    "inception_5a": (832, 256, 160, 320, 32, 128, 128),
    "inception_5b": (832, 384, 192, 384, 48, 128, 128),
}


class CrossChannelNorm(nn.Module):
    """Local response norm over `window` neighbouring channels (Krizhevsky et al. 2012).

    The same numbers as `nn.LocalResponseNorm`; the sum over neighbours is a 1x1 convolution with a
    band matrix, which makes forward and backward together four times as fast on a CPU.
    """

    band: Tensor
    floor: Tensor

    def __init__(
        self, channels: int, window: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1
    ) -> None:
        """Prepare for (N, `channels`, H, W)."""
        super().__init__()
        self.beta = beta
        index = torch.arange(channels)
        near = (index[:, None] - index[None]).abs() <= window // 2
        # Not in the state dict: these follow from the settings.
        self.register_buffer("band", near.float()[:, :, None, None] * (alpha / window), False)
        self.register_buffer("floor", torch.full((channels,), float(k)), False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x / (k + alpha / window * sum of squares over neighbours) ** beta."""
        squares: Tensor = F.conv2d(x * x, self.band, self.floor)
        return x * squares.pow(-self.beta)


class Inception(nn.Module):
    """Four branches (1x1, 3x3, 5x5, pool) whose channels are joined in this order."""

    def __init__(self, inputs: int, *widths: int) -> None:
        """`widths` in the order of `CONVOLUTIONS`."""
        super().__init__()
        one, three_reduce, three, five_reduce, five, projection = widths
        self.conv_1x1 = nn.Conv2d(inputs, one, 1)
        self.relu_1x1 = nn.ReLU(inplace=True)
        self.conv_3x3_reduce = nn.Conv2d(inputs, three_reduce, 1)
        self.relu_3x3_reduce = nn.ReLU(inplace=True)
        self.conv_3x3 = nn.Conv2d(three_reduce, three, 3, padding=1)
        self.relu_3x3 = nn.ReLU(inplace=True)
        self.conv_5x5_reduce = nn.Conv2d(inputs, five_reduce, 1)
        self.relu_5x5_reduce = nn.ReLU(inplace=True)
        self.conv_5x5 = nn.Conv2d(five_reduce, five, 5, padding=2)
        self.relu_5x5 = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, 1, padding=1)
        self.conv_pool_proj = nn.Conv2d(inputs, projection, 1)
        self.relu_pool_proj = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, sum of the branches' widths, H, W)."""
        one = self.relu_1x1(self.conv_1x1(x))
        three = self.relu_3x3_reduce(self.conv_3x3_reduce(x))
        three = self.relu_3x3(self.conv_3x3(three))
        five = self.relu_5x5_reduce(self.conv_5x5_reduce(x))
        five = self.relu_5x5(self.conv_5x5(five))
        pool = self.relu_pool_proj(self.conv_pool_proj(self.pool(x)))
        return torch.cat([one, three, five, pool], 1)


def googlenet_bvlc(classes: int = 1000) -> nn.Sequential:
    """Return an untrained BVLC GoogLeNet: (N, 3, H, W) BGR minus mean, H, W >= 32 -> (N, classes).

    Its last pool covers whatever is left of the picture, so any size works (Caffe's was 7x7 for
    224 pixels).
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv1_7x7_s2"] = nn.Conv2d(3, 64, 7, 2, padding=3)
    layers["conv1_relu_7x7"] = nn.ReLU(inplace=True)
    layers["pool1_3x3_s2"] = nn.MaxPool2d(3, 2, ceil_mode=True)
    layers["pool1_norm1"] = CrossChannelNorm(64)
    layers["conv2_3x3_reduce"] = nn.Conv2d(64, 64, 1)
    layers["conv2_relu_3x3_reduce"] = nn.ReLU(inplace=True)
    layers["conv2_3x3"] = nn.Conv2d(64, 192, 3, padding=1)
    layers["conv2_relu_3x3"] = nn.ReLU(inplace=True)
    layers["conv2_norm2"] = CrossChannelNorm(192)
    layers["pool2_3x3_s2"] = nn.MaxPool2d(3, 2, ceil_mode=True)
    for name, widths in WIDTHS.items():
        if name in ("inception_4a", "inception_5a"):
            stage = int(name[len("inception_")]) - 1
            layers[f"pool{stage}_3x3_s2"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        layers[name] = Inception(*widths)
    layers["pool5_7x7_s1"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["loss3_classifier"] = nn.Linear(1024, classes)
    return nn.Sequential(layers)


def _aliases() -> dict[str, str]:
    aliases = caffe_modules()
    for caffe in ("conv1/relu_7x7", "conv2/relu_3x3_reduce", "conv2/relu_3x3", "conv2/norm2"):
        aliases[caffe] = caffe.replace("/", "_")
    for caffe in ("pool1/norm1", *(f"pool{i}/3x3_s2" for i in (1, 2, 3, 4)), "pool5/7x7_s1"):
        aliases[caffe] = caffe.replace("/", "_")
    for name in INCEPTION:
        aliases |= {f"{name}/relu_{part}": f"{name}.relu_{part}" for part in CONVOLUTIONS}
        aliases[f"{name}/pool"] = f"{name}.pool"
        aliases[f"{name}/output"] = name
    return aliases


ALIASES = _aliases()
"""Caffe's layer name -> dotted module name."""
