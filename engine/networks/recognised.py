"""What a file of weights was found to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.networks.own_head import HeadLayer

if TYPE_CHECKING:
    from engine.networks.building import Part


@dataclass(frozen=True)
class Recognised:
    """What a file of weights holds."""

    architecture: str
    """One of ours, or torchvision's name."""
    part: "Part" = "whole"
    num_classes: int = 0
    """0 without a classifier."""
    preprocessing: str = ""
    """A key of `card.KNOWN`, or empty: as the architecture's card says."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """The file's tensor names -> ours; tensors without an entry are not needed."""
    last_layer: str = ""
    """The module that a body lacks, or that `head` replaces."""
    head: tuple[HeadLayer, ...] = ()
    """What replaces it; empty: the architecture's own."""
    unread: tuple[str, ...] = ()
    """The file's tensors of a head whose structure is unclear."""
    channels: int = 3
    """Channels of the pictures that the network takes: 3, or 1 for grey ones."""
    input_size: int = 0
    """Side in pixels, if the tensors tell it; 0: as the architecture's card says."""
    left_out: tuple[str, ...] = ()
    """The file's tensors that are not part of the network."""
    prefix: str = ""
    """The prefix of the network's names in the file."""

    @property
    def complete(self) -> bool:
        """Whether the classifier is there (a style network is always complete)."""
        return self.part == "whole"

    @property
    def plain(self) -> bool:
        """Whether this is nothing but the architecture as published, with any number of classes."""
        return not (self.head or self.unread or self.left_out) and self.channels == 3
