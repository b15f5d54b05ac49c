"""From a network's name to a network that runs: its weights found, recognised and put in place."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import BadInput, OutOfMemory, is_out_of_memory
from engine.networks import catalogue
from engine.networks import weights as weight_files
from engine.networks.card import KNOWN, Card, Preprocessing
from engine.networks.recognise import Recognised, recognise, torchvision_table

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from engine.networks.network import Network


PAINTERS = ("transformer_net",)
"""Architectures whose networks make pictures instead of looking at them."""


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
    `OutOfMemory` where there is too little memory for them.
    """
    from engine.networks.network import Network

    try:
        card, found, state = read(name, weights, preprocessing)
        if card.architecture in PAINTERS:
            raise BadInput(
                f"{name} is a fast style network: it paints its one style in a single pass and "
                "cannot judge a picture, which this needs. Take a network such as "
                f"{catalogue.DEFAULT}; what {name} is made of is told by: "
                f"python main.py networks show {name}"
            )
        module = assemble(state, found, card.input_size).to(device)
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
) -> "tuple[Card, Recognised, dict[str, Tensor]]":
    """Return what `load_network` makes a network of: its tensors, what they are, and a card.

    The card is about the very weights found: their preprocessing, classes and licence.
    """
    card = catalogue.card(name)
    path = weight_files.find(card, weights)
    state, metadata = weight_files.load_state(path)
    found = recognise(state)
    if found is None:
        raise BadInput(f"{path} holds the weights of no known network")
    if found.architecture != card.architecture:
        raise BadInput(
            f"{path} holds weights of {found.architecture}, not of {name}; "
            f"try --network {found.architecture}"
        )
    own_file = path.with_suffix(".json") == catalogue.card_file(name)
    licence, credit = origin(found) if not own_file else ("", "")
    card = replace(
        card,
        licence=licence or card.licence,
        credit=credit or card.credit,
        preprocessing=_preprocessing(card, found, preprocessing, own_file),
        classes=class_names(card, found, metadata, own_file),
    )
    return card, found, state


def load_module(path: str | os.PathLike[str]) -> "nn.Module":
    """Return the module that a weight file holds, whatever it is, in float32 and eval mode.

    Raises `BadInput` for unsuitable files.
    """
    state, _ = weight_files.load_state(path)
    found = recognise(state)
    if found is None:
        raise BadInput(f"{path} holds the weights of no known network")
    return assemble(state, found)


def assemble(
    state: "Mapping[str, Tensor]", found: Recognised, input_size: int = 224
) -> "nn.Module":
    """Return the module for recognised tensors: they become its parameters, as float32."""
    import torch

    from engine.networks.building import build

    module = build(
        found.architecture, max(found.num_classes, 1), found.part, found.last_layer, input_size
    )
    wanted = module.state_dict()
    tensors = {
        ours: state[theirs].float() if state[theirs].is_floating_point() else state[theirs]
        for theirs, ours in found.mapping.items()
    }
    # Not in old files, without meaning in eval mode, and strict loading wants them.
    counters = {n for n in wanted.keys() - tensors.keys() if n.endswith("num_batches_tracked")}
    tensors |= {n: torch.zeros((), dtype=torch.long) for n in counters}
    # Names are the present ones: without this, modules take them for those of older versions.
    module.load_state_dict(_with_versions(tensors, wanted), assign=True)
    return module.eval().requires_grad_(False)


def _with_versions(
    tensors: "dict[str, Tensor]", wanted: "Mapping[str, Tensor]"
) -> "Mapping[str, Tensor]":
    from collections import OrderedDict

    versioned: OrderedDict[str, Tensor] = OrderedDict(tensors)
    versioned._metadata = wanted._metadata  # type: ignore[attr-defined]
    return versioned


def _preprocessing(
    card: Card, found: Recognised, asked: str | None, own_file: bool
) -> Preprocessing:
    """What was asked for; else what an imported file's card says; else what the tensors tell."""
    if asked is not None:
        return known_preprocessing(asked)
    if own_file or not found.preprocessing:
        return card.preprocessing
    return KNOWN[found.preprocessing]


def origin(found: Recognised) -> tuple[str, str]:
    """Return licence and credit where the tensors themselves tell whose they are, else blanks."""
    if found.preprocessing.startswith("caffe-vgg"):
        return "CC BY 4.0", "Simonyan, Zisserman 2014 (Oxford VGG)"
    return "", ""


def known_preprocessing(name: str) -> Preprocessing:
    """Return the preprocessing called `name`; raises `BadInput` with the names there are."""
    if name not in KNOWN:
        raise BadInput(f"no preprocessing is called {name!r}; there are {', '.join(KNOWN)}")
    return KNOWN[name]


def class_names(
    card: Card, found: Recognised, metadata: Mapping[str, str], own_file: bool = True
) -> tuple[str, ...]:
    """Return a name for each class: the card's, the file's, ImageNet's, or numbers.

    `own_file`: the card was written for this very file; otherwise the file's names go first.
    """
    try:
        stored = json.loads(metadata.get("classes", "[]"))
    except ValueError:
        stored = []
    known = [card.classes, tuple(map(str, stored))]
    known = known if own_file else known[::-1]
    known.append(tuple(torchvision_table()["categories"]))
    count = found.num_classes
    return next((n for n in known if len(n) == count), tuple(f"class {i}" for i in range(count)))


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
