"""Digits blended with photos: the blend's formula, and where the pieces come from."""

import numpy as np
import torch
from PIL import Image

from engine.workshop.blended import PHOTOS, SHIPPED, blended, enlarged, pieces
from engine.workshop.digits import load_digits


def drawn(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pieces_are_cut_out_of_the_pictures_that_come_with_the_program() -> None:
    found = (pieces(8, drawn()) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    photos = []
    for name in SHIPPED:
        with Image.open(PHOTOS / name) as opened:
            photos.append(np.asarray(opened.convert("RGB")))
    used = set()
    for piece in found:
        homes = [i for i, photo in enumerate(photos) if _within(piece, photo)]
        assert homes
        used |= set(homes)
    assert used == {0, 1, 2}


def _within(piece: np.ndarray, photo: np.ndarray) -> bool:
    height, width = (n - 15 for n in photo.shape[:2])
    starts = photo[:height, :width, 0] == piece[0, 0, 0]
    starts &= photo[15:, 15:, 1] == piece[15, 15, 1]
    starts &= photo[15:, :width, 2] == piece[15, 0, 2]
    return any(
        np.array_equal(photo[y : y + 16, x : x + 16], piece)
        for y, x in zip(*np.nonzero(starts), strict=True)
    )


def test_a_blend_is_the_absolute_difference() -> None:
    pictures = enlarged(load_digits()[0][:20])
    black, white = torch.zeros_like(pictures), torch.ones_like(pictures)
    photo = pieces(20, drawn())
    assert torch.equal(blended(black, drawn()), photo)
    assert torch.allclose(blended(white, drawn()), 1 - photo)
    mixed = blended(pictures, drawn())
    assert np.allclose(mixed, np.abs(pictures.numpy() - photo.numpy()))
    assert not torch.equal(mixed, blended(pictures, drawn(2)))


def test_digits_are_enlarged_as_by_another_library() -> None:
    digits = load_digits()[0][:5]
    for digit, large in zip(digits, enlarged(digits), strict=True):
        wanted = Image.fromarray(digit.view(8, 8).numpy()).resize(
            (16, 16), Image.Resampling.BILINEAR
        )
        assert np.allclose(large, np.asarray(wanted), atol=1e-6)
        assert torch.equal(large[0], large[2])
