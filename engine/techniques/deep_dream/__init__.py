"""DeepDream: a photo in which layers see more of what they see."""

from engine.techniques.deep_dream.settings import DeepDream

__all__ = ["DeepDream"]
