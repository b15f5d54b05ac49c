"""Networks of PyTorch's example program paint as its published formula says, from files old and new."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.stylization.network import StyleKind
from engine.stylization.opening import open_style_network


def weights(blocks: int = 2, widths: tuple[int, int, int] = (4, 6, 8)) -> dict[str, Tensor]:
    """A small untrained network's tensors, by the example program's names."""
    chance = torch.Generator().manual_seed(1)
    a, b, c = widths
    shapes = {"conv1": (a, 3, 9), "conv2": (b, a, 3), "conv3": (c, b, 3)}
    norms = {"in1": a, "in2": b, "in3": c, "in4": b, "in5": a}
    for i in range(1, blocks + 1):
        shapes |= {f"res{i}.conv1": (c, c, 3), f"res{i}.conv2": (c, c, 3)}
        norms |= {f"res{i}.in1": c, f"res{i}.in2": c}
    shapes |= {"deconv1": (b, c, 3), "deconv2": (a, b, 3), "deconv3": (3, a, 9)}
    state: dict[str, Tensor] = OrderedDict()
    for name, (outputs, inputs, size) in shapes.items():
        state[f"{name}.conv2d.weight"] = (
            torch.randn(outputs, inputs, size, size, generator=chance) / (inputs * size**2) ** 0.5
        )
        state[f"{name}.conv2d.bias"] = torch.randn(outputs, generator=chance)
    for name, channels in norms.items():
        state[f"{name}.weight"] = 20 * torch.rand(channels, generator=chance)
        state[f"{name}.bias"] = 20 * torch.randn(channels, generator=chance)
    return state


def painted(state: dict[str, Tensor], photo: Tensor) -> Tensor:
    """The published network, written out as functions: bytes in, bytes out."""

    def convolve(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight, bias = state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"]
        margin = weight.shape[-1] // 2
        return F.conv2d(F.pad(x, (margin,) * 4, mode="reflect"), weight, bias, stride)

    def normalize(name: str, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        variance = x.var((2, 3), keepdim=True, unbiased=False)
        weight, bias = (state[f"{name}.{kind}"][:, None, None] for kind in ("weight", "bias"))
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    x = photo * 255
    for i, stride in ((1, 1), (2, 2), (3, 2)):
        x = normalize(f"in{i}", convolve(f"conv{i}", x, stride)).relu()
    for i in range(1, 6):
        if f"res{i}.in1.weight" in state:
            y = normalize(f"res{i}.in1", convolve(f"res{i}.conv1", x)).relu()
            x = x + normalize(f"res{i}.in2", convolve(f"res{i}.conv2", y))
    for i, norm in ((1, 4), (2, 5)):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = normalize(f"in{norm}", convolve(f"deconv{i}", x)).relu()
    return convolve("deconv3", x)[:, :, : photo.shape[2], : photo.shape[3]] / 255


def test_a_real_network_paints_as_the_formula_says(data_folder: Path, cat: Tensor) -> None:
    path = data_folder / "weights" / "style_mosaic.pth"
    network = open_style_network(path)
    assert (network.kind, network.style_names) == (StyleKind.SINGLE, ("style_mosaic",))
    assert "for one style" in network.found and "RGB from 0 to 255" in network.found
    state = torch.load(path, weights_only=True)
    with torch.no_grad():
        result = network(cat, network.style())
        assert result.shape == cat.shape
        assert torch.allclose(result, painted(state, cat), atol=1e-3)
        # a photo of every size, down to a single pixel; less strength is nearer to the photo
        assert network(cat[:, :, :1, :2], network.style()).shape == (1, 3, 1, 2)
        half = network(cat, network.style(), strength=0.5)
    assert torch.allclose(half, (cat + result) / 2, atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.net."])
def test_old_files_and_other_widths(prefix: str, tmp_path: Path, cat: Tensor) -> None:
    state = weights()
    found = {prefix + name: tensor for name, tensor in state.items()}
    for name in [n for n in state if n.startswith("in") or ".in" in n]:
        layer = name.rpartition(".")[0]  # moments of batches, which must not be used
        found[f"{prefix}{layer}.running_mean"] = torch.full_like(state[name], 100)
        found[f"{prefix}{layer}.running_var"] = torch.full_like(state[name], 100)
    torch.save(found, tmp_path / "old.model", _use_new_zipfile_serialization=False)
    network = open_style_network(tmp_path / "old.model")
    both = torch.cat([cat, cat.flip(3)])
    with torch.no_grad():
        result = network(both, network.style(0))
    assert torch.allclose(result, painted(state, both), atol=1e-3)


def test_what_such_a_network_cannot_do(tmp_path: Path, cat: Tensor) -> None:
    torch.save(weights(), tmp_path / "one.pth")
    network = open_style_network(tmp_path / "one.pth")
    with pytest.raises(BadInput, match="knows only its own style"):
        network.encode(cat)
    with pytest.raises(BadInput, match="no style 1"):
        network.style(1)
    with pytest.raises(BadInput, match="sum to 0"):
        network.blend([network.style()], [0])


def test_files_that_hold_none(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match="no style network"):
        open_style_network(tmp_path / "other.pth")
    state = weights()
    del state["res2.in1.bias"]
    torch.save(state, tmp_path / "lacking.pth")
    with pytest.raises(BadInput, match=r"lacks res2\.in1\.bias"):
        open_style_network(tmp_path / "lacking.pth")
    state["res2.in1.bias"] = torch.ones(5)
    torch.save(state, tmp_path / "shape.pth")
    with pytest.raises(BadInput, match=r"the shape \(5,\)"):
        open_style_network(tmp_path / "shape.pth")
