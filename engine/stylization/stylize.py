"""A photo painted in one pass in the style of paintings, or in a network's own styles."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from engine import colour
from engine.device import return_large_blocks
from engine.errors import BadInput, Mention
from engine.image import Picture, open_picture
from engine.parameterization.scales import fit, resize_picture
from engine.regions import Region
from engine.settings import parse_weighted
from engine.stylization.adain import Moments
from engine.stylization.finding import load_style_network
from engine.stylization.network import StyleKind, StyleNetwork
from engine.stylization.regions import Places, opened_regions
from engine.stylization.running import Brush

COLOURS = ("style", "luminance", "match", "luminance-after")
LARGEST_PAINTING = 2048
"""Pixels of a painting's longer side that are looked at."""
REMEMBERED = 64
"""Codes of paintings that are kept for each network."""

_codes: WeakKeyDictionary[StyleNetwork, dict[Any, Tensor]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Style:
    """A painting and its share of the style."""

    picture: Tensor
    """(1, 3, h, w), RGB in [0, 1]."""
    weight: float = 1.0


@dataclass(frozen=True)
class Manner:
    """How a photo is painted."""

    strength: float = 1.0
    detail: float = 1.0
    stroke_size: float = 1.0
    colour: str = "style"
    colour_strength: float = 1.0
    steadiness: float = 1.0
    """Of films: how much of a frame carries over to the next."""


class Painted:
    """One photo on its way: small first if somebody asks, then at its own size."""

    def __init__(
        self,
        networks: Sequence[tuple[StyleNetwork, float]],
        styles: Sequence[Style],
        photo: Tensor,
        manner: Manner,
        own: Sequence[tuple[int, float]] = ((0, 1.0),),
        regions: Sequence[Region] = (),
        ground: bool = False,
    ) -> None:
        """Look at the paintings, unless that has been done before.

        Args:
            networks: with their weights: what they paint is mixed by these.
            styles: the paintings, for networks that take any.
            photo: (1, 3, H, W), RGB in [0, 1].
            manner: how.
            own: which of its own styles a network paints that takes no paintings, with weights.
            regions: parts of the photo with a style of their own, or kept as they are; opened. The
                photo shows through one with a weight below 1.
            ground: whether networks that take no paintings also paint what is in no region.

        Raises `BadInput` where a network needs a painting and there is none.
        """
        self.photo, self.manner = photo, manner
        self.note = ""
        """What is to be said of it, in a sentence."""
        self.content = self._without_colour(photo)
        self._styles = styles
        self.takes_paintings = any(n.kind == StyleKind.ANY for n, _ in networks)
        self.places: Places | None = None
        """Where each style is painted; None: there are no regions."""
        if regions:
            usual = bool(styles) if self.takes_paintings else ground
            self.places = Places.of(
                regions, photo, usual, self.takes_paintings,
                lambda text: tuple(own_styles(networks, text, "a region")),
            )  # fmt: skip
        self.brushes = [
            (self._brush(network, self._code(network, own)), weight) for network, weight in networks
        ]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.photo.shape[2], self.photo.shape[3]

    def at(self, size: tuple[int, int]) -> Tensor:
        """Return the photo painted at a smaller size (height, width): (1, 3, H, W) in [0, 1]."""
        return self._painted(resize_picture(self.content, size), resize_picture(self.photo, size))

    def whole(self) -> Tensor:
        """Return the photo painted at its own size."""
        return self._painted(self.content, self.photo)

    def again(self, painted: Tensor) -> Tensor:
        """Return what has been painted at the photo's size painted once more."""
        return self._painted(self._without_colour(painted), self.photo)

    def frame(self, photo: Tensor, moments: Sequence[Moments] | None = None) -> Tensor:
        """Return a frame of the film that the photo is one of painted, at the frame's own size.

        Its colours count as the photo's: what the paintings were matched to stays. `moments`: for
        each brush, those that the frame is normalized by, where they are not its own.
        """
        return self._painted(self._without_colour(photo), photo, moments)

    def _without_colour(self, picture: Tensor) -> Tensor:
        """Return what a network is shown of a picture: in gray where only light and dark count."""
        return colour.gray(picture) if self.manner.colour == "luminance" else picture

    def _brush(self, network: StyleNetwork, code: Tensor) -> Brush:
        shares = None if self.places is None or len(code) == 1 else self.places.shares
        return Brush(network, code, self.manner.strength, self.manner.detail, shares)

    def held(self, painted: Tensor, photo: Tensor) -> Tensor:
        """Return a painted frame (1, 3, H, W) with what is kept of the photo as it is there."""
        return painted if self.places is None else self.places.held(painted, photo)

    @torch.no_grad()
    def _mixed(self, content: Tensor, moments: Sequence[Moments] | None = None) -> Tensor:
        total = sum(weight for _, weight in self.brushes)
        given: Sequence[Moments | None] = moments or [None] * len(self.brushes)
        parts = [
            brush.paint(content, own) * (weight / total)
            for (brush, weight), own in zip(self.brushes, given, strict=True)
        ]
        return torch.stack(parts).sum(0).clamp_(0, 1) if len(parts) > 1 else parts[0]

    def _painted(
        self, content: Tensor, photo: Tensor, moments: Sequence[Moments] | None = None
    ) -> Tensor:
        return self.held(self._coloured(content, photo, moments), photo)

    def _coloured(
        self, content: Tensor, photo: Tensor, moments: Sequence[Moments] | None
    ) -> Tensor:
        made, how = self._mixed(content, moments), self.manner
        if how.colour in ("luminance", "luminance-after"):
            return colour.with_luminance_of(made, photo, how.colour_strength)
        if how.colour == "match":
            if not self.takes_paintings:
                return colour.match_colours(made, photo, how.colour_strength)
            if how.colour_strength == 1 and colour.is_gray(photo):
                return colour.gray(made)
        return made

    def _code(self, network: StyleNetwork, own: Sequence[tuple[int, float]]) -> Tensor:
        if network.kind != StyleKind.ANY:
            if self.places is None or self.takes_paintings:
                return _of_network(network, own)
            each = self.places.styles
            return torch.cat(
                [_of_network(network, s if isinstance(s, tuple) else own) for s in each]
            )
        if self.places is None:
            return self._usual(network)
        found = []
        for number, picture in enumerate(self.places.styles):
            where = None
            if len(self.places.styles) > 1:
                where = self.places.shares[:, number : number + 1]
            if not isinstance(picture, Picture):
                found.append(self._usual(network, where))
            else:
                found.append(self._seen(network, Style(picture.tensor()[None]), where))
        return torch.cat(found)

    def _usual(self, network: StyleNetwork, where: Tensor | None = None) -> Tensor:
        """Return the code (1, K) of the paintings that are not those of single regions."""
        if not self._styles:
            raise BadInput("a network for any style needs a painting")
        codes = [self._seen(network, style, where) for style in self._styles]
        weights = [style.weight for style in self._styles]
        return network.blend(codes, weights) if len(codes) > 1 else codes[0]

    @torch.no_grad()
    def _seen(self, network: StyleNetwork, style: Style, where: Tensor | None = None) -> Tensor:
        """Return the code of a painting, remembered where it does not depend on the photo.

        `where` (1, 1, H, W): in which part of the photo; None: everywhere.
        """
        side = network.painting_size or max(self.size)
        own = (style.picture.shape[2], style.picture.shape[3])
        side = min(round(side * self.manner.stroke_size), max(own), LARGEST_PAINTING)
        size = fit(own, max(side, 1), least=min(8, *own))

        picture = resize_picture(style.picture, size)
        if self.manner.colour == "luminance":
            picture = colour.matched_luminance(
                picture.to(self.photo.device), self.content, content_seen=where
            )
        elif self.manner.colour == "match":
            strength = self.manner.colour_strength
            picture = colour.match_colours(
                picture.to(self.photo.device), self.photo, strength, target_seen=where
            )
        if self.manner.colour in ("luminance", "match"):
            return network.encode(picture)
        known = _codes.setdefault(network, {})
        # By its pixels: not every picture is a file, and one from a file may have been changed since.
        digest = hashlib.sha256(picture.cpu().float().contiguous().numpy().data).hexdigest()
        key = (digest, size, str(self.photo.device))
        code = known.pop(key, None)
        if code is None:
            code = network.encode(picture.to(self.photo.device))
        known[key] = code  # the last one asked for stands last
        while len(known) > REMEMBERED:
            del known[next(iter(known))]
        return known[key]


def _of_network(network: StyleNetwork, own: Sequence[tuple[int, float]]) -> Tensor:
    """Return the code (1, K) of a network's own styles with weights."""
    codes = [network.style(index) for index, _ in own]
    return network.blend(codes, [w for _, w in own]) if len(codes) > 1 else codes[0]


def own_styles(
    networks: Sequence[tuple[StyleNetwork, float]], text: str, setting: Mention | str
) -> list[tuple[int, float]]:
    """Return which of their own styles networks paint, with weights, from "NAME[:WEIGHT], …".

    A style is called by its name or by its number; an empty text is the first. Raises `BadInput` for
    one that a network does not have.
    """
    wanted = parse_weighted(text, setting)
    if not wanted:
        return [(0, 1.0)]
    painters = [n for n, _ in networks if n.kind != StyleKind.ANY]
    if not painters:
        raise BadInput(
            setting, " is for networks with styles of their own; this one takes a painting"
        )
    names = [name.casefold() for name in painters[0].style_names]
    found = []
    for name, weight in wanted:
        if name.casefold() in names:
            found.append((names.index(name.casefold()), weight))
        elif name.isdecimal() and int(name) < len(names):
            found.append((int(name), weight))
        else:
            known = ", ".join(painters[0].style_names)
            raise BadInput(
                setting, f" names {name}, which the network does not have; it has {known}"
            )
    return found


def stylize(
    photo: Tensor | Picture | str | Path,
    styles: Sequence[tuple[Tensor | Picture | str | Path, float]] = (),
    network: StyleNetwork | str | Path | None = None,
    strength: float = 1.0,
    *,
    detail: float = 1.0,
    stroke_size: float = 1.0,
    colours: str = "style",
    colour_strength: float = 1.0,
    style: int = 0,
    size: int | None = None,
    device: str | torch.device = "cpu",
    regions: Sequence[Region] = (),
) -> Tensor:
    """Return photos painted in one pass: (N, 3, H, W), RGB in [0, 1], float32.

    Args:
        photo: a file, a picture, or a tensor (3, H, W) or (N, 3, H, W), RGB in [0, 1].
        styles: paintings, likewise one each, with weights.
        network: a style network, its name or its file; None: the shipped one for any style.
        strength: from 0, the photo, to 1.
        detail: how much of the photo's finer structure comes through.
        stroke_size: of the painting's strokes, relative to the result.
        colours: "style", the painting's; "match": the painting first gets the photo's colours;
            "luminance": only light and dark are transferred; "luminance-after": the result gets the
            photo's colours back.
        colour_strength: how far the photo's colours are preserved.
        style: which of its own styles a network paints that takes no paintings.
        size: long side of the result in pixels; None: as the photo.
        device: where to compute.
        regions: parts of the photo with a style of their own, or kept as they are; later ones lie on
            top. Without `styles`, what is in no region stays the photo.

    Raises:
        BadInput: a picture or a setting cannot be; a painting is needed or not.
        WeightsMissing: there is no such network on this machine.
    """
    if not 0 <= strength <= 1:
        raise BadInput(f"strength is {strength:g}; it must be 0 to 1")
    if colours not in COLOURS:
        raise BadInput(f"colours are {colours!r}; there are {', '.join(COLOURS)}")
    if any(not weight > 0 for _, weight in styles):
        raise BadInput("a style's weight must be above 0")
    return_large_blocks()
    if not isinstance(network, StyleNetwork):
        network = load_style_network("any_style" if network is None else str(network), device)
    if styles and network.kind != StyleKind.ANY:
        network.encode(torch.zeros(1, 3, 8, 8))  # says why it takes no painting
    manner = Manner(strength, detail, stroke_size, colours, colour_strength)
    paintings = [Style(_tensor(picture).to(device), weight) for picture, weight in styles]
    photos = _tensor(photo).to(device)
    # The least that says which proportions masks must have.
    shape = Picture(np.zeros((*photos.shape[2:], 3), np.float32)) if regions else None
    regions = opened_regions(regions, shape)
    if size is not None:
        photos = resize_picture(photos, fit((photos.shape[2], photos.shape[3]), size))
    made = [
        Painted([(network, 1.0)], paintings, one[None], manner, [(style, 1.0)], regions).whole()
        for one in photos
    ]
    return torch.cat(made).float()


def _tensor(picture: Tensor | Picture | str | Path) -> Tensor:
    """Return a picture, or several, as (N, 3, H, W) float32 in [0, 1]. Raises `BadInput`."""
    if isinstance(picture, (str, Path)):
        picture = open_picture(picture)
    if isinstance(picture, Picture):
        return picture.tensor()[None]
    batch = picture if picture.dim() == 4 else picture[None]
    if batch.dim() != 4 or batch.shape[1] != 3 or not batch.is_floating_point():
        kind = str(picture.dtype).removeprefix("torch.")
        raise BadInput(f"a picture is float (N, 3, H, W), not {kind} {tuple(picture.shape)}")
    return batch.float()
