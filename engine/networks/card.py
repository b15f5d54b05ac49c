"""A network's card: what it is, how pictures are prepared for it, where its weights come from."""

from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any


@dataclass(frozen=True)
class Preprocessing:
    """How RGB in [0, 1] becomes what a network was trained on: (picture * scale - mean) / std.

    `mean` and `std` are in the network's own channel order (`order`: RGB, BGR, or grey for networks
    that take one channel, with three times the same number) and after scaling.
    """

    order: str = "RGB"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


IMAGENET = Preprocessing()
CAFFE_VGG = Preprocessing("BGR", 255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
CAFFE_BVLC = Preprocessing("BGR", 255.0, (104.0, 117.0, 123.0), (1.0, 1.0, 1.0))
BYTES = Preprocessing("RGB", 255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CAFFE_VGG_RGB = Preprocessing("RGB", 255.0, (123.68, 116.779, 103.939), (1.0, 1.0, 1.0))
GRAY_SHARES = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey, by ITU-R BT.601, as in Pillow and torchvision."""
GRAY = Preprocessing("gray", 1.0, (0.449, 0.449, 0.449), (0.226, 0.226, 0.226))
HALF = Preprocessing("RGB", 1.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""To [-1, 1]: Google's Inception and MobileNet, Keras's mode "tf"."""
UNIT = Preprocessing("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
KNOWN = {
    "imagenet": IMAGENET,
    "caffe-vgg": CAFFE_VGG,
    "caffe-vgg-rgb": CAFFE_VGG_RGB,
    "caffe-bvlc": CAFFE_BVLC,
    "bytes": BYTES,
    "gray": GRAY,
    "half": HALF,
    "unit": UNIT,
}


@dataclass(frozen=True)
class Card:
    """Facts about one network: `architecture` names its builder, the rest informs people."""

    name: str
    title: str
    architecture: str
    preprocessing: Preprocessing = IMAGENET
    preprocessing_source: str = ""
    """Why this one; empty if it is the architecture's own."""
    input_size: int = 224
    crop: float = 0.0
    """Share of a resized picture's side that the network was evaluated on; 0 if unknown."""
    interpolation: str = ""
    """How pictures were resized for it (bicubic, bilinear); empty if unknown."""
    layers: tuple[str, ...] = ()
    """Layers worth offering first."""
    content_layers: dict[str, float] = field(default_factory=dict)
    style_layers: dict[str, float] = field(default_factory=dict)
    dream_layers: dict[str, float] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    licence: str = ""
    credit: str = ""
    url: str = ""
    bytes: int = 0
    sha256: str = ""
    """All 64 hex digits, or the first ones if only those are published; 40 are a SHA-1."""
    file: str = ""
    """File name of the weights."""
    notes: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Card":
        """Read what `to_dict` wrote.

        Raises `TypeError` for unknown and missing keys, `ValueError` for impossible values.
        """
        values = dict(values)
        p = dict(values.pop("preprocessing", {}))
        for key in ("mean", "std"):
            if key in p:
                p[key] = _three(key, p[key])
        for key in ("layers", "classes"):
            if key in values:
                values[key] = _words(key, values[key])
        card = cls(preprocessing=Preprocessing(**p), **values)
        _check(card)
        return card


TEXTS = ("name", "title", "architecture", "licence", "credit", "url", "sha256", "file", "notes")
LARGEST_SIDE = 10_000
"""Pixels."""


def _check(card: Card) -> None:
    """Raise `ValueError` for a card with impossible values."""
    for key in (*TEXTS, "preprocessing_source"):
        if not isinstance(getattr(card, key), str):
            raise ValueError(f"{key} must be text")
    for key, most in (("input_size", LARGEST_SIDE), ("bytes", 2**50)):
        number = getattr(card, key)
        if (
            type(number) is not int
            or not 0 <= number <= most
            or (key == "input_size" and not number)
        ):
            raise ValueError(f"{key} must be a whole number up to {most}")
    for key in ("content_layers", "style_layers", "dream_layers"):
        weights = getattr(card, key)
        plain = isinstance(weights, dict) and all(isinstance(n, str) for n in weights)
        if not plain or not all(_is_number(weight) for weight in weights.values()):
            raise ValueError(f"{key} must give a number for each layer")
    p = card.preprocessing
    if p.order not in ("RGB", "BGR", "gray"):
        raise ValueError("the preprocessing's order must be RGB, BGR or gray")
    if not _is_number(p.scale) or any(n == 0 for n in p.std):
        raise ValueError("the preprocessing's scale and std must be numbers, std not 0")


def _three(key: str, value: Any) -> tuple[float, float, float]:
    if not isinstance(value, list | tuple) or not all(_is_number(n) for n in value):
        raise ValueError(f"the preprocessing's {key} must be three numbers")
    first, second, third = value
    return first, second, third


def _words(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(n, str) for n in value):
        raise ValueError(f"{key} must be a list of names")
    return tuple(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and isfinite(value)
