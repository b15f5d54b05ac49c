"""Finding a network in a file: under which prefix, in which group of tensors."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from engine.networks.contents import AVERAGED, Contents, Group
from engine.networks.fingerprints import IGNORED, Shapes, torchvision_table
from engine.networks.recognise import recognise_shapes, with_preprocessing
from engine.networks.recognised import Recognised

WRAPPED = re.compile(
    r"(?<![^.])(?:module|_orig_mod|_forward_module|_fsdp_wrapped_module"
    r"|_checkpoint_wrapped_module)\."
)
"""What DataParallel, torch.compile and others insert into names, wherever they wrap something."""
STEMS = ("conv1_1.weight", "conv1/7x7_s2.weight", "conv1_7x7_s2.weight", "conv1.conv2d.weight")
"""First tensors of networks that are not torchvision's."""
BARE = ("0.weight", "0.0.weight", "conv0.weight")
"""First tensors of torchvision's `features` saved without that name."""
MOST_PREFIXES = 12


@dataclass(frozen=True)
class Identified:
    """A network found in a file."""

    group: Group
    found: Recognised
    """`mapping` has the names of the group's tensors."""
    notes: tuple[str, ...] = ()
    """What a person should know about where it was found, without capitals and full stops."""


def identify(contents: Contents) -> Identified | None:
    """Return the network in a file, or None.

    Averaged weights are preferred to raw ones, and whole networks to those without a classifier.
    """
    best: Identified | None = None
    others: list[str] = []
    for group in contents.groups:
        for found in search(group.shapes):
            averaged = group.averaged or bool(AVERAGED.search(found.prefix))
            here = Identified(replace(group, averaged=averaged), found)
            if best is None or _rank(here) > _rank(best):
                best, here = here, best or here
            if here is not best:
                others.append(_place(here))
    if best is None:
        return None
    found = with_preprocessing(best.found, best.group.tensors)
    return Identified(best.group, found, tuple(_notes(best, others)))


def _rank(one: Identified) -> tuple[bool, bool]:
    return one.group.averaged, one.found.complete


def _place(one: Identified) -> str:
    return ".".join(filter(None, (one.group.name, one.found.prefix.rstrip("."))))


def _notes(best: Identified, others: list[str]) -> Iterator[str]:
    place = _place(best)
    if best.group.averaged:
        raw = [other for other in others if not AVERAGED.search(other)]
        left = f", not the raw ones ({', '.join(o or 'without a name' for o in raw[:2])})"
        name = f" ({place})" if place else ""
        yield f"averaged weights{name} were taken{left if raw else ''}"
    elif place:
        yield f"the weights stand under {place}"
    if not best.group.averaged and others:
        yield f"other networks in the file ({', '.join(others[:3])}) were left out"


def search(shapes: Shapes) -> list[Recognised]:
    """Return the networks among tensors, by prefix: the one with most tensors first."""
    plain: dict[str, str] = {}
    for name in shapes:
        plain.setdefault(WRAPPED.sub("", name), name)
    found: list[Recognised] = []
    taken: set[str] = set()
    for prefix in _prefixes(plain):
        inner = {name.removeprefix(prefix): name for name in plain if name.startswith(prefix)}
        if taken & {plain[name] for name in inner.values()}:
            continue  # part of a network that was found
        for added in ("", "features.") if any(name in inner for name in BARE) else ("",):
            known = {added + n: shapes[plain[name]] for n, name in inner.items()}
            if one := recognise_shapes(known):
                back = {added + n: plain[name] for n, name in inner.items()}
                found.append(_renamed(one, back, shapes, prefix))
                taken |= found[-1].mapping.keys()
                break
    return found


def _renamed(found: Recognised, back: dict[str, str], shapes: Shapes, prefix: str) -> Recognised:
    """Return what was found with the file's own names."""
    mapping = {back.get(name, name): ours for name, ours in found.mapping.items()}
    unread = tuple(back[name] for name in found.unread)
    known = {*mapping, *unread}
    left = (
        name
        for name in shapes
        if name not in known and not IGNORED.search(WRAPPED.sub("", name).removeprefix(prefix))
    )
    return replace(found, mapping=mapping, unread=unread, left_out=tuple(left), prefix=prefix)


def _prefixes(names: dict[str, str]) -> list[str]:
    """Return the possible prefixes of a network's names, the most frequent first."""
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")[:8]
        counts.update(".".join(parts[:i]) + "." for i in range(1, len(parts)))
    counts[""] = len(names)
    stems = (*_stems(), *BARE)
    likely = [p for p in counts if any(p + stem in names for stem in stems)]
    return sorted(likely, key=lambda p: (-counts[p], len(p)))[:MOST_PREFIXES]


@cache
def _stems() -> frozenset[str]:
    rows = torchvision_table()["models"].values()
    old = ("features.norm0.weight",)
    return frozenset((*STEMS, *old, *(row["stem"] for row in rows)))
