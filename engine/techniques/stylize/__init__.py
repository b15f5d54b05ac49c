"""Stylization in one pass: a network paints a photo in the style of a painting at once."""

from engine.techniques.stylize.settings import Stylize

__all__ = ["Stylize"]
