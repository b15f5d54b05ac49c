"""A folder in place of a photo, for commands whose pictures carry no recipe.

A record of what was made from which photo, and how, is kept beside the queues: as long as neither
picture nor photo has changed, it is not made again.
"""

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from cli.batch import make_folder, queue_of
from cli.guard import say
from cli.options import is_folder
from cli.wording import worded
from engine.errors import BadInput, PareidoliaError
from engine.files import read_json, read_plain, write_json
from engine.named_files import digest_of
from engine.outputs import Sources, keep_apart
from engine.work.job_files import photos_in

MAX_BYTES = 64 * 2**20
"""The largest record that is read."""
UNTOLD = ("output", "json", "quiet")
"""Options that do not affect the picture."""


def for_each(
    options: Namespace, name: str, act: Callable[[Namespace], object],
    others: Callable[[Path], dict[str, Any]] = lambda photo: {},
) -> int:  # fmt: skip
    """Do the same with each photo in a folder; return the exit code. Raises `BadInput`.

    Args:
        options: the command's; --output is a folder.
        name: the option that holds the folder of photos.
        act: does it with one photo, given the options for it.
        others: returns options that depend on the photo. May raise `PareidoliaError`.
    """
    photos, folder = Path(getattr(options, name)), Path(options.output)
    found = photos_in(photos)
    make_folder(folder)
    keep_apart([folder / "picture.png"], Sources(folders=(photos,)))
    notes = queue_of(folder).with_suffix(".made.json")
    made = _read(notes)
    stems = Counter(photo.stem.casefold() for photo in found)
    codes: list[int] = []
    for photo in found:
        among = stems[photo.stem.casefold()] > 1
        stem = f"{photo.stem}_{photo.suffix[1:].lower()}" if among else photo.stem
        try:
            own = Namespace(**{**vars(options), name: photo, **others(photo)})
            key = _key(own)
            there = _there(made, key, folder)
            if there is not None:
                _tell_made(there, options)
                continue
            target = _free(folder, stem)
            own.output = type(options.output)(target)
            act(own)
            made[target.name] = {"key": key, "sha256": digest_of(str(target))}
            write_json(notes, made)
        except PareidoliaError as error:
            sentence = worded(error)
            say(sentence if photo.name in sentence else f"{photo.name}: {sentence}")
            codes.append(error.exit_code)
    if len(found) > 1 and codes:
        say(f"{len(codes)} of {len(found)} failed")
    return codes[0] if len(set(codes)) == 1 else int(bool(codes))


def of_same_name(content: Path, picture: Path) -> Path:
    """Return the photo for a picture: the only one, or the one of the same name in a folder.

    Raises `BadInput` if there is none, or more than one.
    """
    if not is_folder(content):
        return content
    alike = [photo for photo in photos_in(content) if photo.stem == picture.stem]
    if len(alike) != 1:
        raise BadInput(f"{content} holds {len(alike)} photos called {picture.stem}: one is needed")
    return alike[0]


def _read(notes: Path) -> dict[str, Any]:
    notes.parent.mkdir(parents=True, exist_ok=True)
    try:
        values = read_json(read_plain(notes, MAX_BYTES))
    except (OSError, ValueError, RecursionError, BadInput):
        return {}  # then an existing file counts as somebody else's, and stays
    return values if isinstance(values, dict) else {}


def _key(options: Namespace) -> str:
    """Return what tells a picture from others: the options, and the contents of the files they name."""
    said = {}
    for name, value in sorted(vars(options).items()):
        if name not in UNTOLD:
            digest = digest_of(str(value)) if isinstance(value, (str, Path)) and value else ""
            said[name] = digest or repr(value)
    return sha256(json.dumps(said).encode()).hexdigest()


def _there(made: dict[str, Any], key: str, folder: Path) -> Path | None:
    for name, note in made.items():
        path = folder / Path(name).name
        known = isinstance(note, dict) and note.get("key") == key and path.is_file()
        if known and digest_of(str(path)) == note.get("sha256"):
            return path
    return None


def _free(folder: Path, stem: str) -> Path:
    number = 1
    while (path := folder / f"{stem}{'' if number == 1 else f'-{number}'}.png").exists():
        number += 1
    return path


def _tell_made(path: Path, options: Namespace) -> None:
    if getattr(options, "json", False):
        print(json.dumps({"state": "skipped", "output": str(path)}), flush=True)
    else:
        print(f"{path}: already there", flush=True)
