"""Which pixels or places of a picture support a class or activate a unit: a family of methods per file.

The functions are imported on first use, so that the list of methods (`registry`) needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.attribution.activations import plain_activations
    from engine.attribution.class_activation import cam, grad_cam, guided_grad_cam
    from engine.attribution.fills import fill
    from engine.attribution.gradient import gradient_times_input, saliency, smooth_grad
    from engine.attribution.occluding import Occluded, occluded_logits, occlusion, occlusion_steps
    from engine.attribution.relu_rules import deconvnet, guided_backprop
    from engine.attribution.segmentation import Selection, grab_cut
    from engine.attribution.unit import Unit

_PLACES = {
    "Occluded": "occluding",
    "Selection": "segmentation",
    "Unit": "unit",
    "cam": "class_activation",
    "deconvnet": "relu_rules",
    "fill": "fills",
    "grab_cut": "segmentation",
    "grad_cam": "class_activation",
    "gradient_times_input": "gradient",
    "guided_backprop": "relu_rules",
    "guided_grad_cam": "class_activation",
    "occluded_logits": "occluding",
    "occlusion": "occluding",
    "occlusion_steps": "occluding",
    "plain_activations": "activations",
    "saliency": "gradient",
    "smooth_grad": "gradient",
}

__all__ = [
    "Occluded",
    "Selection",
    "Unit",
    "cam",
    "deconvnet",
    "fill",
    "grab_cut",
    "grad_cam",
    "gradient_times_input",
    "guided_backprop",
    "guided_grad_cam",
    "occluded_logits",
    "occlusion",
    "occlusion_steps",
    "plain_activations",
    "saliency",
    "smooth_grad",
]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
