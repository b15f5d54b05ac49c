"""A card that is not there: tensors that say they lie on one, and refuse to meet the processor's.

The numbers are computed on the processor; what is tried is that a run keeps its tensors together, as
a real card demands with an error. Faults of a card's own kernels are beyond it.
"""

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch._dynamo  # some calls import it, which must not find what is patched here
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils.weak import WeakTensorKeyDictionary

ROOMY = 1 << 40
MOVES_BETWEEN = (Tensor.copy_, Tensor.set_)
NEEDS_PROCESSOR = (Tensor.numpy, Tensor.__array__)
ASIDE = (
    torch.autograd.grad, torch._C._nn._parse_to, torch._has_compatible_shallow_copy_type
)  # fmt: skip
INDEXING = (Tensor.__getitem__, Tensor.__setitem__)
NOT_ON_MPS = ("eigh", "eigvalsh", "svd", "svdvals", "qr", "lstsq")


class PretendCard(TorchFunctionMode):
    """While active in this thread, `kind` ("cuda" or "mps") is a device like any other."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.device = torch.device(kind, 0)
        self.places = WeakTensorKeyDictionary()
        self.moved = 0
        """Tensors that have come onto the card."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return self.device if self._on_card(args[0]) else func(args[0])
        if func == Tensor.is_cpu.__get__:  # type: ignore[attr-defined]
            return not self._on_card(args[0])
        if func == Tensor.data.__set__:  # type: ignore[attr-defined]
            self.places[args[0]] = self.where(args[1])
            return func(*args)
        if func in ASIDE:
            return func(*args, **kwargs)
        if func in (Tensor.to, Tensor.cpu, Tensor.cuda):
            return self._moved(func, args, kwargs)
        place = None
        if kwargs.get("device") is not None:
            place = torch.device(kwargs["device"]).type
            kwargs["device"] = self._really(place)
        given = list(_tensors((*args, *kwargs.values())))
        self._check(func, args, given, place or self._place(given), kwargs.get("generator"))
        found = func(*args, **kwargs)
        place = place or self._place(given) or (None if given else "cpu")
        if func is Tensor.__setitem__ or func in MOVES_BETWEEN:
            place = None
        for tensor in _tensors((found,)):
            if place is not None:
                self._keep(tensor, place)
        return found

    def where(self, tensor: Tensor) -> str | None:
        """Return on what a tensor lies; None: not known (what PyTorch's own way back has made)."""
        loaded = isinstance(tensor, nn.Parameter)  # and not moved since
        place: str | None = self.places.get(tensor, tensor.device.type if loaded else None)
        return place

    def _really(self, place: str) -> str:
        return "cpu" if place == self.kind else place

    def _on_card(self, tensor: Tensor) -> bool:
        return bool(self.where(tensor) == self.kind)

    def _place(self, tensors: list[Tensor]) -> str | None:
        places = [self.where(tensor) for tensor in tensors]
        large = [p for p, t in zip(places, tensors, strict=True) if p and t.dim()]
        return next((p for p in (*large, *places) if p), None)

    def _keep(self, tensor: Tensor, place: str) -> None:
        if self.kind == place == "mps" and tensor.dtype == torch.float64:
            raise TypeError("MPS has no float64")
        self.places[tensor] = place

    def _moved(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        tensor, *rest = args
        place = {Tensor.cpu: "cpu", Tensor.cuda: "cuda"}.get(func)
        for index, value in enumerate(rest):
            if isinstance(value, (str, torch.device)):
                place = torch.device(value).type
                rest[index] = self._really(place)
            elif isinstance(value, Tensor):
                place = self.where(value)
                if place is None:  # a gradient: it lies where it belongs, which is not known here
                    return Tensor.to(tensor.clone(), *rest, **kwargs)
        if kwargs.get("device") is not None:
            place = torch.device(kwargs["device"]).type
            kwargs["device"] = self._really(place)
        before = self.where(tensor)
        place = place or before
        found: Tensor = Tensor.to(tensor, *rest, **kwargs) if func is Tensor.to else tensor
        if place != before:
            if self.kind == before == "mps" and found.dtype == torch.float64:
                raise TypeError("float64 on the way from MPS: .cpu() comes first")
            found = _Moved.apply(found, self.places, before)
        if place is not None:
            self._keep(found, place)
            self.moved += place == self.kind != before
        return found

    def _check(
        self, func: Any, args: tuple[Any, ...], given: list[Tensor], place: str | None, noise: Any
    ) -> None:
        name = resolve_name(func) or str(func)
        if func in NEEDS_PROCESSOR and self.where(args[0]) == self.kind:
            raise TypeError(f"{name} of a tensor on {self.kind}: .cpu() comes first")
        if isinstance(noise, torch.Generator) and place == self.kind:
            raise RuntimeError(f"{name}: a generator of the processor for a tensor on {self.kind}")
        last = name.rpartition(".")[2].removeprefix("linalg_")
        if self.kind == place == "mps" and last in NOT_ON_MPS:
            raise NotImplementedError(f"{name} on MPS")
        if func in MOVES_BETWEEN or name.endswith((".__get__", ".__set__")):
            return
        if func in INDEXING:
            # A card's tensor takes the processor's indices and numbers, not the other way round.
            inside = [self.where(t) for t in _tensors(args[1:2]) if t.dim()]
            if self.where(args[0]) == "cpu" and self.kind in inside:
                raise RuntimeError(f"{name}: indices on {self.kind} for a tensor that is not there")
            return
        places = {self.where(t) for t in given if t.dim()} - {None}
        scalars = {self.where(t) for t in given if not t.dim()} - {None}
        if len(places) > 1 or (places == {"cpu"} and self.kind in scalars):
            where = ", ".join(str(self.where(t)) for t in given)
            raise RuntimeError(f"{name}: tensors on {where}")


class _Moved(torch.autograd.Function):
    """A copy at another place, whose gradient comes back to the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Any, before: str | None) -> Tensor:
        ctx.places, ctx.before = places, before
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        gradient = gradients[0].clone()
        ctx.places[gradient] = ctx.before
        return gradient, None, None


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())


@contextmanager
def pretended(kind: str, patch: pytest.MonkeyPatch) -> Iterator[PretendCard]:
    """Pretend a card inside the `with`, with torch saying that it is there."""
    card = PretendCard(kind)
    for place, name in ((torch.cuda, "cuda"), (torch.backends.mps, "mps")):
        here = functools.wraps(place.is_available)(lambda *, _here=kind == name: _here)
        patch.setattr(place, "is_available", here)
    for name, value in {
        "is_bf16_supported": True, "mem_get_info": (ROOMY, ROOMY), "memory_reserved": 0,
        "memory_allocated": 0, "max_memory_allocated": 0, "empty_cache": None,
        "reset_peak_memory_stats": None, "synchronize": None,
    }.items():  # fmt: skip
        patch.setattr(torch.cuda, name, lambda *_a, _value=value, **_k: _value)
    plain = torch.autograd.grad

    def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        found = plain(outputs, inputs, *args, **kwargs)
        many = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        for one, gradient in zip(many, found, strict=True):
            if gradient is not None and one in card.places:
                card.places[gradient] = card.places[one]
        return found

    make = Tensor._make_subclass

    def made(kind: Any, data: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        parameter = make(kind, data, *args, **kwargs)
        if data in card.places:
            card.places[parameter] = card.places[data]
        return parameter

    patch.setattr(Tensor, "_make_subclass", staticmethod(made))
    # The way back runs with the mode active, so that functions of ours are watched there too.
    patch.setattr(torch.autograd, "has_torch_function", lambda _tensors: False)
    patch.setattr(torch.autograd, "grad", grad)
    with card:
        yield card
