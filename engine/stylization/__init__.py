"""Stylization in one pass: networks that paint a photo in a single run, their own and imported ones."""
