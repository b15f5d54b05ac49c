"""Scalars of activations or of the picture that the techniques minimize or maximize."""

from engine.objectives.priors import total_variation
from engine.objectives.style import gram_matrix

__all__ = ["gram_matrix", "total_variation"]
