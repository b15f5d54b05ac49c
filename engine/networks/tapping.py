"""Activations that are kept while a network runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from torch import Tensor, nn

from engine.networks.call_hooks import watching
from engine.networks.tracing import Call

Visit = Callable[[str, Tensor], Tensor]
"""Takes the name of a layer and its activations, maps as (N, C, H, W) whatever their layout.
Returns what is passed on in their place: the same numbers, either unchanged or passed through a
function that can change their gradient."""


class _Reached(Exception):
    """Raised by the last tap's hook: nothing deeper is needed."""


@contextmanager
def tapping(
    module: nn.Module,
    calls: dict[str, Call],
    wanted: Mapping[str, Sequence[str]],
    no_deeper: bool,
) -> Iterator[dict[str, Tensor]]:
    """Keep what some calls give in the one run of `module` inside the block, in this thread.

    Args:
        module: what runs.
        calls: what it calls, by name and in order, for a picture of that size.
        wanted: names of calls, and the keys under which each is kept.
        no_deeper: end the run at the deepest of them.
    """
    found: dict[str, Tensor] = {}
    with visiting(module, calls, wanted, no_deeper, keeping(found)):
        yield found


def keeping(found: dict[str, Tensor]) -> Visit:
    """Return a visitor that puts activations into `found` and changes nothing."""

    def keep(name: str, activations: Tensor) -> Tensor:
        found[name] = activations
        return activations

    return keep


@contextmanager
def visiting(
    module: nn.Module,
    calls: dict[str, Call],
    wanted: Mapping[str, Sequence[str]],
    no_deeper: bool,
    visit: Visit,
) -> Iterator[None]:
    """Call `visit` with what some calls give, as `tapping` would keep it, as soon as it is there."""
    deepest = next((name for name in reversed(calls) if name in wanted), "") if no_deeper else ""

    def see(name: str, _module: nn.Module, output: Tensor) -> Tensor | None:
        if name not in wanted:
            return None
        overwritten = calls[name].changed_later and name != deepest
        layout = calls[name].layout
        spoken = onward = layout.spoken(output.clone() if overwritten else output)
        for key in wanted[name]:
            onward = visit(key, onward)
        if name == deepest:
            raise _Reached
        return None if overwritten or onward is spoken else layout.unspoken(onward, output)

    with suppress(_Reached), watching(module, {name.split("#")[0] for name in wanted}, see):
        yield
