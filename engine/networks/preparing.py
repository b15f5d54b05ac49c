"""Which preprocessing a file's weights get, and who says so."""

from dataclasses import replace

from engine.errors import BadInput
from engine.networks.card import KNOWN, Preprocessing
from engine.networks.contents import Contents
from engine.networks.recognised import Recognised

TOLD = {
    "caffe-vgg": "its first numbers are those of Oxford's VGG, trained with Caffe",
    "caffe-vgg-rgb": "its first numbers are those of Oxford's VGG, with the colours in order RGB",
    "caffe-bvlc": "BVLC trained this network so",
    "bytes": "fast style networks are trained so",
    "imagenet": "most weights of this network are trained so, and the file does not say",
}
"""Why weights that are recognised get a preprocessing of `card.KNOWN`."""
USUAL = "torchvision trains this network so, and the file does not say"


def known_preprocessing(name: str) -> Preprocessing:
    """Return the preprocessing called `name`; raises `BadInput` with the names there are."""
    if name not in KNOWN:
        raise BadInput(f"no preprocessing is called {name!r}; there are {', '.join(KNOWN)}")
    return KNOWN[name]


def choose(
    found: Recognised, contents: Contents, usual: Preprocessing, asked: str | None = None
) -> tuple[Preprocessing, str]:
    """Return the preprocessing for weights, and why that one.

    What was asked for goes first, then what the file says, then what the tensors tell, then what
    is `usual` for the architecture. Raises `BadInput` for names that are none.
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
        raise BadInput(f"this {found.architecture} takes colour pictures, not gray ones")
    if found.channels == 1 and chosen.order != "gray":
        # One number for the one channel that there is.
        mean, std = (sum(values) / 3 for values in (chosen.mean, chosen.std))
        chosen = replace(chosen, order="gray", mean=(mean,) * 3, std=(std,) * 3)
        if asked is None and contents.preprocessing is None:
            why = "the mean of what colour networks are trained with; the file does not say"
    return chosen, why
