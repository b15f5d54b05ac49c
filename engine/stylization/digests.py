"""Which weights a picture was painted with: the names of style networks and their SHA-256."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.errors import BadInput, PareidoliaError
from engine.networks import checksums
from engine.networks.style_cards import DESCRIPTIONS
from engine.settings import STYLE_NETWORK, describe
from engine.stylization.finding import find_style_network, parse_networks


@dataclass(frozen=True)
class StyleWeights:
    """A style network, and what its file held."""

    name: str
    """As the settings have it: a name, or a file."""
    sha256: str
    """SHA-256 of the file (for a folder, of all files in it) when the picture was made, or will
    be."""
    before: str = ""
    """The same for the picture whose recipe is repeated, if it was another."""


def style_networks(technique: Any) -> list[str]:
    """Return which style networks a technique's settings mean, by name or file. Raises `BadInput`."""
    return [
        name
        for setting, described in describe(technique).items()
        if described.picks == STYLE_NETWORK
        for name, _ in parse_networks(getattr(technique, setting))
    ]


def style_weights(technique: Any, known: Sequence[StyleWeights] = ()) -> tuple[StyleWeights, ...]:
    """Return the style networks that a technique paints with, as they are on this machine now.

    Those that are missing are left out: the run says so. `known` tells what they were before.
    """
    earlier = {weights.name: weights for weights in known}
    found = []
    for name in dict.fromkeys(style_networks(technique)):
        with suppress(PareidoliaError):
            now = digest_of_style_network(name)
            was = earlier.get(name)
            before = "" if was is None else was.before or was.sha256
            found.append(StyleWeights(name, now, before if before != now else ""))
    return tuple(found)


def of_recipe(technique: Any, values: Sequence[Any]) -> tuple[StyleWeights, ...]:
    """Return what `to_recipe` gave. Raises TypeError, KeyError or ValueError for anything else.

    The files may have other names by now, so the order of the settings counts.
    """
    names = list(dict.fromkeys(style_networks(technique)))
    found = []
    for value in values:
        name, digest = value["name"], value["sha256"]
        if not isinstance(name, str) or not isinstance(digest, str):
            raise TypeError(f"{value!r} should be a style network")
        found.append(StyleWeights(name, digest))
    if len(names) != len(found):
        return tuple(found)
    return tuple(StyleWeights(n, f.sha256) for n, f in zip(names, found, strict=True))


def to_recipe(technique: Any, known: Sequence[StyleWeights]) -> list[dict[str, str]]:
    """Return, as plain values, those of `known` that the settings still mean."""
    meant = style_networks(technique) if known else ()
    return [{"name": w.name, "sha256": w.sha256} for w in known if w.name in meant]


def changed(technique: Any, known: Sequence[StyleWeights]) -> str:
    """Return a sentence if a recipe is repeated with other weights; otherwise ""."""
    present = style_weights(technique, known) if known else ()
    names = [Path(weights.name).name for weights in present if weights.before]
    if not names:
        return ""
    return (
        f"The recipe was made with other weights of {' and '.join(names)}: this picture differs"
        " from the original."
    )


def digest_of_style_network(name: str) -> str:
    """Return the SHA-256 of a style network's file, or of all files in its folder, in hex digits.

    For a network in two files, only the named one counts. Raises `BadInput`, or `WeightsMissing`.
    """
    path = find_style_network(name)
    if path.name in DESCRIPTIONS:  # its numbers lie beside it
        path = path.parent
    try:
        if not path.is_dir():
            return _digest(path)
        files = sorted(each for each in path.iterdir() if each.is_file())
        whole = "".join(f"{each.name} {_digest(each)}\n" for each in files)
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror})") from error
    return hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()


def _digest(path: Path) -> str:
    facts = path.stat()
    return _read(path.absolute(), facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, _changed: int, _size: int) -> str:
    return checksums.sha256(path)
