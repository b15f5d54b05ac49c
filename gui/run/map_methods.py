"""The methods that the live maps offer, by the names that the field gives them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QImage

from engine.errors import BadInput
from gui.pixels import to_image

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.networks.network import Network

Stopped = Callable[[], bool]
Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
SENSITIVITY = (
    "gradient", "signed gradient", "gradient x input", "SmoothGrad", "guided backprop",
    "deconvnet", "occlusion",
)  # fmt: skip
"""What the logit answers to, pixel by pixel."""
CLASS_MAPS = ("Grad-CAM", "CAM", "guided Grad-CAM")
"""Where in a layer's map the class is seen."""
SIGNED = ("signed gradient", "gradient x input", "occlusion")
"""Their values speak for the class or against it."""
WINDOWS_ACROSS = 7
"""An occluding window is this part of the short side, and moves by a half of itself."""


def values_of(
    method: str, network: "Network", x: "Tensor", target: int, layer: str, stopped: Stopped
) -> Floats | None:
    """Return a method's map (H, W) for prepared `x` (1, 3, H, W); None when it was stopped.

    Raises `BadInput` with the reason where the method has no answer for this network or layer.
    """
    from engine import attribution
    from engine.attribution.gradient import gradient_times_input, smooth_grad

    module = network.module
    name = _call_name(network, layer)
    methods: dict[str, Callable[[], Tensor | None]] = {
        "gradient": lambda: attribution.saliency(module, x, target)[0],
        "signed gradient": lambda: attribution.saliency(module, x, target, signed=True)[0].sum(0),
        "gradient x input": lambda: gradient_times_input(module, x, target)[0].sum(0),
        "SmoothGrad": lambda: smooth_grad(module, x, target)[0],
        "guided backprop": lambda: _largest(attribution.guided_backprop(module, x, target)[0]),
        "deconvnet": lambda: _largest(attribution.deconvnet(module, x, target)[0]),
        "occlusion": lambda: _occlusion(module, x, target, stopped),
        "Grad-CAM": lambda: attribution.grad_cam(module, x, target, name)[0],
        "CAM": lambda: attribution.cam(module, x, target)[0],
        "guided Grad-CAM": lambda: _largest(
            attribution.guided_grad_cam(module, x, target, name)[0]
        ),
    }
    try:
        values = methods[method]()
    except ValueError as error:
        raise BadInput(f"{method}: {error}") from error
    return None if values is None else values.float().cpu().numpy()


def reach_of(method: str, values: Floats) -> float:
    """Return the value that the strongest colour stands for; outliers of pixel maps are cut off."""
    from engine.attribution.colour_map import display_range

    if method in CLASS_MAPS:
        return float(values.max())
    return max(abs(limit) for limit in display_range(values))


def coloured(method: str, values: Floats, colours: str, reach: float) -> Bytes:
    """Return (H, W, 3) bytes: signed maps around white, the others from 0 up."""
    from engine.attribution.colour_map import colourised

    if method in SIGNED:
        return colourised(values, "signed", -reach, reach)
    return colourised(values, colours, 0.0, reach)


def map_image(
    method: str, network: "Network", x: "Tensor", target: int, layer: str, colours: str,
    stopped: Stopped,
) -> QImage | None:  # fmt: skip
    """Return a method's map as a picture to lay over; None when it was stopped."""
    values = values_of(method, network, x, target, layer, stopped)
    if values is None:
        return None
    return to_image(coloured(method, values, colours, reach_of(method, values)))


def _call_name(network: "Network", layer: str) -> str:
    if not layer:
        return ""
    name = network.resolve(layer)
    # A plain name would mean the last call there, and means the first one here.
    return f"{name}#1" if f"{name}#2" in network.calls() else name


def _largest(values: "Tensor") -> "Tensor":
    return values.abs().amax(0)


def _occlusion(module: "nn.Module", x: "Tensor", target: int, stopped: Stopped) -> "Tensor | None":
    from engine.attribution.occlusion import occlusion_steps

    window = max(1, round(min(x.shape[2:]) / WINDOWS_ACROSS))
    values = None
    for step in occlusion_steps(module, x, target, window, max(1, window // 2)):
        if stopped():
            return None
        values = step
    return None if values is None else values.map()[0]
