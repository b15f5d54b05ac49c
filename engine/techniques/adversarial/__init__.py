"""Adversarial examples: a photo changed so slightly that only the network is fooled."""

from engine.techniques.adversarial.settings import Adversarial

__all__ = ["Adversarial"]
