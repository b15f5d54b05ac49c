"""Which pixels or places of a picture speak for a class: one family of methods per file."""

from engine.attribution.cam import cam, grad_cam, guided_grad_cam
from engine.attribution.gradient import gradient_times_input, saliency, smooth_grad
from engine.attribution.occlusion import Occluded, occlusion, occlusion_steps
from engine.attribution.relu_rules import deconvnet, guided_backprop

__all__ = [
    "Occluded",
    "cam",
    "deconvnet",
    "grad_cam",
    "gradient_times_input",
    "guided_backprop",
    "guided_grad_cam",
    "occlusion",
    "occlusion_steps",
    "saliency",
    "smooth_grad",
]
