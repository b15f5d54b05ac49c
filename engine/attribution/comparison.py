"""Figures of many maps: methods side by side, and the sanity check of Adebayo et al. 2018."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engine.attribution.companions import companions_of
from engine.attribution.heat import Heat, around_gray, colour_reach, scale_around_gray
from engine.attribution.methods import (
    Question,
    Stopped,
    attribution_steps,
    layer_of,
    located,
    without_rule,
)
from engine.attribution.registry import Method
from engine.attribution.sanity import Randomised, randomised, rank_correlation, weighted_layers
from engine.attribution.tiles import Found, Look, Notes
from engine.attribution.unit import Unit
from engine.attribution.unit_name import UnitName
from engine.errors import BadInput, PareidoliaError
from engine.figure import Tile, rows
from engine.image import Picture
from engine.networks.classes import percent, probabilities
from engine.networks.fitting import fitted
from engine.networks.network import Network

Floats = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
SHOWN_LAYERS = 5
"""How many randomized networks are shown, besides the trained one."""
NO_CLASS = "A unit has no class and no probability."


@dataclass(frozen=True)
class Column:
    """The subject of one column of the comparison."""

    network: Network
    question: Question


@dataclass(frozen=True)
class Compared:
    """The figure, and the raw values by method and column."""

    figure: Picture
    values: dict[str, Floats]


@dataclass(frozen=True)
class ComparisonStep:
    """How far a figure has come: maps made, maps in all and, in the last step, the figure."""

    done: int
    total: int
    compared: Compared | None = None


def _last(steps: Iterator[ComparisonStep], progress: Progress, stopped: Stopped) -> Compared | None:
    """Return the figure of the last step; None when stopped."""
    told, made = None, None
    for step in steps:
        if (step.done, step.total) != told:
            told = step.done, step.total
            progress(*told)
        if stopped():
            return None
        made = step.compared
    return made


def compare(
    picture: Tensor,
    columns: Sequence[Column],
    methods: Sequence[Method],
    *,
    colours: str = "viridis",
    one_scale: bool = True,
    over: float = 0.0,
    own_colours: bool = False,
    companions: bool = False,
    long_side: int | None = None,
    progress: Progress = lambda count, total: None,
    stopped: Stopped = lambda: False,
) -> Compared | None:
    """Compute all maps and compose the figure: a row for each method, a column for each question.

    Args:
        picture: (1, 3, H, W), RGB in [0, 1], of any size.
        columns: classes, units, layers or networks; one whose network has no such unit is kept,
            with a note that says so.
        methods: those wanted; if a network refuses one, a note below the figure says why.
        colours: one of `colour_map.COLOUR_MAPS`, for maps without sign.
        one_scale: whether the maps of a row share a scale (one for each network and each unit's
            layer); otherwise every map has its own.
        over: how strongly the maps are laid over the grey photo, up to 1; 0 shows the maps alone.
        own_colours: whether maps that have colours (guided backprop, deconvnet, guided Grad-CAM)
            are shown in them around grey, as in their papers.
        companions: whether occlusion is followed by the target's probability and the most likely
            class for each position of the square (`engine.attribution.companions`); their raw
            values are one number per position.
        long_side: of the picture that the networks see, in pixels; None: what each was made for.
        progress: called with the number of maps made and to be made.
        stopped: asked between maps and while one is made; once it says yes, None is returned.

    Raises:
        BadInput: no map at all could be made; the sentence says why.
    """
    steps = comparison_steps(
        picture, columns, methods, colours=colours, one_scale=one_scale, over=over,
        own_colours=own_colours, companions=companions, long_side=long_side,
    )  # fmt: skip
    return _last(steps, progress, stopped)


def comparison_steps(
    picture: Tensor,
    columns: Sequence[Column],
    methods: Sequence[Method],
    *,
    colours: str = "viridis",
    one_scale: bool = True,
    over: float = 0.0,
    own_colours: bool = False,
    companions: bool = False,
    long_side: int | None = None,
) -> Iterator[ComparisonStep]:
    """Yield what `compare` does, step by step; closing the generator stops the work."""
    prepared = [Prepared.of(column, picture, long_side) for column in columns]
    look = Look(prepared[0].picture[0].cpu(), colours, over)
    lines: list[tuple[str, Sequence[Tile]]] = []
    raw: dict[str, Floats] = {}
    notes = Notes()
    networks = list(dict.fromkeys(each.column.network.card.title for each in prepared))
    for row, method in enumerate(methods):
        found: list[Found] = []
        chances: list[Found] = []
        labels: list[Found] = []
        beside = companions and method.covers
        names = _told_apart(method, prepared)
        coloured: dict[int, Tensor] = {}
        for number, each in enumerate(prepared):
            here = ComparisonStep(row * len(prepared) + number, len(methods) * len(prepared))
            yield here
            try:
                if each.problem:
                    raise BadInput(each.problem)
                about = each.column
                for now in attribution_steps(method, about.network, each.x, about.question):
                    step = now
                    yield here
            except PareidoliaError as error:
                found.append(notes.take(method.title, str(error)))
                chances.append(found[-1])
                labels.append(found[-1])
                continue
            values = step.values
            assert values is not None
            raw[f"{method.title} - {names[number]}"] = values.numpy()
            in_colour = own_colours and values.ndim == 3 and not method.signed
            if in_colour:
                coloured[number] = values
            found.append(values if in_colour else Heat.of(method, values))
            if beside:
                assert step.occluded is not None
                pair = companions_of(method, step.occluded, each.column.network.classes)
                raw |= {f"{heat.title} - {names[number]}": heat.grid for heat in pair}
                chances.append(pair[0] if pair else NO_CLASS)
                labels.append(pair[1] if pair else NO_CLASS)
        captions = [each.caption(method, len(networks) > 1) for each in prepared]
        sharing = [each.scale for each in prepared] if one_scale else None
        for number, values in coloured.items():
            alike = [
                colour_reach(other) for key, other in coloured.items()
                if key == number or (sharing is not None and sharing[key] == sharing[number])
            ]  # fmt: skip
            found[number] = around_gray(values, max(alike))
            captions[number] += f"\n{scale_around_gray(values, max(alike))}"
        lines.append((row_label(method, prepared), look.row(found, captions, sharing)))
        if beside:
            lines += look.companion_rows(chances, labels, captions, one_scale)
    if not raw:
        raise BadInput(notes.texts[-1] if notes.texts else "no method was asked for")
    figure = rows([("", [Tile(look.photo, "")]), *lines], ", ".join(networks))
    made = Compared(notes.below(figure, look.type_size), raw)
    yield ComparisonStep(here.done, here.total, made)


@dataclass(frozen=True)
class Prepared:
    """A column's picture as its network sees it, and what is known of the target before any map."""

    column: Column
    picture: Tensor
    x: Tensor
    answer: float
    """The class's probability, or the unit's activation."""
    problem: str = ""
    """Why the network has no such unit."""

    @classmethod
    def of(cls, column: Column, picture: Tensor, long_side: int | None = None) -> "Prepared":
        """Look at a picture (1, 3, H, W); a unit's place and the CAM layer are settled here."""
        network = column.network
        small = fitted(network, picture, long_side)
        x, question = network.prepare(small), column.question
        if isinstance(question.target, Unit):
            # Its place is fixed here; otherwise a network with random weights would be asked about
            # another.
            try:
                unit, answer = located(network, x, question.target)
            except BadInput as error:
                name = cls(column, small, x, math.nan).name
                return cls(column, small, x, math.nan, f"{name}: {error}")
            question = replace(question, target=unit)
        else:
            with torch.no_grad():
                chances = probabilities(network.logits(small)[0].cpu().double())
            answer = float(chances[question.target])
        if not question.layer:
            question = replace(question, layer=_layer(network, x, question))
        return cls(Column(network, question), small, x, answer)

    @property
    def scale(self) -> str:
        """What may share a scale: networks take pictures, and layers answer, each in their own units."""
        target, network = self.column.question.target, self.column.network.card.name
        return f"{network} {target.layer}" if isinstance(target, Unit) else network

    @property
    def name(self) -> str:
        """The target's name: a class, or a unit with its place."""
        target = self.column.question.target
        if isinstance(target, Unit):
            return UnitName(target.layer, target.channel, target.position).words
        return self.column.network.classes[target]

    def caption(self, method: Method, with_network: bool) -> str:
        """Return what stands below a map: target, answer, the CAM layer and the network."""
        of_unit = isinstance(self.column.question.target, Unit)
        said = (
            f"{self.name}: {self.answer:.4g}" if of_unit else f"{self.name} {percent(self.answer)}"
        )
        parts = [self.name if self.problem else said]
        if method.takes_layer and not self.problem:
            parts.append(self.column.question.layer)
        if with_network:
            parts.append(self.column.network.card.name)
        return ", ".join(parts)


