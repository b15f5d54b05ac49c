"""The classes of a network, asked for by name or number."""

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
    from engine.networks.network import Network


def find_class(network: "Network", text: str) -> int:
    """Return the number of the class that `text` means: a name, a number or part of one name.

    Raises `BadInput` with near names where there is none or more than one.
    """
    names = network.classes
    if not names:
        raise BadInput(
            f"the weights of {network.card.name} on this machine hold no classifier; "
            "use a network with classes"
        )
    wanted = text.strip().casefold()
    folded = [name.casefold() for name in names]
    if (found := _exactly(folded, wanted)) is not None:
        return found
    inside = [i for i, name in enumerate(folded) if wanted and wanted in name]
    if len(inside) == 1:
        return inside[0]
    near = [names[i] for i in inside[:5]]
    near = near or [
        names[folded.index(n)] for n in difflib.get_close_matches(wanted, folded, 3, 0.4)
    ]
    hint = f"near it are {', '.join(near)}" if near else f"for example {', '.join(names[:3])}"
    raise BadInput(
        f"{network.card.name} has no class {text.strip()!r}; {hint} "
        f"(or a number from 0 to {len(names) - 1})"
    )


def meant_by(names: Sequence[str], text: str) -> list[int]:
    """Return the numbers of the classes that `text` fits best, in their order; [] for none.

    A class's whole name or its number; else names with it as a word, else those with a word that
    begins with it, else those with it anywhere.
    """
    wanted = text.strip().casefold()
    folded = [name.casefold() for name in names]
    if not wanted:
        return []
    if (found := _exactly(folded, wanted)) is not None:
        return [found]
    part = re.escape(wanted)
    for pattern in (rf"(?<!\w){part}(?!\w)", rf"(?<!\w){part}", part):
        if fitting := [i for i, name in enumerate(folded) if re.search(pattern, name)]:
            return fitting
    return []


def _exactly(folded: Sequence[str], wanted: str) -> int | None:
    """Return the number of the class of that name or number, both in folded case."""
    if wanted in folded:
        return folded.index(wanted)
    if wanted.isdecimal() and int(wanted) < len(folded):
        return int(wanted)
    return None
