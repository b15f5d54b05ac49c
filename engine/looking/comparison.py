"""Networks, classes, units and layers side by side: what a figure's columns are about."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from engine.attribution.asked import Question
from engine.attribution.comparison import Column, comparison_steps, sanity_steps
from engine.attribution.methods import located
from engine.attribution.registry import find_method
from engine.attribution.unit import Unit
from engine.attribution.unit_name import UnitName
from engine.errors import BadInput
from engine.looking.answer import ComparisonAnswer
from engine.looking.request import ComparisonRequest
from engine.networks.classes import find_class
from engine.networks.fitting import fitted
from engine.networks.network import Network

Target = int | str | UnitName
"""A class by number or name, or a unit."""


def compared(
    networks: Sequence[Network], picture: Tensor, request: ComparisonRequest
) -> Iterator[ComparisonAnswer]:
    """Yield how far the figure has come, and finally the figure; arguments and errors as in `look`.

    `picture`: (1, 3, H, W), RGB in [0, 1].
    """
    methods = [find_method(name) for name in request.methods]
    found, refusals = columns_of(networks, picture, request)
    columns = tuple(found)
    if request.most_columns is not None and len(columns) > request.most_columns:
        raise BadInput(
            f"That would make {len(columns)} columns, and {request.most_columns} are the most; "
            "choose fewer networks, classes, units or layers."
        )
    if request.sanity:
        steps = sanity_steps(
            picture, columns, methods, colours=request.colours, long_side=request.long_side
        )
    else:
        steps = comparison_steps(
            picture, columns, methods, colours=request.colours, one_scale=request.one_scale,
            over=request.over, own_colours=request.own_colours, companions=request.companions,
            long_side=request.long_side,
        )  # fmt: skip
    for step in steps:
        yield ComparisonAnswer(step.done, step.total, columns, refusals, step.compared)


def columns_of(
    networks: Sequence[Network], picture: Tensor, request: ComparisonRequest
) -> tuple[list[Column], tuple[BadInput, ...]]:
    """Return the columns, and why some of the networks have no map for some of the targets.

    Raises:
        BadInput: no network has any of the targets or, if the request is strict, one lacks one.
    """
    targets: list[Target] = [*request.classes, *request.units]
    if not targets and request.likely:
        targets = [*_likely(networks[0], picture, request, request.likely)]
    columns: list[Column] = []
    refused: dict[Target, list[BadInput]] = {}
    for network in networks:
        x = network.prepare(fitted(network, picture, request.long_side))
        own = dict.fromkeys(targets or _likely(network, picture, request, 1))
        for target in own:
            try:
                meant = _meant(network, x, target, request.strict)
            except BadInput as error:
                if request.strict:
                    raise
                refused.setdefault(target, []).append(error)
                if not isinstance(target, UnitName):
                    continue
                meant = Unit.named(target)  # the figure says in its column why there is no map
            columns += [
                Column(
                    network,
                    Question(meant, layer, request.window, request.stride, request.fill),
                )
                for layer in request.layers or ("",)
            ]
    for errors in refused.values():
        if len(errors) == len(networks):
            raise errors[0]
    return columns, tuple(error for errors in refused.values() for error in errors)


def _meant(network: Network, x: Tensor, target: Target, strict: bool) -> int | Unit:
    """Return the class or unit that is meant. Raises `BadInput` when the network lacks it."""
    if isinstance(target, int):
        return target
    if isinstance(target, str):
        return find_class(network, target)
    unit = Unit.named(target)
    if strict:  # a unit that one of them lacks leaves its column empty, with a note
        return unit
    try:
        located(network, x, unit)
    except BadInput as error:
        raise BadInput(f"No map for unit {target}: ", error) from error
    return unit


def _likely(
    network: Network, picture: Tensor, request: ComparisonRequest, count: int
) -> tuple[str, ...] | tuple[int, ...]:
    """Return the classes that the network thinks most likely, by name if other networks are asked."""
    logits = network.logits(fitted(network, picture, request.long_side))[0]
    numbers = [int(i) for i in logits.topk(min(count, len(logits))).indices]
    return tuple(network.classes[i] for i in numbers) if request.likely else tuple(numbers)
