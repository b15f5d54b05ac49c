"""Our SqueezeNet beside torchvision's."""

import torch
from torchvision import models

from engine.networks.architectures.squeezenet import squeezenet1_1


def test_it_gives_torchvisions_numbers_under_torchvisions_names():
    torch.manual_seed(0)
    theirs = models.squeezenet1_1(weights=None, num_classes=7).eval()
    ours = squeezenet1_1(7).eval()
    ours.load_state_dict(theirs.state_dict())
    modules = [name for name, _ in theirs.named_modules()]
    assert [name for name, _ in ours.named_modules()] == [*modules, "flatten"]
    picture = torch.rand(2, 3, 64, 49)
    with torch.no_grad():
        assert torch.equal(ours(picture), theirs(picture))
