"""Feature inversion: what a layer's features remember of a photo."""

from engine.techniques.feature_inversion.settings import FeatureInversion

__all__ = ["FeatureInversion"]
