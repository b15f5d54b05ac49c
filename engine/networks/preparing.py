"""Which preprocessing a file's weights get, and on whose authority."""

import math
import re
from dataclasses import replace

from engine.errors import BadInput
from engine.networks.card import KNOWN, Preprocessing
from engine.networks.contents import Contents
from engine.networks.recognised import Recognised

OTHER_NAMES = {
    "torchvision": "imagenet",
    "torch": "imagenet",
    "caffe": "caffe-vgg",
    "inception": "half",
    "tf": "half",
    "0.5": "half",
}
"""Other names for the preprocessings of `card.KNOWN`: Keras's modes, timm's words."""
EXAMPLE = '"mean=0.485,0.456,0.406 std=0.229,0.224,0.225 range=1 order=RGB"'

TOLD = {
    "caffe-vgg": "its first numbers are those of Oxford's VGG, trained with Caffe",
    "caffe-vgg-rgb": "its first numbers are those of Oxford's VGG, with colours in RGB order",
    "caffe-bvlc": "BVLC trained this network this way",
    "bytes": "fast style networks are trained this way",
    "imagenet": "most weights of this network were trained this way; the file does not say",
}
"""Why weights that are recognized get a preprocessing of `card.KNOWN`."""
USUAL = "torchvision trains this network this way; the file does not say"


def known_preprocessing(name: str) -> Preprocessing:
    """Return the preprocessing called `name`, or spelled out in it.

    Spelled out, it is `mean=0.5,0.5,0.5 std=0.5,0.5,0.5 range=1 order=RGB`, any part of which may
    be left out (0, 1, 1, RGB); the mean and the deviation are in that range and order. Raises
    `BadInput` with the known names.
    """
    known = OTHER_NAMES.get(name.lower(), name.lower())
    if known in KNOWN:
        return KNOWN[known]
    if "=" in name:
        return _spelled_out(name)
    raise BadInput(
        f"no preprocessing is called {name!r}; there are {', '.join([*KNOWN, *OTHER_NAMES])}, "
        f"and {EXAMPLE}"
    )


def _spelled_out(text: str) -> Preprocessing:
    words = [part.partition("=") for part in re.split(r"[;\s]+", text.strip()) if part]
    given = {key.lower(): value for key, _, value in words}
    try:
        if len(given) != len(words) or not given.keys() <= {"mean", "std", "range", "order"}:
            raise ValueError
        order = {"RGB": "RGB", "BGR": "BGR", "GRAY": "gray"}[given.get("order", "RGB").upper()]
        mean, std = _three(given.get("mean", "0")), _three(given.get("std", "1"))
        scale = float(given.get("range", "1"))
        if not all(map(math.isfinite, (*mean, *std, scale))) or min(*std, scale) <= 0:
            raise ValueError
    except (ValueError, KeyError):
        raise BadInput(f"{text!r} is not a preprocessing; write it as {EXAMPLE}") from None
    return Preprocessing(order, scale, mean, std)


def _three(text: str) -> tuple[float, float, float]:
    numbers = [float(part) for part in text.split(",")]
    first, second, third = numbers * 3 if len(numbers) == 1 else numbers
    return first, second, third


def choose(
    found: Recognised, contents: Contents, usual: Preprocessing, asked: str | None = None
) -> tuple[Preprocessing, str]:
    """Return the preprocessing for weights, and why that one.

    What was asked for comes first, then what the file says, then what the tensors tell, then what
    is `usual` for the architecture. Raises `BadInput` for names that do not exist.
    """
    if asked is not None:
        chosen, why = known_preprocessing(asked), "as you asked"
    elif contents.preprocessing is not None:
        chosen, why = contents.preprocessing, contents.preprocessing_source
    elif found.preprocessing:
        chosen, why = KNOWN[found.preprocessing], TOLD[found.preprocessing]
    else:
        chosen, why = usual, USUAL
    if found.channels == 3 and chosen.order == "gray":
        raise BadInput(f"this {found.architecture} takes colour pictures, not grey ones")
    if found.channels == 1 and chosen.order != "gray":
        # One number for the one channel that there is.
        mean, std = (sum(values) / 3 for values in (chosen.mean, chosen.std))
        chosen = replace(chosen, order="gray", mean=(mean,) * 3, std=(std,) * 3)
        if asked is None and contents.preprocessing is None:
            why = "the average of the values for colour networks; the file does not say"
    return chosen, why
