"""Style transfer: a photo repainted in the style of one or several paintings."""

from engine.techniques.style_transfer.settings import StyleTransfer

__all__ = ["StyleTransfer"]
