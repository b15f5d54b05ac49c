"""Formats of weight files, one module each: how to recognise and how to read them."""
