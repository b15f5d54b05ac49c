"""Maps over photos of another size: blocks stay blocks, and weak places stay bare."""

import numpy as np
import pytest
import torch

from engine.attribution.companions import ClassMap
from engine.attribution.heat import Heat
from engine.attribution.overlay import ROWS, laid_over, overlay_size
from engine.attribution.registry import find_method

GREEN = torch.tensor([0.0, 1.0, 0.0])[:, None, None]


def test_a_map_of_classes_keeps_its_colours_and_blocks() -> None:
    """Two classes side by side; interpolated, there would be others between them."""
    label = np.array([[0.0, 2.0]], np.float32)
    heat = ClassMap(find_method("occlusion"), label, label, {0: "a", 2: "b"}, ("a", "b"))
    made = laid_over(GREEN.expand(3, 10, 40), heat, "viridis", 1.0)
    colours = made.permute(1, 2, 0).reshape(-1, 3).unique(dim=0) * 255
    assert colours.round().tolist() == [[0, 114, 178], [230, 159, 0]]
    assert torch.equal(made[:, :, :20], made[:, :1, :1].expand(3, 10, 20))


@pytest.mark.parametrize("height", [40, ROWS + 8])
def test_below_the_threshold_the_photo_is_bare(height: int) -> None:
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None].repeat(8, 1)
    photo = torch.full((3, height, 8), 0.5)
    whole = laid_over(photo, Heat(find_method("grad-cam"), ramp), "viridis", 0.7)
    made = laid_over(photo, Heat(find_method("grad-cam"), ramp), "viridis", 0.7, 0.6)
    strong = torch.from_numpy(ramp >= 0.6)
    assert torch.equal(made[:, strong], whole[:, strong])
    assert torch.allclose(made[:, ~strong], torch.tensor(0.5), atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [("photo", (300, 400)), ("network", (96, 128)), ("100", (75, 100)), ("1", (1, 1))],
)
def test_the_size_of_an_overlay(asked: str, wanted: tuple[int, int]) -> None:
    assert overlay_size(asked, (300, 400), (96, 128)) == wanted
