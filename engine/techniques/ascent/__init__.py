"""Gradient ascent on a picture, which several techniques share: its settings and its steps."""
