"""Formats of weight files, one module each: how to recognize and how to read them."""
