"""A trained network as everybody outside sees it: RGB in [0, 1] goes in, named activations come out."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import BadInput
from engine.networks.call_hooks import unwatched_copy
from engine.networks.card import GRAY_SHARES, Card
from engine.networks.layer import Layer
from engine.networks.low_memory import frugally
from engine.networks.rewiring import PADDINGS, POOLINGS, Rewired
from engine.networks.tapping import Visit, keeping, tapping, visiting
from engine.networks.tracing import Call, remember_layouts, trace, without_memory
from engine.networks.vgg_names import VGG_FIELD, vgg_names


class Network:
    """A network with its card. Parameters never get gradients; nothing outside sees preprocessing.

    `module` maps normalized pictures to logits (or to features, when `classes` is empty).
    """

    def __init__(
        self,
        module: nn.Module,
        card: Card,
        classes: Sequence[str] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Take over `module`: eval mode, no gradients, channels last."""
        self.module = module.eval().requires_grad_(False)
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.dim() == 4:  # `Module.to` also wants it of five dimensions, and fails
                tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
        self.card = card
        self.classes = tuple(classes)
        self.aliases = {**vgg_names(module), **(aliases or {})}
        p = card.preprocessing
        self.channels = 1 if p.order == "gray" else 3
        self._scale = [p.scale / s for s in p.std][: self.channels]
        self._shift = [-m / s for m, s in zip(p.mean, p.std, strict=True)][: self.channels]
        self._traces: dict[tuple[int, int], tuple[dict[str, Call], Exception | None]] = {}
        self._origin: Network | None = None
        """The network that this one is a copy of in another precision."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights and so of the activations."""
        return next(self.module.parameters()).dtype

    def at(self, device: torch.device | str, dtype: torch.dtype) -> "Network":
        """Return this network on `device` in `dtype`: itself when it is there, else a copy."""
        wanted = torch.device(device)
        # "cuda" is wherever on CUDA the network is; only "cuda:1" insists.
        here = wanted.type == self.device.type and wanted.index in (None, self.device.index)
        if here and self.dtype == dtype:
            return self
        other = copy.copy(self)
        other.module = unwatched_copy(self.module)
        other._origin = self._origin or self
        return other.move(wanted, dtype)

    def exact(self) -> "Network":
        """Return this network in float32, on its device: itself, or a copy.

        If `at` has rounded the weights, a copy has them as they were before.
        """
        return self if self.dtype == torch.float32 else (self._origin or self).at(
            self.device, torch.float32
        )  # fmt: skip

    def move(self, device: torch.device | str, dtype: torch.dtype) -> "Network":
        """Take this network itself to `device` and `dtype`; return it."""
        self.module.to(device=device, dtype=dtype)
        return self

    def twin(self) -> "Network":
        """Return a network with modules of its own around the same weights.

        For another thread, whose hooks then are not called by this one's runs.
        """
        tensors = [*self.module.parameters(), *self.module.buffers()]
        other = copy.copy(self)
        other.module = unwatched_copy(self.module, {id(tensor): tensor for tensor in tensors})
        return other

    # -- names ----------------------------------------------------------------------------

    @cached_property
    def _ghost(self) -> nn.Module:
        return without_memory(self.module)

    def calls(self, size: tuple[int, int] | None = None) -> dict[str, Call]:
        """Return every module call by name for a picture of `size` (height, width), in order.

        Raises `BadInput` when the network cannot take such a picture as a whole.
        """
        size = size or (self.card.input_size, self.card.input_size)
        calls, refused = self._traced(size)
        if refused:
            raise self._cannot_take(size) from refused
        return calls

    def _traced(self, size: tuple[int, int]) -> tuple[dict[str, Call], Exception | None]:
        """Return the calls that a picture of `size` reaches, and what stopped it, if anything."""
        found = self._traces.get(size)
        if found is None:
            calls, refused = trace(self._ghost, size, self.channels)
            found = {call.name: call for call in calls}, refused
            if not refused:
                remember_layouts(self.module, calls)
            if len(self._traces) > 32:
                self._traces.clear()
            self._traces[size] = found
        return found

    def _cannot_take(self, size: tuple[int, int], layer: str = "") -> BadInput:
        side = self.card.input_size
        reach = f" as far as {layer}" if layer else ""
        # A picture no smaller than usual is refused for its shape, say by windows of 7 positions.
        other = "a larger one" if min(size) < side else "another size"
        advice = f"use {other} ({side}x{side} always works)"
        if self._traced((2 * side, 2 * side))[1]:
            advice = f"it takes nothing but {side}x{side}"
        return BadInput(
            f"{self.card.name} cannot take a picture of {size[1]}x{size[0]} pixels{reach}; {advice}"
        )

    def reaches(self, names: Iterable[str], size: tuple[int, int]) -> bool:
        """Return whether a picture of `size` (height, width) gets as far as the layers `names`.

        Raises `BadInput` for unknown names.
        """
        calls, _ = self._traced(size)
        return all(self.resolve(name) in calls for name in names)

    def resolve(self, name: str) -> str:
        """Return the dotted module name for `name` (itself, or the literature's name for it).

        Raises `BadInput` with the nearest names when there is none.
        """
        dotted = self.aliases.get(name, name)
        if dotted in self.calls():
            return dotted
        import difflib

        known = [*self.aliases, *self.calls()]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[:3]
        raise BadInput(
            f"{self.card.name} has no layer {name!r}; similar names are {', '.join(near)}"
        )

    def layers(self, size: tuple[int, int] | None = None) -> tuple[Layer, ...]:
        """Return the layer tree for a picture of `size` (height, width; default: the card's)."""
        field_names = {dotted: alias for alias, dotted in self.aliases.items()}
        calls = self.calls(size)
        below: dict[str, list[str]] = {}
        for name in calls:
            parent = name.split("#")[0].rpartition(".")[0]
            while parent and parent not in calls:  # a ModuleList is never called itself
                parent = parent.rpartition(".")[0]
            below.setdefault(parent, []).append(name)
        order = {n: i for i, (n, _) in enumerate(self.module.named_modules())}

        def build(name: str) -> Layer:
            call = calls[name]
            channels = call.shape[1] if len(call.shape) in (2, 4) else (1, *call.shape)[-1]
            inner = below.get(name, []) if "#" not in name else []
            return Layer(
                name,
                field_names.get(name, name if name in VGG_FIELD else ""),
                call.kind,
                channels,
                (call.shape[2], call.shape[3]) if len(call.shape) == 4 else None,
                call.receptive_field,
                tuple(build(n) for n in sorted(inner, key=lambda n: (order[n.split("#")[0]], n))),
            )

        tops = below.get("", [])
        return tuple(build(n) for n in sorted(tops, key=lambda n: (order[n.split("#")[0]], n)))

    # -- running --------------------------------------------------------------------------

    def prepare(self, picture: Tensor) -> Tensor:
        """Return `picture` ((3, H, W) or (N, 3, H, W), RGB in [0, 1]) as the network takes it."""
        if picture.dim() == 3:
            picture = picture[None]
        if picture.dim() != 4 or picture.shape[1] != 3 or not picture.is_floating_point():
            kind = str(picture.dtype).removeprefix("torch.")
            raise BadInput(f"a picture is float (N, 3, H, W), not {kind} {tuple(picture.shape)}")
        if self.card.preprocessing.order == "BGR":
            picture = picture.flip(1)
        elif self.channels == 1:
            shares = picture.new_tensor(GRAY_SHARES).view(1, 3, 1, 1)
            picture = (picture * shares).sum(1, keepdim=True)
        scale = picture.new_tensor(self._scale).view(1, -1, 1, 1)
        shift = picture.new_tensor(self._shift).view(1, -1, 1, 1)
        x = torch.addcmul(shift, picture, scale)
        return x.to(self.device, self.dtype, memory_format=torch.channels_last)

    def taps(
        self,
        picture: Tensor,
        names: Iterable[str],
        *,
        pooling: str = "max",
        padding: str = "zeros",
    ) -> dict[str, Tensor]:
        """Return the activations of the layers `names`, keyed as asked, in the weights' precision.

        Runs no deeper than the deepest of them. `pooling` "average" replaces max-pooling for this
        run (times 2, which keeps the size of activations); `padding` "replicate" or "circular" is
        how the first convolution continues the picture beyond its border. Raises `BadInput` for
        unknown names and for pictures that are too small.
        """
        names = list(dict.fromkeys(names))
        found: dict[str, Tensor] = {}
        self.visit(picture, names, keeping(found), pooling=pooling, padding=padding)
        return {name: found[name] for name in names}

    def visit(
        self,
        picture: Tensor,
        names: Iterable[str],
        visit: Visit,
        *,
        pooling: str = "max",
        padding: str = "zeros",
        everywhere: bool = False,
    ) -> None:
        """Call `visit` with each of the layers `names` and its activations as soon as they are there.

        Otherwise as `taps`, except that `padding` can be that of convolutions `everywhere` (as a
        picture on a torus needs, whose opposite borders meet). What `visit` returns is passed on in
        their place; what it does not keep is freed, and the gradient of what it computes from a
        layer is formed when the backward pass gets there: both save memory.
        """
        if pooling not in POOLINGS or padding not in PADDINGS:
            known = f"{', '.join(POOLINGS)}; {', '.join(PADDINGS)}"
            raise BadInput(f"pooling and padding cannot be {pooling}, {padding}; use {known}")
        x = self.prepare(picture)
        wanted, calls = self._wanted(names, (x.shape[2], x.shape[3]))
        if not wanted:
            return
        visits = visiting(self.module, calls, wanted, True, visit)
        with frugally(), self.rewired(pooling, padding, everywhere), visits:
            self.module(x)

    def tapping(
        self, names: Iterable[str], size: tuple[int, int], *, no_deeper: bool = False
    ) -> AbstractContextManager[dict[str, Tensor]]:
        """Return a context that keeps activations of layers during a run of `module`.

        The run is one on a picture of `size` (height, width), ended at the deepest of the layers if
        `no_deeper`; afterwards the context's dictionary holds what `taps` returns. Raises as
        `taps`, at once.
        """
        wanted, calls = self._wanted(names, size)
        return tapping(self.module, calls, wanted, no_deeper)

    def _wanted(
        self, names: Iterable[str], size: tuple[int, int]
    ) -> tuple[dict[str, list[str]], dict[str, Call]]:
        """Return the names by call, and all calls, for a picture of `size`. Raises as `taps`."""
        calls, refused = self._traced(size)
        wanted: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            dotted = self.resolve(name)
            if dotted not in calls:
                raise self._cannot_take(size, name) from refused
            wanted.setdefault(dotted, []).append(name)
        return wanted, calls

    def logits(self, picture: Tensor) -> Tensor:
        """Return logits (N, classes) in float32 for (N, 3, H, W) or (3, H, W) RGB in [0, 1].

        Raises `BadInput` when the weights hold no classifier or the picture is too small.
        """
        if not self.classes:
            raise BadInput(
                f"the weights of {self.card.name} on this machine hold no classifier; "
                "use a network with classes"
            )
        x = self.prepare(picture)
        self.calls((x.shape[2], x.shape[3]))
        logits: Tensor = self.module(x)
        return logits.float()

    def rewired(self, pooling: str, padding: str, everywhere: bool) -> AbstractContextManager[Any]:
        """Return a context in which modules of this network run as `visit` is asked to run them."""
        if pooling == "max" and padding == "zeros":
            return nullcontext()
        if everywhere:
            return Rewired(pooling, padding)
        first = next(m for m in self.module.modules() if isinstance(m, nn.Conv2d))
        return Rewired(pooling, padding, first.weight)
