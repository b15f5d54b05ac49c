"""Multifaceted visualization: the different sides of a class."""

from engine.techniques.multifaceted.settings import Multifaceted

__all__ = ["Multifaceted"]
