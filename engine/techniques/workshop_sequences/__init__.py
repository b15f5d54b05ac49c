"""Sequences: recurrent networks that read a digit, label a strip of digits, or write out what it says."""

from engine.techniques.workshop_sequences.settings import Sequences

__all__ = ["Sequences"]
