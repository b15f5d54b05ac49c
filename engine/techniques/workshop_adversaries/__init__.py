"""Adversaries: a generator and a discriminator of toy data, trained before one's eyes."""

from engine.techniques.workshop_adversaries.settings import Adversaries

__all__ = ["Adversaries"]
