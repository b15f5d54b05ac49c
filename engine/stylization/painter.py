"""Networks that paint, as data: a list of layers, the numbers in them, and the styles that they know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import BadInput
from engine.networks.assembling import check_numbers
from engine.networks.building import WithoutWeights
from engine.networks.card import UNIT, Preprocessing
from engine.networks.colours import in_rgb, unprepared
from engine.networks.contents import nothing
from engine.stylization.layers import Layers, Line, flat
from engine.stylization.network import StyleKind, StyleNetwork

SMALLEST = 16
"""Pixels a side below which a picture is extended: deep layers would have nothing to mirror."""


@dataclass(frozen=True)
class Plan:
    """What a network is made of, besides its numbers."""

    lines: tuple[Line, ...]
    """Its layers, see `layers.KINDS`."""
    takes: Preprocessing = UNIT
    """How RGB in [0, 1] is prepared for it."""
    gives: Preprocessing = UNIT
    """The preprocessing of RGB in [0, 1] that its output corresponds to."""
    style_names: tuple[str, ...] = ()
    encoder: tuple[Line, ...] = ()
    """Layers that end in the code (N, K, 1, 1) of a painting; none if it has only its own styles."""
    shared: int = 0
    """How many layers of `lines` come before those of the encoder."""
    painting_size: int | None = None
    """See `StyleNetwork`."""

    @property
    def code_size(self) -> int:
        """How many numbers are a style: a scale and a shift for each channel that is normalized."""
        return sum(2 * line[1] for line in flat(self.lines) if line[0] == "styled")


class Painter(StyleNetwork):
    """A network made after a plan: for one style, for many, or for any painting if it has an encoder."""

    def __init__(self, plan: Plan) -> None:
        """Make it without values."""
        super().__init__()
        self.plan = plan
        many = StyleKind.MANY if plan.code_size else StyleKind.SINGLE
        self.kind = StyleKind.ANY if plan.encoder else many
        self.style_names, self.painting_size = plan.style_names, plan.painting_size
        borders = [line[1] for line in flat(plan.lines) if line[0] == "border"]
        self.smallest = max(SMALLEST, *(border + 1 for border in borders), 0)
        with WithoutWeights():
            self.layers, self.encoder = Layers(plan.lines), Layers(plan.encoder)
            self.styles = nn.Parameter(torch.empty(len(plan.style_names), plan.code_size))

    def encode(self, painting: Tensor) -> Tensor:
        """Return the codes (N, K) of paintings (N, 3, h, w), as `StyleNetwork` has it."""
        if not self.plan.encoder:
            return super().encode(painting)
        x = prepared(continued(painting, self.smallest), self.plan.takes)
        x = self.layers.run(x, x, self.plan.shared)
        code: Tensor = self.encoder(x, x)
        return code.flatten(1)

    def style(self, index: int = 0) -> Tensor:
        """Return the code (1, K) of a built-in style. Raises `BadInput` for other numbers."""
        count = len(self.styles)
        if self.plan.encoder and not count:
            return super().style(index)
        if not 0 <= index < count:
            raise BadInput(f"there is no style {index}; the network has 0 to {count - 1}")
        return self.styles[index : index + 1]

    def forward(self, photo: Tensor, code: Tensor, strength: float = 1.0) -> Tensor:
        """Return the photos painted, as `StyleNetwork` has it.

        With less strength the photo's own code is mixed in (Ghiasi et al. 2017), as far as the
        network knows it; otherwise the photo itself.
        """
        if strength == 1:
            return self.paint(photo, code)
        if self.plan.encoder:
            own = self.encode(fitted(photo, self.painting_size))
            return self.paint(photo, torch.lerp(own, code.expand_as(own), strength))
        return torch.lerp(photo, self.paint(photo, code), strength)

    def paint(self, photo: Tensor, code: Tensor) -> Tensor:
        """Return (N, 3, H, W) in the style of a code (1 or N, K), of photos of any size."""
        height, width = photo.shape[2:]
        x = prepared(continued(photo, self.smallest), self.plan.takes)
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


def fitted(picture: Tensor, side: int | None) -> Tensor:
    """Return pictures (N, 3, H, W) whose longer side has at most `side` pixels."""
    if side is None or max(picture.shape[2:]) <= side:
        return picture
    scale = side / max(picture.shape[2:])
    size = [max(round(length * scale), 1) for length in picture.shape[2:]]
    return F.interpolate(picture, size, mode="bilinear", antialias=True)


def prepared(rgb: Tensor, how: Preprocessing) -> Tensor:
    """Return pictures (N, 3, H, W), RGB in [0, 1], as a network takes them."""
    mean, std = (rgb.new_tensor(values).view(1, 3, 1, 1) for values in (how.mean, how.std))
    return (in_rgb(rgb, how, 1) * how.scale - mean) / std


def made(plan: Plan, numbers: Mapping[str, Tensor], source: object = "the file") -> Painter:
    """Return the network of a plan with its numbers, named as in its state dict.

    Raises `BadInput` if they do not fit, or are not finite; `source` is what the sentence calls the
    file.
    """
    painter = Painter(plan)
    wanted = {name: tuple(tensor.shape) for name, tensor in painter.state_dict().items()}
    has = {name: tuple(tensor.shape) for name, tensor in numbers.items()}
    if wanted != has:
        name = next(n for n in [*wanted, *has] if wanted.get(n) != has.get(n))
        raise BadInput(
            f"{source} holds no usable style network: one of its tensors has the shape "
            f"{has.get(name)}, where {wanted.get(name)} is needed"
        )
    state = {name: tensor.to(torch.float32, copy=True) for name, tensor in numbers.items()}
    for tensor in state.values():
        check_numbers("a tensor", tensor, source, nothing)
    painter.load_state_dict(state, assign=True)
    return painter.eval().requires_grad_(False)


def filled(
    plan: Plan,
    numbers: Sequence[Tensor],
    source: object = "the file",
    styles: Tensor | None = None,
) -> Painter:
    """Return the network of a plan with its numbers in the order of its layers, the encoder's last.

    `styles` are the codes (S, K) of its styles. Raises `BadInput` as `made`.
    """
    names = [name for name in Painter(plan).state_dict() if name != "styles"]
    if len(names) != len(numbers):
        raise BadInput(
            f"{source} holds no usable style network: it has {len(numbers)} tensors, "
            f"{len(names)} are needed"
        )
    if styles is None:
        styles = torch.empty(len(plan.style_names), plan.code_size)
    return made(plan, dict(zip(names, numbers, strict=True)) | {"styles": styles}, source)
