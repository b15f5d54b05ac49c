"""What networks there are: a card for each, readable without loading PyTorch."""

import json
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from engine.errors import BadInput, Remedy
from engine.networks import weights
from engine.networks.architectures.names import INCEPTION
from engine.networks.card import CAFFE_BVLC, HALF, IMAGENET, Card, Preprocessing
from engine.networks.families import family
from engine.networks.fingerprints import torchvision_table
from engine.networks.foreign import by_name

DEFAULT = "slim_vgg"
FEATURED = ("slim_vgg", "vgg19", "vgg16", "googlenet_bvlc", "squeezenet1_1")
"""Listed first: the networks that the field's recipes are written for."""

LARGEST_CARD = 16 << 20
"""Bytes."""

State = Literal["shipped", "imported", "here", "downloadable", "missing"]

GOOGLES = ("googlenet", "inception_v3")
"""torchvision's networks whose weights are Google's and want pictures in [-1, 1]."""

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""Gatys et al. 2015."""


def names() -> list[str]:
    """Return all names: featured networks, torchvision's others, the imported ones."""
    known, bad = built_in_names(), damaged()
    own = [n for n in _card_names(weights.user_folder()) if n not in known and n not in bad]
    return [n for n in known if n not in bad] + own


def damaged() -> dict[str, str]:
    """Return the names whose cards cannot be read, with a sentence for each that says why."""
    found = {}
    for folder in (weights.user_folder(), weights.SHIPPED):
        for name in _card_names(folder):
            try:
                read_card(folder / f"{name}.json")
            except BadInput as error:
                found[name] = str(error)
    return found


def built_in_names() -> list[str]:
    """Return the names that are known without any file."""
    return [*FEATURED, *(n for n in torchvision_table()["models"] if n not in FEATURED)]


