"""Layers of networks that paint, each made from a line of plain data, which a file can hold.

Nearly all published networks are Johnson, Alahi and Fei-Fei's of 2016 with other borders, another way
to double the size, another normalization. So one class runs them all, by a list of such lines.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.stylization.giving_up import check_wanted

Line = Sequence[Any]
"""A layer's kind and its settings: ("conv", 3, 32, 9, 1, "reflect")."""


class Convolution(nn.Module):
    """A convolution with one of several borders."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        stride: int = 1,
        border: str = "reflect",
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        """`border`: "reflect" or "zero" of size // 2, TensorFlow's "same", or "none"."""
        super().__init__()
        if border not in ("reflect", "zero", "same", "none"):
            raise ValueError(f"a border called {border!r}")
        self.size, self.stride, self.border, self.groups = size, stride, border, groups
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, size, size))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return (N, outputs, H / stride, W / stride), rounded up (less, without a border)."""
        border = self.size // 2 if self.border == "zero" else 0
        if self.border == "reflect" and self.size > 1:
            x = F.pad(x, (self.size // 2,) * 4, mode="reflect")
        elif self.border == "same":
            height, width = (self._same(length) for length in x.shape[2:])
            x = F.pad(x, (*width, *height))
        return F.conv2d(x, self.weight, self.bias, self.stride, border, groups=self.groups)

    def _same(self, length: int) -> tuple[int, int]:
        """Return TensorFlow's border before and after: the odd pixel comes after."""
        steps = -(-length // self.stride)
        total = max((steps - 1) * self.stride + self.size - length, 0)
        return total // 2, total - total // 2


class Transposed(nn.Module):
    """A transposed convolution with a border of its result cut off."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        stride: int,
        before: int,
        behind: int,
        bias: bool = True,
    ) -> None:
        """`before` and `behind`: pixels cut off above and left, below and right."""
        super().__init__()
        self.stride, self.before, self.behind = stride, before, behind
        self.weight = nn.Parameter(torch.empty(inputs, outputs, size, size))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return (N, outputs, (H - 1) stride + size - before - behind, ...)."""
        y = F.conv_transpose2d(x, self.weight, self.bias, self.stride)
        bottom, right = (length - self.behind for length in y.shape[2:])
        return y[:, :, self.before : bottom, self.before : right]


class Norm(nn.Module):
    """Instance normalization (Ulyanov, Vedaldi, Lempitsky 2016), with its own scale and shift."""

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        """`epsilon` is added to variances."""
        super().__init__()
        self.epsilon = epsilon
        self.weight, self.bias = (nn.Parameter(torch.empty(channels)) for _ in range(2))

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return the same shape."""
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.epsilon)


class Batch(nn.Module):
    """Batch normalization (Ioffe, Szegedy 2015), as style networks first had it."""

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        """`epsilon` is added to variances."""
        super().__init__()
        self.epsilon = epsilon
        self.weight, self.bias = (nn.Parameter(torch.empty(channels)) for _ in range(2))
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, torch.empty(channels))
        self.running_mean: Tensor
        self.running_var: Tensor

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return the same shape, by the moments of the training, or in a training of the batch."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training,
            eps=self.epsilon,
        )  # fmt: skip


class StyledNorm(nn.Module):
    """Conditional instance normalization (Dumoulin et al. 2017): scale and shift are the style's."""

    def __init__(
        self, channels: int, start: int, epsilon: float = 1e-5, unbiased: bool = False
    ) -> None:
        """The style's numbers from `start` on are this layer's: scales first, then shifts.

        `unbiased`: variances are divided by one less than the number of values.
        """
        super().__init__()
        self.channels, self.start = channels, start
        self.epsilon, self.unbiased = epsilon, unbiased

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return the same shape."""
        scale, shift = code[:, self.start :].split(self.channels, 1)[:2]
        if self.unbiased:
            deviation, mean = moments(x, self.epsilon)
            factor = scale[:, :, None, None] / deviation
            return torch.addcmul(shift[:, :, None, None] - mean * factor, x, factor)
        if len(code) == 1:
            return F.instance_norm(x, weight=scale[0], bias=shift[0], eps=self.epsilon)
        y = F.instance_norm(x, eps=self.epsilon)
        return torch.addcmul(shift[:, :, None, None], y, scale[:, :, None, None])


class Moments(nn.Module):
    """A map's deviations, then its means: the code of adaptive normalization (Huang, Belongie 2017)."""

    def __init__(self, epsilon: float = 1e-5) -> None:
        """`epsilon` is added to variances."""
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return (N, 2 C, 1, 1)."""
        return torch.cat(moments(x, self.epsilon), 1)


def moments(x: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return the unbiased deviation and the mean over positions, (N, C, 1, 1), of (N, C, H, W)."""
    variance, mean = torch.var_mean(x, (2, 3), keepdim=True)
    return (variance + epsilon).sqrt(), mean


class Residual(nn.Module):
    """x + layers(x), with `cut` pixels of x left out on each side."""

    def __init__(self, lines: Sequence[Line], cut: int = 0) -> None:
        """`cut` is what layers without a border take away."""
        super().__init__()
        self.layers, self.cut = Layers(lines), cut

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return x's shape, minus the cut."""
        y: Tensor = self.layers(x, code)
        bottom, right = (length - self.cut for length in x.shape[2:])
        return x[:, :, self.cut : bottom, self.cut : right] + y


class Plain(nn.Module):
    """A layer without numbers of its own."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        """`function` maps (N, C, H, W) to what the layer gives."""
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return what the function gives."""
        return self.function(x)


def _median(size: int) -> Callable[[Tensor], Tensor]:
    """Return a filter by the median of size x size pixels; the outermost repeat at the borders."""

    def filtered(x: Tensor) -> Tensor:
        x = F.pad(x, (size // 2,) * 4, mode="replicate")
        windows = x.unfold(2, size, 1).unfold(3, size, 1)
        return windows.flatten(4).median(4).values

    return filtered


def _border(size: int, mode: str = "reflect") -> nn.Module:
    return Plain(lambda x: F.pad(x, (size,) * 4, mode=mode))


KINDS: dict[str, Callable[..., nn.Module]] = {
    "conv": Convolution,
    "transposed": Transposed,
    "norm": Norm,
    "batch": Batch,
    "styled": StyledNorm,
    "residual": Residual,
    "relu": lambda: Plain(torch.relu),
    "relu6": lambda: Plain(F.relu6),
    "tanh": lambda scale=1.0: Plain(lambda x: torch.tanh(x) * scale),
    "sigmoid": lambda: Plain(torch.sigmoid),
    "up": lambda times: Plain(lambda x: F.interpolate(x, scale_factor=float(times))),
    "pool": lambda size: Plain(lambda x: F.max_pool2d(x, size, ceil_mode=True)),
    "mean": lambda: Plain(lambda x: x.mean((2, 3), keepdim=True)),
    "moments": Moments,
    "border": _border,
    "median": lambda size: Plain(_median(size)),
}
"""A line's first word -> what makes the layer from the rest of the line."""


class Layers(nn.ModuleList):
    """Layers one after the other."""

    def __init__(self, lines: Sequence[Line]) -> None:
        """Make a layer for each line, without values. Raises `ValueError` for unknown kinds."""
        if unknown := [line[0] for line in lines if line[0] not in KINDS]:
            raise ValueError(f"a layer of the kind {unknown[0]!r}")
        super().__init__([KINDS[kind](*settings) for kind, *settings in lines])

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Return what the last one gives for a style's code (1 or N, K)."""
        return self.run(x, code, len(self))

    def run(self, x: Tensor, code: Tensor, count: int) -> Tensor:
        """Return what the first `count` layers give."""
        for layer in islice(self, count):
            check_wanted()
            x = layer(x, code)
        return x


def flat(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield all lines, those inside residual blocks too."""
    for line in lines:
        yield line
        if line[0] == "residual":
            yield from flat(line[1])
