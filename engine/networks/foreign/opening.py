"""Networks described by their own file or by another library: from the file to a card."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.networks import catalogue
from engine.networks.card import Card, Preprocessing
from engine.networks.fingerprints import torchvision_table
from engine.networks.foreign import caffe, keras, onnx, timm
from engine.networks.foreign.by_name import FORMATS, TIMM
from engine.networks.foreign.network import Foreign

if TYPE_CHECKING:
    from engine.networks.identify import Identified


def open_foreign(path: Path, architecture: str = "") -> Foreign | None:
    """Return the network that a file describes, or None for files that hold nothing but tensors.

    `architecture` is what a card or a person says: one of `FORMATS`, a name of timm's (with or
    without "timm/"), or nothing. Raises `BadInput` for damaged files, for networks that cannot be
    built, and if a library is missing.
    """
    asked = architecture.removeprefix(TIMM)
    start = _start(path)
    if keras.is_keras(path, start):
        return keras.read(path)
    if onnx.is_onnx(path, start):
        return onnx.read(path)
    if path.suffix.lower() == ".caffemodel":
        return None if _ours(path) else caffe.read(path)
    if architecture.startswith(TIMM) or (asked and not _built_in(asked)):
        if asked in FORMATS:
            raise BadInput(f"{path} is not of the kind {asked!r}")
        return timm.read(path, asked, *_tensors(path))
    if architecture or path.suffix.lower() not in timm.SUFFIXES:
        return None
    if (said := timm.architecture_beside(path)) and (timm.known(said) or not _built_in(said)):
        return timm.read(path, said, *_tensors(path))
    if said := timm.name_in(path):
        return timm.read(path, said, *_tensors(path))
    return None


def doubts(architecture: str) -> tuple[str, ...]:
    """Return warnings about weights that a twin, with the same names and shapes, may own."""
    twins = timm.TWINS.get(architecture, ())
    if not twins:
        return ()
    names = " and ".join(twins)
    return (
        f"timm's {names} cannot be told from it by names and shapes: if it is one of these, name "
        f"the architecture when the file is imported, such as {twins[0]}",
    )


def write_whole(path: Path, target: Path) -> None:
    """Write an ONNX model whose weights lie beside it as one file."""
    from engine.networks.foreign import onnx_weights

    onnx_weights.write_whole(path, target)


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error


def _built_in(name: str) -> bool:
    return name in catalogue.built_in_names() or name == "transformer_net"


def _ours(path: Path) -> "Identified | None":
    """Return the network in a Caffe model if there are modules of our own for it."""
    from engine.networks.identify import identify
    from engine.networks.reading import read_file

    return identify(read_file(path))


def _tensors(path: Path) -> tuple[Mapping[str, Any], Callable[[], None]]:
    """Return a file's tensors by name, without common prefixes, and what releases their memory."""
    from torch import Tensor

    from engine.networks.identify import WRAPPED
    from engine.networks.reading import read_file

    contents = read_file(path)
    if not contents.groups:
        raise BadInput(f"{path} holds no tensors by name")
    best = contents.groups[0]
    found = {WRAPPED.sub("", n): t for n, t in best.tensors.items() if isinstance(t, Tensor)}
    for prefix in ("model.", "net.", "backbone.", "module."):
        if found and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return found, best.release


def described(
    base: Card, found: Foreign, preprocessing: tuple[Preprocessing, str] | None = None
) -> Card:
    """Return `base` with what is known of the network: layers, classes, preprocessing."""
    from engine.networks.foreign.probing import channels_of, stages

    prepared, reason = preprocessing or (found.preprocessing, found.reason)
    if channels_of(found.module) == 1 and prepared.order != "gray":
        mean, std = (sum(values) / 3 for values in (prepared.mean, prepared.std))
        prepared = replace(prepared, order="gray", mean=(mean,) * 3, std=(std,) * 3)
    count = found.num_classes
    usual = tuple(torchvision_table()["categories"])
    names = found.classes or (usual if len(usual) == count else ())
    made = replace(
        base,
        architecture=found.architecture,
        preprocessing=prepared,
        preprocessing_source=reason,
        input_size=found.input_size,
        classes=names if len(names) == count else tuple(f"class {i}" for i in range(count)),
        crop=found.crop,
        interpolation=found.interpolation,
    )
    if found.stands_for:
        own = catalogue.built_in(found.stands_for)
        return replace(
            made,
            layers=own.layers,
            content_layers=own.content_layers,
            style_layers=own.style_layers,
            dream_layers=own.dream_layers,
        )
    depths = stages(found.module, found.input_size)
    return catalogue.with_stages(made, depths) if depths else made


def description(found: Foreign, made: Card) -> str:
    """Return what was found, what was left out and how pictures are prepared, in one line."""
    from engine.networks.describing import preparation

    count = found.num_classes
    what = found.title
    if count:
        what += " with 1 output" if count == 1 else f" with {count} classes"
    else:
        what += " without a classifier"
    return "; ".join((what, *found.notes, preparation(made)))
