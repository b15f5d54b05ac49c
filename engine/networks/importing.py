"""Networks from the user's own files: copied into the user's folder, with a card."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from engine import files
from engine.errors import BadInput, Mention, Remedy
from engine.networks import catalogue, checksums, weights
from engine.networks.card import Card
from engine.networks.contents import Unusable, nothing
from engine.networks.describing import description, readable
from engine.networks.foreign import opening
from engine.networks.foreign.network import Foreign
from engine.networks.loading import class_names, open_weights, origin
from engine.networks.preparing import choose, known_preprocessing
from engine.networks.reading import read_file
from engine.networks.recognised import Recognised
from engine.networks.style_cards import read_style_card, style_card

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Verified(NamedTuple):
    """What `verify` found out about one file."""

    name: str
    path: Path
    ok: bool
    reason: str


def import_file(
    path: str | os.PathLike[str],
    name: str | None = None,
    preprocessing: str | None = None,
    architecture: str = "",
) -> Card:
    """Copy a weight file into the user's folder and return the card written beside it.

    `name` defaults to the file's; `preprocessing` is what `preparing.known_preprocessing` takes
    (default: what the weights seem to have been trained with); `architecture` says whose weights
    these are, if names and shapes do not. Raises `BadInput` for files of unknown networks, damaged
    files and names that are taken.
    """
    from engine.networks.assembling import check

    if preprocessing is not None:
        known_preprocessing(preprocessing)  # before anything takes time
    path = Path(path).expanduser()
    if not _is_file(path):
        raise BadInput(f"{readable(str(path))} does not exist")
    strange = opening.open_foreign(path, architecture)
    name = name or _usual_name(path)
    if strange is not None:
        return _import_foreign(path, name, strange, preprocessing)
    contents, one = open_weights(path)
    if architecture and one.found.architecture != architecture:
        raise BadInput(f"{path} holds weights of {one.found.architecture}, not of {architecture}")
    base = _base(name, one.found)
    prepared, source = choose(one.found, contents, base.preprocessing, preprocessing)
    card = _card_for(path, name, base, one.found)
    card = replace(card, preprocessing=prepared, preprocessing_source=source)
    check(one.group.tensors, one.found, card.input_size, path, one.group.release)
    card = replace(
        card,
        classes=class_names(card, one.found, contents.metadata, own_file=False),
        notes="; ".join(
            (
                f"imported from {readable(path.name)}: {description(contents, one, card)}",
                *(() if architecture else opening.doubts(one.found.architecture)),
            )
        ),
    )
    if existing := _existing(card, one.found.architecture):
        return existing
    return _keep(path, card)


def _import_foreign(path: Path, name: str, strange: Foreign, preprocessing: str | None) -> Card:
    """Copy the file of a network that describes itself; weights in other files go into the copy."""
    _check_name(name)
    prepared = (known_preprocessing(preprocessing), "as asked") if preprocessing else None
    base = Card(name=name, title=f"{strange.title} “{name}”", architecture=strange.architecture)
    card = opening.described(base, strange, prepared)
    card = replace(
        card,
        bytes=path.stat().st_size,
        sha256=checksums.sha256(path),
        file=name + path.suffix.lower(),
        notes=f"imported from {readable(path.name)}: {opening.description(strange, card)}",
    )
    if existing := _existing(card, card.architecture):
        return existing
    if not strange.beside:
        return _keep(path, card)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / card.file
        opening.write_whole(path, whole)
        card = replace(card, bytes=whole.stat().st_size, sha256=checksums.sha256(whole))
        if existing := _existing(card, card.architecture):
            return existing
        return _keep(whole, card)


def _keep(path: Path, card: Card) -> Card:
    """Copy the weights into the user's folder, and write their card beside them."""
    folder = weights.user_folder()
    copy = folder / card.file
    fresh = not copy.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.replacing(copy) as out, path.open("rb") as source_file:
            shutil.copyfileobj(source_file, out, 1 << 20)
        files.write_json(folder / f"{card.name}.json", card.to_dict())
    except (OSError, BadInput) as error:
        if fresh:
            copy.unlink(missing_ok=True)  # without its card it would belong to nothing
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise BadInput(f"{path} cannot be imported: {reason}") from error
    return card


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # an overlong name, or one with a null character
        return False


def _usual_name(path: Path) -> str:
    """Return a file's name without its suffixes and the checksum in it."""
    stem = path.stem
    while Path(stem).suffix.lower() in weights.SUFFIXES:
        stem = Path(stem).stem
    return re.sub(r"-[0-9a-f]{8,}$", "", stem)