def _layer(network: Network, x: Tensor, question: Question) -> str:
    """Return the layer for the CAM family; empty if there is none, as each method then says."""
    try:
        return layer_of(network, x, question)
    except BadInput:
        return ""


def row_label(method: Method, prepared: Sequence[Prepared]) -> str:
    """Return what stands beside a row: the method, and what it has no rule for."""
    plain = [
        name for each in prepared for name in without_rule(method, each.column.network, each.x)
    ]
    if not plain:
        return method.title
    return f"{method.title} (no rule for {', '.join(dict.fromkeys(plain))})"


def _told_apart(method: Method, prepared: Sequence[Prepared]) -> list[str]:
    """Return a name for each column's map, made of what differs between them; equal maps share one."""
    columns, looks = [each.column for each in prepared], method.takes_layer
    layers = [column.question.layer if looks else "" for column in columns]
    networks = [column.network.card.name for column in columns]
    parts = [[each.name for each in prepared], layers, networks]
    telling = [part for part in parts if len(set(part)) > 1] or parts[:1]
    names = [" - ".join(words) for words in zip(*telling, strict=True)]
    maps = [(c.network, c.question.target, at) for c, at in zip(columns, layers, strict=True)]
    first = [maps.index(each) for each in maps]
    labels = list(zip(names, first, strict=True))
    taken = [name for name, _ in set(labels)]
    return [name if taken.count(name) == 1 else f"{name} ({i + 1})" for name, i in labels]


