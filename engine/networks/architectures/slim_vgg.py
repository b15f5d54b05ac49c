"""SlimVGG: a half-width VGG-19 that ends in global average pooling and one linear layer.

Widths 32, 32 | 64, 64 | 128 x4 | 256 x4 | 256 x4, 3x3 convolutions, ReLU, 2x2 max-pool before
blocks 2-5, no batch norm. Layers carry VGG-19's published names (Simonyan & Zisserman 2014), so
every recipe that says relu4_2 works unchanged; the head is the one that CAM (Zhou et al. 2016) needs.
"""

from collections import OrderedDict

from torch import nn

BLOCKS = ((2, 32), (2, 64), (4, 128), (4, 256), (4, 256))
RELU_NAMES = tuple(
    f"relu{block}_{i}" for block, (n, _) in enumerate(BLOCKS, 1) for i in range(1, n + 1)
)


def slim_vgg(classes: int = 101) -> nn.Sequential:
    """Return an untrained SlimVGG with `classes` outputs, for (N, 3, H, W) normalized RGB, H, W >= 16."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for block, (convolutions, width) in enumerate(BLOCKS, 1):
        if block > 1:
            layers[f"pool{block - 1}"] = nn.MaxPool2d(2)
        for i in range(1, convolutions + 1):
            layers[f"conv{block}_{i}"] = nn.Conv2d(channels, width, 3, padding=1)
            layers[f"relu{block}_{i}"] = nn.ReLU(inplace=True)
            channels = width
    layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["classifier"] = nn.Linear(channels, classes)
    return nn.Sequential(layers)
