"""A job as bytes for another machine, and what comes back as bytes: data only, never code.

Both are plain zip files: JSON with what is to be known, and the pictures' own files, unchanged.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import BadInput, Mention, Message, PareidoliaError, Remedy
from engine.files import read_plain, split_frame
from engine.networks import weights
from engine.reduced import open_for
from engine.settings import folders
from engine.stylization.digests import digest_of_style_network, style_networks
from engine.stylization.finding import find_style_network
from engine.task import Technique
from engine.work.cluster.networks import SentNetwork
from engine.work.job_files import technique_of

FORMAT = 4
"""Version of parcels; both sides must have the same."""
LARGEST = 4 << 30
"""Most bytes of an input picture's file."""


@dataclass(frozen=True)
class Parcel:
    """A job as another machine gets it."""

    recipe: dict[str, Any]
    """The recipe, with the paths that the pictures have where the job comes from."""
    bits: int
    output: str
    """Where its picture goes, where the job comes from."""
    network: SentNetwork
    topic: str
    """The topic under which progress is reported."""
    thumbnails: float | None = None
    """Seconds between two small pictures sent with the progress; None: none are sent."""
    export: dict[str, Any] = field(default_factory=dict)
    """The settings of `engine.export.Export` that are not at their defaults."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Input pictures' files by path."""
    style_networks: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each style network by name: those that ship with the program; others stay at
    home."""

    @property
    def suffix(self) -> str:
        """Which kind of file to make."""
        return Path(self.output).suffix


@dataclass(frozen=True)
class Returned:
    """The result of a parcel."""

    state: str
    """done, failed, stopped, or missing: the network's file has to be sent first."""
    worker: str
    """Address of the worker that had it."""
    figures: dict[str, Any] = field(default_factory=dict)
    """Figures of the run, as `engine.work.making` gives them."""
    recipe: dict[str, Any] = field(default_factory=dict)
    """The recipe that the picture carries."""
    note: Message = field(default_factory=Message)
    failure: Message = field(default_factory=Message)
    exit_code: int = 1
    traceback: str = ""
    """The traceback of an unexpected failure."""
    files: dict[str, bytes] = field(default_factory=dict)
    """`picture`, and perhaps `figure`, `partial` and `thumbnail`: whole files."""


def parcel_of(
    recipe: Mapping[str, Any], bits: int, output: Path, network: SentNetwork, topic: str,
    thumbnails: float | None = None, export: Mapping[str, Any] | None = None,
) -> Parcel:  # fmt: skip
    """Return a job with all that it reads. Raises `BadInput`, also when a picture has changed."""
    technique = technique_of(recipe)
    for text in folders(technique).values():
        raise BadInput(
            f"the pictures in {text} stay on this machine: make this job without a cluster"
        )
    painted = _style_networks(technique)
    found: dict[str, bytes] = {}
    for reference in _references(recipe["inputs"]):
        path = str(split_frame(reference["path"])[0])
        if path not in found:
            found[path] = _read(reference["path"], path)
        if hashlib.sha256(found[path]).hexdigest() != reference["sha256"]:
            raise BadInput(
                f"{reference['path']} is not the picture that the recipe was made with; put that one"
                " back"
            )
    return Parcel(
        dict(recipe), bits, str(output), network, topic, thumbnails, dict(export or {}), found,
        painted,
    )  # fmt: skip


def _style_networks(technique: Technique) -> dict[str, str]:
    """Return the style networks that a worker must have of its own. Raises `BadInput` for others."""
    found = {}
    for name in style_networks(technique):
        if find_style_network(name).parent != weights.SHIPPED:
            raise BadInput(
                f"the style network {name} is only on this machine: make this job without a cluster"
            )
        found[name] = digest_of_style_network(name)
    return found


def pack(parcel: Parcel) -> bytes:
    """Return a parcel's bytes."""
    head = {
        "format": FORMAT, "recipe": parcel.recipe, "bits": parcel.bits, "output": parcel.output,
        "network": parcel.network.plain(), "topic": parcel.topic, "thumbnails": parcel.thumbnails,
        "export": parcel.export, "paths": list(parcel.files),
        "style_networks": parcel.style_networks,
    }  # fmt: skip
    return _zipped(head, {str(n): data for n, data in enumerate(parcel.files.values())})


