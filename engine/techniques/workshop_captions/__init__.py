"""Captions: a network learns to say what is in a picture, word by word, and where it sees it."""

from engine.techniques.workshop_captions.settings import Captions

__all__ = ["Captions"]
