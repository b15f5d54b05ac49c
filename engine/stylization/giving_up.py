"""Painting that is given up between two layers, once nobody wants the picture any more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from engine.errors import Cancelled

_asked: ContextVar[Callable[[], bool] | None] = ContextVar("_asked", default=None)


@contextmanager
def given_up_when(asked: Callable[[], bool]) -> Iterator[None]:
    """Let this thread's painting raise `Cancelled` at the next layer once `asked` says so."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def check_wanted() -> None:
    """Raise `Cancelled` if what this thread paints has been given up."""
    asked = _asked.get()
    if asked is not None and asked():
        raise Cancelled("the picture is not wanted any more")
