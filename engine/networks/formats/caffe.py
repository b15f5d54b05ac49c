"""Caffe's models: a protocol buffer."""

from pathlib import Path

from engine.networks.contents import Contents, Group


def matches(path: Path, start: bytes) -> bool:
    """Return whether the file is of this format, by its suffix: its first bytes are not distinctive."""
    return path.suffix.lower() == ".caffemodel"


def read(path: Path) -> Contents:
    """Return the model's tensors. Raises `BadInput` if it is incomplete."""
    from engine.networks.caffemodel import read_caffemodel

    return Contents("a Caffe model", (Group(read_caffemodel(path)),))
