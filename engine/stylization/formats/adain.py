"""Adaptive instance normalization (Huang, Belongie 2017): VGG's first layers and a mirrored decoder.

The files are those of the widespread PyTorch port, `decoder.pth` and `vgg_normalised.pth`, whose
tensors are named by the numbers of their layers. Most later methods use the same VGG.
"""

from pathlib import Path

from torch import Tensor

from engine.networks.contents import Contents
from engine.networks.identify import WRAPPED
from engine.stylization.formats.half import Half, told
from engine.stylization.layers import Line
from engine.stylization.painter import Painter, Plan, filled

VGG = (2, 5, "pool", 9, 12, "pool", 16, 19, 22, 25, "pool", 29)
"""Up to relu4_1: the convolutions' names in the file, and where sizes are halved."""
DECODER = (1, "up", 5, 8, 11, 14, "up", 18, 21, "up", 25, 28)
WIDTH = 512
"""Channels of relu4_1."""
EPSILON = 1e-5


def adain(contents: Contents, path: Path) -> Half | None:
    """Return the half of such a network in a file, or None for other files."""
    for group in contents.groups:
        state = {WRAPPED.sub("", n): t for n, t in group.tensors.items() if isinstance(t, Tensor)}
        for prefix in ("", "decoder.", "vgg.", "encoder."):
            inner = {
                name.removeprefix(prefix): tensor
                for name, tensor in state.items()
                if name.startswith(prefix)
            }
            if _has(inner, (0, *VGG)) and inner["0.weight"].shape == (3, 3, 1, 1):
                first: tuple[Line, ...] = (("conv", 3, 3, 1, 1, "none"),)
                lines, numbers = _layers(inner, VGG)
                return reader((*first, *lines), [*_pair(inner, 0), *numbers], path)
            if _has(inner, DECODER) and inner["1.weight"].shape[1] == WIDTH:
                return painter(*_layers(inner, DECODER, last=28), path)
    return None


def reader(lines: tuple[Line, ...], numbers: list[Tensor], path: Path) -> Half:
    """Return the half that reads paintings: VGG up to relu4_1."""
    wanted = "the decoder trained for it (usually decoder.pth)"
    return Half("adain", "reads", path, lines, numbers, "AdaIN's VGG", wanted, _joined)


def painter(lines: tuple[Line, ...], numbers: list[Tensor], path: Path) -> Half:
    """Return the half that paints: the decoder."""
    wanted = "the VGG it was trained for (usually vgg_normalised.pth)"
    return Half("adain", "paints", path, lines, numbers, "AdaIN's decoder", wanted, _joined)


def _joined(decoder: Half, vgg: Half) -> Painter:
    lines = (*vgg.lines, ("styled", WIDTH, 0, EPSILON, True), *decoder.lines)
    encoder: tuple[Line, ...] = (("moments", EPSILON),)
    plan = Plan(lines, encoder=encoder, shared=len(vgg.lines), painting_size=512)
    network = filled(plan, [*vgg.numbers, *decoder.numbers], decoder.path)
    what = f"a network for any style by AdaIN ({decoder.path.name}, {vgg.path.name})"
    return told(network, what)


def _has(state: dict[str, Tensor], names: tuple[int | str, ...]) -> bool:
    numbers = {name for name in names if isinstance(name, int)}
    return all(f"{n}.{part}" in state for n in numbers for part in ("weight", "bias"))


def _pair(state: dict[str, Tensor], name: int | str) -> tuple[Tensor, Tensor]:
    return state[f"{name}.weight"], state[f"{name}.bias"]


def _layers(
    state: dict[str, Tensor], names: tuple[int | str, ...], last: int | None = None
) -> tuple[tuple[Line, ...], list[Tensor]]:
    """Return the layers, with a ReLU after each convolution but the last, and their numbers."""
    lines: list[Line] = []
    numbers: list[Tensor] = []
    for name in names:
        if isinstance(name, str):
            lines.append((name, 2))
            continue
        weight, bias = _pair(state, name)
        lines.append(("conv", weight.shape[1], weight.shape[0], weight.shape[-1]))
        lines += [("relu",)] if name != last else []
        numbers += [weight, bias]
    return tuple(lines), numbers