def _base(name: str, found: Recognised) -> Card:
    """Return the card of what a network is an instance of."""
    _check_name(name)
    if found.architecture == "transformer_net":
        return Card(name="", title="Fast style network", architecture=found.architecture)
    return catalogue.built_in(found.architecture)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{readable(name)!r} cannot be a network's name; "
            "use up to 100 letters, digits, '_', '-', '.'"
        )


def _card_for(path: Path, name: str, base: Card, found: Recognised) -> Card:
    licence, credit = origin(found)
    suffix = path.suffix.lower() if NAME.fullmatch(path.suffix[1:]) else ""
    return replace(
        base,
        name=name,
        title=base.title if name == base.name else f"{base.title} “{name}”",
        input_size=found.input_size or base.input_size,
        licence=licence,
        credit=credit,
        url="",
        bytes=path.stat().st_size,
        sha256=checksums.sha256(path),
        file=name + suffix,
    )


def _existing(card: Card, architecture: str) -> Card | None:
    """Return the card of the same file imported before; raise `BadInput` when the name is taken."""
    if style_card(card.name) is not None:
        raise BadInput(
            f"{card.name} is the name of a style network; choose another one with ", Mention("name")
        )
    file = catalogue.card_file(card.name)
    if file and file.parent == weights.user_folder():
        known = catalogue.read_card(file)
        copy = file.parent / known.file
        same = known.sha256 == card.sha256 and known.preprocessing == card.preprocessing
        if same and copy.is_file() and checksums.matches(copy, known.sha256):
            return known
        if known.sha256 == card.sha256:
            return None  # the same weights, to be prepared differently or copied again
        raise BadInput(
            f"another network is already called {card.name}; choose a name with ",
            Mention("name"),
            ", or ",
            Remedy("remove", card.name),
        )
    if file or (card.name in catalogue.names() and card.name != architecture):
        raise BadInput(
            f"{card.name} is the name of another network; choose one with ", Mention("name")
        )
    return None


def remove(name: str) -> list[Path]:
    """Delete an imported or downloaded network from the user's folder; return what was deleted.

    Raises `BadInput` for networks that are not there (shipped ones, files in other folders).
    """
    folder = weights.user_folder()
    card = catalogue.card(name)
    found = weights.named(card, [folder])
    there = [f for f in (found, folder / f"{name}.json") if f and f.is_file()]
    if not there:
        raise BadInput(
            f"{name} was neither imported nor downloaded: there is nothing to remove in {folder}"
        )
    for file in there:
        file.unlink()
    return there


def verify() -> list[Verified]:
    """Read every weight file again and compare it with its card.

    Files without a known checksum pass if they are complete, finite and of a known network.
    """
    published = {c.file: c for c in (catalogue.built_in(n) for n in catalogue.built_in_names())}
    results: list[Verified] = []
    for folder in dict.fromkeys(weights.folders()):
        carded = list(_with_cards(folder))
        known = {result.path for result in carded}
        loose = [path for path in weights.weight_files(folder) if path not in known]
        results += carded + [_verify(path, published.get(path.name)) for path in loose]
    return results


def _with_cards(folder: Path) -> Iterator[Verified]:
    """Check the files that the cards in a folder describe, whatever their names."""
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            card = catalogue.read_card(file)
        except BadInput as error:
            yield Verified(file.stem, file, False, str(error))
            continue
        path = folder / card.file
        if not path.is_file():
            yield Verified(card.name, path, False, "its weights are missing")
        else:
            yield _verify(path, card)


def _verify(path: Path, card: Card | None) -> Verified:
    try:
        if card and card.sha256:
            ok = checksums.matches(path, card.sha256)
            reason = "as its card says" if ok else "changed: the checksum differs from its card's"
            return Verified(card.name, path, ok, reason)
        return _unknown(path)
    except BadInput as error:
        return Verified(card.name if card else path.stem, path, False, str(error))
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        return Verified(card.name if card else path.stem, path, False, reason)


def _unknown(path: Path) -> Verified:
    """Check a file without a card by its content."""
    from engine.networks.assembling import check, check_numbers

    if (style := read_style_card(path)) is not None:
        tensors = read_file(path).groups[0].tensors
        for name, tensor in tensors.items():
            if not isinstance(tensor, Unusable):
                check_numbers(name, tensor, path, nothing)
        reason = "a style network, all numbers finite (no checksum to compare)"
        return Verified(style.name, path, True, reason)
    if (strange := opening.open_foreign(path)) is not None:
        reason = "intact and of a known kind (no checksum to compare)"
        return Verified(strange.title, path, True, reason)
    _, one = open_weights(path)
    name = one.found.architecture
    base = _base(name, one.found)
    check(one.group.tensors, one.found, base.input_size, path, one.group.release)
    return Verified(name, path, True, "intact, all numbers finite (no checksum to compare)")
