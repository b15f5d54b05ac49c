"""Recipes of pictures that were made by an earlier version are still rendered to the same pictures.

The exact bytes depend on the processor. So the pictures are compared by the mean colours of sixteen
parts, which were measured when they were made; on one machine the same recipe gives the same bytes.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.image import to_bytes8
from engine.job import run
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.project import read_job
from engine.techniques import TECHNIQUES

RECIPES = Path(__file__).parent / "recipes"
TOLERANCE = 1.0
"""Of 255, for the mean of a part; with another number of threads no pixel differs by more."""


@pytest.fixture(scope="module")
def slim_vgg() -> Network:
    return load_network("slim_vgg")


def rendered(path: Path, network: Network) -> np.ndarray:
    *_, last = run(read_job(path), network)
    return to_bytes8(last.picture)


def mean_colours(pixels: np.ndarray) -> np.ndarray:
    """Return the mean colours (4, 4, 3) of sixteen parts of a picture (H, W, 3)."""
    rows = [np.array_split(row, 4, 1) for row in np.array_split(pixels.astype(np.float64), 4, 0)]
    return np.array([[part.mean((0, 1)) for part in row] for row in rows])


def test_there_is_one_for_each_technique() -> None:
    assert {path.stem for path in RECIPES.glob("*.json")} == set(TECHNIQUES)


@pytest.mark.parametrize("command", TECHNIQUES)
def test_a_recipe_of_an_earlier_version(command: str, slim_vgg: Network, home: Path) -> None:
    path = RECIPES / f"{command}.json"
    made = rendered(path, slim_vgg)
    expected = json.loads((RECIPES / "expected" / path.name).read_text("utf-8"))
    assert made.shape == (expected["height"], expected["width"], 3)
    assert np.abs(mean_colours(made) - expected["means"]).max() < TOLERANCE
    assert np.array_equal(rendered(path, slim_vgg), made)
