"""Stylization in one pass: networks that paint a photo in a single run, ours and imported ones."""
