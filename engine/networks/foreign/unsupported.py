"""What a file of another program may hold that has no counterpart here."""


class UnsupportedLayer(Exception):
    """A layer, operation or setting without a counterpart; the message names it."""
