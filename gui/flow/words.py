"""Sentences of the engine, worded for the window."""

import re


def in_this_window(sentence: str) -> str:
    """Return an engine's sentence with settings and commands named as the window does."""
    sentence = re.sub(r"get them with: python main\.py networks download \S+",
                      "Network › Networks… gets them", sentence)  # fmt: skip
    return re.sub(r"(?<!\w)--([a-z])", r"\1", sentence)
