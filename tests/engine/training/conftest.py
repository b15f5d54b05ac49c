"""Pictures that the trainings learn from: made by formula, small."""

import random
from pathlib import Path

import pytest

from engine.training.any_style_pictures import pattern


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder with the paintings waves.png and fire.png, and a folder `photos` of three photos."""
    for name in ("waves", "fire"):
        pattern(96, random.Random(name)).save(tmp_path / f"{name}.png")
    (tmp_path / "photos").mkdir()
    for name in "abc":
        pattern(80, random.Random(name)).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path
