"""Masks that are painted: what a brush does to grey pixels, and the files they are kept in."""
