"""Adversarial training: a net that learns from attacked digits, beside one that does not."""

from engine.techniques.workshop_defence.settings import AdversarialTraining

__all__ = ["AdversarialTraining"]
