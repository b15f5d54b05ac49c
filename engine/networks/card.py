"""A network's card: what it is, how pictures are prepared for it, where its weights come from."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preprocessing:
    """How RGB in [0, 1] becomes what a network was trained on: (picture * scale - mean) / std.

    `mean` and `std` are in the network's own channel order (`order`: RGB, BGR, or gray for networks
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
"""Of red, green and blue in gray, by ITU-R BT.601, as Pillow and torchvision have it."""
GRAY = Preprocessing("gray", 1.0, (0.449, 0.449, 0.449), (0.226, 0.226, 0.226))
KNOWN = {
    "imagenet": IMAGENET,
    "caffe-vgg": CAFFE_VGG,
    "caffe-vgg-rgb": CAFFE_VGG_RGB,
    "caffe-bvlc": CAFFE_BVLC,
    "bytes": BYTES,
    "gray": GRAY,
}


@dataclass(frozen=True)
class Card:
    """Facts about one network: `architecture` names its builder, the rest informs people."""

    name: str
    title: str
    architecture: str
    preprocessing: Preprocessing = IMAGENET
    preprocessing_source: str = ""
    """Why this one; empty: it is the architecture's own."""
    input_size: int = 224
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
    """All 64 hex digits, or the first ones where only those are published; 40 are a SHA-1."""
    file: str = ""
    """File name of the weights."""
    notes: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Card":
        """Read what `to_dict` wrote; unknown keys are an error (`TypeError`)."""
        values = dict(values)
        p = dict(values.pop("preprocessing", {}))
        for key in ("mean", "std"):
            if key in p:
                p[key] = tuple(p[key])
        for key in ("layers", "classes"):
            if key in values:
                values[key] = tuple(values[key])
        return cls(preprocessing=Preprocessing(**p), **values)
