"""The request for a comparison of methods, assembled from names; for a worker thread."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QImage

from engine.attribution.registry import find_method
from engine.attribution.unit_name import UnitName
from engine.errors import BadInput
from gui.canvas.figure_view import levels_of
from gui.pictures import image_of
from gui.pixels import picture_of
from gui.run.maps import unit_of
from gui.run.networks import NetworkKey, Networks
from gui.wording import worded

if TYPE_CHECKING:
    from torch import Tensor

    from engine.attribution.comparison import Column, Compared
    from engine.attribution.unit import Unit
    from engine.networks.network import Network

MOST_COLUMNS = 12
_BETWEEN_UNITS = re.compile(r",(?!\s*[0-9]+\s*(?:,|$))")
"""A comma, but not the one between a unit's row and column."""


def units_of(text: str) -> tuple[UnitName, ...]:
    """Return the units of "relu4_2:17, inception_4c:5:3,3". Raises `BadInput` for anything else."""
    return tuple(UnitName.parse(part) for part in _BETWEEN_UNITS.split(text) if part.strip())


@dataclass(frozen=True)
class ComparisonRequest:
    """What to compare: every network with every target at every layer is a column."""

    image: QImage
    methods: tuple[str, ...]
    networks: tuple[NetworkKey, ...]
    classes: tuple[str, ...]
    """Names or numbers; empty, and no units: the three most likely to the first network."""
    layers: tuple[str, ...]
    """Empty: the last one that has a map."""
    colours: str
    one_scale: bool
    """Whether all maps of a method share one scale; else each has its own."""
    over: float = 0.0
    """How strongly maps lie over the photo in gray, 0 to 1; 0: maps alone."""
    own_colours: bool = False
    """Whether maps of three colours are shown in them."""
    units: tuple[UnitName, ...] = ()
    """Targets besides the classes."""
    companions: bool = False
    """Whether occlusion is followed by probability and most likely class for each place."""


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """The figure, and what is missing from it."""

    compared: "Compared"
    levels: tuple[QImage, ...]
    """The figure as `FigureView` takes it."""
    refusals: tuple[str, ...]
    """Why some of the networks could not be asked about some of the targets."""


def drawn(
    request: ComparisonRequest, sanity: bool, networks: Networks, progress: Callable[[int, int], None],
    stopped: Callable[[], bool],
) -> ComparisonResult | None:  # fmt: skip
    """Compute the figure; None when stopped. Raises `PareidoliaError`s. Not for the GUI thread."""
    from engine.attribution.comparison import compare, sanity_check

    methods = [find_method(name) for name in request.methods]
    picture = picture_of(request.image).tensor()[None]
    named = request.networks[:1] if sanity else request.networks
    loaded = [networks.get(*each).twin() for each in named]
    targets: list[str | UnitName] = [*request.classes, *request.units]
    targets = targets or list(_likely(loaded[0], picture, 1 if sanity else 3))
    columns, refusals = columns_of(loaded, picture, targets, request.layers)
    if len(columns) > MOST_COLUMNS:
        raise BadInput(
            QCoreApplication.translate(
                "Comparing",
                "That would make {0} columns, and {1} are the most; "
                "choose fewer networks, classes, units or layers.",
            ).format(len(columns), MOST_COLUMNS)
        )
    if sanity:
        compared = sanity_check(
            picture, columns, methods, colours=request.colours, progress=progress, stopped=stopped
        )
    else:
        compared = compare(
            picture, columns, methods, colours=request.colours, one_scale=request.one_scale,
            over=request.over, own_colours=request.own_colours,
            companions=request.companions, progress=progress, stopped=stopped,
        )  # fmt: skip
    if compared is None:
        return None
    return ComparisonResult(compared, levels_of(image_of(compared.figure)), refusals)


def columns_of(
    networks: "Sequence[Network]", picture: "Tensor", targets: Sequence[str | UnitName],
    layers: Sequence[str],
) -> "tuple[list[Column], tuple[str, ...]]":  # fmt: skip
    """Return the columns, and why some of the networks have no map for some of the targets.

    Args:
        networks: all of them.
        picture: (1, 3, H, W), RGB in [0, 1], of any size.
        targets: classes by name or number, and units.
        layers: for the CAM family; empty: the last one that has a map.

    Raises:
        BadInput: none of the networks has a target.
    """
    from engine.attribution.comparison import Column
    from engine.attribution.methods import Question
    from engine.networks.fitting import fitted

    columns: list[Column] = []
    refused: dict[str | UnitName, list[BadInput]] = {}
    for network in networks:
        x = network.prepare(fitted(network, picture))
        for target in dict.fromkeys(targets):
            try:
                meant = _meant(network, x, target)
            except BadInput as error:
                refused.setdefault(target, []).append(error)
                if isinstance(target, str):
                    continue
                meant = unit_of(target)  # the figure says in its column why there is no map
            columns += [Column(network, Question(meant, layer)) for layer in layers or ("",)]
    for errors in refused.values():
        if len(errors) == len(networks):
            raise errors[0]
    return columns, tuple(worded(error) for errors in refused.values() for error in errors)


def _meant(network: "Network", x: "Tensor", target: str | UnitName) -> "int | Unit":
    """Return the class or unit that is meant. Raises `BadInput` when the network has none such."""
    from engine.attribution.methods import located
    from engine.networks.classes import find_class

    if isinstance(target, str):
        return find_class(network, target)
    unit = unit_of(target)
    try:
        located(network, x, unit)
    except BadInput as error:
        words = QCoreApplication.translate("Comparing", "No map for unit {0}: {1}")
        raise BadInput(words.format(target, worded(error))) from error
    return unit


def _likely(network: "Network", picture: "Tensor", count: int) -> tuple[str, ...]:
    """Return the classes that the network thinks most likely."""
    from engine.networks.fitting import fitted

    logits = network.logits(fitted(network, picture))[0]
    return tuple(network.classes[int(i)] for i in logits.topk(min(count, len(logits))).indices)
