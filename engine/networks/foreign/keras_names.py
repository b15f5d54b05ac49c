"""The five networks of keras.applications by which files without a description are recognized.

They are written as Keras describes its models (layers with their inputs); widths come from the
weights. VGG: Simonyan, Zisserman 2014. ResNet: He et al. 2015. Inception v3: Szegedy et al. 2015.
MobileNetV2: Sandler et al. 2018.
"""

import re
from collections.abc import Callable, Collection
from typing import Any

Entry = dict[str, Any]


class _Model:
    """Collects layers; each method takes and returns names."""

    def __init__(self) -> None:
        self.layers: list[Entry] = []
        self.number = 0
        """Number of convolutions so far, which Inception v3's names carry."""
        self.add("InputLayer", "input", [])

    def add(self, kind: str, name: str, inputs: "list[str] | str", **config: Any) -> str:
        inputs = [inputs] if isinstance(inputs, str) else inputs
        nodes = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
        config["name"] = name
        entry = {"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes}
        self.layers.append(entry)
        return name


def _vgg(counts: tuple[int, ...]) -> Callable[[Collection[str]], list[Entry]]:
    def make(names: Collection[str]) -> list[Entry]:
        m, x = _Model(), "input"
        same = {"padding": "same", "activation": "relu"}
        for block, count in enumerate(counts, 1):
            for number in range(1, count + 1):
                x = m.add("Conv2D", f"block{block}_conv{number}", x, **same)
            x = m.add("MaxPooling2D", f"block{block}_pool", x)
        if "predictions" in names:
            x = m.add("Flatten", "flatten", x)
            for name in ("fc1", "fc2"):
                x = m.add("Dense", name, x, activation="relu")
            m.add("Dense", "predictions", x, activation="softmax")
        return m.layers

    return make


def _resnet50(names: Collection[str]) -> list[Entry]:
    """ResNet-50 as of 2019 and later, or with the names used before (res2a_branch2a)."""
    old = "res2a_branch2a" in names
    epsilon = 1e-3 if old else 1.001e-5
    m = _Model()

    def conv(part: str, x: str, relu: bool, **config: Any) -> str:
        name = ("conv1" if old else "conv1_conv") if part == "conv1" else _res(part, "conv", old)
        norm = ("bn_conv1" if old else "conv1_bn") if part == "conv1" else _res(part, "bn", old)
        x = m.add("Conv2D", name, x, **config)
        x = m.add("BatchNormalization", norm, x, epsilon=epsilon)
        return m.add("ReLU", f"{part}_relu", x) if relu else x

    x = m.add("ZeroPadding2D", "conv1_pad", "input", padding=3)
    x = conv("conv1", x, True, strides=2)
    x = m.add("ZeroPadding2D", "pool1_pad", x, padding=1)
    x = m.add("MaxPooling2D", "pool1_pool", x, pool_size=3, strides=2)
    for stage, count in enumerate((3, 4, 6, 3), 2):
        for block in range(1, count + 1):
            part = f"conv{stage}_block{block}"
            stride = 2 if block == 1 and stage > 2 else 1
            short = conv(f"{part}_0", x, False, strides=stride) if block == 1 else x
            y = conv(f"{part}_1", x, True, strides=stride)
            y = conv(f"{part}_2", y, True, padding="same")
            y = conv(f"{part}_3", y, False)
            x = m.add("ReLU", f"{part}_out", m.add("Add", f"{part}_add", [short, y]))
    top = "fc1000" if old else "predictions"
    if top in names:
        m.add("Dense", top, m.add("GlobalAveragePooling2D", "avg_pool", x), activation="softmax")
    return m.layers


def _res(part: str, kind: str, old: bool) -> str:
    if not old:
        return f"{part}_{kind}"
    stage, block, branch = (int(n) for n in re.findall(r"\d+", part))
    end = ("branch1", "branch2a", "branch2b", "branch2c")[branch]
    return f"{'res' if kind == 'conv' else 'bn'}{stage}{'abcdef'[block - 1]}_{end}"


def _inception_v3(names: Collection[str]) -> list[Entry]:
    """Inception v3, whose k-th convolution is called conv2d_k; where counting begins varies."""
    m = _Model()

    def conv(x: str, height: int, width: int, stride: int = 1, padding: str = "same") -> str:
        end = f"_{m.number}" if m.number else ""
        m.number += 1
        size = {"kernel_size": (height, width), "strides": stride, "padding": padding}
        x = m.add("Conv2D", f"conv2d{end}", x, use_bias=False, **size)
        norm = {"epsilon": 1e-3, "scale": False}
        x = m.add("BatchNormalization", f"batch_normalization{end}", x, **norm)
        return m.add("ReLU", f"activation{end}", x)

    def chain(x: str, *kernels: tuple[int, int]) -> str:
        for kernel in kernels:
            x = conv(x, *kernel)
        return x

    def pool(x: str, name: str) -> str:
        return m.add("MaxPooling2D", name, x, pool_size=3, strides=2)

    def around(x: str, name: str) -> str:
        return m.add("AveragePooling2D", name, x, pool_size=3, strides=1, padding="same")

    def joined(name: str, *parts: str) -> str:
        return m.add("Concatenate", name, list(parts))

    one, three, five, across, down = (1, 1), (3, 3), (5, 5), (1, 7), (7, 1)
    x = conv("input", 3, 3, 2, "valid")
    x = conv(conv(x, 3, 3, 1, "valid"), 3, 3)
    x = pool(x, "max_pooling2d")
    x = conv(conv(x, 1, 1, 1, "valid"), 3, 3, 1, "valid")
    x = pool(x, "max_pooling2d_1")
    for block in range(3):
        a, b, c = chain(x, one), chain(x, one, five), chain(x, one, three, three)
        x = joined(f"mixed{block}", a, b, c, chain(around(x, f"average{block}"), one))
    a = conv(x, 3, 3, 2, "valid")
    b = conv(chain(x, one, three), 3, 3, 2, "valid")
    x = joined("mixed3", a, b, pool(x, "max_pooling2d_2"))
    for block in range(4, 8):
        a, b = chain(x, one), chain(x, one, across, down)
        c = chain(x, one, down, across, down, across)
        x = joined(f"mixed{block}", a, b, c, chain(around(x, f"average{block}"), one))
    a = conv(chain(x, one), 3, 3, 2, "valid")
    b = conv(chain(x, one, across, down), 3, 3, 2, "valid")
    x = joined("mixed8", a, b, pool(x, "max_pooling2d_3"))
    for block in (9, 10):
        a, b = chain(x, one), chain(x, one)
        b = joined(f"mixed9_{block - 9}", chain(b, (1, 3)), chain(b, (3, 1)))
        c = chain(x, one, three)
        c = joined(f"concatenate_{block - 9}", chain(c, (1, 3)), chain(c, (3, 1)))
        x = joined(f"mixed{block}", a, b, c, chain(around(x, f"average{block}"), one))
    if "predictions" in names:
        x = m.add("GlobalAveragePooling2D", "avg_pool", x)
        m.add("Dense", "predictions", x, activation="softmax")
    return m.layers


def _mobilenet_v2(names: Collection[str]) -> list[Entry]:
    m = _Model()

    def norm(name: str, x: str, relu: str = "") -> str:
        x = m.add("BatchNormalization", name, x, epsilon=1e-3)
        return m.add("ReLU", relu, x, max_value=6) if relu else x

    x = m.add("Conv2D", "Conv1", "input", strides=2, padding="same", use_bias=False)
    x = norm("bn_Conv1", x, "Conv1_relu")
    number = 0
    for stage, (count, stride) in enumerate(STAGES):
        for place in range(count):
            part = f"block_{number}" if number else "expanded_conv"
            y = x
            if number:
                y = m.add("Conv2D", f"{part}_expand", y, use_bias=False)
                y = norm(f"{part}_expand_BN", y, f"{part}_expand_relu")
            strides = stride if place == 0 else 1
            size = {"strides": strides, "padding": "same", "use_bias": False}
            y = m.add("DepthwiseConv2D", f"{part}_depthwise", y, **size)
            y = norm(f"{part}_depthwise_BN", y, f"{part}_depthwise_relu")
            y = m.add("Conv2D", f"{part}_project", y, use_bias=False)
            y = norm(f"{part}_project_BN", y)
            x = m.add("Add", f"{part}_add", [x, y]) if stage and place else y
            number += 1
    x = m.add("Conv2D", "Conv_1", x, use_bias=False)
    x = norm("Conv_1_bn", x, "out_relu")
    top = next((n for n in ("predictions", "Logits") if n in names), "")
    if top:
        x = m.add("GlobalAveragePooling2D", "global_average_pooling2d", x)
        m.add("Dense", top, x, activation="softmax")
    return m.layers


STAGES = ((1, 1), (2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1))
"""MobileNetV2's blocks and the stride of the first one, stage by stage."""

MODELS: dict[str, Callable[[Collection[str]], list[Entry]]] = {
    "VGG16": _vgg((2, 2, 3, 3, 3)),
    "VGG19": _vgg((2, 2, 4, 4, 4)),
    "ResNet50": _resnet50,
    "InceptionV3": _inception_v3,
    "MobileNetV2": _mobilenet_v2,
}
CONVOLUTIONS = {"Conv2D", "DepthwiseConv2D"}


def description(names: Collection[str]) -> tuple[str, list[Entry]] | None:
    """Return which of `MODELS` has its convolutions among `names`, and its layers; else None.

    Of several, it is the largest: VGG19 has all that VGG16 has.
    """
    fitting = []
    for title, make in MODELS.items():
        made = make(names)
        wanted = {e["name"] for e in made if e["class_name"] in CONVOLUTIONS}
        if wanted <= set(names):
            fitting.append((len(wanted), title, made))
    return max(fitting, key=lambda one: one[0])[1:] if fitting else None


def recounted(names: Collection[str]) -> dict[str, str]:
    """Return Inception's numbered names as counted from 0 -> as in the file.

    Keras counts layers over a whole session, so the numbers may begin anywhere.
    """
    found: dict[str, str] = {}
    for kind in ("conv2d", "batch_normalization"):
        numbered = [(int(m[1] or 0), n) for n in names if (m := re.fullmatch(rf"{kind}_?(\d*)", n))]
        for place, (_, name) in enumerate(sorted(numbered)):
            found[f"{kind}_{place}" if place else kind] = name
    return found


def known_as(names: Collection[str]) -> str:
    """Return the key of `MODELS` whose convolutions a described model has, or ""."""
    found = description({**dict.fromkeys(names), **dict.fromkeys(recounted(names))})
    return found[0] if found else ""
