"""Training a texture: samples kept apart, going on, coming nearer, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from engine.stylization.opening import open_style_network
from engine.stylization.texture_network import TextureNetwork
from engine.training.any_style_judge import grams, style_error
from engine.training.styles.kept import read_kept
from engine.training.styles.paintings import read_painting
from engine.training.styles.settings import Order, StyleTraining
from engine.training.styles.texture import likeness
from engine.training.styles.train import train
from tests.engine.training.test_styles import broken_off, numbers

TEXTURE = StyleTraining("texture", steps=3, side=64, batch=2, painting_size=96)


def order_of(album: Path, settings: StyleTraining = TEXTURE, name: str = "out") -> Order:
    return Order(
        album / f"{name}.safetensors", (album / "waves.png",), settings, None, "cpu", "fp32"
    )


def test_likeness_is_minus_the_mean_log_distance_to_the_nearest() -> None:
    pictures = numbers(3, 3, 4, 5)
    flat = pictures.numpy().reshape(3, -1).astype(np.float64)
    distances = np.sqrt(((flat[:, None] - flat[None]) ** 2).mean(2))
    nearest = np.where(np.eye(3, dtype=bool), np.inf, distances).min(1)
    assert abs(float(likeness(pictures)) + np.log(nearest).mean()) < 1e-5
    assert likeness(numbers(1, 3, 4, 5).expand(2, -1, -1, -1)) > 3


def test_a_texture_comes_nearer_and_goes_on_bit_for_bit(album: Path) -> None:
    from engine.networks.loading import load_network

    judge = load_network("slim_vgg")
    wanted = grams(judge, read_painting(album / "waves.png", 96).picture)
    settings, errors = replace(TEXTURE, steps=8, rate=0.03), []
    whole, parts = (order_of(album, settings, name) for name in ("whole", "parts"))
    for progress in train(whole):
        if progress.network is not None and progress.step in (1, 8):
            network = progress.network()
            assert isinstance(network, TextureNetwork)
            made = network.draw((96, 96), torch.Generator().manual_seed(1))
            errors.append(style_error(grams(judge, made), wanted))
    assert errors[-1] < 0.9 * errors[0]
    assert set(progress.losses) == {"style", "smoothness", "range", "diversity"}
    broken_off(parts, 6)
    kept = read_kept(parts.output)
    list(train(kept.order, kept))
    one, other = load_file(whole.output), load_file(parts.output)
    assert all(torch.equal(one[name], other[name]) for name in one)
    found = open_style_network(whole.output)
    assert isinstance(found, TextureNetwork)
    assert (found.style_names, found.painting_size) == (("waves",), 96)
    assert "photos" not in found.found and "texture of waves" in found.found
