"""Hierarchy of features: what channels look for, layer by layer."""

from engine.techniques.hierarchy.settings import Hierarchy

__all__ = ["Hierarchy"]
