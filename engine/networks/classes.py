"""Looking up the classes of a network by name or number."""

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

MOST_TOLD = 6
"""How many classes a sentence lists if several fit."""


def find_class(network: "Network", text: str) -> int:
    """Return the number of the class that `text` means, as `class_number` does.

    Raises `BadInput` also for a network without classes.
    """
    if not network.classes:
        raise BadInput(
            f"the weights of {network.card.name} on this machine hold no classifier; "
            "use a network with classes"
        )
    return class_number(network.classes, text, network.card.name)


def probabilities(logits: "Tensor") -> "Tensor":
    """Return the probabilities (…, classes) that `logits` of that shape stand for.

    That is the softmax or, for a single output, which has nothing to be compared with, the logistic
    function.
    """
    return logits.sigmoid() if logits.shape[-1] == 1 else logits.softmax(-1)


def percent(share: float) -> str:
    """Return a probability in words, such as 61.6%; never 0.0% for what is possible."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def class_number(names: Sequence[str], text: str, owner: str) -> int:
    """Return the number of the class that `text` means: a name, a number or part of one name.

    An exact name takes precedence, then a number, then a name in other capitals, then part of a
    name. Raises `BadInput`, naming `owner`, whose classes they are: with the numbers if several
    fit, with similar names if none does.
    """
    wanted = text.strip()
    fitting = _fitting(names, wanted)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        told = ", ".join(f"{i} {names[i]}" for i in fitting[:MOST_TOLD])
        more = f" and {len(fitting) - MOST_TOLD} more" if len(fitting) > MOST_TOLD else ""
        raise BadInput(
            f"{owner} has several classes that {wanted!r} fits: {told}{more}; "
            "give the number of one"
        )
    folded = [name.casefold() for name in names]
    close = difflib.get_close_matches(wanted.casefold(), folded, 3, 0.4)
    near = ", ".join(names[folded.index(name)] for name in close)
    hint = f"similar names are {near}" if near else f"for example {', '.join(names[:3])}"
    raise BadInput(
        f"{owner} has no class {wanted!r}; {hint} (or a number from 0 to {len(names) - 1})"
    )


def _fitting(names: Sequence[str], wanted: str) -> list[int]:
    """Return the numbers of the classes that `wanted` may mean, whole words first."""
    if not wanted:
        return []
    if exact := [i for i, name in enumerate(names) if name == wanted]:
        return exact
    if wanted.isdecimal() and int(wanted) < len(names):
        return [int(wanted)]
    folded, wanted = [name.casefold() for name in names], wanted.casefold()
    if same := [i for i, name in enumerate(folded) if name == wanted]:
        return same
    word = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
    inside = [i for i, name in enumerate(folded) if wanted in name]
    return sorted(inside, key=lambda i: word.search(folded[i]) is None)
