"""Activation maximization: what a layer, a channel or one neuron looks for."""

from engine.techniques.activation_maximization.settings import ActivationMaximization

__all__ = ["ActivationMaximization"]
