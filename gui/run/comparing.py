"""What the comparison of methods is asked, put together from names; for a thread of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from engine.errors import BadInput
from engine.heat import find_method
from gui.pictures import image_of
from gui.pixels import to_array
from gui.run.networks import Networks

if TYPE_CHECKING:
    from engine.attribution.comparison import Compared

MOST_COLUMNS = 12
Named = tuple[str, str | None]
"""A network's name and where its weights are."""


@dataclass(frozen=True)
class Order:
    """What is to be compared: every network with every class at every layer is a column."""

    image: QImage
    methods: tuple[str, ...]
    networks: tuple[Named, ...]
    classes: tuple[str, ...]
    """Names or numbers; empty: the three most likely to the first network."""
    layers: tuple[str, ...]
    """Empty: the last one that has a map."""
    colours: str
    one_scale: bool
    """Whether all maps of a method share one scale; else each has its own."""
    over: float = 0.0
    """How strongly maps lie over the photo in gray, 0 to 1; 0: maps alone."""
    own_colours: bool = False
    """Whether maps of three colours are shown in them."""


def drawn(
    order: Order, sanity: bool, networks: Networks, progress: Callable[[int, int], None],
    stopped: Callable[[], bool],
) -> "tuple[Compared, QImage] | None":  # fmt: skip
    """Return what `carry_out` does, and its figure as it can be shown."""
    compared = carry_out(order, sanity, networks, progress, stopped)
    return None if compared is None else (compared, image_of(compared.figure))


def carry_out(
    order: Order, sanity: bool, networks: Networks, progress: Callable[[int, int], None],
    stopped: Callable[[], bool],
) -> "Compared | None":  # fmt: skip
    """Compute the figure; None when stopped. Raises `PareidoliaError`s. Not for the GUI thread."""
    import torch

    from engine.attribution.comparison import Column, compare, fitted, sanity_check
    from engine.attribution.methods import Question
    from engine.networks.classes import find_class

    methods = [find_method(name) for name in order.methods]
    picture = torch.from_numpy(to_array(order.image)[..., :3].copy()).permute(2, 0, 1)[None] / 255
    loaded = [networks.get(*named).twin() for named in order.networks]
    classes = order.classes
    if not classes:
        logits = loaded[0].logits(fitted(loaded[0], picture))[0]
        likely = logits.topk(1 if sanity else min(3, len(logits))).indices
        classes = tuple(loaded[0].classes[int(i)] for i in likely)
    columns = [
        Column(network, Question(find_class(network, text), layer))
        for network in loaded
        for text in classes
        for layer in order.layers or ("",)
    ]
    if sanity:
        return sanity_check(
            picture, columns[0], methods, colours=order.colours, progress=progress, stopped=stopped
        )
    if len(columns) > MOST_COLUMNS:
        raise BadInput(
            f"that would be {len(columns)} columns; choose fewer networks, classes or layers, "
            f"at most {MOST_COLUMNS} together"
        )
    return compare(
        picture, columns, methods, colours=order.colours, one_scale=order.one_scale,
        over=order.over, own_colours=order.own_colours, progress=progress, stopped=stopped,
    )  # fmt: skip
