"""The photograph of the Grad-CAM paper: the cat below, the dog above, told apart by trained networks."""

from pathlib import Path

import pytest

from engine.attribution import grad_cam
from engine.image import open_picture
from engine.networks.classes import find_class
from engine.networks.fitting import fitted
from engine.networks.loading import load_network


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("squeezenet1_1", "features.12"),
        ("googlenet_bvlc", "inception_5b"),
        ("googlenet_bvlc", "inception_5a"),
    ],
)
def test_grad_cam_lies_on_the_animal_asked_for(data_folder: Path, name: str, layer: str) -> None:
    network = load_network(name, data_folder / "weights")
    photo = open_picture(data_folder / "images/attribution/cat_and_dog.png")
    x = network.prepare(fitted(network, photo.tensor()[None]))
    below = {}
    for animal in ("tiger cat", "tabby", "bull mastiff", "boxer"):
        heat = grad_cam(network.module, x, find_class(network, animal), network.resolve(layer))[0]
        below[animal] = float(heat[len(heat) // 2 :].sum() / heat.sum())
    for cat in ("tiger cat", "tabby"):
        assert below[cat] > 0.5, below
        for dog in ("bull mastiff", "boxer"):
            assert below[dog] < 0.3, below
            assert below[cat] > below[dog] + 0.25
