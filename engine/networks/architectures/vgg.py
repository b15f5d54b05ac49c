"""VGG-16 and VGG-19 (Simonyan & Zisserman 2014) with torchvision's tensor and module names.

Defined here because importing torchvision for them costs more memory (166 MiB) and time than all
their activations at 256 pixels.
"""

from collections import OrderedDict

from torch import nn

CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)


def vgg(architecture: str, classes: int) -> nn.Sequential:
    """Return an untrained VGG for (N, 3, H, W) normalized pictures, `features` to `classifier.6`."""
    layers: list[nn.Module] = []
    channels = 3
    for convolutions, width in zip(CONVOLUTIONS[architecture], WIDTHS, strict=True):
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    classifier = nn.Sequential(
        nn.Linear(channels * 7 * 7, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, classes),
    )
    return nn.Sequential(
        OrderedDict(
            features=nn.Sequential(*layers),
            avgpool=nn.AdaptiveAvgPool2d(7),
            flatten=nn.Flatten(),
            classifier=classifier,
        )
    )
