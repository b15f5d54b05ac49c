"""Which axis of a tensor holds its channels: followed through a network from the picture on.

Swin transformers, and ConvNeXt inside its blocks, keep maps as (N, H, W, C); vision transformers
keep a row of tokens (N, T, C), some before those of the picture's patches. What a tensor is cannot
be read off its shape or its module's name; it follows from what was done to it since the picture,
which is (N, C, H, W), and from what is done to it later: a convolution takes channels second, and
what is added to a map has the map's layout.

From outside, maps are always seen as (N, C, H, W), and so are tokens of patches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from engine.networks.call_hooks import tensors_in
from engine.networks.layout import FIRST, LAST, MERGED, SPLIT, TOKENS, TURNED, Layout

TAKES_CHANNELS_SECOND = {
    torch.conv2d,
    torch.conv_transpose2d,
    torch.max_pool2d,
    F.max_pool2d,
    F.avg_pool2d,
    F.lp_pool2d,
    F.adaptive_avg_pool2d,
    F.adaptive_max_pool2d,
    F.batch_norm,
    F.group_norm,
    F.instance_norm,
    F.interpolate,
    F.local_response_norm,
    F.pixel_shuffle,
    F.pixel_unshuffle,
}
PERMUTING: set[Callable[..., Any]] = {
    Tensor.permute,
    Tensor.transpose,
    Tensor.movedim,
    Tensor.moveaxis,
    Tensor.swapaxes,
    Tensor.swapdims,
    torch.permute,
    torch.transpose,
    torch.movedim,
    torch.moveaxis,
    torch.swapaxes,
    torch.swapdims,
    Tensor.mT.__get__,  # type: ignore[attr-defined]
}
RESHAPING = {Tensor.reshape, Tensor.view, Tensor.flatten, torch.flatten, torch.reshape}
AVERAGING = {Tensor.mean, torch.mean, Tensor.amax, torch.amax, Tensor.sum, torch.sum}
MIXING = {
    torch.matmul,
    Tensor.matmul,
    Tensor.__matmul__,
    torch.bmm,
    torch.einsum,
    F.scaled_dot_product_attention,
}
"""Operations whose result's axes are not those of what was given."""


@dataclass(eq=False)
class _SharedLayout:
    """A layout shared by several tensors, which may become known later."""

    known: Layout = field(default_factory=Layout)
    same: "_SharedLayout | None" = None
    source: "tuple[_SharedLayout, tuple[int, ...]] | None" = None
    """What this is a permutation of, and the order of its axes."""

    @property
    def root(self) -> "_SharedLayout":
        place = self
        while place.same is not None:
            place = place.same
        return place

    def settle(self, axes: tuple[str, ...]) -> None:
        root = self.root
        if root.known.axes is not None:
            return
        root.known = Layout(axes)
        if root.source is not None:
            source, order = root.source
            source.settle(tuple(axes[order.index(i)] for i in range(len(order))))

    def unite(self, other: "_SharedLayout") -> None:
        one, two = self.root, other.root
        if one is two:
            return
        if two.known.axes is None:
            one, two = two, one
        if one.known.axes is None:
            if two.known.axes is not None:
                one.settle(two.known.axes)
            two.source = two.source or one.source
            one.same = two


class Layouts:
    """Follows the layout of every tensor that comes from a picture (N, 3, H, W)."""

    def __init__(self) -> None:
        """Start with no tensor known."""
        self._places: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    def begin(self, picture: Tensor) -> None:
        """Follow `picture` (N, 3, H, W) from now on."""
        self._places[picture] = _SharedLayout(Layout(FIRST))

    def of(self, tensor: Tensor) -> Layout:
        """Return the layout of a tensor, best asked when the network has run to its end."""
        return self.place(tensor).root.known

    def follows(self, tensor: Tensor) -> bool:
        """Return whether `tensor` comes from the picture."""
        return tensor in self._places

    def place(self, tensor: Tensor) -> _SharedLayout:
        """Return what is known, and will be, of a tensor's layout."""
        found: _SharedLayout | None = self._places.get(tensor)
        return found or _SharedLayout()

    def follow(
        self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], given: Tensor, made: Tensor,
        others: Sequence[Tensor] = (),
    ) -> None:  # fmt: skip
        """Note what `func` made of `given`, the first tensor followed among its arguments.

        `others` are the further ones.
        """
        place = self.place(given)
        if func in TAKES_CHANNELS_SECOND:
            if given.dim() == 4:
                place.settle(FIRST)
            self._places[made] = (
                _SharedLayout(Layout(FIRST)) if made.dim() == 4 else _SharedLayout()
            )
        elif func in PERMUTING:
            self._places[made] = _permuted(place.root, func, args, kwargs, given.dim())
        elif func in RESHAPING and made.shape != given.shape:
            self._places[made] = _reshaped(place.root.known, given, made)
        elif func is torch.cat and made.dim() == 3:
            patches = next((t for t in (given, *others) if self.of(t).grid), given)
            self._places[made] = _joined(self.of(patches), args, kwargs, patches)
        elif func in MIXING:
            self._places[made] = _SharedLayout()
        elif made.dim() == given.dim() and (made.dim() == 4 or _alike(made, given)):
            for other in others:
                if other.dim() == given.dim() and (other.dim() == 4 or _alike(other, given)):
                    place.unite(self.place(other))
            self._places[made] = place.root
        else:
            if func in AVERAGING and given.dim() == 4:
                dims = args[1] if len(args) > 1 else kwargs.get("dim")
                axes = sorted(d % 4 for d in dims) if isinstance(dims, (list, tuple)) else []
                if axes in ([2, 3], [1, 2]):
                    place.settle(FIRST if axes == [2, 3] else LAST)
            self._places[made] = _SharedLayout()


