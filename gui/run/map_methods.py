"""The methods that the live maps offer, by the names that the field gives them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from engine.errors import BadInput
from gui.pixels import to_image

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

Stopped = Callable[[], bool]
SENSITIVITY = (
    "gradient", "signed gradient", "gradient x input", "SmoothGrad", "guided backprop",
    "deconvnet", "occlusion",
)  # fmt: skip
"""What the logit answers to, pixel by pixel."""
CLASS_MAPS = ("Grad-CAM", "CAM", "guided Grad-CAM")
"""Where in a layer's map the class is seen."""
WINDOWS_ACROSS = 7
"""An occluding window is this part of the short side, and moves by a half of itself."""


def sensitivity(
    method: str, network: "Network", x: "Tensor", target: int, colours: str, stopped: Stopped
) -> QImage | None:
    """Return one of `SENSITIVITY` as a picture to lay over; None when it was stopped."""
    from engine import attribution
    from engine.attribution.gradient import gradient_times_input, smooth_grad

    module = network.module
    if method == "occlusion":
        values = _occlusion(module, x, target, stopped)
        return None if values is None else _picture(values, colours, signed=True)
    methods: dict[str, Callable[[], Tensor]] = {
        "gradient": lambda: attribution.saliency(module, x, target)[0],
        "signed gradient": lambda: attribution.saliency(module, x, target, signed=True)[0].sum(0),
        "gradient x input": lambda: gradient_times_input(module, x, target)[0].sum(0),
        "SmoothGrad": lambda: smooth_grad(module, x, target)[0],
        "guided backprop": lambda: _largest(attribution.guided_backprop(module, x, target)[0]),
        "deconvnet": lambda: _largest(attribution.deconvnet(module, x, target)[0]),
    }
    signed = method in ("signed gradient", "gradient x input")
    return _picture(_explained(method, methods[method]), colours, signed=signed)


def class_map(
    method: str, network: "Network", x: "Tensor", target: int, layer: str, colours: str
) -> QImage:
    """Return one of `CLASS_MAPS` as a picture to lay over."""
    from engine import attribution

    name = network.resolve(layer)
    if f"{name}#2" in network.calls():
        name += "#1"  # a plain name would mean the last call there, and means the first one here
    module = network.module
    methods: dict[str, Callable[[], Tensor]] = {
        "Grad-CAM": lambda: attribution.grad_cam(module, x, target, name)[0],
        "CAM": lambda: attribution.cam(module, x, target)[0],
        "guided Grad-CAM": lambda: _largest(
            attribution.guided_grad_cam(module, x, target, name)[0]
        ),
    }
    return _picture(_explained(method, methods[method]), colours, signed=False, highest=1.0)


def _explained(method: str, compute: "Callable[[], Tensor]") -> "Tensor":
    try:
        return compute()
    except ValueError as error:  # why this method has no answer for this network
        raise BadInput(f"{method}: {error}") from error


def _largest(values: "Tensor") -> "Tensor":
    return values.abs().amax(0)


def _occlusion(module: object, x: "Tensor", target: int, stopped: Stopped) -> "Tensor | None":
    from engine.attribution.occlusion import occlusion_steps

    window = max(1, round(min(x.shape[2:]) / WINDOWS_ACROSS))
    values = None
    for step in occlusion_steps(module, x, target, window, max(1, window // 2)):  # type: ignore[arg-type]
        if stopped():
            return None
        values = step
    return None if values is None else values.map()[0]


def _picture(
    values: "Tensor", colours: str, *, signed: bool, highest: float | None = None
) -> QImage:
    """Colour a map (H, W); `highest` 1 scales to the maximum, else outliers are cut off."""
    from engine.attribution.colour_map import colourised, display_range

    array = values.float().cpu().numpy()
    if signed:
        reach = max(abs(limit) for limit in display_range(array))
        return to_image(colourised(array, "signed", -reach, reach))
    top = float(array.max()) if highest else display_range(array)[1]
    return to_image(colourised(array, colours, 0.0, top))
