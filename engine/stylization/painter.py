"""Networks that paint, as data: a list of layers, the numbers in them, and the styles that they know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.errors import BadInput
from engine.networks.building import WithoutWeights
from engine.networks.card import Preprocessing
from engine.networks.colours import in_rgb, unprepared
from engine.stylization.layers import Layers, Line, flat
from engine.stylization.network import StyleKind, StyleNetwork

SMALLEST = 8
"""Pixels of a side below which a picture is continued: deep layers would have nothing to mirror."""


@dataclass(frozen=True)
class Plan:
    """What a network is made of, besides its numbers."""

    lines: tuple[Line, ...]
    """Its layers, see `layers.KINDS`."""
    takes: Preprocessing
    """How RGB in [0, 1] is prepared for it."""
    gives: Preprocessing
    """How RGB in [0, 1] would be prepared to be what it gives."""
    style_names: tuple[str, ...] = ()
    margin: int = 0
    """Pixels of its own border that it takes away, on each side, in the end."""

    @property
    def code_size(self) -> int:
        """How many numbers are a style: a scale and a shift for each channel that is normalized."""
        return sum(2 * line[1] for line in flat(self.lines) if line[0] == "styled")


class Painter(StyleNetwork):
    """A network made after a plan, with styles of its own: one, or many by conditional normalization."""

    def __init__(self, plan: Plan) -> None:
        """Make it without values."""
        super().__init__()
        self.plan = plan
        self.kind = StyleKind.MANY if plan.code_size else StyleKind.SINGLE
        self.style_names = plan.style_names
        borders = [line[1] for line in flat(plan.lines) if line[0] == "border"]
        self.smallest = max(SMALLEST, *(border + 1 for border in borders), 0)
        with WithoutWeights():
            self.layers = Layers(plan.lines)
            self.styles = nn.Parameter(torch.empty(len(plan.style_names), plan.code_size))

    def style(self, index: int = 0) -> Tensor:
        """Return the code (1, K) of a built-in style. Raises `BadInput` for numbers beyond."""
        count = len(self.styles)
        if not 0 <= index < count:
            raise BadInput(f"there is no style {index}; the network has 0 to {count - 1}")
        return self.styles[index : index + 1]

    def forward(self, photo: Tensor, code: Tensor, strength: float = 1.0) -> Tensor:
        """Return the photos painted, as `StyleNetwork` has it; less strength mixes the photo in."""
        painted = self.paint(photo, code)
        return painted if strength == 1 else torch.lerp(photo, painted, strength)

    def paint(self, photo: Tensor, code: Tensor) -> Tensor:
        """Return (N, 3, H, W) in the style of a code (1 or N, K), of photos of any size."""
        height, width = photo.shape[2:]
        x = continued(photo, self.smallest)
        x = prepared(x, self.plan.takes)
        x = self.layers(x, code)
        # Layers that halve round up, so that odd sizes come out larger, below and on the right.
        return unprepared(x[:, :, :height, :width], self.plan.gives)


def continued(picture: Tensor, smallest: int) -> Tensor:
    """Return pictures (N, C, H, W), mirrored below and on the right until no side is too small."""
    for dim in (2, 3):
        length = picture.shape[dim]
        if length < smallest:
            place = torch.arange(smallest, device=picture.device) % max(2 * (length - 1), 1)
            picture = picture.index_select(
                dim, torch.minimum(place, (2 * (length - 1) - place).abs())
            )
    return picture


def prepared(rgb: Tensor, how: Preprocessing) -> Tensor:
    """Return pictures (N, 3, H, W), RGB in [0, 1], as a network takes them."""
    mean, std = (rgb.new_tensor(values).view(1, 3, 1, 1) for values in (how.mean, how.std))
    return (in_rgb(rgb, how, 1) * how.scale - mean) / std


def made(plan: Plan, numbers: Mapping[str, Tensor]) -> Painter:
    """Return the network of a plan with its numbers, by the names that its state dict has.

    Raises `ValueError` where they do not fit.
    """
    painter = Painter(plan)
    wanted = {name: tuple(tensor.shape) for name, tensor in painter.state_dict().items()}
    has = {name: tuple(tensor.shape) for name, tensor in numbers.items()}
    if wanted != has:
        name = next(n for n in [*wanted, *has] if wanted.get(n) != has.get(n))
        raise ValueError(f"{name} has the shape {has.get(name)}, not {wanted.get(name)}")
    state = {name: tensor.to(torch.float32) for name, tensor in numbers.items()}
    painter.load_state_dict(state, assign=True)
    return painter.eval().requires_grad_(False)


def filled(plan: Plan, numbers: Sequence[Tensor], styles: Tensor | None = None) -> Painter:
    """Return the network of a plan with its numbers in the order of its layers.

    `styles` are the codes (S, K) of its styles. Raises `ValueError` where they do not fit.
    """
    names = [name for name in Painter(plan).state_dict() if name != "styles"]
    if styles is None:
        styles = torch.empty(len(plan.style_names), 0)
    return made(plan, dict(zip(names, numbers, strict=True)) | {"styles": styles})
