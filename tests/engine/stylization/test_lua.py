"""Networks of Lua Torch paint as their published formula says, and nothing in a file is run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.stylization.formats.torch7 import Described, read_torch7
from engine.stylization.network import StyleKind
from engine.stylization.opening import open_style_network
from tests.engine.stylization.torch7_writer import Function, Lua, sequential, table, written

CHANCE = torch.Generator().manual_seed(3)
MEAN = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, pad: int = 0) -> Lua:
    weight = torch.randn(outputs, inputs, size, size, generator=CHANCE) / (inputs * size**2) ** 0.5
    return Lua(
        "nn.SpatialConvolution", nInputPlane=inputs, nOutputPlane=outputs, kW=size, kH=size,
        dW=stride, dH=stride, padW=pad, padH=pad, weight=weight,
        bias=torch.randn(outputs, generator=CHANCE),
    )  # fmt: skip


def transposed(inputs: int, outputs: int) -> Lua:
    weight = torch.randn(inputs, outputs, 3, 3, generator=CHANCE) / (inputs * 9) ** 0.5
    return Lua(
        "cudnn.SpatialFullConvolution", nInputPlane=inputs, nOutputPlane=outputs, kW=3, kH=3,
        dW=2, dH=2, padW=1, padH=1, adjW=1, adjH=1, weight=weight,
        bias=torch.randn(outputs, generator=CHANCE),
    )  # fmt: skip


def instance(channels: int) -> Lua:
    numbers = {n: torch.rand(channels, generator=CHANCE) for n in ("weight", "bias")}
    return Lua("nn.InstanceNormalization", eps=1e-5, nOutput=channels, prev_N=-1, **numbers)


def batch(channels: int, old: bool) -> Lua:
    """A batch normalization; older versions keep 1 / sqrt(variance + eps) instead of the variance."""
    numbers = {
        n: torch.rand(channels, generator=CHANCE) + 0.5 for n in ("weight", "bias", "running_mean")
    }
    moment = "running_std" if old else "running_var"
    numbers[moment] = torch.rand(channels, generator=CHANCE) + 0.5
    return Lua("nn.SpatialBatchNormalization", eps=1e-5, **numbers)


def network(norm: Any) -> Lua:
    """fast-neural-style's network, narrow: the border is mirrored once, then blocks eat it up."""
    relu = Lua("nn.ReLU", inplace=True)
    block = sequential(convolution(6, 6, 3), norm(6), relu, convolution(6, 6, 3), norm(6))
    fork = Lua("nn.ConcatTable", modules=table(block, Lua("nn.ShaveImage", size=2)))
    residual = sequential(fork, Lua("nn.CAddTable"))
    return sequential(
        Lua("nn.SpatialReflectionPadding", pad_l=8, pad_r=8, pad_t=8, pad_b=8),
        convolution(3, 4, 9, pad=4), norm(4), relu,
        convolution(4, 5, 3, 2, 1), norm(5), relu,
        convolution(5, 6, 3, 2, 1), norm(6), relu,
        residual,
        transposed(6, 5), norm(5), relu, transposed(5, 4), norm(4), relu,
        convolution(4, 3, 9, pad=4), Lua("nn.Tanh"), Lua("nn.MulConstant", constant_scalar=150),
        Lua("nn.TotalVariation", strength=1e-6, hook=Function()),
    )  # fmt: skip


def run(module: Lua, x: Tensor) -> Tensor:
    """What Torch's layers compute, each written out."""
    f, kind = module.fields, module.kind.split(".")[1]
    match kind:
        case "Sequential":
            for part in f["modules"].values():
                x = run(part, x)
            return x
        case "ConcatTable":
            return sum(run(part, x) for part in f["modules"].values())
        case "ShaveImage":
            return x[:, :, f["size"] : -f["size"], f["size"] : -f["size"]]
        case "SpatialReflectionPadding":
            return F.pad(x, (f["pad_l"],) * 4, mode="reflect")
        case "SpatialConvolution":
            return F.conv2d(x, f["weight"], f["bias"], f["dW"], f["padW"])
        case "SpatialFullConvolution":
            return F.conv_transpose2d(x, f["weight"], f["bias"], f["dW"], f["padW"], f["adjW"])
        case "InstanceNormalization":
            mean = x.mean((2, 3), keepdim=True)
            deviation = (x.var((2, 3), keepdim=True, unbiased=False) + f["eps"]).sqrt()
            y = (x - mean) / deviation
            return y * f["weight"][:, None, None] + f["bias"][:, None, None]
        case "SpatialBatchNormalization":
            factor = f.get("running_std")
            if factor is None:
                factor = 1 / (f["running_var"] + f["eps"]).sqrt()
            y = (x - f["running_mean"][:, None, None]) * factor[:, None, None]
            return y * f["weight"][:, None, None] + f["bias"][:, None, None]
        case "ReLU":
            return x.clamp_min(0)
        case "Tanh":
            return x.tanh()
        case "MulConstant":
            return x * f["constant_scalar"]
    return x  # CAddTable, whose sum is done; TotalVariation


def original(module: Lua, photo: Tensor) -> Tensor:
    """The program around the network: Caffe's colours in and out, a median filter in the end."""
    y = run(module, photo.flip(1) * 255 - MEAN)[:, :, : photo.shape[2], : photo.shape[3]]
    y = ((y + MEAN) / 255).flip(1)
    return y.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4).median(4).values


