"""What `torch.export.save` writes: an archive of plain numbers and a list of them in JSON."""

import json
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.networks.contents import AVERAGED, Contents, Group, Unusable
from engine.networks.formats.archive import Archive

LIST = "data/weights/model_weights_config.json"
LARGEST_LIST = 32 << 20
TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16",
    29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
}  # fmt: skip
"""The format's numbers of types -> PyTorch's names."""
STRIDED = 7
"""The layout of ordinary tensors."""


def read_exported(path: Path, archive: Archive) -> Contents:
    """Return the tensors of an archive; its program is ignored.

    Raises `BadInput` for versions from before PyTorch 2.8, `ValueError` for damaged archives.
    """
    if LIST not in archive:
        raise BadInput(
            f"{path} was exported by a PyTorch older than 2.8, or without weights; "
            "export it again, or save the network's state dict"
        )
    entry = archive.entry(LIST)
    if entry.length > LARGEST_LIST:
        raise ValueError("a list of weights that is too long")
    try:
        config = json.loads(entry.bytes())["config"]
        tensors = {str(name): _tensor(archive, row) for name, row in config.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a list of weights that is none: {error}") from error
    averaged = bool(AVERAGED.search(path.stem))
    return Contents(
        "an exported program (torch.export)",
        (Group(tensors, averaged=averaged, release=archive.piece.release),),
        notes=("the program in it was not run",),
    )


def _tensor(archive: Archive, row: Any) -> Any:
    import torch

    meta = row["tensor_meta"]
    shape, strides = ([n["as_int"] for n in meta[key]] for key in ("sizes", "strides"))
    if row.get("use_pickle") or meta["layout"] != STRIDED:
        return Unusable(tuple(shape), "is sparse or of a class of its own; save it dense")
    kind = getattr(torch, TYPES[meta["dtype"]])
    piece = archive.entry(f"data/weights/{row['path_name']}")
    offset = meta["storage_offset"]["as_int"]
    return piece.tensor(kind, shape, strides, offset)
