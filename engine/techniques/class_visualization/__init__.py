"""Class visualization: a picture that a class scores highest on."""

from engine.techniques.class_visualization.settings import ClassVisualization

__all__ = ["ClassVisualization"]
