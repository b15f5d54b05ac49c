"""Observing every call of a network's modules, without leaving anything behind."""

import copy
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

Seen = Callable[[str, nn.Module, Tensor], Tensor | None]
"""Takes the name of a call ("layer1.0.relu#2"), the module and its output (the first, if several).
May return what takes the place of a single output."""


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors in nested tuples, lists and dictionaries, in their order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors_in(v)]
    if isinstance(value, dict):
        return tensors_in(list(value.values()))
    return []


_hooks = threading.Lock()
"""Held while hooks come and go: copying the module at that moment would fail."""


@contextmanager
def watching(module: nn.Module, names: Iterable[str], seen: Seen) -> Iterator[None]:
    """Tell `seen` of every call of the modules `names` from this thread, under the call's name."""
    owner = threading.get_ident()
    counts: dict[str, int] = {}

    def hook_for(name: str) -> Callable[[nn.Module, Any, Any], Tensor | None]:
        def hook(called: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
            found = tensors_in(output)
            if threading.get_ident() != owner or not found:
                return None
            counts[name] = counts.get(name, 0) + 1
            call = name if counts[name] == 1 else f"{name}#{counts[name]}"
            onward = seen(call, called, found[0])
            return onward if isinstance(output, Tensor) else None

        return hook

    handles = []
    try:
        with _hooks:
            for name in names:
                watched = module.get_submodule(name)
                handles.append(watched.register_forward_hook(hook_for(name)))
        yield
    finally:
        with _hooks:
            for handle in handles:
                handle.remove()


def unwatched_copy(module: nn.Module, memo: dict[int, Any] | None = None) -> nn.Module:
    """Return a deep copy of `module`, which another thread may be watching at this moment."""
    with _hooks:
        made = copy.deepcopy(module, memo)
    for inner in made.modules():
        hooks = inner._forward_hooks
        for key in [k for k, hook in hooks.items() if hook.__module__ == __name__]:
            del hooks[key]
    return made
