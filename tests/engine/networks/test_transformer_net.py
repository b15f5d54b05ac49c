import torch
from torch.nn import functional as F

from engine.networks.architectures.names import transformer_names
from engine.networks.architectures.transformer_net import TransformerNet
from engine.networks.loading import load_module
from engine.networks.reading import read_file


def reference(state, x):
    """The published network, written out as functions."""

    def convolve(name, x, stride=1):
        weight, bias = state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"]
        margin = weight.shape[-1] // 2
        return F.conv2d(F.pad(x, (margin,) * 4, mode="reflect"), weight, bias, stride)

    def normalize(name, x):
        mean = x.mean((2, 3), keepdim=True)
        variance = x.var((2, 3), keepdim=True, unbiased=False)
        weight, bias = (state[f"{name}.{kind}"][:, None, None] for kind in ("weight", "bias"))
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    for i, stride in ((1, 1), (2, 2), (3, 2)):
        x = normalize(f"in{i}", convolve(f"conv{i}", x, stride)).relu()
    for i in range(1, 6):
        y = normalize(f"res{i}.in1", convolve(f"res{i}.conv1", x)).relu()
        x = x + normalize(f"res{i}.in2", convolve(f"res{i}.conv2", y))
    for i, norm in ((1, 4), (2, 5)):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = normalize(f"in{norm}", convolve(f"deconv{i}", x)).relu()
    return convolve("deconv3", x)


def test_real_style_network(data_folder, photo):
    path = data_folder / "weights" / "style_mosaic.pth"
    module = load_module(path)
    assert isinstance(module, TransformerNet)
    x = 255 * photo("photos/parrot.jpg", 64)[None]
    with torch.no_grad():
        y, expected = module(x), reference(read_file(path).groups[0].tensors, x)
    assert y.shape == x.shape
    assert torch.allclose(y, expected, atol=1e-2)
    assert 60 < y.mean() < 200 and y.std() > 30  # a picture in bytes, and no flat one


def test_names_are_its_own():
    assert set(TransformerNet().state_dict()) == transformer_names()
