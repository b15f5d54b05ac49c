"""The pictures and networks that are measured: those of the tests."""

import inspect
from functools import cache
from pathlib import Path

import pytest
import torch

from engine.errors import WeightsMissing
from engine.image import Picture, open_picture
from engine.job import Inputs
from engine.networks.loading import load_network
from engine.networks.network import Network
from tests.benchmarks.table import Absent
from tests.conftest import data_folder

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = {"vgg19": "vgg19_features.safetensors"}
"""Networks whose weights are in the data folder; others come with the program."""


@cache
def folder() -> Path:
    """Return the tests' data folder; raises `Absent` with the reason that the tests give."""
    try:
        found: Path = inspect.unwrap(data_folder)()
    except pytest.skip.Exception as reason:
        raise Absent(str(reason)) from None
    return found


def data_file(name: str) -> Path:
    path = folder() / name
    if not path.is_file():
        raise Absent(f"{path} is missing")
    return path


@cache
def photo(side: int) -> Picture:
    """Return the middle square of the cat, `side` pixels wide."""
    whole = open_picture(data_file("images/photos/cat_1080p.jpg"))
    least = min(whole.width, whole.height)
    top, left = (whole.height - least) // 2, (whole.width - least) // 2
    square = Picture(whole.rgb[top : top + least, left : left + least].copy())
    return square.resized(side)


@cache
def painting(side: int) -> Picture:
    """Return The Starry Night with a long side of `side` pixels."""
    return open_picture(data_file("images/paintings/starry_night.jpg")).resized(side)


def inputs(side: int) -> Inputs:
    return Inputs(content=photo(side), styles=((painting(side), 1.0),))


def weights(name: str) -> Path | None:
    """Return the weight file of a network that does not come with the program."""
    return data_file(f"weights/{WEIGHTS[name]}") if name in WEIGHTS else None


def network(name: str, device: torch.device, dtype: torch.dtype = torch.float32) -> Network:
    """Load a network; raises `Absent` when its weights are not here."""
    try:
        return load_network(name, weights(name)).move(device, dtype)
    except WeightsMissing as error:
        raise Absent(str(error)) from None
