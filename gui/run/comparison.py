"""Figures of many maps: methods beside each other, and the sanity check of Adebayo et al. 2018."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from engine.errors import PareidoliaError
from engine.image import Picture
from gui.run.map_methods import CLASS_MAPS, Floats, coloured, reach_of, values_of
from gui.run.maps import fitting, last_map
from gui.run.networks import Networks

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.networks.network import Network


@dataclass(frozen=True)
class Order:
    """What is to be compared."""

    image: QImage
    network: str
    weights: str | None
    methods: tuple[str, ...]
    classes: tuple[str, ...]
    """Names or numbers; empty: the three most likely."""
    layer: str
    colours: str
    one_scale: bool
    """Whether all maps of a method share one scale; else each has its own."""


@dataclass(frozen=True)
class Compared:
    """The figure, and the raw values by method and class."""

    figure: Picture
    values: dict[str, Floats]


Progress = Callable[[int, int], None]


def compare(
    order: Order, networks: Networks, progress: Progress, stopped: Callable[[], bool]
) -> Compared | None:
    """Compute all maps and compose the figure; None when stopped. Raises `PareidoliaError`s."""
    import torch

    from engine.figure import Tile, rows
    from engine.networks.classes import find_class

    network = networks.get(order.network, order.weights).twin()
    picture = fitting(order.image, network)
    logits = network.logits(picture)[0]
    likely = [int(i) for i in logits.topk(min(3, len(logits))).indices]
    targets = [find_class(network, text) for text in order.classes] or likely
    layer = order.layer or last_map(network)
    x = network.prepare(picture)
    chances = logits.double().softmax(0)
    photo = Tile(picture[0].cpu(), "")
    lines: list[tuple[str, Sequence[Tile]]] = []
    raw: dict[str, Floats] = {}
    total = len(order.methods) * len(targets)
    for method in order.methods:
        maps: list[Floats] = []
        problem = ""
        for target in targets:
            progress(len(lines) * len(targets) + len(maps), total)
            try:
                values = values_of(method, network, x, target, layer, stopped)
            except PareidoliaError as error:
                problem = str(error)
                break
            if values is None or stopped():
                return None
            maps.append(values)
            raw[f"{method} - {network.classes[target]}"] = values
        if problem:
            lines.append((method, [Tile(torch.full_like(photo.picture, 0.5), problem)]))
            continue
        reaches = [reach_of(method, values) for values in maps]
        if order.one_scale:
            reaches = [max(reaches)] * len(reaches)
        tiles = []
        for target, values, reach in zip(targets, maps, reaches, strict=True):
            pixels = coloured(method, values, order.colours, reach)
            tile = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
            caption = f"{network.classes[target]} {float(chances[target]):.1%}"
            tiles.append(Tile(tile, caption))
        lines.append((method if method not in CLASS_MAPS else f"{method}, {layer}", tiles))
    title = f"{network.card.title}"
    figure = rows([(network.card.name, [photo]), *lines], title)
    return Compared(figure, raw)


SHOWN_LAYERS = 5
"""Of the randomised networks, besides the trained one."""


def sanity_check(
    order: Order, networks: Networks, progress: Progress, stopped: Callable[[], bool]
) -> Compared | None:
    """Show each method's map as more and more layers lose what they learned; None when stopped."""
    import torch

    from engine.attribution.sanity import randomisation
    from engine.figure import Tile, rows
    from engine.networks.classes import find_class

    network = networks.get(order.network, order.weights).twin()
    x = network.prepare(fitting(order.image, network))
    picture = fitting(order.image, network)
    target = int(network.logits(picture)[0].argmax())
    if order.classes:
        target = find_class(network, order.classes[0])
    layer = order.layer or last_map(network)
    layers = [n for n, m in network.module.named_modules() if _weighs(m)]
    wanted = {round(i * len(layers) / SHOWN_LAYERS) for i in range(SHOWN_LAYERS + 1)}
    lines: list[tuple[str, Sequence[Tile]]] = []
    raw: dict[str, Floats] = {}
    for row, method in enumerate(order.methods):

        def mapped(model: "nn.Module", x: "Tensor", method: str = method) -> "Tensor":
            values = values_of(method, _with(network, model), x, target, layer, stopped)
            return (
                torch.zeros(1, *x.shape[2:]) if values is None else torch.from_numpy(values)[None]
            )

        tiles = []
        generator = torch.Generator().manual_seed(0)
        try:
            for count, step in enumerate(randomisation(network.module, x, mapped, generator)):
                progress(row * (len(layers) + 1) + count, len(order.methods) * (len(layers) + 1))
                if stopped():
                    return None
                if count not in wanted:
                    continue
                values = step.map[0].numpy()
                raw[f"{method} - {step.layer or 'trained'}"] = values
                pixels = coloured(
                    method, values, order.colours, max(reach_of(method, values), 1e-12)
                )
                told = f"down to {step.layer}, rank correlation {step.correlation:.2f}"
                picture_ = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
                tiles.append(Tile(picture_, told if step.layer else "trained"))
        except PareidoliaError as error:
            tiles = [Tile(torch.full_like(picture[0].cpu(), 0.5), str(error))]
        lines.append((method, tiles))
    title = f"{network.card.title}, {network.classes[target]}: weights randomised from the top down"
    return Compared(rows(lines, title), raw)


def _weighs(module: "nn.Module") -> bool:
    weight = module._parameters.get("weight")
    return weight is not None and weight.dim() >= 2


def _with(network: "Network", model: "nn.Module") -> "Network":
    """Return the network with other modules of the same build."""
    other = copy.copy(network)
    other.module = model
    return other
