"""Any method of `engine.heat.METHODS` asked of a network: raw values, or the reason why not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from engine.attribution.activations import plain_activations
from engine.attribution.cam import GradCamPass, cam, grad_cam, guided_grad_cam
from engine.attribution.fills import fill
from engine.attribution.gradient import gradient_times_input, saliency, smooth_grad
from engine.attribution.occlusion import Occluded, occlusion_steps
from engine.attribution.relu_rules import deconvnet, guided_backprop
from engine.attribution.state import values_of_unit, without_gradients
from engine.attribution.unit import Unit
from engine.errors import BadInput
from engine.heat import Method, Square
from engine.networks.fitting import call_name, last_map

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

NOISE = 0.15
"""SmoothGrad's, as a part of the range from black to white: amid the paper's 10 to 20 %."""
OF_RELUS = ("guided-backprop", "deconvnet", "guided-grad-cam")
"""Methods, by their commands, with a rule for ReLUs."""


@dataclass(frozen=True)
class Question:
    """What is asked of a network, whatever the method."""

    target: int | Unit
    """The class; or a unit, its layer named as in the layer tree."""
    layer: str = ""
    """For the CAM family, as the layer tree names it; empty: the last one that has a map and that
    the target depends on."""
    window: int = 0
    """Side of the occluding square, px; 0: as in `Square`."""
    stride: int = 0
    """What it moves by, px; 0: as in `Square`."""
    fill: str = "mean"
    """What it is filled with: one of `engine.heat.FILLS`."""


class _GivenUp(Exception):
    """Nobody waits for the map any more."""


Publish = Callable[[Occluded], None]
Stopped = Callable[[], bool]


def attribute(
    method: Method,
    network: "Network",
    x: "Tensor",
    question: Question,
    *,
    publish: Publish | None = None,
    stopped: Stopped = lambda: False,
    known: GradCamPass | None = None,
) -> "Tensor | None":
    """Return a method's raw values, float32 on the CPU: (H, W), or (3, H, W) in the order RGB.

    Args:
        method: one of `METHODS`.
        network: whose answer is asked about.
        x: one picture (1, 3, H, W), as `network.prepare` returns it.
        question: about what.
        publish: called with what an occlusion has found so far, the last time with all of it:
            Zeiler and Fergus's companions too, of which `companions.heats` makes maps.
        stopped: asked between steps that take long; once it says yes, None is returned.
        known: a pass over `x` that kept the layer asked for, which spares Grad-CAM of a class its
            own.

    Raises:
        BadInput: the method has no answer for this network, target or layer; the sentence says why.
    """
    module, size = network.module, (x.shape[2], x.shape[3])
    network.calls(size)  # says so where the picture is too small for it
    target = _called(network, question.target, size)

    def layer() -> str:
        return call_name(network, layer_of(network, x, question), size)

    def occluded() -> "Tensor | None":
        window, stride = Square().pixels(size, question.window)
        cover = fill(network, x, question.fill)
        step = None
        for step in occlusion_steps(module, x, target, window, question.stride or stride, cover):
            if stopped():
                return None
            if publish is not None:
                publish(step)
        return None if step is None else step.map()

    def noisy() -> "Tensor | None":
        # Networks take pictures in numbers of their own: of some white is 4 above black, of others
        # 255. Always the same noise, so that a figure can be made again.
        p = network.card.preprocessing
        sigma = NOISE * p.scale * len(p.std) / sum(p.std)
        generator = torch.Generator().manual_seed(0)
        try:
            return smooth_grad(module, x, target, sigma=sigma, generator=generator, before_each=ask)
        except _GivenUp:
            return None

    def ask() -> None:
        if stopped():
            raise _GivenUp

    calls: dict[str, Callable[[], Tensor | None]] = {
        "gradient": lambda: saliency(module, x, target),
        "signed-gradient": lambda: saliency(module, x, target, signed=True),
        "gradient-x-input": lambda: gradient_times_input(module, x, target),
        "smoothgrad": noisy,
        "guided-backprop": lambda: guided_backprop(module, x, target),
        "deconvnet": lambda: deconvnet(module, x, target),
        "occlusion": occluded,
        "cam": lambda: cam(module, x, target),
        "grad-cam": lambda: (
            known.grad_cam(target) if known else grad_cam(module, x, target, layer())
        ),
        "guided-grad-cam": lambda: guided_grad_cam(module, x, target, layer()),
    }
    try:
        found = calls[method.command]()
    except ValueError as error:
        raise BadInput(f"{method.title} on {network.card.name}: {error}") from error
    if found is None:
        return None
    values = found[0].detach().float().cpu()
    if values.ndim == 3 and network.card.preprocessing.order == "BGR":
        values = values.flip(0)
    elif values.ndim == 3 and network.channels == 1:
        values = values.expand(3, -1, -1)
    return values


def _called(network: "Network", target: int | Unit, size: tuple[int, int]) -> int | Unit:
    """Return a target with its layer named as `engine.attribution` does.

    In the layer tree the name of a module that is called several times is its first call, there it
    is the last.
    """
    if isinstance(target, Unit):
        return replace(target, layer=call_name(network, target.layer, size))
    return target


def layer_of(network: "Network", x: "Tensor", question: Question) -> str:
    """Return the layer that the CAM family looks at: the one asked for, or the last that will do.

    Of a class the last layer that has a map; of a unit the last before it that it depends on (in
    networks with branches not every layer before it is on the way to it). `x` as in `attribute`.

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
            if found.any():  # else it feeds other channels of a concatenation than the unit's
                return reached[-1]
    if reached:  # the unit is silent here: nothing has a gradient
        return reached[0]
    raise BadInput(
        f"no layer before {unit.layer} of {network.card.name} has a map; choose a deeper unit, or "
        "a method that looks at pixels"
    )


def located(network: "Network", x: "Tensor", unit: Unit) -> tuple[Unit, float]:
    """Return a unit with its position in `x` (1, 3, H, W) settled, and its activation there.

    Of layers without maps the position stays None. Raises `BadInput` where there is no such unit.
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


def without_rule(method: Method, network: "Network", x: "Tensor") -> tuple[str, ...]:
    """Return the activations for which a method with a rule for ReLUs has none; () for others."""
    if method.command not in OF_RELUS:
        return ()
    try:
        return plain_activations(network.module, x)
    except ValueError:  # scripted: the method itself says so
        return ()