def sanity_check(
    picture: Tensor,
    columns: Sequence[Column],
    methods: Sequence[Method],
    *,
    colours: str = "viridis",
    long_side: int | None = None,
    progress: Progress = lambda count, total: None,
    stopped: Stopped = lambda: False,
) -> Compared | None:
    """Show each method's map as more and more layers lose what they learned; None when stopped.

    Arguments as in `compare`. There is a row for each method and column. It shows the map of the
    trained network, then those of networks randomized from the top down, with Spearman's rank
    correlation between the magnitudes of each map and the trained network's. Every map has its own
    scale, given below it: random networks answer with numbers of other magnitudes.
    """
    steps = sanity_steps(picture, columns, methods, colours=colours, long_side=long_side)
    return _last(steps, progress, stopped)


def sanity_steps(
    picture: Tensor,
    columns: Sequence[Column],
    methods: Sequence[Method],
    *,
    colours: str = "viridis",
    long_side: int | None = None,
) -> Iterator[ComparisonStep]:
    """Yield what `sanity_check` does, step by step; closing the generator stops the work."""
    prepared = [Prepared.of(column, picture, long_side) for column in columns]
    for each in prepared:
        if each.problem:
            raise BadInput(each.problem)
    look, notes = Look(prepared[0].picture[0].cpu(), colours), Notes()
    lines: list[tuple[str, Sequence[Tile]]] = []
    raw: dict[str, Floats] = {}
    total, done = len(methods) * len(prepared) * (SHOWN_LAYERS + 1), 0
    for method in methods:
        names = _told_apart(method, prepared)
        for each, name in zip(prepared, names, strict=True):
            beside = f" - {name}" if len(prepared) > 1 else ""
            tiles: list[Tile] = []
            try:
                for step in _randomised(method, each):
                    yield ComparisonStep(done + len(tiles), total)
                    if step is None:
                        continue
                    heat = Heat(method, step.map[0].numpy())
                    raw[f"{method.title}{beside} - {step.layer or 'trained'}"] = heat.values
                    told = f"down to {step.layer}, rank correlation {step.correlation:.2f}"
                    blank = not heat.values.any()
                    scale = (
                        f"all 0, see note {notes.number(_why_0(method))}" if blank else heat.scale()
                    )
                    told = f"{told if step.layer else 'trained'}\n{scale}"
                    tiles.append(look.tile(heat, told, None))
            except PareidoliaError as error:
                tiles = [look.tile(notes.take(method.title, str(error)), "", None)]
            done += SHOWN_LAYERS + 1
            label = row_label(method, [each])
            with_networks = len({one.column.network for one in prepared}) > 1
            about = each.caption(method, with_networks)
            lines.append((f"{label}\n{about}" if len(prepared) > 1 else label, tiles))
    networks = ", ".join(dict.fromkeys(each.column.network.card.title for each in prepared))
    about = f", {prepared[0].name}" if len(prepared) == 1 else ""
    title = f"{networks}{about}: weights randomised from the top down"
    made = Compared(notes.below(rows(lines, title), look.type_size), raw)
    yield ComparisonStep(total, total, made)


def _why_0(method: Method) -> str:
    """Return why a network with random weights gives a map that is 0 everywhere."""
    if method.of_layer and method.relu_rule:
        why = "is 0 wherever Grad-CAM or guided backprop is: behind these random layers everywhere"
    elif method.of_layer:
        why = "keeps only what supports the target: in these random layers nothing does"
    elif method.relu_rule == "guided":
        why = (
            "passes a ReLU only where the unit is active and its gradient positive: in these random "
            "layers there is no such unit left"
        )
    elif method.relu_rule == "deconvnet":
        why = (
            "passes a ReLU only where the signal coming back is positive: in these random layers it "
            "is positive nowhere"
        )
    else:
        why = "gets nothing back through these random layers: their units are inactive"
    return f"{method.title} {why}."


def _randomised(method: Method, about: Prepared) -> Iterator[Randomised | None]:
    """Yield the maps of a row: the trained network's, and `SHOWN_LAYERS` others.

    None is yielded between two steps of a map.
    """
    network, question = about.column.network, about.column.question
    layers = len(weighted_layers(network.module))
    wanted = {round(i * layers / SHOWN_LAYERS) for i in range(1, SHOWN_LAYERS + 1)}
    trained = None
    for layer, model in randomised(network.module, torch.Generator().manual_seed(0), wanted):
        for step in attribution_steps(method, _with(network, model), about.x, question):
            if step.values is None:
                yield None
        assert step.values is not None
        found = torch.from_numpy(Heat.of(method, step.values).values)[None]
        trained = found if trained is None else trained
        alike = rank_correlation(found.abs(), trained.abs()) if layer else 1.0
        yield Randomised(layer, found, alike)


def _with(network: Network, model: nn.Module) -> Network:
    """Return the network with `model`, of the same architecture, as its module."""
    other = copy.copy(network)
    other.module = model
    return other
