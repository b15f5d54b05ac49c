"""AdaIN in two files paints as its published formula says; a missing half is asked for."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.stylization.network import StyleKind
from engine.stylization.opening import open_style_network

VGG = (2, 5, "pool", 9, 12, "pool", 16, 19, 22, 25, "pool", 29)
DECODER = (1, "up", 5, 8, 11, 14, "up", 18, 21, "up", 25, 28)
WIDTHS = {2: 64, 5: 64, 9: 128, 12: 128, 16: 256, 19: 256, 22: 256, 25: 256, 29: 512}
DECODED = {1: 256, 5: 256, 8: 256, 11: 256, 14: 128, 18: 128, 21: 64, 25: 64, 28: 3}


def weights() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Untrained tensors of VGG and decoder, of the files' names and shapes."""
    chance = torch.Generator().manual_seed(2)

    def state(widths: dict[int, int], inputs: int) -> dict[str, Tensor]:
        made = {}
        for name, outputs in widths.items():
            scale = (2 / (9 * inputs)) ** 0.5
            made[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=chance) * scale
            made[f"{name}.bias"] = torch.randn(outputs, generator=chance) * 0.1
            inputs = outputs
        return made

    first = {"0.weight": torch.eye(3).flip(0).view(3, 3, 1, 1) * 2, "0.bias": -torch.ones(3)}
    return first | state(WIDTHS, 3), state(DECODED, 512)


def run(plan: tuple[int | str, ...], state: dict[str, Tensor], x: Tensor) -> Tensor:
    """Run convolutions with mirrored borders, each with its ReLU but the last of the decoder."""
    for name in plan:
        if name == "pool":
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        elif name == "up":
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        else:
            x = F.pad(x, (1, 1, 1, 1), mode="reflect")
            x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"])
            x = x if name == 28 else x.relu()
    return x


def stylized(
    vgg: dict[str, Tensor],
    decoder: dict[str, Tensor],
    photo: Tensor,
    style: Tensor,
    alpha: float = 1,
) -> Tensor:
    """The published method, written out."""
    content, painting = (
        run(VGG, vgg, F.conv2d(x, vgg["0.weight"], vgg["0.bias"])) for x in (photo, style)
    )

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        flat = x.flatten(2)
        mean, deviation = flat.mean(2), (flat.var(2) + 1e-5).sqrt()
        return mean[..., None, None], deviation[..., None, None]

    mean, deviation = moments(content)
    wanted_mean, wanted = moments(painting)
    target = (content - mean) / deviation * wanted + wanted_mean
    y = run(DECODER, decoder, alpha * target + (1 - alpha) * content)
    return y[:, :, : photo.shape[2], : photo.shape[3]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adain")
    vgg, decoder = weights()
    deeper = {"32.weight": torch.zeros(512, 512, 3, 3), "32.bias": torch.zeros(512)}
    torch.save(vgg | deeper, folder / "vgg_normalised.pth")
    torch.save(decoder, folder / "decoder.pth")
    return folder


def test_it_paints_as_the_formula_says(folder: Path, cat: Tensor) -> None:
    network = open_style_network(folder)
    assert network.kind == StyleKind.ANY
    assert "AdaIN (decoder.pth, vgg_normalised.pth)" in network.found
    photo, style = cat[:, :, :41, :57], cat[:, :, 60:101, :70].flip(3)
    vgg, decoder = weights()
    with torch.no_grad():
        code = network.encode(style)
        for strength in (1.0, 0.4):
            wanted = stylized(vgg, decoder, photo, style, strength)
            assert torch.allclose(network(photo, code, strength), wanted, atol=1e-3)
        # A mixture of codes is the mixture of what adaptive normalization gives.
        other = network.encode(1 - style)
        assert torch.allclose(network.blend([code, other], [3, 1]), 0.75 * code + 0.25 * other)
    assert wanted.std() > 0.05


def test_either_file_finds_the_other(folder: Path, tmp_path: Path) -> None:
    for name in ("decoder.pth", "vgg_normalised.pth"):
        assert open_style_network(folder / name).kind == StyleKind.ANY
        alone = tmp_path / name
        alone.mkdir()
        (alone / name).symlink_to(folder / name)
        with pytest.raises(BadInput, match="put the other one beside it"):
            open_style_network(alone / name)
    with pytest.raises(BadInput, match=r"usually vgg_normalised\.pth"):
        open_style_network(tmp_path / "decoder.pth")
    with pytest.raises(BadInput, match="holds no style network in two files"):
        open_style_network(tmp_path)
