"""Networks from files of the user's own: copied into the user's folder, with a card beside them."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from engine.errors import BadInput, PareidoliaError
from engine.networks import catalogue, checksums, weights
from engine.networks.card import Card
from engine.networks.loading import class_names, known_preprocessing, origin
from engine.networks.recognise import Recognised, recognise

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Verified(NamedTuple):
    """What `verify` found out about one file."""

    name: str
    path: Path
    ok: bool
    reason: str


def import_file(
    path: str | os.PathLike[str], name: str | None = None, preprocessing: str | None = None
) -> Card:
    """Copy a weight file into the user's folder and return the card written beside it.

    `name` defaults to the file's; `preprocessing` is a key of `card.KNOWN` (default: what the
    weights seem to have been trained with). Raises `BadInput` for files of unknown networks,
    damaged files and names that are taken.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file")
    state, metadata = weights.load_state(path)
    found = recognise(state)
    if found is None:
        raise BadInput(
            f"{path} holds the weights of no known network; "
            "known are torchvision's classifiers, BVLC GoogLeNet, SlimVGG and fast style networks"
        )
    if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
        raise BadInput(f"{path} holds numbers that are not finite; the file is damaged")
    name = name or re.sub(r"-[0-9a-f]{8,}$", "", path.stem)
    card = _card_for(path, name, found, preprocessing)
    card = replace(card, classes=class_names(card, found, metadata, own_file=False))
    if existing := _existing(card, found):
        return existing
    folder = weights.user_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _copy(path, folder / card.file)
        _write(folder / f"{name}.json", json.dumps(card.to_dict(), indent=1, ensure_ascii=False))
    except OSError as error:
        reason = error.strerror or error
        raise PareidoliaError(f"{folder} cannot be written: {reason}") from error
    return card


def _card_for(path: Path, name: str, found: Recognised, preprocessing: str | None) -> Card:
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!r} cannot be a network's name; use letters, digits, '_', '-', '.'")
    if found.architecture == "transformer_net":
        base = Card(name=name, title="Fast style network", architecture=found.architecture)
        title = f"{base.title} “{name}”"
    else:
        base = catalogue.built_in(found.architecture)
        title = base.title if name == base.name else f"{base.title} “{name}”"
    key = preprocessing or found.preprocessing
    licence, credit = origin(found)
    return replace(
        base,
        name=name,
        title=title,
        preprocessing=known_preprocessing(key) if key else base.preprocessing,
        licence=licence,
        credit=credit,
        url="",
        bytes=path.stat().st_size,
        sha256=checksums.sha256(path),
        file=name + path.suffix.lower(),
        notes=f"imported from {path.name}" + ("" if found.complete else ", without classifier"),
    )


def _existing(card: Card, found: Recognised) -> Card | None:
    """Return the card of the same file imported before; raise `BadInput` when the name is taken."""
    file = catalogue.card_file(card.name)
    if file and file.parent == weights.user_folder():
        known = catalogue.read_card(file)
        copy = file.parent / known.file
        same = known.sha256 == card.sha256 and known.preprocessing == card.preprocessing
        if same and copy.is_file() and checksums.matches(copy, known.sha256):
            return known
        if known.sha256 == card.sha256:
            return None  # the same weights, to be prepared otherwise or copied again
        raise BadInput(
            f"another network is already called {card.name}; choose a name with --name, "
            f"or first: python main.py networks remove {card.name}"
        )
    if file or (card.name in catalogue.names() and card.name != found.architecture):
        raise BadInput(f"{card.name} is the name of another network; choose one with --name")
    return None


def _copy(source: Path, target: Path) -> None:
    """Copy so that `target` is either as it was or complete."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out, source.open("rb") as file:
            shutil.copyfileobj(file, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _write(target: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text + "\n")
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def remove(name: str) -> list[Path]:
    """Delete an imported or downloaded network from the user's folder; return what was deleted.

    Raises `BadInput` for networks that are not there (shipped ones, files in other folders).
    """
    folder = weights.user_folder()
    card = catalogue.card(name)
    found = weights.named(card, [folder])
    files = [f for f in (found, folder / f"{name}.json") if f and f.is_file()]
    if not files:
        raise BadInput(f"{name} was neither imported nor downloaded; nothing to remove in {folder}")
    for file in files:
        file.unlink()
    return files


def verify() -> list[Verified]:
    """Read every weight file again and compare it with its card.

    Files of which no check sum is known pass when they are whole, of a known network and finite.
    """
    published = {c.file: c for c in (catalogue.built_in(n) for n in catalogue.built_in_names())}
    results = []
    for folder in dict.fromkeys(weights.folders()):
        results += [_verify(path, published) for path in weights.weight_files(folder)]
        results += _without_weights(folder)
    return results


def _verify(path: Path, published: dict[str, Card]) -> Verified:
    try:
        beside = path.with_suffix(".json")
        card = catalogue.read_card(beside) if beside.is_file() else published.get(path.name)
        if card and card.sha256:
            ok = checksums.matches(path, card.sha256)
            reason = "as its card says" if ok else "changed: the check sum is not its card's"
            return Verified(card.name, path, ok, reason)
        state, _ = weights.load_state(path)
        found = recognise(state)
    except BadInput as error:
        return Verified(path.stem, path, False, str(error))
    if found is None:
        return Verified(path.stem, path, False, "holds the weights of no known network")
    if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
        return Verified(found.architecture, path, False, "holds numbers that are not finite")
    return Verified(found.architecture, path, True, "no check sum is known; whole and finite")


def _without_weights(folder: Path) -> Iterator[Verified]:
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            card = catalogue.read_card(file)
        except BadInput as error:
            yield Verified(file.stem, file, False, str(error))
            continue
        if not (folder / card.file).is_file():
            yield Verified(card.name, folder / card.file, False, "its weights are missing")
