"""Langevin sampling: random pictures that the network takes for a class."""

from engine.techniques.langevin.settings import LangevinSampling

__all__ = ["LangevinSampling"]
