"""The digits: what they are, and which samples count as one."""

import torch

from engine.workshop.digits import digits_found, load_digits, usual_distance


def test_there_are_ten_digits_of_8_by_8_pixels() -> None:
    pictures, digits = load_digits()
    assert pictures.shape == (1797, 64)
    assert pictures.dtype == torch.float32
    assert (float(pictures.min()), float(pictures.max())) == (0.0, 1.0)
    assert sorted(digits.unique().tolist()) == list(range(10))


def test_the_usual_distance_reaches_the_nearest_other_picture() -> None:
    pictures = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    expected = torch.tensor([1.0, 1.0, 2.0, 4.0]).quantile(0.95)
    assert usual_distance(pictures) == float(expected)


def test_the_data_are_legible_and_noise_is_not() -> None:
    pictures, digits = load_digits()
    distance = usual_distance(pictures)
    assert digits_found(pictures, pictures, digits, distance) == (10, 1.0)
    noise = torch.rand(200, 64, generator=torch.Generator().manual_seed(1))
    assert digits_found(noise, pictures, digits, distance) == (0, 0.0)
    of_one = pictures[digits == 3]
    assert digits_found(of_one, pictures, digits, distance) == (1, 1.0)
