"""A layer's output at one of its calls, observed without touching the model."""

import difflib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from engine.networks.layouts import Following
from engine.networks.tracing import known_layouts


@dataclass
class Calls:
    """Counts a layer's calls."""

    count: int = 0


def place_of(model: nn.Module, layer: str) -> tuple[str, int | None]:
    """Return the module's name and which of its calls is meant (None: the last).

    Raises `ValueError` with the nearest names when there is no such module.
    """
    known = [name for name, _ in model.named_modules(remove_duplicate=False) if name]
    if layer in known:
        return layer, None
    name, _, number = layer.rpartition("#")
    if name in known and number.isdecimal() and int(number) > 0:
        return name, int(number)
    near = difflib.get_close_matches(layer, known, n=3, cutoff=0.4) or known[-3:]
    hint = f"similar names are {', '.join(near)}" if near else "it has no layers"
    raise ValueError(f"the model has no layer {layer!r}; {hint}")


@contextmanager
def tapped(
    model: nn.Module,
    name: str,
    call: int | None,
    x: Tensor,
    keep: Callable[[object], Tensor | None],
) -> Iterator[Calls]:
    """Give `keep` a layer's output at its call number `call` (None: at each; the last one counts).

    The run on the pictures `x` begins inside the block. Maps are given as (N, C, h, w), whatever
    their layout. What `keep` returns, if anything, takes the output's place in the model.

    The hook is torch's for all modules, not the module's own: the model stays untouched, since
    another thread may be copying or running it.
    """
    calls = Calls()
    owner = threading.get_ident()
    layer = model.get_submodule(name)
    traced = known_layouts(model)
    following = Following(x) if traced is None else None

    # Any: torch declares None, and uses what a forward hook returns in place of the output.
    def hook(module: nn.Module, _inputs: object, output: object) -> Any:
        if module is not layer or threading.get_ident() != owner:
            return None
        calls.count += 1
        if call not in (None, calls.count):
            return None
        if not isinstance(output, Tensor):
            return keep(output)
        number = f"{name}#{calls.count}" if calls.count > 1 else name
        layout = following.layouts.of(output) if following else (traced or {}).get(number)
        if layout is None or (following and layout.axes is None):  # it may become known later
            return keep(output)
        onward = keep(layout.spoken(output))
        return None if onward is None else layout.unspoken(onward, output)

    handle = register_module_forward_hook(hook)
    try:
        with following or nullcontext():
            yield calls
    finally:
        handle.remove()


def called(calls: Calls, layer: str, call: int | None) -> None:
    """Raise `ValueError` unless the layer had the call that was asked for."""
    if not calls.count:
        raise ValueError(f"the model does not call layer {layer!r}; choose a layer that it uses")
    if calls.count < (call or 1):
        raise ValueError(
            f"there is no {layer!r}: the model's calls of that layer are {calls.count}"
        )
