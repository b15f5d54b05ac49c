"""Guided backpropagation and the deconvnet on known architectures, against captum."""

import copy
from collections.abc import Callable

import pytest
import torch
from captum.attr import Deconvolution, GuidedBackprop
from torch import Tensor, nn
from torchvision.models import resnet18, squeezenet1_1, vgg11
from torchvision.models.googlenet import BasicConv2d, Inception

from engine.attribution import deconvnet, guided_backprop
from tests.engine.attribution.near import TOLERANCE, assert_near

Method = Callable[..., Tensor]
PEERS = {guided_backprop: GuidedBackprop, deconvnet: Deconvolution}

pytestmark = pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")


@pytest.fixture(params=PEERS, ids=lambda method: method.__name__)
def method(request: pytest.FixtureRequest) -> Method:
    return request.param


def captum_of(method: Method, model: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    return PEERS[method](model).attribute(x.clone().requires_grad_(), target=target).detach()


@pytest.fixture(scope="module", params=[resnet18, squeezenet1_1, vgg11])
def trained_shape(request: pytest.FixtureRequest) -> nn.Module:
    return with_statistics(request.param(weights=None, num_classes=10))


def with_statistics(model: nn.Module) -> nn.Module:
    """Draw the weights and what batch normalization has seen."""
    generator = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_it_equals_captum_on_known_architectures(
    trained_shape: nn.Module, method: Method, dtype: torch.dtype
) -> None:
    model = trained_shape.to(dtype)
    x = torch.randn(2, 3, 48, 40, generator=torch.Generator().manual_seed(1)).to(dtype)
    assert_near(method(model, x, [1, 7]), captum_of(method, model, x, [1, 7]))


class Branches(nn.Module):
    """Two of GoogLeNet's Inception blocks, whose ReLUs are functions in place."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            BasicConv2d(3, 8, kernel_size=3, stride=2),
            Inception(8, 4, 4, 8, 2, 4, 4),
            Inception(20, 8, 4, 8, 2, 4, 4),
        )
        self.fc = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(x).mean((2, 3)))


def of_modules(model: nn.Module) -> nn.Module:
    """Return the same network with modules for the ReLUs of its convolutions."""
    twin = copy.deepcopy(model)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BasicConv2d):
                setattr(parent, name, nn.Sequential(child.conv, child.bn, nn.ReLU()))
    return twin


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_inception_blocks_equal_captum_on_their_twin_of_modules(
    method: Method, dtype: torch.dtype
) -> None:
    model = with_statistics(Branches()).to(dtype)
    x = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1)).to(dtype)
    theirs = captum_of(method, of_modules(model), x, [1, 4])
    assert_near(method(model, x, [1, 4]), theirs)
    assert not torch.allclose(captum_of(method, model, x, [1, 4]), theirs)
