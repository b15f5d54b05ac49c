"""Readable titles and authors of torchvision's networks, by family."""

import re

FAMILIES = (
    ("alexnet", "AlexNet", "Krizhevsky 2014"),
    (r"convnext_(\w+)", "ConvNeXt {0}", "Liu et al. 2022"),
    (r"densenet(\d+)", "DenseNet-{0}", "Huang et al. 2016"),
    (r"efficientnet_(b\d)", "EfficientNet {0}", "Tan, Le 2019"),
    (r"efficientnet_v2_(\w)", "EfficientNetV2 {0}", "Tan, Le 2021"),
    ("googlenet", "GoogLeNet with batch norm", "Szegedy et al. 2014"),
    ("inception_v3", "Inception v3", "Szegedy et al. 2015"),
    (r"maxvit_(\w)", "MaxViT {0}", "Tu et al. 2022"),
    (r"mnasnet(\d)_(\d+)", "MNASNet {0}.{1}", "Tan et al. 2018"),
    ("mobilenet_v2", "MobileNetV2", "Sandler et al. 2018"),
    (r"mobilenet_v3_(\w+)", "MobileNetV3 {0}", "Howard et al. 2019"),
    (r"regnet_([xy])_(\d+)_(\d)gf", "RegNet {0} {1}.{2} GF", "Radosavovic et al. 2020"),
    (r"regnet_([xy])_(\d+)([gm])f", "RegNet {0} {1} {2}F", "Radosavovic et al. 2020"),
    (r"resnet(\d+)", "ResNet-{0}", "He et al. 2015"),
    (r"resnext(\d+)_(\d+)x(\d+)d", "ResNeXt-{0} ({1}x{2}d)", "Xie et al. 2016"),
    (r"wide_resnet(\d+)_2", "Wide ResNet-{0}-2", "Zagoruyko, Komodakis 2016"),
    (r"shufflenet_v2_x(\d)_(\d)", "ShuffleNetV2 x{0}.{1}", "Ma et al. 2018"),
    (r"squeezenet(\d)_(\d)", "SqueezeNet {0}.{1}", "Iandola et al. 2016 (DeepScale)"),
    (r"swin_v2_(\w)", "Swin v2 {0}", "Liu et al. 2021"),
    (r"swin_(\w)", "Swin {0}", "Liu et al. 2021"),
    (r"vgg(\d+)_bn", "VGG-{0} with batch norm", "Simonyan, Zisserman 2014"),
    (r"vgg(\d+)", "VGG-{0}", "Simonyan, Zisserman 2014"),
    (r"vit_(\w)_(\d+)", "ViT {0}/{1}", "Dosovitskiy et al. 2020"),
)
"""Pattern of torchvision's name, title with the pattern's groups, authors and year of the paper."""

UPPER = {"ConvNeXt", "MobileNetV3"}
"""Families whose variants are words, not letters."""


def family(name: str) -> tuple[str, str]:
    """Return title and authors for one of torchvision's names (the name itself if it is new)."""
    for pattern, title, credit in FAMILIES:
        match = re.fullmatch(pattern, name)
        if match:
            words = title.split()[0] in UPPER
            groups = [g if words else g.upper() for g in match.groups()]
            return title.format(*groups), f"{credit}; trained by the torchvision authors"
    return name, "torchvision"
