"""Activations that are kept while a network runs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from torch import Tensor, nn

from engine.networks.tracing import Call, watching


class _Reached(Exception):
    """Raised by the last tap's hook: nothing deeper is needed."""


@contextmanager
def tapping(
    module: nn.Module,
    calls: dict[str, Call],
    wanted: Mapping[str, Sequence[str]],
    no_deeper: bool,
) -> Iterator[dict[str, Tensor]]:
    """Keep what some calls give in the one run of `module` that happens meanwhile, in this thread.

    Args:
        module: what runs.
        calls: what it calls, by name and in order, for a picture of that size.
        wanted: names of calls, and the keys under which each is kept.
        no_deeper: end the run at the deepest of them.
    """
    deepest = next((name for name in reversed(calls) if name in wanted), "") if no_deeper else ""
    found: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, output: Tensor) -> None:
        if name not in wanted:
            return
        overwritten = calls[name].changed_later and name != deepest
        found.update(dict.fromkeys(wanted[name], output.clone() if overwritten else output))
        if name == deepest:
            raise _Reached

    with suppress(_Reached), watching(module, {name.split("#")[0] for name in wanted}, keep):
        yield found
