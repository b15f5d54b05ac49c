"""Texture synthesis: a bigger picture of the same texture."""

from engine.techniques.texture_synthesis.settings import TextureSynthesis

__all__ = ["TextureSynthesis"]
