"""Formats of weight files, one module each: what to tell them by, and how they are read."""
