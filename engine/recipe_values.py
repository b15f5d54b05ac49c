"""The values of a recipe: written, and checked one by one when they are read.

A wrong value raises TypeError or ValueError, which whoever reads the recipe explains.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import settings
from engine.errors import BadInput
from engine.image import Picture
from engine.named_files import find_path
from engine.reduced import open_for
from engine.steering import STYLE_WEIGHTS
from engine.task import Technique

Source = str | Path | Picture
"""An input picture: where it lies, or the picture itself."""


def check_count(entries: Any, most: int, what: str) -> None:
    """Raise `BadInput` if there are more than `most` entries."""
    if len(entries) > most:
        raise BadInput(f"the recipe has {len(entries)} {what}; {most} are possible")


def technique_of(kind: type[Technique], values: Any, folder: Path | None) -> Technique:
    """Return a recipe's technique; folders and files that its settings name are found near `folder`."""
    technique = settings.make(kind, settings.completed(kind, values))
    named = settings.placed(technique, lambda text: find_path(text, folder))
    return replace(technique, **named)


def change_of(kind: type[Technique], styles: int, entry: Any) -> tuple[int, dict[str, Any]]:
    """Return a change: after which iteration, and the live values of `kind` that it sets."""
    iteration, values = entry
    others = {name: value for name, value in values.items() if name != STYLE_WEIGHTS}
    checked = settings.values(settings.make(kind, others))  # raises `BadInput` for unknown settings
    own: dict[str, Any] = {n: checked[n] for n in (name.replace("-", "_") for name in others)}
    if STYLE_WEIGHTS in values:
        weights = [float(weight) for weight in values[STYLE_WEIGHTS]]
        if len(weights) != styles or not all(w > 0 and math.isfinite(w) for w in weights):
            raise ValueError(f"{STYLE_WEIGHTS} are {weights}, of {styles} styles")
        own[STYLE_WEIGHTS] = weights
    return as_whole(iteration), own


def as_text(value: Any) -> str:
    """Return a value that is text."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} should be text")
    return value


def as_flag(value: Any) -> bool:
    """Return a value that is true or false."""
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} should be true or false")
    return value


def as_whole(value: Any) -> int:
    """Return a value that is a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} should be a whole number")
    return value


def reference_to(source: Source) -> dict[str, Any]:
    """Return how a recipe names a picture."""
    picture = source if isinstance(source, Picture) else open_for(source, 1)
    if picture.path is None:
        return {"path": None, "sha256": ""}
    return {"path": str(picture.path.absolute()), "sha256": picture.sha256}
