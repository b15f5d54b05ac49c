"""Which pixels or places of a picture speak for a class or a unit: a family of methods per file."""

from engine.attribution.activations import plain_activations
from engine.attribution.cam import cam, grad_cam, guided_grad_cam
from engine.attribution.fills import fill
from engine.attribution.gradient import gradient_times_input, saliency, smooth_grad
from engine.attribution.occlusion import Occluded, occluded_logits, occlusion, occlusion_steps
from engine.attribution.relu_rules import deconvnet, guided_backprop
from engine.attribution.segmentation import Selection, grab_cut
from engine.attribution.unit import Unit

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
