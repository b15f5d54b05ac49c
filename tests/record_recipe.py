"""python -m tests.record_recipe PICTURE: keep a picture's recipe, and its mean colours, for the tests."""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from engine.image_metadata import read_recipe
from tests.test_recipes import RECIPES, mean_colours

ROOT = Path(__file__).resolve().parents[1]
"""Pictures are named below it, so that the recipe is good elsewhere too."""


def main() -> None:
    """Write both files, named like the technique."""
    path = Path(sys.argv[1])
    recipe = read_recipe(path)
    assert recipe is not None, f"{path} was not made by this program"
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    height, width = pixels.shape[:2]
    means = mean_colours(pixels).round(3).tolist()
    name = f"{recipe['technique']}.json"
    written = json.dumps(recipe, indent=1).replace(f'"{ROOT.as_posix()}/', '"')
    (RECIPES / name).write_text(written + "\n", "utf-8")
    expected = {"height": height, "width": width, "means": means}
    (RECIPES / "expected" / name).write_text(json.dumps(expected) + "\n", "utf-8")


if __name__ == "__main__":
    main()
