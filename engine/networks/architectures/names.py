"""Layer and tensor names of networks as plain data: listing and recognizing need no PyTorch."""

SLIM_VGG_WIDTHS = ((2, 32), (2, 64), (4, 128), (4, 256), (4, 256))
"""Convolutions and channels of each block."""

INCEPTION = tuple(f"inception_{block}" for block in ("3a", "3b", *(f"4{c}" for c in "abcde")))
INCEPTION += ("inception_5a", "inception_5b")
CONVOLUTIONS = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
"""Convolutions of an inception module, in Caffe's words."""

VGG_BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions of each block."""


def caffe_vgg_modules(architecture: str) -> dict[str, str]:
    """Return the layers of a key of `VGG_BLOCKS`: Caffe's name -> torchvision's module name."""
    modules = {}
    place = 0
    for block, count in enumerate(VGG_BLOCKS[architecture], 1):
        for number in range(1, count + 1):
            modules[f"conv{block}_{number}"] = f"features.{place}"
            place += 2  # a ReLU follows
        place += 1  # a pool follows
    return modules | {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}


def slim_vgg_shapes() -> dict[str, tuple[int, ...]]:
    """Return SlimVGG's convolutions: layer name -> shape of its weight."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 3
    for block, (count, width) in enumerate(SLIM_VGG_WIDTHS, 1):
        for number in range(1, count + 1):
            shapes[f"conv{block}_{number}"] = (width, channels, 3, 3)
            channels = width
    return shapes


def caffe_modules() -> dict[str, str]:
    """Return BVLC GoogLeNet's layers that have weights: Caffe's name -> our module name."""
    modules = {
        "conv1/7x7_s2": "conv1_7x7_s2",
        "conv2/3x3_reduce": "conv2_3x3_reduce",
        "conv2/3x3": "conv2_3x3",
    }
    for name in INCEPTION:
        modules |= {f"{name}/{part}": f"{name}.conv_{part}" for part in CONVOLUTIONS}
    modules["loss3/classifier"] = "loss3_classifier"
    return modules


def transformer_names() -> set[str]:
    """Return the tensor names of a `TransformerNet`."""
    convolutions = [f"conv{i}" for i in (1, 2, 3)] + [f"deconv{i}" for i in (1, 2, 3)]
    norms = [f"in{i}" for i in range(1, 6)]
    for block in range(1, 6):
        convolutions += [f"res{block}.conv1", f"res{block}.conv2"]
        norms += [f"res{block}.in1", f"res{block}.in2"]
    layers = [f"{name}.conv2d" for name in convolutions] + norms
    return {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