@pytest.mark.parametrize("norm", [instance, lambda c: batch(c, True), lambda c: batch(c, False)])
def test_johnsons_networks(norm: Any, tmp_path: Path, cat: Tensor) -> None:
    model = network(norm)
    shared = {"opt": {"preprocessing": "vgg", "arch": "c9s1-4"}, "model": model, "again": model}
    (tmp_path / "candy.t7").write_bytes(written(shared))
    opened = open_style_network(tmp_path / "candy.t7")
    assert (opened.kind, opened.style_names) == (StyleKind.SINGLE, ("candy",))
    assert "BGR from 0 to 255 minus (103.939, 116.779, 123.68)" in opened.found
    assert "research" in opened.licence
    with torch.no_grad():
        result = opened(cat, opened.style())
        wanted = original(model, cat)
    # Where the window of the median is not full, the original has no pixel at all.
    assert torch.allclose(result[:, :, 1:-1, 1:-1], wanted, atol=1e-4)
    assert wanted.std() > 0.05


def test_adain_in_luas_layout(tmp_path: Path, cat: Tensor) -> None:
    from tests.engine.stylization.test_adain import DECODER, VGG, stylized, weights

    def layers(plan: tuple[Any, ...], state: dict[str, Tensor]) -> Lua:
        modules = []
        for name in plan:
            if isinstance(name, str):
                pool = Lua("nn.SpatialMaxPooling", kW=2, kH=2, dW=2, dH=2, ceil_mode=True)
                modules.append(
                    pool if name == "pool" else Lua("nn.SpatialUpSamplingNearest", scale_factor=2)
                )
                continue
            weight = state[f"{name}.weight"]
            if weight.shape[-1] == 3:
                modules.append(
                    Lua("nn.SpatialReflectionPadding", pad_l=1, pad_r=1, pad_t=1, pad_b=1)
                )
            made = convolution(weight.shape[1], weight.shape[0], weight.shape[-1])
            made.fields |= {"weight": weight, "bias": state[f"{name}.bias"]}
            modules.append(made)
            if name not in (0, 28):
                modules.append(Lua("nn.ReLU"))
        return sequential(*modules)

    vgg, decoder = weights()
    (tmp_path / "decoder.t7").write_bytes(written(layers(DECODER, decoder)))
    deeper = {"31.weight": torch.zeros(512, 512, 3, 3), "31.bias": torch.zeros(512)}
    (tmp_path / "vgg.t7").write_bytes(written(layers((0, *VGG, 31), vgg | deeper)))
    opened = open_style_network(tmp_path)
    photo = cat[:, :, :41, :57]
    with torch.no_grad():
        code = opened.encode(cat[:, :, :40].flip(3))
        assert torch.allclose(
            opened(photo, code), stylized(vgg, decoder, photo, cat[:, :, :40].flip(3)), atol=1e-3
        )


def test_values_of_every_kind(tmp_path: Path) -> None:
    part = torch.arange(24.0).reshape(2, 3, 4)[:, 1:, ::2]
    value = {"n": 1.5, "yes": True, "none": None, "name": "é", "part": part, 3: "three"}
    value["same"] = part
    value["object"] = Lua("nn.Odd", size=2, call=Function())
    (tmp_path / "all.t7").write_bytes(written(value))
    found = read_torch7(tmp_path / "all.t7")
    assert torch.equal(found["part"], part) and found["same"] is found["part"]
    assert (found["n"], found["yes"], found["none"], found["name"]) == (1.5, True, None, "é")
    assert found[3] == "three"
    assert isinstance(found["object"], Described)
    assert (found["object"].kind, found["object"].fields) == ("nn.Odd", {"size": 2.0, "call": None})


def test_damaged_and_other_files(tmp_path: Path) -> None:
    whole = written(network(instance))
    for length in (0, 3, 20, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.t7").write_bytes(whole[:length])
        with pytest.raises(BadInput, match=r"cut off or damaged|cannot be read"):
            open_style_network(tmp_path / "cut.t7")
    (tmp_path / "text.t7").write_bytes(written({"x": 1}))
    with pytest.raises(BadInput, match="holds no network"):
        open_style_network(tmp_path / "text.t7")
    strange = sequential(convolution(3, 3, 3, pad=1), Lua("nn.SpatialSoftMax"))
    (tmp_path / "strange.t7").write_bytes(written(strange))
    with pytest.raises(BadInput, match=r"nn\.SpatialSoftMax"):
        open_style_network(tmp_path / "strange.t7")
    wrong = convolution(3, 3, 3, pad=1)
    wrong.fields["nInputPlane"] = 7
    (tmp_path / "wrong.t7").write_bytes(written(sequential(wrong, wrong)))
    with pytest.raises(BadInput, match="contradicts itself"):
        open_style_network(tmp_path / "wrong.t7")
    loop: dict[Any, Any] = {}
    loop["loop"] = loop
    (tmp_path / "loop.t7").write_bytes(written(loop))
    with pytest.raises(BadInput, match="holds no network"):
        open_style_network(tmp_path / "loop.t7")
    (tmp_path / "small.t7").write_bytes(written(sequential(convolution(3, 3, 3))))
    with pytest.raises(BadInput, match="of 3 x 64 x 64 pixels it makes 3 x 62 x 62"):
        open_style_network(tmp_path / "small.t7")
