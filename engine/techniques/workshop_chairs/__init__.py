"""Chairs: a network that learns to draw chairs from any side, before one's eyes."""

from engine.techniques.workshop_chairs.settings import Chairs

__all__ = ["Chairs"]
