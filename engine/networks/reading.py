"""Reading a weight file of any format, without running anything in it."""

import os
from pathlib import Path

from engine.errors import BadInput
from engine.networks.contents import Contents
from engine.networks.fingerprints import Shapes
from engine.networks.formats import caffe, pytorch, safetensors_file

FORMATS = (safetensors_file, caffe, pytorch)
"""Modules of `engine.networks.formats`, asked in this order: `matches(path, start)`, `read(path)`."""


def read_file(path: str | os.PathLike[str]) -> Contents:
    """Return what a weight file holds. Raises `BadInput` for anything else."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise BadInput(f"{path} is empty; get it again")
    for form in FORMATS:
        if form.matches(path, start):
            return form.read(path)
    raise BadInput(f"{path} is neither safetensors nor a PyTorch file nor a Caffe model")


def shapes(path: Path) -> list[Shapes]:
    """Return name -> shape of each group of tensors in a file. Raises `BadInput` as `read_file`.

    Safetensors files are read without PyTorch, for lists of files.
    """
    if path.suffix.lower() == ".safetensors":
        return [safetensors_file.shapes(path)]
    return [group.shapes for group in read_file(path).groups]
