"""Weight files: where they are looked for, and which one belongs to a network."""

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from engine.errors import BadInput, Mention, Remedy, WeightsMissing
from engine.networks.card import Card
from engine.places import data_folder

SHIPPED = Path(__file__).resolve().parents[2] / "resources" / "networks"
"""Networks that come with the program."""
SUFFIXES = (
    ".safetensors", ".pth", ".pt", ".pt2", ".bin", ".ckpt", ".tar", ".caffemodel",
    ".onnx", ".h5", ".hdf5", ".keras",
)  # fmt: skip


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
            raise BadInput(f"{given}: no such weight file or folder")
        places = [given]
    else:
        places = folders()
    found = named(card, places) or recognised(card, places)
    if found:
        return found
    place = f" in {weights}" if weights is not None else " on this machine"
    missing = f"the weights of {card.name} are not{place}; "
    if card.url:
        raise WeightsMissing(missing, Remedy("download", card.name))
    raise WeightsMissing(
        missing, "add the folder that holds them to PAREIDOLIA_NETWORKS, or name their file with ",
        Mention("weights"),
    )  # fmt: skip


def named(card: Card, places: Iterable[Path]) -> Path | None:
    """Return the first file in `places` that is called as `card`'s weights are usually called."""
    stems = (card.name, f"{card.name}_features")
    names = [card.file, *(stem + suffix for stem in stems for suffix in SUFFIXES)]
    for place in places:
        for name in names:
            if name and name == Path(name).name and (place / name).is_file():
                return place / name
        # With another checksum in the name, as in torch.hub's and converted files.
        for pattern in (f"{card.name}-*.pth", f"{card.name}-*.pt"):
            matches = sorted(place.glob(pattern)) if place.is_dir() else []
            if matches:
                return matches[0]
    return None


def recognised(
    card: Card, places: Iterable[Path], suffixes: Iterable[str] = SUFFIXES
) -> Path | None:
    """Return the first file in `places` whose tensors are those of `card`'s architecture."""
    for place in places:
        for path in weight_files(place):
            if path.suffix not in suffixes or path.with_suffix(".json").is_file():
                continue  # a card beside it: the network has a name of its own
            try:
                found = architecture(path)
            except BadInput:
                continue
            if found == card.architecture:
                return path
    return None


def weight_files(folder: Path) -> Iterator[Path]:
    """Yield the files in `folder` that may hold weights, by name."""
    if folder.is_dir():
        yield from sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES and p.is_file())


def architecture(path: Path) -> str:
    """Return the network whose plain weights a file holds; empty for none, or one of its own.

    Raises `BadInput` for a file that holds no weights.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    return _architecture(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=1000)
def _architecture(path: Path, _changed: int, _size: int) -> str:
    """Look into a file again only when it has changed: lists ask for every network."""
    from engine.networks.identify import search
    from engine.networks.reading import shapes

    for group in shapes(path):
        for found in search(group):
            if found.plain:
                return found.architecture
    return ""
