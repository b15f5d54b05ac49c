"""Networks that compute the same with ReLUs written in all the ways that there are."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

WAYS = ("module", "module in place", "shared", "functional", "functional in place", "statement",
        "maximum")  # fmt: skip


class Net(nn.Module):
    """conv1, ReLU, pool, conv2, ReLU, global average, linear: 5 classes."""

    def __init__(self, way: str = "module") -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.fc = nn.Linear(8, 5)
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.4, generator=generator)
        self.way = way
        if way.startswith("module"):
            self.relu1 = nn.ReLU(way.endswith("place"))
            self.relu2 = nn.ReLU(way.endswith("place"))
        if way == "shared":
            self.relu = nn.ReLU(inplace=True)

    def relu_of(self, number: int, x: Tensor) -> Tensor:
        if self.way == "functional":
            return F.relu(x)
        if self.way == "functional in place":
            return F.relu(x, inplace=True)
        if self.way == "maximum":
            return torch.maximum(x, x.new_zeros(()))
        if self.way == "statement":
            x.relu_()
            return x
        return self.get_submodule("relu" if self.way == "shared" else f"relu{number}")(x)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.relu_of(1, self.conv1(x)), 2)
        x = self.relu_of(2, self.conv2(x))
        return self.fc(x.mean((2, 3)))


@pytest.fixture
def make_net() -> Callable[..., Net]:
    """Return the maker of a small network in eval mode, the same weights for every way."""

    def make(way: str = "module", dtype: torch.dtype = torch.float32) -> Net:
        return Net(way).to(dtype).eval()

    return make


@pytest.fixture
def pictures() -> Tensor:
    """Two pictures (2, 3, 12, 10), as a network takes them."""
    return torch.randn(2, 3, 12, 10, generator=torch.Generator().manual_seed(5))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "way" in metafunc.fixturenames:
        metafunc.parametrize("way", WAYS)
