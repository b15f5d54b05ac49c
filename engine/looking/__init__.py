"""Looking at a picture through a network: a request in, answers out as they come, closed at will.

Requests and answers are known without torch; `look` imports it when it is called.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.looking.answer import Answer, ComparisonAnswer
    from engine.looking.asking import look
    from engine.looking.memory import LookMemory
    from engine.looking.request import (
        ActivationsRequest,
        ChannelRequest,
        ComparisonRequest,
        FieldRequest,
        OccluderRequest,
        Request,
    )

_PLACES = {
    "ActivationsRequest": "request",
    "Answer": "answer",
    "ComparisonAnswer": "answer",
    "ChannelRequest": "request",
    "ComparisonRequest": "request",
    "FieldRequest": "request",
    "LookMemory": "memory",
    "OccluderRequest": "request",
    "Request": "request",
    "look": "asking",
}

__all__ = [
    "ActivationsRequest",
    "Answer",
    "ChannelRequest",
    "ComparisonAnswer",
    "ComparisonRequest",
    "FieldRequest",
    "LookMemory",
    "OccluderRequest",
    "Request",
    "look",
]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
