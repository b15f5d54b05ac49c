"""Any method of `engine.attribution.registry` asked of a network: raw values, or the reason why not."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from engine.attribution.activations import plain_activations
from engine.attribution.asked import Asked, MethodStep
from engine.attribution.asked import Question as Question
from engine.attribution.class_activation import GradCamPass, grad_cam
from engine.attribution.occluding import Occluded
from engine.attribution.registry import Method
from engine.attribution.state import values_of_unit, without_gradients
from engine.attribution.unit import Unit
from engine.errors import BadInput
from engine.networks.colours import in_rgb
from engine.networks.fitting import call_name, last_map

if TYPE_CHECKING:
    from engine.networks.network import Network

Publish = Callable[[Occluded], None]
Stopped = Callable[[], bool]


def attribute(
    method: Method,
    network: "Network",
    x: Tensor,
    question: Question,
    *,
    publish: Publish | None = None,
    stopped: Stopped = lambda: False,
    known: GradCamPass | None = None,
) -> Tensor | None:
    """Return a method's raw values, float32 on the CPU: (H, W), or (3, H, W) in the order RGB.

    Args:
        method: one of `METHODS`.
        network: whose answer is asked about.
        x: one picture (1, 3, H, W), as `network.prepare` returns it.
        question: what is asked.
        publish: called with what an occlusion has found so far, at the end with all of it,
            including Zeiler and Fergus's companions; `companions.heats` makes maps of it.
        stopped: asked between long steps; once it says yes, None is returned.
        known: a pass over `x` that kept the layer asked for, which saves Grad-CAM of a class its
            own.

    Raises:
        BadInput: the method has no answer for this network, target or layer; the sentence says why.
    """
    values = None
    for step in attribution_steps(method, network, x, question, known):
        if step.total > 1 and stopped():
            return None
        if publish is not None and step.occluded is not None:
            publish(step.occluded)
        values = step.values
    return values


def attribution_steps(
    method: Method,
    network: "Network",
    x: Tensor,
    question: Question,
    known: GradCamPass | None = None,
) -> Iterator[MethodStep]:
    """Yield how far a method has come; the last step has its values, as `attribute` returns them.

    Arguments and errors as in `attribute`. Closing the generator stops the work.
    """
    size = (x.shape[2], x.shape[3])
    network.calls(size)  # says so where the picture is too small for it

    def find_layer() -> str:
        return call_name(network, layer_of(network, x, question), size)

    target = _called(network, question.target, size)
    try:
        found = method.function()(Asked(network, x, target, question, find_layer, known))
        for step in (MethodStep(1, 1, found),) if isinstance(found, Tensor) else found:
            values = None if step.values is None else _for_people(step.values, network)
            yield replace(step, values=values)
    except ValueError as error:
        raise BadInput(f"{method.title} on {network.card.name}: {error}") from error


def _for_people(found: Tensor, network: "Network") -> Tensor:
    """Return the first picture's values, float32 on the CPU, with colours in the order RGB."""
    values = found[0].detach().float().cpu()
    if values.ndim != 3:
        return values
    if network.channels == 1:
        return values.expand(3, -1, -1)
    return in_rgb(values, network.card.preprocessing, 0)


def _called(network: "Network", target: int | Unit, size: tuple[int, int]) -> int | Unit:
    """Return a target with its layer named as `engine.attribution` does.

    In the layer tree, the bare name of a module that is called several times means its first call;
    in `engine.attribution`, its last.
    """
    if isinstance(target, Unit):
        return replace(target, layer=call_name(network, target.layer, size))
    return target


def layer_of(network: "Network", x: Tensor, question: Question) -> str:
    """Return the layer that the CAM family looks at: the one asked for, or the last that will do.

    For a class, that is the last layer with a map; for a unit, the last one before it that it
    depends on (in a network with branches, not every earlier layer leads to it). `x` as in
    `attribute`.

    Raises:
        BadInput: there is none, or no such unit.
    """
    size = (x.shape[2], x.shape[3])
    if question.layer:
        return question.layer
    unit = question.target
    if not isinstance(unit, Unit):
        return last_map(network, size)
    located(network, x, unit)  # says what is wrong with the unit itself
    own, called = network.resolve(unit.layer), _called(network, unit, size)
    names = {dotted: alias for alias, dotted in network.aliases.items()}
    calls = list(network.calls(size).values())
    before = calls[: [call.name for call in calls].index(own)]
    reached = []
    for call in reversed(before):
        if len(call.shape) == 4 and min(call.shape[2:]) > 1:
            name = call_name(network, call.name, size)
            try:
                found = grad_cam(network.module, x, called, name, relu=False, upsample=False)
            except ValueError:
                continue
            reached.append(names.get(call.name, call.name))
            if found.any():  # otherwise it feeds channels of a concatenation other than the unit's
                return reached[-1]
    if reached:  # the unit is silent here: nothing has a gradient
        return reached[0]
    raise BadInput(
        f"no layer before {unit.layer} of {network.card.name} has a map; choose a deeper unit, or "
        "a method that looks at pixels"
    )


def located(network: "Network", x: Tensor, unit: Unit) -> tuple[Unit, float]:
    """Return a unit with its position in `x` (1, 3, H, W) settled, and its activation there.

    For layers without maps, the position stays None. Raises `BadInput` if there is no such unit.
    """
    size = (x.shape[2], x.shape[3])
    called = replace(unit, layer=call_name(network, unit.layer, size))
    try:
        with without_gradients(network.module):
            values, found = values_of_unit(network.module, x.clone(), called)
    except ValueError as error:
        raise BadInput(f"{network.card.name}: {error}") from error
    shape = network.calls(size)[network.resolve(unit.layer)].shape
    if len(shape) == 4:
        row, column = divmod(int(found.places[0]), shape[3])
        unit = replace(unit, position=(row, column))
    return unit, float(values[0])


def without_rule(method: Method, network: "Network", x: Tensor) -> tuple[str, ...]:
    """Return the activations for which a method with a rule for ReLUs has none; () for others."""
    if not method.relu_rule:
        return ()
    try:
        return plain_activations(network.module, x)
    except ValueError:  # scripted: the method itself says so
        return ()
