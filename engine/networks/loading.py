"""From a network's name to a running network: its weights found, recognized and put in place."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadInput, Mention, OutOfMemory, Remedy, is_out_of_memory
from engine.networks import catalogue
from engine.networks import weights as weight_files
from engine.networks.card import Card
from engine.networks.contents import Contents
from engine.networks.describing import description, readable, unknown
from engine.networks.fingerprints import torchvision_table
from engine.networks.foreign import opening
from engine.networks.foreign.by_name import is_foreign
from engine.networks.foreign.network import Foreign
from engine.networks.identify import Identified, identify
from engine.networks.preparing import choose, known_preprocessing
from engine.networks.reading import read_file
from engine.networks.recognised import Recognised

if TYPE_CHECKING:
    import torch
    from torch import nn

    from engine.networks.network import Network


PAINTERS = ("transformer_net",)
"""Architectures whose networks make pictures instead of looking at them."""

log = logging.getLogger("pareidolia.networks")
"""Logs, at level info, what was found in a file that somebody named."""


def load_network(
    name: str,
    weights: str | os.PathLike[str] | None = None,
    device: "str | torch.device" = "cpu",
    preprocessing: str | None = None,
) -> "Network":
    """Return the network called `name`, in float32 and eval mode on `device`.

    `weights` is a file or a folder to take instead of the usual places; `preprocessing` (a key of
    `card.KNOWN`) overrides what the weights seem to have been trained with. Raises `BadInput` for
    unknown names, unsuitable files and networks that paint, `WeightsMissing` when there is no file,
    `OutOfMemory` when there is too little memory for them.
    """
    from engine.networks.assembling import assemble
    from engine.networks.network import Network

    try:
        path, card, one = read(name, weights, preprocessing)
        if card.architecture in PAINTERS:
            raise BadInput(
                f"{name} is a fast style network: it paints its one style in a single pass and "
                "cannot judge a picture, which this needs. Take a network such as "
                f"{catalogue.DEFAULT}; this one is for stylization in one pass. For what it is made of, ",
                Remedy("show", name),
            )
        if isinstance(one, Foreign):
            return Network(one.module.to(device), card, card.classes, one.aliases)
        module = assemble(
            one.group.tensors, one.found, card.input_size, path, one.group.release
        ).to(device)
        return Network(module, card, card.classes, aliases(card.architecture))
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"there is not enough free memory to load {name}: close other programs, or choose a "
            "smaller network such as slim_vgg"
        ) from None


def read(
    name: str,
    weights: str | os.PathLike[str] | None = None,
    preprocessing: str | None = None,
) -> tuple[Path, Card, Identified | Foreign]:
    """Return what `load_network` makes a network of: a file, a card, and what is in the file.

    The card is about the very weights found: their preprocessing, classes and licence.
    """
    card = catalogue.card(name)
    path = weight_files.find(card, weights)
    foreign = card.architecture if is_foreign(card.architecture) else ""
    strange = opening.open_foreign(path, foreign)
    if strange is not None:
        return path, _foreign_card(path, card, strange, weights is not None, preprocessing), strange
    contents, one = open_weights(path)
    found = one.found
    if found.architecture != card.architecture:
        raise BadInput(
            f"{path} holds weights of {found.architecture}, not of {name}; try ",
            Mention("network", value=found.architecture),
        )
    own_file = path.with_suffix(".json") == catalogue.card_file(name)
    licence, credit = origin(found) if not own_file else ("", "")
    own = own_file and preprocessing is None
    prepared, source = (
        (card.preprocessing, card.preprocessing_source)
        if own
        else choose(found, contents, card.preprocessing, preprocessing)
    )
    card = replace(
        card,
        licence=licence or card.licence,
        credit=credit or card.credit,
        preprocessing=prepared,
        preprocessing_source=source,
        input_size=found.input_size or card.input_size,
        classes=class_names(card, found, contents.metadata, own_file),
    )
    if weights is not None:
        card = replace(card, notes=description(contents, one, card))
        log.info("%s: %s", readable(path.name), card.notes)
    return path, card, one


def _foreign_card(
    path: Path, card: Card, strange: Foreign, given: bool, preprocessing: str | None
) -> Card:
    """Return the card of a network that its file describes."""
    same = timm_of(card.architecture) == timm_of(strange.architecture)
    if not same and card.architecture != strange.stands_for:
        raise BadInput(
            f"{path} holds the network of a {strange.title}, not {card.name}; try ",
            Mention("network", value=strange.architecture),
        )
    own_file = path.with_suffix(".json") == catalogue.card_file(card.name)
    prepared = None
    if preprocessing is not None:
        prepared = known_preprocessing(preprocessing), "as asked"
    elif own_file:
        prepared = card.preprocessing, card.preprocessing_source
    made = opening.described(card, strange, prepared)
    if own_file and len(card.classes) == len(made.classes):
        made = replace(made, classes=card.classes)
    return replace(made, notes=opening.description(strange, made)) if given else made


def timm_of(architecture: str) -> str:
    """Return a name of timm's without its tag; of other architectures the name."""
    return architecture.partition(".")[0] if architecture.startswith("timm/") else architecture


def open_weights(path: str | os.PathLike[str]) -> tuple[Contents, Identified]:
    """Return what a file holds, and the network in it. Raises `BadInput` if there is none."""
    contents = read_file(path)
    one = identify(contents)
    if one is None:
        raise BadInput(unknown(path, contents))
    return contents, one


def load_module(path: str | os.PathLike[str]) -> "nn.Module":
    """Return the module that a weight file holds, whatever it is, in float32 and eval mode.

    Raises `BadInput` for unsuitable files.
    """
    from engine.networks.assembling import assemble

    if (strange := opening.open_foreign(Path(path))) is not None:
        return strange.module
    _, one = open_weights(path)
    return assemble(one.group.tensors, one.found, source=path, release=one.group.release)


def origin(found: Recognised) -> tuple[str, str]:
    """Return licence and credit if the tensors themselves tell whose they are, else blanks."""
    if found.preprocessing.startswith("caffe-vgg"):
        return "CC BY 4.0", "Simonyan, Zisserman 2014 (Oxford VGG)"
    return "", ""


def class_names(
    card: Card, found: Recognised, metadata: Mapping[str, str], own_file: bool = True
) -> tuple[str, ...]:
    """Return a name for each class: the card's, the file's, ImageNet's, or numbers.

    `own_file`: the card was written for this very file; otherwise the file's names go first.
    """
    known = [card.classes, _stored_classes(metadata)]
    known = known if own_file else known[::-1]
    known.append(tuple(torchvision_table()["categories"]))
    count = found.num_classes
    return next((n for n in known if len(n) == count), tuple(f"class {i}" for i in range(count)))


def _stored_classes(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that the file itself gives its classes; none if it gives none."""
    try:
        stored = json.loads(metadata.get("classes", "[]"))
    except (ValueError, RecursionError):
        return ()
    if not isinstance(stored, list) or not all(isinstance(n, str | int) for n in stored):
        return ()
    return tuple(readable(str(name)) for name in stored)


def aliases(architecture: str) -> Mapping[str, str]:
    """Return the literature's layer names -> module names, where they differ.

    VGG's are found by `Network` itself.
    """
    if architecture == "googlenet_bvlc":
        from engine.networks.architectures.googlenet_bvlc import ALIASES

        return ALIASES
    if architecture == "squeezenet1_1":
        places = dict(zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12), strict=True))
        names = {f"fire{fire}/concat": f"features.{place}" for fire, place in places.items()}
        return names | {"conv1": "features.0", "relu_conv1": "features.1", "conv10": "classifier.1"}
    return {}
