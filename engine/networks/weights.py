"""Weight files: where they are looked for, and how they are read without running code of theirs."""

import json
import os
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, WeightsMissing
from engine.networks.card import Card
from engine.places import data_folder

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED = Path(__file__).resolve().parents[2] / "resources" / "networks"
"""Networks that come with the program."""
SUFFIXES = (".safetensors", ".pth", ".pt", ".caffemodel")
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "params", "weights")
"""Where training scripts put the state dict inside their checkpoint."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and wrappers put in front of every tensor's name."""
LARGEST_HEADER = 100_000_000


def user_folder() -> Path:
    """Return the folder for downloaded and imported networks (not made here)."""
    return data_folder() / "networks"


def folders() -> list[Path]:
    """Return where weights are looked for, best first; the last ones from PAREIDOLIA_NETWORKS."""
    added = os.environ.get("PAREIDOLIA_NETWORKS", "").split(os.pathsep)
    return [SHIPPED, user_folder(), *(Path(f).expanduser() for f in added if f)]


def find(card: Card, weights: str | os.PathLike[str] | None = None) -> Path:
    """Return the weight file for `card`: in `weights` (a file or a folder) or in `folders()`.

    Files are known by name or, failing that, by their tensors. Raises `BadInput` when `weights`
    does not exist, `WeightsMissing` when nothing suitable is found.
    """
    if weights is not None:
        given = Path(weights).expanduser()
        if given.is_file():
            return given
        if not given.is_dir():
            raise BadInput(f"{given}: there is no such weight file or folder")
        places = [given]
    else:
        places = folders()
    found = named(card, places) or recognised(card, places)
    if found:
        return found
    place = f" in {weights}" if weights is not None else " on this machine"
    get = f"get them with: python main.py networks download {card.name}"
    if not card.url:
        get = "add the folder that holds them to PAREIDOLIA_NETWORKS, or pass --weights FILE"
    raise WeightsMissing(f"the weights of {card.name} are not{place}; {get}")


def named(card: Card, places: Iterable[Path]) -> Path | None:
    """Return the first file in `places` that is called as `card`'s weights are usually called."""
    stems = (card.name, f"{card.name}_features")
    names = [card.file, *(stem + suffix for stem in stems for suffix in SUFFIXES)]
    for place in places:
        for name in names:
            if name and name == Path(name).name and (place / name).is_file():
                return place / name
        # With another check sum in the name, as torch.hub and converted files have.
        for pattern in (f"{card.name}-*.pth", f"{card.name}-*.pt"):
            matches = sorted(place.glob(pattern)) if place.is_dir() else []
            if matches:
                return matches[0]
    return None


def recognised(
    card: Card, places: Iterable[Path], suffixes: Iterable[str] = SUFFIXES
) -> Path | None:
    """Return the first file in `places` whose tensors are those of `card`'s architecture."""
    from engine.networks.recognise import recognise_shapes

    for place in places:
        for path in weight_files(place):
            if path.suffix not in suffixes or path.with_suffix(".json").is_file():
                continue  # a card beside it: the network has a name of its own
            try:
                found = recognise_shapes(shapes(path))
            except BadInput:
                continue
            if found and found.architecture == card.architecture:
                return path
    return None


def weight_files(folder: Path) -> Iterator[Path]:
    """Yield the files in `folder` that may hold weights, by name."""
    if folder.is_dir():
        yield from sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES and p.is_file())


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return tensor name -> shape; of safetensors without loading (or importing) anything.

    Raises `BadInput` for a file that holds no weights.
    """
    if path.suffix == ".safetensors":
        header = safetensors_header(path)
        return {n: tuple(v["shape"]) for n, v in header.items() if n != "__metadata__"}
    state, _ = load_state(path, in_place=True)
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def safetensors_header(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file: tensor name -> dtype, shape, place; `__metadata__`.

    Raises `BadInput` when the file is not whole.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LARGEST_HEADER:
                raise ValueError
            header: dict[str, Any] = json.loads(file.read(length))
            end = max((v["data_offsets"][1] for n, v in header.items() if n[:2] != "__"), default=0)
        whole = path.stat().st_size == 8 + length + end
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is not a safetensors file; is it a complete download?") from error
    if not whole:
        raise BadInput(f"{path} is cut off or damaged; get it again")
    return header


def load_state(
    path: str | os.PathLike[str], *, in_place: bool = False
) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Return the file's tensors by name, on the CPU in their stored precision, and its metadata.

    With `in_place`, values of PyTorch files stay in the file until used. Reads
    safetensors, PyTorch state dicts (also inside a checkpoint) and Caffe models. Raises `BadInput`
    for everything else, above all for pickles that want to run code.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise BadInput(f"{path} is empty; get it again")
    if start[8:9] == b"{" or path.suffix == ".safetensors":
        return _load_safetensors(path)
    if path.suffix == ".caffemodel":
        from engine.networks.caffemodel import read_caffemodel

        return read_caffemodel(path), {}
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return _state_dict(_load_pickle(path, in_place), path), {}
    raise BadInput(f"{path} is neither safetensors nor a PyTorch state dict nor a Caffe model")


def _load_safetensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, str]]":
    import safetensors.torch
    from safetensors import SafetensorError

    metadata = safetensors_header(path).get("__metadata__") or {}
    try:
        return safetensors.torch.load_file(path), metadata
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path} is not a complete safetensors file: {error}") from error


def _load_pickle(path: Path, in_place: bool) -> Any:
    import pickle

    import torch

    try:
        mapped = in_place and zipfile.is_zipfile(path)  # only the newer format can be mapped
        with warnings.catch_warnings():
            # Said of every pickle that torch.save did not write; such files fail below.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            raise BadInput(
                f"{path} is a pickle that wants to run code and was not opened; "
                "save only its state dict, or convert it to safetensors"
            ) from error
        raise BadInput(f"{path} is cut off or damaged, or not a PyTorch state dict") from error


def _state_dict(value: Any, path: Path) -> "dict[str, Tensor]":
    """Return the tensors in `value`, taken out of wrappers, without prefixes."""
    from torch import Tensor

    while isinstance(value, Mapping):
        tensors = {str(n): v for n, v in value.items() if isinstance(v, Tensor)}
        inner = next((value[k] for k in WRAPPERS if isinstance(value.get(k), Mapping)), None)
        if inner is None:
            if not tensors:
                break
            return without_prefix(tensors)
        value = inner
    raise BadInput(f"{path} holds no state dict (tensors by name)")


def without_prefix(tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """Return `tensors` without prefixes that all names share and that wrapping put there."""
    for prefix in PREFIXES * 2:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
