"""Our VGG beside torchvision's."""

import subprocess
import sys

import pytest
import torch
from torchvision import models

from engine.networks.architectures.vgg import vgg


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_it_is_torchvisions_network_layer_by_layer(name):
    with torch.device("meta"):
        ours, theirs = vgg(name, 1000), getattr(models, name)(weights=None)
    shapes = {k: v.shape for k, v in theirs.state_dict().items()}
    assert {k: v.shape for k, v in ours.state_dict().items()} == shapes
    for part in ("features", "classifier"):
        assert repr(ours.get_submodule(part)) == repr(theirs.get_submodule(part))
    assert repr(theirs.avgpool) == "AdaptiveAvgPool2d(output_size=(7, 7))"
    assert list(ours.avgpool(torch.empty(1, 512, 9, 9, device="meta")).shape) == [1, 512, 7, 7]


def test_features_give_torchvisions_numbers():
    torch.manual_seed(0)
    with torch.device("meta"):
        ours = vgg("vgg16", 10).get_submodule("features")
        theirs = models.vgg16(weights=None).features
    state = {k: torch.randn(v.shape) * 0.05 for k, v in ours.state_dict().items()}
    ours.load_state_dict(state, assign=True)
    theirs.load_state_dict(state, assign=True)
    picture = torch.rand(1, 3, 40, 33)
    with torch.no_grad():
        assert torch.equal(ours(picture), theirs(picture))


def test_the_shipped_network_does_not_import_torchvision():
    code = (
        "import sys; from engine.networks.building import build; build('slim_vgg', 5);"
        "build('vgg19', 5); print('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
