"""Any method of `engine.heat.METHODS` asked of a network: raw values, or the reason why not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.attribution.cam import cam, grad_cam, guided_grad_cam
from engine.attribution.gradient import gradient_times_input, saliency, smooth_grad
from engine.attribution.occlusion import occlusion_steps
from engine.attribution.relu_rules import deconvnet, guided_backprop
from engine.errors import BadInput
from engine.heat import Method
from engine.networks.fitting import call_name, last_map

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

WINDOWS_ACROSS = 7
"""An occluding window is this part of the short side, unless said."""
STRIDES_ACROSS = 2
"""It moves by this part of itself, unless said."""


@dataclass(frozen=True)
class Question:
    """What is asked of a network, whatever the method."""

    target: int
    """The class."""
    layer: str = ""
    """For the CAM family, as the layer tree names it; empty: the last one that has a map."""
    window: int = 0
    """Side of the occluding square, px; 0: a seventh of the short side."""
    stride: int = 0
    """What it moves by, px; 0: half the window."""


Publish = Callable[["Tensor"], None]
Stopped = Callable[[], bool]


def attribute(
    method: Method,
    network: "Network",
    x: "Tensor",
    question: Question,
    *,
    publish: Publish | None = None,
    stopped: Stopped = lambda: False,
) -> "Tensor | None":
    """Return a method's raw values, float32 on the CPU: (H, W), or (3, H, W) in the order RGB.

    Args:
        method: one of `METHODS`.
        network: whose answer is asked about.
        x: one picture (1, 3, H, W), as `network.prepare` returns it.
        question: about what.
        publish: called with the map so far (H, W) as an occlusion map grows.
        stopped: asked between steps that take long; once it says yes, None is returned.

    Raises:
        BadInput: the method has no answer for this network, target or layer; the sentence says why.
    """
    module, target, size = network.module, question.target, (x.shape[2], x.shape[3])

    def layer() -> str:
        return call_name(network, question.layer or last_map(network, size), size)

    def occluded() -> "Tensor | None":
        window = question.window or max(1, round(min(size) / WINDOWS_ACROSS))
        stride = question.stride or max(1, window // STRIDES_ACROSS)
        found = None
        for step in occlusion_steps(module, x, target, window, stride):
            if stopped():
                return None
            found = step.map()
            if publish is not None:
                publish(found[0].float().cpu())
        return found

    calls: dict[str, Callable[[], Tensor | None]] = {
        "gradient": lambda: saliency(module, x, target),
        "signed-gradient": lambda: saliency(module, x, target, signed=True),
        "gradient-x-input": lambda: gradient_times_input(module, x, target),
        "smoothgrad": lambda: smooth_grad(module, x, target),
        "guided-backprop": lambda: guided_backprop(module, x, target),
        "deconvnet": lambda: deconvnet(module, x, target),
        "occlusion": occluded,
        "cam": lambda: cam(module, x, target),
        "grad-cam": lambda: grad_cam(module, x, target, layer()),
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
    return values