def card(name: str) -> Card:
    """Return the card of the network `name`; raises `BadInput` with the nearest names."""
    file = card_file(name)
    if file:
        return read_card(file)
    if name in built_in_names():
        return built_in(name)
    if by_name.is_foreign(name):
        return by_name.card(name)
    near = get_close_matches(name, names(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else Remedy("list")
    raise BadInput(f"no network is called {name!r}; ", hint)


def built_in(name: str) -> Card:
    """Return the card of one of `built_in_names()`, whatever was imported under that name."""
    if name == "slim_vgg":
        return _slim_vgg()
    if name == "googlenet_bvlc":
        return _googlenet_bvlc()
    return _torchvision(name, torchvision_table()["models"][name])


def state(name: str) -> State:
    """Return the state of the network `name` on this machine."""
    entry = card(name)
    file = card_file(name)
    found = located(entry)
    if file and file.parent == weights.user_folder():
        return "imported" if found else "missing"
    if found:
        return "shipped" if found.parent == weights.SHIPPED else "here"
    return "downloadable" if entry.url else "missing"


def located(entry: Card) -> Path | None:
    """Return the weight file of a card, as far as names and headers tell (`weights.find` reads more).

    Quick enough for a list of all networks: PyTorch files of unusual names are not opened.
    """
    return weights.named(entry, weights.folders()) or weights.recognised(
        entry, weights.folders(), suffixes=(".safetensors",)
    )


def card_file(name: str) -> Path | None:
    """Return the JSON file that holds the card of a shipped or imported network, if it has one."""
    if not name or Path(name).name != name:
        return None
    files = [folder / f"{name}.json" for folder in (weights.SHIPPED, weights.user_folder())]
    return next((f for f in files if f.is_file()), None)


def read_card(file: Path) -> Card:
    """Return the card in a JSON file; raises `BadInput` when it is not one."""
    try:
        if file.stat().st_size > LARGEST_CARD:
            raise ValueError("it is too large")
        card = Card.from_dict(json.loads(file.read_text("utf-8")))
        if card.name != file.stem or Path(card.file).name != card.file:
            raise ValueError("its name is not that of its file")
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"{file} is not a network's card: {error}; import the weights again, or delete it"
        ) from error
    old = not card.preprocessing_source and card.preprocessing == IMAGENET
    if card.architecture in GOOGLES and old:
        # From when the network still converted its pictures itself.
        return replace(card, preprocessing=HALF)
    return card


def _card_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(f.stem for f in folder.glob("*.json") if f.is_file())


# -- cards ---------------------------------------------------------------------------------------


def _slim_vgg() -> Card:
    return Card(
        name="slim_vgg",
        title="SlimVGG (half-width VGG-19, 101 classes)",
        architecture="slim_vgg",
        layers=tuple(sorted({*STYLE_LAYERS, "relu4_2", "relu4_3", "relu5_4"})),
        content_layers={"relu4_2": 1.0},
        style_layers=dict.fromkeys(STYLE_LAYERS, 1.0),
        dream_layers={"relu4_3": 1.0, "relu5_1": 1.0},
        file="slim_vgg.safetensors",
        licence="CC BY 4.0",
        credit=(
            "made from VGG-19 (Simonyan, Zisserman; Oxford VGG) "
            "and Caltech-101 (Li, Andreeto, Ranzato, Perona)"
        ),
    )


def _googlenet_bvlc() -> Card:
    stages = [f"{name}/output" for name in INCEPTION]
    style = ("conv1/relu_7x7", "conv2/relu_3x3", stages[0], stages[2], stages[4])
    return Card(
        name="googlenet_bvlc",
        title="BVLC GoogLeNet (the network of DeepDream)",
        architecture="googlenet_bvlc",
        preprocessing=CAFFE_BVLC,
        layers=("conv2/relu_3x3", *stages),
        content_layers={"inception_3b/output": 1.0},
        style_layers=dict.fromkeys(style, 1.0),
        dream_layers={"inception_4c/output": 1.0},
        classes=tuple(torchvision_table()["categories"]),
        licence="unrestricted use",
        credit="Szegedy et al. 2014; trained by Sergio Guadarrama, BVLC",
        url="http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        bytes=53_533_754,
        sha256="405fc5acd08a3bb12de8ee5e23a96bec22f08204",
        file="bvlc_googlenet.caffemodel",
    )


def _torchvision(name: str, row: dict[str, Any]) -> Card:
    title, credit = family(name)
    usual = Preprocessing(mean=_three(row["mean"]), std=_three(row["std"]))
    entry = Card(
        name=name,
        title=title,
        architecture=name,
        preprocessing=HALF if name in GOOGLES else usual,
        input_size=row["input_size"],
        classes=tuple(torchvision_table()["categories"]),
        licence="BSD-3-Clause (torchvision; trained on ImageNet)",
        credit=credit,
        url=row["url"],
        bytes=round(row["mib"] * 2**20),
        sha256=row["hash"],
        file=row["url"].rsplit("/", 1)[-1],
        notes=f"{row['weights']}, ImageNet top-1 {row['top1']} %",
    )
    if name.startswith("vgg"):
        # Weights from the authors' implementation of Gatys et al. 2015: deep layers are smaller.
        style = dict(zip(STYLE_LAYERS, (256.0, 64.0, 16.0, 4.0, 1.0), strict=True))
        dream = ("relu4_3" if name[3:5] in ("16", "19") else "relu4_2", "relu5_1")
        return replace(
            entry,
            layers=tuple(sorted({*STYLE_LAYERS, "relu4_2", *dream})),
            content_layers={"relu4_2": 1.0},
            style_layers=style,
            dream_layers=dict.fromkeys(dream, 1.0),
        )
    return with_stages(entry, row["stages"])


def with_stages(entry: Card, stages: Sequence[str]) -> Card:
    """Choose layers by depth, from the outputs of the network's stages."""
    if entry.architecture == "squeezenet1_1":
        content, dream = ["features.7"], ["features.9", "features.12"]
        style = ["features.1", "features.4", "features.7", "features.9", "features.12"]
    else:
        content, dream = [_at(stages, 0.45)], [_at(stages, 0.7), _at(stages, 0.85)]
        style = [_at(stages, depth) for depth in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return replace(
        entry,
        layers=tuple(dict.fromkeys(_at(stages, i / 11) for i in range(12))),
        content_layers=dict.fromkeys(content, 1.0),
        style_layers=dict.fromkeys(style, 1.0),
        dream_layers=dict.fromkeys(dream, 1.0),
    )


def _at(stages: Sequence[str], depth: float) -> str:
    return stages[round(depth * (len(stages) - 1))]


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third
