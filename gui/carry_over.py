"""The class and the folder, carried over from one technique to the next."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine import settings
from engine.task import Technique

CARRIED = ("class", "folder")


def lacks(technique: Technique, picks: str) -> bool:
    """Whether the technique needs something of this kind and its setting is empty."""
    return any(
        d.picks == picks and d.required and not getattr(technique, name).strip()
        for name, d in settings.describe(technique).items()
    )


def named(technique: Technique) -> dict[str, str]:
    """Return the class (the first of several) and the folder that a technique names."""
    found = {}
    for name, d in settings.describe(technique).items():
        if d.picks in CARRIED:
            value = getattr(technique, name).strip()
            value = value.partition(",")[0].strip() if d.picks == "class" else value
            if value:
                found[d.picks] = value
    return found


def filled(technique: Technique, last: Mapping[str, str]) -> Technique:
    """Return a technique with the class or folder last used, if it cannot run without one."""
    values = {
        name: last[d.picks]
        for name, d in settings.describe(technique).items()
        if d.required and d.picks in last and not getattr(technique, name).strip()
    }
    changed: Any = technique
    return replace(changed, **values) if values else technique
