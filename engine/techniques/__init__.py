"""One folder per technique: its settings, and how it runs. Importing this does not import torch."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.task import Technique


class Row(NamedTuple):
    """What can be said about a technique without importing it."""

    kind: str
    """The class of its settings, which its folder exports; the folder is named like the command."""
    summary: str
    """What it makes of what, in one line."""
    folder: str = ""
    """Its folder, if that is not named like the command."""
    group: str = ""
    """What it is listed under; "": among the techniques that make pictures."""


ROWS: dict[str, Row] = {
    "style-transfer": Row(
        "StyleTransfer",
        "a photo repainted in the style of one or several paintings",
    ),
    "texture-synthesis": Row("TextureSynthesis", "a bigger picture of the same texture"),
    "stylize": Row("Stylize", "a photo painted by a trained network, in the style of any painting"),
    "deep-dream": Row("DeepDream", "a photo in which the network sees more of what it sees"),
    "class-visualization": Row("ClassVisualization", "what a class looks like to the network"),
    "activation-maximization": Row(
        "ActivationMaximization",
        "what a layer, channel, neuron or direction looks for",
    ),
    "feature-inversion": Row(
        "FeatureInversion",
        "the picture that a layer's features remember of a photo",
    ),
    "langevin": Row("LangevinSampling", "random pictures that the network takes for a class"),
    "adversarial": Row(
        "Adversarial", "a photo changed so slightly that only the network is fooled"
    ),
    "hierarchy": Row("Hierarchy", "what channels look for, layer by layer"),
    "multifaceted": Row(
        "Multifaceted",
        "the different facets of a class, started from averages of its photos",
    ),
    "adversaries": Row(
        "Adversaries",
        "a generator and a discriminator that learn from each other, on toy data",
        folder="workshop_adversaries",
        group="Workshop",
    ),
    "domain-adaptation": Row(
        "DomainAdaptation",
        "a classifier for data of another domain, whose labels it never sees",
        folder="workshop_domain_adaptation",
        group="Workshop",
    ),
    "semi-supervised": Row(
        "SemiSupervised",
        "a classifier of digits that knows few labels, and learns from generated digits",
        folder="workshop_semi_supervised",
        group="Workshop",
    ),
    "captions": Row(
        "Captions",
        "a network that learns to say what is in a picture, and where it sees it",
        folder="workshop_captions",
        group="Workshop",
    ),
    "sequences": Row(
        "Sequences",
        "recurrent networks that read a digit, label a strip of digits, or write out what it says",
        folder="workshop_sequences",
        group="Workshop",
    ),
    "chairs": Row(
        "Chairs",
        "a network that learns to draw chairs: views between views, and morphs",
        folder="workshop_chairs",
        group="Workshop",
    ),
    "black-box": Row(
        "BlackBox",
        "fooling a net that can only be asked, with a count of the questions",
        folder="workshop_black_box",
        group="Workshop",
    ),
    "adversarial-training": Row(
        "AdversarialTraining",
        "a net that learns from attacked digits, beside one that does not",
        folder="workshop_defence",
        group="Workshop",
    ),
}
"""The techniques by their command, in the order in which they are listed."""


class _Techniques(Mapping[str, "type[Technique]"]):
    """Imports the settings of a technique when they are asked for: a command needs only its own."""

    def __getitem__(self, command: str) -> "type[Technique]":
        row = ROWS[command]
        folder = import_module(f"{__name__}.{row.folder or command.replace('-', '_')}")
        kind: type[Technique] = getattr(folder, row.kind)
        return kind

    def __contains__(self, command: object) -> bool:
        return command in ROWS

    def __iter__(self) -> Iterator[str]:
        return iter(ROWS)

    def __len__(self) -> int:
        return len(ROWS)


TECHNIQUES: Mapping[str, "type[Technique]"] = _Techniques()
"""The settings of each technique, a class, by its command."""