def unpack(data: bytes) -> Parcel:
    """Return what `pack` was given. Raises `BadInput` for anything else."""
    head, files = _unzipped(data)
    try:
        inside = {path: files[str(n)] for n, path in enumerate(head["paths"])}
        network = SentNetwork.of_plain(head["network"])
        often = None if head["thumbnails"] is None else float(head["thumbnails"])
        return Parcel(
            dict(head["recipe"]), int(head["bits"]), str(head["output"]), network,
            str(head["topic"]), often, dict(head["export"]), inside,
            {str(name): str(digest) for name, digest in head["style_networks"].items()},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"the job arrived damaged ({error!r})") from error


def pack_returned(returned: Returned) -> bytes:
    """Return the result of a parcel as bytes."""
    head = {
        "format": FORMAT, "state": returned.state, "worker": returned.worker,
        "figures": returned.figures, "recipe": returned.recipe, "note": _plain(returned.note),
        "failure": _plain(returned.failure), "exit_code": returned.exit_code,
        "traceback": returned.traceback,
    }  # fmt: skip
    return _zipped(head, returned.files)


def unpack_returned(data: Any) -> Returned:
    """Return what `pack_returned` was given. Raises `BadInput` for anything else."""
    head, files = _unzipped(data)
    try:
        return Returned(
            str(head["state"]), str(head["worker"]), dict(head["figures"]), dict(head["recipe"]),
            _message(head["note"]), _message(head["failure"]), int(head["exit_code"]),
            str(head["traceback"]), files,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"a worker's answer is damaged ({error!r})") from error


def with_paths(value: Any, change: Callable[[str], str]) -> Any:
    """Return a recipe's inputs with `change` applied to each path that has a checksum."""
    if isinstance(value, list):
        return [with_paths(each, change) for each in value]
    if not isinstance(value, dict):
        return value
    if "path" in value and "sha256" in value:
        return {**value, "path": change(value["path"])}
    return {name: with_paths(each, change) for name, each in value.items()}


def _references(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield whatever in a recipe's inputs names a file."""
    if isinstance(value, dict) and "path" in value and "sha256" in value:
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _references(each)


def _read(named: str, path: str) -> bytes:
    """Return a picture's file. Raises `BadInput`, as opening it here would."""
    try:
        return read_plain(Path(path), LARGEST)
    except OSError as error:
        open_for(named, 1)
        raise BadInput(f"{path} cannot be read ({error.strerror})") from error


def _zipped(head: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("head.json", json.dumps(head))
        for name, data in files.items():
            archive.writestr(name, data)
    return whole.getvalue()


def _unzipped(data: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return head and files; zip's own checksums tell whether they arrived whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            stored = [e for e in archive.infolist() if e.compress_type == zipfile.ZIP_STORED]
            files = {entry.filename: archive.read(entry) for entry in stored}
        head = json.loads(files.pop("head.json"))
        version = head["format"]
    except (KeyError, TypeError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise BadInput(f"what was sent arrived damaged ({error!r})") from error
    if version != FORMAT:
        raise BadInput(
            "this machine and the other have different versions of Pareidolia: give all the same"
        )
    return head, files


# -- sentences ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Called:
    """What a setting is called."""

    label: str
    option: str


def _plain(message: Message) -> list[Any]:
    return [_plain_part(part) for part in message.parts]


def _plain_part(part: str | Mention | Remedy) -> Any:
    if isinstance(part, str):
        return part
    if isinstance(part, Remedy):
        return {"action": part.action, "network": part.network}
    called = part.described
    names = [] if called is None else [called.label, called.option]
    return {"name": part.name, "value": part.value, "called": names}


def _message(parts: Any) -> Message:
    found: list[str | Mention | Remedy] = []
    for part in parts:
        if isinstance(part, str):
            found.append(part)
        elif "action" in part:
            found.append(Remedy(part["action"], str(part["network"])))
        else:
            called = _Called(*map(str, part["called"])) if part["called"] else None
            found.append(Mention(str(part["name"]), called, str(part["value"])))
    return Message(*found)


def failed(worker: str, error: PareidoliaError, renamed: Mapping[str, str]) -> Returned:
    """Return a known failure; `renamed` says what files are called where the job comes from."""
    parts: list[str | Mention | Remedy] = []
    for part in error.parts:
        text = part
        if isinstance(text, str):
            for here, there in renamed.items():
                text = text.replace(here, there)
        parts.append(text)
    return Returned("failed", worker, failure=Message(*parts), exit_code=error.exit_code)
