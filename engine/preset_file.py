"""A preset as a file: settings of a technique under a name, to be shared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import settings
from engine.errors import BadInput, Message
from engine.files import read_json, read_plain, write_json
from engine.task import Technique

ENDING = ".preset"
"""The suffix of a preset's file, which is JSON."""
KIND, VERSION = "preset", 1
"""Kind and version stored in the file; readers refuse higher versions."""
MAX_BYTES = 2**20
LONGEST_NAME = 100
"""Most characters of a name."""


@dataclass(frozen=True)
class Preset:
    """Settings of a technique under a name."""

    name: str
    technique: str
    """The technique's command."""
    values: Mapping[str, Any]
    """The settings that it sets; all others are at their defaults."""
    notes: tuple[str | Message, ...] = field(default=(), compare=False)
    """What the file says differently from this version, each in a sentence."""


def read_preset(path: Path, kinds: Mapping[str, type[Technique]]) -> Preset:
    """Return the preset in a file; `kinds`: the techniques there are, by command.

    Settings that have been renamed are taken under their new names; those that do not exist, or
    have an impossible value, are left out. `notes` says so in both cases.

    Raises `BadInput` if the file is not a preset, or is one that this version does not know.
    """
    try:
        values = read_json(read_plain(path, MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInput(f"{path} cannot be read as a preset ({reason})") from error
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise BadInput(
            f"{path} is not a preset; a preset is a file that Pareidolia has saved as one"
        )
    version, name = values.get("version"), values.get("name")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadInput(f"{path} is damaged: its version should be {VERSION}")
    if version > VERSION:
        raise BadInput(
            f"{path} has version {version}; this version reads up to {VERSION}: update Pareidolia"
        )
    command, chosen = values.get("technique"), values.get("settings")
    if not isinstance(command, str) or command not in kinds:
        raise BadInput(f"{path} is not for any technique here; there are {', '.join(kinds)}")
    if not isinstance(name, str) or not name.strip() or not isinstance(chosen, dict):
        raise BadInput(f"{path} is damaged: a name or the settings are missing")
    taken, notes = _taken(kinds[command], chosen)
    return Preset(" ".join(name.split())[:LONGEST_NAME], command, taken, notes)


def write_preset(path: Path, preset: Preset, kinds: Mapping[str, type[Technique]]) -> Path:
    """Write a preset; return the path. Raises `BadInput`.

    Folders and files are left out: they mean nothing on another machine.
    """
    described = settings.describe(kinds[preset.technique])
    values = {n: v for n, v in preset.values.items() if not settings.is_own(described[n], v)}
    return write_json(
        path,
        {
            "kind": KIND,
            "version": VERSION,
            "technique": preset.technique,
            "name": preset.name,
            "settings": values,
        },
    )


def _taken(
    kind: type[Technique], chosen: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str | Message, ...]]:
    """Return the settings that a technique has, checked, and sentences about the others."""
    described = settings.describe(kind)
    former = {old: name for name, entry in described.items() for old in entry.formerly}
    taken: dict[str, Any] = {}
    notes: list[str | Message] = []
    for name, value in chosen.items():
        key = str(name).replace("-", "_")
        if key in former:
            notes.append(
                Message(f"{_short(name)} is called ", described[former[key]].mention(), " now")
            )
            key = former[key]
        if key not in described:
            notes.append(f"{kind.title} has no setting {_short(name)}: it was left out")
        else:
            try:
                if settings.is_own(described[key], value):
                    what = "folder" if described[key].picks == "folder" else "file"
                    own = Message(described[key].mention(), f" was left out: a {what} is your own")
                    notes.append(own)
                else:
                    taken[key] = described[key].check(value)
            except BadInput as error:
                notes.append(Message(error, ": it was left out"))
    return taken, tuple(notes)


def _short(text: str) -> str:
    return repr(text if len(text) <= 50 else f"{text[:50]}…")
