"""A network that draws one texture from noise (Ulyanov, Lebedev, Vedaldi, Lempitsky 2016).

"Texture Networks: Feed-forward Synthesis of Textures and Stylized Images": noise at several scales,
each half as fine as the one before, passes through a few convolutions and joins what comes from the
coarser ones. Every convolution sees the picture as a torus, so that the texture repeats without a
seam: rolling the noise rolls the texture. Other noise gives another texture; noise of another size,
a texture of that size.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import BadInput
from engine.networks.assembling import check_numbers
from engine.networks.card import IMAGENET
from engine.networks.colours import unprepared
from engine.networks.contents import Contents, nothing
from engine.stylization.giving_up import check_wanted
from engine.stylization.network import StyleKind, StyleNetwork
from engine.stylization.network_file import card_of, write_network

ARCHITECTURE = "texture_network"
SCALES, WIDTH = 6, 8
"""Number of scales of the noise, and of the channels that each adds."""
MOST_SCALES, MOST_WIDTH = 10, 64


class TextureNetwork(StyleNetwork):
    """Noise in, a texture out. Its code (1, 1) is the number of a sample; a photo only gives the size."""

    kind = StyleKind.TEXTURE

    def __init__(self, scales: int = SCALES, width: int = WIDTH) -> None:
        """Build it with random numbers: it draws grey textures."""
        super().__init__()
        self.scales, self.width = scales, width
        self.style_names = ("texture",)
        self.branches = nn.ModuleList(_block(3, width) for _ in range(scales))
        counts = range(scales, 1, -1)  # the finest first, as the branches
        self.coarse = nn.ModuleList(_norm(width * (count - 1)) for count in counts)
        self.fine = nn.ModuleList(_norm(width) for _ in counts)
        self.joins = nn.ModuleList(_block(width * count, width * count) for count in counts)
        self.out = nn.Conv2d(width * scales, 3, 1)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias.zero_()  # type: ignore[union-attr]

    @property
    def multiple(self) -> int:
        """What height and width must be multiples of for a texture to repeat without a seam."""
        return 2 ** (self.scales - 1)

    def noise(
        self, size: tuple[int, int], generator: torch.Generator, count: int = 1
    ) -> list[Tensor]:
        """Return uniform noise for textures of at least this size: (count, 3, h, w), the finest first.

        Height and width are multiples of `multiple`, and at least twice that.
        """
        least = 2 * self.multiple
        height, width = (max(-(-n // self.multiple) * self.multiple, least) for n in size)
        device = self.out.weight.device
        return [
            torch.rand(count, 3, height >> k, width >> k, generator=generator).to(device)
            for k in range(self.scales)
        ]

    def texture(self, noise: Sequence[Tensor]) -> Tensor:
        """Return the textures (N, 3, H, W) that noise becomes; values may lie outside [0, 1]."""
        parts = [
            branch(z.to(self.out.weight.dtype))
            for branch, z in zip(self.branches, noise, strict=True)
        ]
        x = parts.pop()
        for k in reversed(range(self.scales - 1)):
            check_wanted()
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.joins[k](torch.cat([self.coarse[k](x), self.fine[k](parts[k])], 1))
        return unprepared(self.out(x).float(), IMAGENET)

    @torch.no_grad()
    def draw(self, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Return a texture (1, 3, height, width), RGB in [0, 1].

        It repeats without a seam if both are multiples of `multiple`; otherwise it is cut off.
        """
        made = self.texture(self.noise(size, generator)).clamp(0, 1)
        return made[:, :, : size[0], : size[1]]

    def style(self, index: int = 0) -> Tensor:
        """Return the code (1, 1) of a sample: its number."""
        return torch.full((1, 1), float(index), device=self.out.weight.device)

    def forward(self, photo: Tensor, code: Tensor, strength: float = 1.0) -> Tensor:
        """Return textures in the photos' shape, with the photos mixed in if `strength` is below 1."""
        size = (photo.shape[2], photo.shape[3])
        numbers = code[:, 0].expand(len(photo)).tolist()
        made = [
            self.texture(self.noise(size, torch.Generator().manual_seed(round(number))))
            for number in numbers
        ]
        drawn = torch.cat(made)[:, :, : size[0], : size[1]].to(photo.dtype)
        return drawn if strength == 1 else torch.lerp(photo, drawn, strength)


def _norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=True)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Return three convolutions on a torus, each normalized and rectified."""
    layers: list[nn.Module] = []
    for size in (3, 3, 1):
        convolution = nn.Conv2d(
            inputs, outputs, size, padding=size // 2, padding_mode="circular", bias=False
        )
        layers += [convolution, _norm(outputs), nn.LeakyReLU(0.01)]
        inputs = outputs
    return nn.Sequential(*layers)


def draw_texture(
    network: StyleNetwork | str | Path, size: int | tuple[int, int] = 512, seed: int = 0
) -> Tensor:
    """Return a texture (1, 3, H, W), RGB in [0, 1].

    Args:
        network: one for a texture, its name or its file.
        size: of a square, or height and width, in pixels.
        seed: the same seed gives the same texture.

    Raises:
        BadInput: the network draws no textures, or the size is impossible.
        WeightsMissing: there is no such network on this machine.
    """
    from engine.stylization.finding import load_style_network

    if not isinstance(network, StyleNetwork):
        network = load_style_network(str(network))
    if not isinstance(network, TextureNetwork):
        raise BadInput("this network paints photos; for a texture take one that was trained for it")
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise BadInput(f"a texture of {height} x {width} pixels; both must be at least 1")
    return network.draw((height, width), torch.Generator().manual_seed(seed % 2**63)).cpu()


def write_texture(network: TextureNetwork, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a network with its card, whole or not at all.

    `facts` are what else the card says: plain values. Raises `BadInput` if the file cannot be
    written.
    """
    facts = {**facts, "scales": network.scales, "width": network.width}
    tensors = {name: tensor.float() for name, tensor in network.state_dict().items()}
    write_network(network, path, ARCHITECTURE, facts, tensors)


def texture_network(contents: Contents, path: Path) -> TextureNetwork | None:
    """Return the network in a file that `write_texture` wrote, or None for other files.

    Raises `BadInput` for one that is damaged or from a later version.
    """
    card = card_of(contents, ARCHITECTURE, path)
    if card is None:
        return None
    damaged = f"{path} is damaged: it does not hold the numbers of its network"
    try:
        scales, width, size = int(card["scales"]), int(card["width"]), card["painting_size"]
        if not (2 <= scales <= MOST_SCALES and 1 <= width <= MOST_WIDTH):
            raise ValueError(scales, width)
        network = TextureNetwork(scales, width)
        tensors = {
            n: t.float() for n, t in contents.groups[0].tensors.items() if isinstance(t, Tensor)
        }
        network.load_state_dict(tensors)
        network.style_names = (str(card["styles"][0]),)
        network.painting_size = None if size is None else int(size)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise BadInput(damaged) from error
    for tensor in tensors.values():
        check_numbers("a tensor", tensor, path, nothing)
    network.tell(card)
    return network.eval().requires_grad_(False)
