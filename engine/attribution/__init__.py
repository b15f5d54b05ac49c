"""Which pixels or places of a picture speak for a class: one family of methods per file."""

from engine.attribution.cam import grad_cam
from engine.attribution.gradient import saliency

__all__ = ["grad_cam", "saliency"]
