"""From a file to a network that paints in one pass, whichever program wrote it."""

import os
from collections.abc import Iterator
from pathlib import Path

from engine.errors import BadInput
from engine.networks.style_cards import DESCRIPTIONS, said
from engine.stylization.any_style_file import any_style
from engine.stylization.formats.adain import adain
from engine.stylization.formats.half import Half
from engine.stylization.formats.lua import read_lua
from engine.stylization.formats.onnx import NotPainting, read_onnx
from engine.stylization.formats.pytorch_examples import pytorch_examples
from engine.stylization.formats.tensorflow import is_tensorflow, read_tensorflow
from engine.stylization.formats.torch7 import is_torch7
from engine.stylization.learned_style import learned_style
from engine.stylization.network import StyleNetwork
from engine.stylization.painter_file import painter
from engine.stylization.texture_network import texture_network

KNOWN = (
    "those of PyTorch's example program and the ONNX zoo, AdaIN, Magenta's, ml5's, and Lua Torch's "
    "fast-neural-style"
)
MOST_FILES = 200
"""How many files are searched for the other half of a network."""
LARGEST_HALF = 256 << 20
"""Most bytes; AdaIN's whole VGG has 80 million."""
OTHERS = (".caffemodel", ".h5", ".hdf5", ".keras", ".pt2")
"""Files that no style network comes in."""


class NoStyleNetwork(BadInput):
    """A file that is not a style network, though it may be another one."""


def open_style_network(path: str | os.PathLike[str]) -> StyleNetwork:
    """Return the style network in a file, on the CPU, in float32 and eval mode, with `found` set.

    A network in two files is found by either of them if they lie side by side, or by their folder.
    How pictures are prepared for it is inferred from the file. Raises `BadInput` for anything but a
    network of a known kind.
    """
    path = Path(path).expanduser()
    if path.is_dir() and not is_tensorflow(path):
        return _in_folder(path)
    found = _look(path)
    if not isinstance(found, Half):
        return found
    place = path.parent if path.name in DESCRIPTIONS else path
    other = next((o for o in _halves(place.parent, path) if _fit(found, o)), None)
    if other is None:
        raise BadInput(
            f"{path} is {found.what}, one half of a network; put the other one beside it: "
            f"{found.wanted}"
        )
    return _join(found, other)


def _look(path: Path) -> StyleNetwork | Half:
    """Return what a file, or a folder of TensorFlow.js, holds."""
    from engine.networks.reading import read_file

    if is_tensorflow(path):
        return read_tensorflow(path)
    if path.suffix.lower() == ".onnx":
        try:
            return read_onnx(path)
        except NotPainting as error:
            raise NoStyleNetwork(error) from error
    if path.suffix.lower() in OTHERS:
        raise NoStyleNetwork(f"{path} holds no style network of a known kind; known are {KNOWN}")
    if is_torch7(path):
        return read_lua(path)
    try:
        contents = read_file(path)
    except BadInput as error:
        raise NoStyleNetwork(error) from error
    for reader in (any_style, learned_style, texture_network, painter, pytorch_examples, adain):
        found: StyleNetwork | Half | None = reader(contents, path)
        if found is not None:
            return found
    if said(contents.metadata):
        raise BadInput(f"{path} was written by a later version of this program; update it")
    raise NoStyleNetwork(f"{path} holds no style network of a known kind; known are {KNOWN}")


def _in_folder(folder: Path) -> StyleNetwork:
    """Return the network whose halves lie in a folder. Raises `BadInput` for other folders."""
    halves = list(_halves(folder))
    for half in halves:
        for other in halves:
            if _fit(half, other):
                return _join(half, other)
    if halves:
        raise BadInput(
            f"{folder} holds {halves[0].what} ({halves[0].path.name}), one half of a network; "
            f"the other one is missing: {halves[0].wanted}"
        )
    raise NoStyleNetwork(
        f"{folder} holds no style network in two files; name the file of the one you mean"
    )


def _halves(folder: Path, besides: Path | None = None) -> Iterator[Half]:
    """Yield the halves of networks in a folder."""
    try:
        files = sorted(folder.iterdir())[:MOST_FILES]
    except OSError:
        return
    for file in files:
        if file == besides or not _likely(file):
            continue
        try:
            found = _look(file)
        except BadInput:
            continue
        if isinstance(found, Half):
            yield found


def _likely(file: Path) -> bool:
    """Return whether a file, or a folder of TensorFlow.js, is worth a look."""
    if is_tensorflow(file):
        return True
    fits = file.is_file() and file.suffix.lower() in SUFFIXES
    return fits and file.stat().st_size <= LARGEST_HALF


SUFFIXES = (".pth", ".pt", ".onnx", ".t7", ".safetensors", ".model")


def _fit(one: Half, other: Half) -> bool:
    return one.family == other.family and one.role != other.role


def _join(one: Half, other: Half) -> StyleNetwork:
    paints, reads = (one, other) if one.role == "paints" else (other, one)
    return one.join(paints, reads)
