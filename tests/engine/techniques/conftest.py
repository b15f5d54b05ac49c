"""Tasks to run techniques on: a tiny random network, pictures made of numbers, and the real VGG-19."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import engine
from engine.image import Picture, open_picture
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.networks.card import Card
from engine.networks.network import Network
from engine.task import Task


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small tensors are quicker without a second thread to wait for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny():
    """A random SlimVGG whose activations keep their size through the layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        module = slim_vgg(classes=5)
        for layer in module:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.uniform_(layer.bias, -0.05, 0.05)
    card = Card(
        name="tiny",
        title="Random SlimVGG",
        architecture="slim_vgg",
        input_size=32,
        content_layers={"relu3_2": 1.0},
        style_layers={"relu1_1": 2.0, "relu2_1": 1.0},
        dream_layers={"relu2_2": 1.0, "relu3_1": 2.0},
    )
    network = Network(module, card)
    network.calls()  # draws the map of layers before any test puts hooks on the modules
    return network


@pytest.fixture(scope="session")
def one_size():
    """A random network that takes 64 x 64 pixels alone, as a vision transformer does."""

    class OneSize(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.ReLU()
            self.places = nn.Parameter(torch.randn(1, 8, 64, 64))

        def forward(self, x):
            return self.last(self.relu(self.conv(x)) + self.places).mean((2, 3))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        card = Card(
            name="one", title="Of one size", architecture="one", input_size=64,
            content_layers={"last": 1.0}, style_layers={"relu": 1.0, "last": 1.0},
        )  # fmt: skip
        return Network(OneSize(), card)


@pytest.fixture(scope="session")
def vgg19(data_folder):
    return engine.load_network("vgg19", weights=data_folder / "weights")


@pytest.fixture(scope="session")
def photo(data_folder):
    """Return a maker of real pictures, small."""

    def load(name, side=96):
        return open_picture(data_folder / "images" / name).resized(side)

    return load


@pytest.fixture
def noise_picture():
    """Return a maker of smooth random pictures, (height, width)."""

    def make(height, width, seed=0, low=0.0, high=1.0):
        random = np.random.default_rng(seed)
        rgb = random.random((height, width, 3), dtype=np.float32)
        for axis in (0, 1):  # some structure: neighbours depend on each other
            rgb = (rgb + np.roll(rgb, 1, axis)) / 2
        rgb = (rgb - rgb.min()) / (rgb.max() - rgb.min())
        return Picture(np.ascontiguousarray(low + (high - low) * rgb, dtype=np.float32))

    return make


@pytest.fixture
def task(tiny, noise_picture):
    """Return a maker of tasks on the tiny network; anything may be replaced."""

    def make(technique, seed=0, **changes):
        changes.setdefault("content", noise_picture(32, 48, seed=1))
        changes.setdefault("network", tiny)
        changes.setdefault("size", 48)
        return Task(technique, generator=torch.Generator().manual_seed(seed), **changes)

    return make


@pytest.fixture
def pictures_of():
    """Return a function that runs a task to its end and gives every frame with its picture."""

    def run(task, change=None):
        found = []
        for frame in task.technique.frames(task):
            found.append((frame, frame.picture.clone()))
            if change and frame.iteration in change:
                task.technique = replace(task.technique, **change[frame.iteration])
        return found

    return run


@pytest.fixture
def sizes_seen():
    """Return a function that runs a task and gives the sizes that its first convolution took."""

    def run(task):
        first = next(m for m in task.network.module.modules() if isinstance(m, nn.Conv2d))
        sizes = []
        handle = first.register_forward_pre_hook(
            lambda _, inputs: sizes.append(tuple(inputs[0].shape[-2:]))
        )
        try:
            for _ in task.technique.frames(task):
                pass
        finally:
            handle.remove()
        return sizes

    return run
