"""The middle square that a network sees of a picture."""

import numpy as np
import pytest
import torch

from engine.image import Picture
from engine.networks.square import middle_square


@pytest.mark.parametrize(("height", "width", "top", "left"), [(6, 11, 0, 2), (9, 4, 2, 0)])
def test_the_middle_is_cut_out_as_it_is(height: int, width: int, top: int, left: int) -> None:
    rgb = np.random.default_rng(0).random((height, width, 3), np.float32)
    side = min(height, width)
    expected = torch.from_numpy(rgb[top : top + side, left : left + side]).permute(2, 0, 1)
    torch.testing.assert_close(middle_square(Picture(rgb), side), expected, atol=0, rtol=0)


def test_it_has_the_side_asked_for_and_nothing_from_beside_it() -> None:
    rgb = np.zeros((20, 60, 3), np.float32)
    rgb[:, 20:40] = 1.0
    for side in (5, 20, 48):
        for turned in (rgb, rgb.transpose(1, 0, 2)):
            square = middle_square(Picture(np.ascontiguousarray(turned)), side)
            assert square.shape == (3, side, side)
            torch.testing.assert_close(square, torch.ones(3, side, side), atol=1e-5, rtol=0)