class Following(TorchFunctionMode):
    """While active, follows layouts through a run of an untraced model.

    What only a later operation reveals is not yet known when a layer has run.
    """

    def __init__(self, picture: Tensor) -> None:
        """Follow `picture` (N, 3, H, W)."""
        super().__init__()
        self.layouts = Layouts()
        self.layouts.begin(picture)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Note what comes out."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given = [t for t in tensors_in((args, kwargs)) if self.layouts.follows(t)]
        if given:
            for made in tensors_in(result):
                self.layouts.follow(func, args, kwargs, given[0], made, given[1:])
        return result


def _alike(one: Tensor, other: Tensor) -> bool:
    """Return whether both have as many tokens, if not as many channels."""
    return one.shape[:-1] == other.shape[:-1]


def _permuted(
    place: _SharedLayout, func: Any, args: Sequence[Any], kwargs: dict[str, Any], dims: int
) -> _SharedLayout:
    """Return the place after a permutation, whose order a small tensor reveals."""
    ruler = torch.empty(tuple(range(1, dims + 1)))
    order = tuple(length - 1 for length in func(ruler, *args[1:], **kwargs).shape)
    known = place.known
    if known.axes is None:
        return _SharedLayout(source=(place, order))
    axes = tuple(known.axes[i] for i in order)
    return _SharedLayout(Layout(axes, known.grid, known.before))


def _reshaped(known: Layout, given: Tensor, made: Tensor) -> _SharedLayout:
    """Return the place of maps that became tokens, or the other way round."""
    if given.dim() == 4 and made.dim() == 3 and known.axes in (FIRST, LAST):
        rows, columns = (given.shape[known.axes.index(axis)] for axis in ("h", "w"))
        at = 2 if known.axes == FIRST else 1
        if made.shape[at] == rows * columns and made.shape[3 - at] == given.shape[at * 2 - 3]:
            axes = TURNED if at == 2 else TOKENS
            return _SharedLayout(Layout(axes, (rows, columns)))
    if given.dim() == 4 and made.dim() == 6 and known.axes in SPLIT:
        merged = _merged(SPLIT[known.axes], made.shape, given.shape)
        return _SharedLayout(Layout(SPLIT[known.axes] if merged == known.axes else None))
    if given.dim() == 6 and made.dim() == 4 and known.axes is not None:
        return _SharedLayout(Layout(_merged(known.axes, given.shape, made.shape)))
    if given.dim() == 3 and made.dim() == 4 and known.grid and not known.before:
        if known.axes == TOKENS and tuple(made.shape[1:3]) == known.grid:
            return _SharedLayout(Layout(LAST))
        if known.axes == TURNED and tuple(made.shape[2:]) == known.grid:
            return _SharedLayout(Layout(FIRST))
    return _SharedLayout()


def _merged(
    axes: tuple[str, ...], given: Sequence[int], made: Sequence[int]
) -> tuple[str, ...] | None:
    """Return the axes of the maps that six axes, of lengths `given`, are merged into; None if none."""
    rest = list(zip(axes, given, strict=True))
    merged = []
    for length in made:
        names, part = "", 1
        while rest and (not names or part < length):
            axis, more = rest.pop(0)
            names, part = names + axis, part * more
        if part != length:
            return None
        merged.append(
            "c" if "c" in names and set(names) <= set("cyx") else MERGED.get(names, names)
        )
    return tuple(merged) if not rest and sorted(merged) == sorted(FIRST) else None


def _joined(
    known: Layout, args: Sequence[Any], kwargs: dict[str, Any], given: Tensor
) -> _SharedLayout:
    """Return the place of tokens that others were concatenated with."""
    dim = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % 3
    if known.axes is None or known.axes[dim] != "t":
        return _SharedLayout(known)
    before = known.before
    for part in args[0]:
        if part is given:
            break
        before += part.shape[dim]
    return _SharedLayout(Layout(known.axes, known.grid, before))
