"""Semi-supervised learning: a classifier of digits that learns from generated ones, too."""

from engine.techniques.workshop_semi_supervised.settings import SemiSupervised

__all__ = ["SemiSupervised"]
