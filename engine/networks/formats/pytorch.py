"""What `torch.save` and `torch.jit.save` write: a pickle, and the numbers of its tensors beside it.

Nothing in the file is run: pickles are read as data, numbers are mapped. So whole pickled modules
and TorchScript archives can be read as well: their tensors are among their attributes.
"""

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.networks.contents import Contents
from engine.networks.formats.archive import Archive, Packed, stream
from engine.networks.formats.mapped import Mapped
from engine.networks.formats.pickled import LARGEST, RunsCode, read_pickle
from engine.networks.formats.rebuilding import Storage, build
from engine.networks.formats.state_dicts import groups_in

MAGIC = 0x1950A86A20F9469CFC6C
"""First number of files from before PyTorch 1.6."""
KNOWN = "PyTorch files, TorchScript, torch.export, safetensors and Caffe models"


SCRIPT = "a TorchScript archive"


DAMAGED = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, struct.error
)  # fmt: skip
"""What unexpected values lead to, wherever in the file they stand."""


class TooMuch(ValueError):
    """More than any weights need; carries the sentence that says so."""


def matches(path: Path, start: bytes) -> bool:
    """Return whether the file is of this format, from its first 64 bytes."""
    return start[:2] == b"PK" or start[:1] == b"\x80"


def read(path: Path) -> Contents:
    """Return the file's tensors, which stay in the file.

    Raises `BadInput` for damaged files, and for pickles that want to do more than hold data.
    """
    file = Mapped.whole(path)
    try:
        if file.bytes(0, 2) != b"PK":
            return _contents(path, "a PyTorch file", _legacy(file), file)
        archive = Archive(file)
        if "archive_format" in archive or "serialized_state_dict.pt" in archive:
            from engine.networks.formats.exported import read_exported

            return read_exported(path, archive)
        if "data.pkl" not in archive:
            raise BadInput(f"{path} is {_other(archive)}, not a PyTorch file; use {KNOWN}")
        kind = SCRIPT if "constants.pkl" in archive else "a PyTorch file"
        return _contents(path, kind, _loaded(archive), file)
    except RunsCode as error:
        raise BadInput(
            f"{path} is a pickle that wants to run code ({error}) and was not opened; "
            "save only its state dict, or convert it to safetensors"
        ) from error
    except Packed as error:
        raise BadInput(
            f"{path} is a compressed archive; its tensors must be stored as torch.save stores "
            "them: unpack it, or save the weights again"
        ) from error
    except TooMuch as error:
        raise BadInput(f"{path} holds {error}; save only the network's state dict") from error
    except DAMAGED as error:
        raise BadInput(f"{path} is cut off or damaged, or not a PyTorch state dict") from error


def _contents(path: Path, kind: str, root: Any, file: Mapped) -> Contents:
    groups, notes = groups_in(root)
    if not groups:
        raise BadInput(f"{path} holds no state dict (tensors by name){_why(kind, notes)}")
    groups = tuple(replace(group, release=file.release) for group in groups)
    return Contents(kind, groups, notes=notes)


def _why(kind: str, notes: Sequence[str]) -> str:
    """Return what may have become of the tensors' names, and what to do."""
    if any("numpy" in note for note in notes):
        return "; save its NumPy arrays as PyTorch tensors"
    if kind == SCRIPT:
        return "; a frozen TorchScript archive has lost them: save it before torch.jit.freeze"
    return ""


def _other(archive: Archive) -> str:
    names = [name.removeprefix(archive.top) for name in archive.entries]
    if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
        return "a Keras file"
    if names and all(name.endswith(".npy") for name in names):
        return "an archive of NumPy arrays"
    return "a zip archive"


def _loaded(archive: Archive) -> Any:
    """Return what the pickle in an archive describes."""
    order = archive.entry("byteorder").bytes() if "byteorder" in archive else b"little"
    if order.strip() != b"little":
        raise TooMuch("numbers in big-endian order")
    pickle = archive.entry("data.pkl")
    if pickle.length > LARGEST:
        raise TooMuch(f"{pickle.length / 2**20:.0f} MiB of Python objects")
    storages: dict[str, Storage] = {}

    def persistent(key: Any) -> Storage:
        tag, kind, name, *_ = key
        if tag != "storage" or not isinstance(name, str):
            raise ValueError("a reference that is none")
        if name not in storages:
            storages[name] = Storage.of(kind, lambda: archive.entry(f"data/{name}"))
        return storages[name]

    return read_pickle(stream(pickle), build, persistent)


def _legacy(file: Mapped) -> Any:
    """Return what a file from before PyTorch 1.6 describes: five pickles, then the storages."""
    source = stream(file)
    first = read_pickle(source, build)
    if first != MAGIC:
        return first  # a pickle that PyTorch did not write
    read_pickle(source, build)  # the version of the format
    system = read_pickle(source, build)
    if not system.get("little_endian", True):
        raise TooMuch("numbers in big-endian order")
    pieces: dict[str, Mapped] = {}
    storages: dict[str, Storage] = {}

    def persistent(key: Any) -> Any:
        tag, *rest = key
        if tag == "module":
            return rest[0]  # a class; its source text follows, which nobody needs
        kind, name, _, _, view = rest
        whole = storages.setdefault(name, Storage.of(kind, lambda: pieces[name]))
        if view is None:
            return whole
        view_name, offset, count = view
        each = whole.bytes_each
        part = Storage(whole.kind, lambda: whole.piece().piece(offset * each, count * each))
        return storages.setdefault(view_name, part)

    root = read_pickle(source, build, persistent)
    place = 0
    for name in (names := read_pickle(source, build)):
        place = place or source.tell()
        (count,) = struct.unpack("<q", file.bytes(place, 8))
        size = count * storages[name].bytes_each
        pieces[name] = file.piece(place + 8, size)
        place += 8 + size
    if not isinstance(names, list):
        raise ValueError("no list of storages")
    return root
