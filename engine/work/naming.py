"""How a batch names its files: no existing file is overwritten, and nothing is made twice."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadInput, PareidoliaError
from engine.image import read_recipe
from engine.work.job_files import Wanted, technique_of
from engine.work.making import figure, partial

_NUMBERED = re.compile(r"(.+)-(\d{1,9})", re.DOTALL)
_DEPTH_IN_PNG = 24
"""Offset of the bits per channel in a PNG file (PNG, third edition, 11.2.1)."""


@dataclass(frozen=True)
class Place:
    """Where a picture goes."""

    path: Path
    made: bool
    """Whether it is there already, with all that belongs to it."""


def named(
    wanted: Sequence[Wanted], folder: Path, settled: Mapping[int, Path] | None = None,
    taken: Iterable[Path] = (),
) -> list[Place]:  # fmt: skip
    """Return where each picture goes: a file of its own. Raises `BadInput`.

    A file that is there already is the result if it was made by the same recipe; otherwise the next
    number is taken.

    Args:
        wanted: the pictures.
        folder: where they go.
        settled: where some of them, by index in the list, go in any case.
        taken: other files that somebody else is going to write.
    """
    settled = settled or {}
    names = _Names(folder, (*settled.values(), *taken))
    stems = [each.name.casefold() for each in wanted]
    times = Counter(stems)
    found: list[Place] = []
    for index, (each, stem) in enumerate(zip(wanted, stems, strict=True)):
        if index in settled:
            found.append(Place(settled[index], False))
            continue
        content = each.recipe["inputs"]["content"]
        ending = Path(content["path"]).suffix[1:].lower() if content else ""
        among = times[stem] > 1 and ending and not each.chosen
        found.append(names.choose(each, f"{each.name}_{ending}" if among else each.name))
    return found


def is_made(
    path: Path, recipe: Mapping[str, Any], bits: int = 8, open_precision: bool = False
) -> bool:
    """Whether a file is the whole picture of a recipe.

    Where its pictures lie does not matter, only what they hold; nor does the precision, if that is
    left to the machine.
    """
    try:
        if not path.is_file():
            return False
        carried = read_recipe(path)
    except (PareidoliaError, OSError):
        return False
    if carried is None or _bits(path) not in (0, bits):
        return False
    return _essence(carried, open_precision) == _essence(recipe, open_precision)


def is_complete(path: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether a picture that is there has its figure beside it, if its technique draws one.

    A program that was killed between the two leaves the first without the second.
    """
    return not technique_of(recipe).has_figure or figure(path).exists()


def forget_partial(path: Path, recipe: Mapping[str, Any], open_precision: bool = False) -> None:
    """Delete what a stopped run of a picture, now finished, had left beside it."""
    left = partial(path)
    for bits in (8, 16):
        if is_made(left, recipe, bits, open_precision):
            for each in (figure(left), left):
                try:
                    each.unlink(missing_ok=True)
                except OSError as error:
                    raise BadInput(f"{each} cannot be deleted ({error.strerror})") from error


class _Names:
    def __init__(self, folder: Path, taken: Iterable[Path]) -> None:
        self.folder = folder
        self.taken = {name.casefold() for path in taken for name in _family(path.name)}
        try:
            self.there = {name.casefold() for name in os.listdir(folder)}  # noqa: PTH208
        except OSError as error:
            raise BadInput(f"{folder} cannot be read ({error.strerror})") from error
        self.series: dict[str, list[tuple[int, str]]] = {}
        """Numbers and names of the files that may be a picture of this name: a.png, a-2.png."""
        for path in map(Path, sorted(os.listdir(folder))):  # noqa: PTH208
            self._count(f"{path.stem}{path.suffix}", 1, path.name)
            if match := _NUMBERED.fullmatch(path.stem):
                self._count(f"{match[1]}{path.suffix}", int(match[2]), path.name)

    def _count(self, base: str, number: int, name: str) -> None:
        self.series.setdefault(base.casefold(), []).append((number, name))

    def choose(self, wanted: Wanted, apart: str) -> Place:
        for stem in dict.fromkeys((apart, wanted.name)):
            base = f"{stem}{wanted.suffix}".casefold()
            for _, name in sorted(self.series.get(base, [])):
                path = self.folder / name
                own = wanted.recipe, wanted.bits, wanted.open_precision
                if name.casefold() not in self.taken and is_made(path, *own):
                    return self._take(path, is_complete(path, wanted.recipe))
        number = 1
        while True:
            name = f"{apart}{'' if number == 1 else f'-{number}'}{wanted.suffix}"
            family = {each.casefold() for each in _family(name)}
            unfinished = partial(self.folder / name)
            ours = {each.name.casefold() for each in (unfinished, figure(unfinished))}
            if not is_made(unfinished, wanted.recipe, wanted.bits, wanted.open_precision):
                ours = set()
            if not family & self.taken and not (family - ours) & self.there:
                return self._take(self.folder / name, False)
            number += 1

    def _take(self, path: Path, made: bool) -> Place:
        self.taken |= {name.casefold() for name in _family(path.name)}
        return Place(path, made)


def _family(name: str) -> tuple[str, ...]:
    """Return a picture's name, and those of all that may be written beside it."""
    path = Path(name)
    unfinished = partial(path)
    return name, unfinished.name, figure(path).name, figure(unfinished).name


def _essence(recipe: Mapping[str, Any], open_precision: bool) -> Any:
    """Return what determines the pixels, in comparable form."""
    plain = json.loads(json.dumps(recipe))
    inputs = plain.get("inputs")
    if isinstance(inputs, dict):
        for reference in (inputs.get("content"), inputs.get("guide"), inputs.get("start"),
                          *(inputs.get("styles") or [])):  # fmt: skip
            if isinstance(reference, dict) and reference.get("sha256"):
                reference.pop("path", None)
    plain.pop("style_networks", None)  # records what was run; a network is known by its name
    if open_precision:
        plain.pop("precision", None)
    return plain


def _bits(path: Path) -> int:
    """Return the bits per channel of a PNG file; 0 for others."""
    with path.open("rb") as file:
        head = file.read(_DEPTH_IN_PNG + 1)
    return head[_DEPTH_IN_PNG] if head.startswith(b"\x89PNG") and len(head) > _DEPTH_IN_PNG else 0
