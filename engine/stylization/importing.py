"""Style networks from the user's own files: kept as one file in the user's folder."""

import os
import re
import shutil
from pathlib import Path

from engine import files
from engine.errors import BadInput, Mention, Remedy
from engine.networks import catalogue, checksums, weights
from engine.networks.card import Card
from engine.networks.importing import import_file
from engine.networks.style_cards import DESCRIPTIONS, StyleCard, read_style_card, style_card
from engine.stylization.network import StyleNetwork
from engine.stylization.opening import NoStyleNetwork, open_style_network
from engine.stylization.painter import Painter
from engine.stylization.painter_file import plain, write_painter

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def import_style_network(path: str | os.PathLike[str], name: str | None = None) -> StyleCard | None:
    """Keep the style network in a file, or in a folder, under a name; return its card.

    None: the file holds no style network, though it may hold another one. `name` defaults to the
    file's. Raises `BadInput` for damaged files, missing halves, and names that are taken.
    """
    path = Path(path).expanduser()
    if not path.exists():
        return None
    try:
        network = open_style_network(path)
    except NoStyleNetwork:
        if path.is_dir():
            raise
        return None
    name = name or _usual_name(path)
    _check(name)
    folder = weights.user_folder()
    target = folder / f"{name}.safetensors"
    own = read_style_card(path) is not None
    if (known := read_style_card(target)) is not None:
        if _same_file(path, target) if own else _same(network, target):
            return known
        raise BadInput(
            f"another style network is already called {name}; choose a name with ",
            Mention("name"),
            ", or ",
            Remedy("remove", name),
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if own:  # of this program, with whatever else it says of itself
            with files.replacing(target) as out, path.open("rb") as source:
                shutil.copyfileobj(source, out, 1 << 20)
        elif isinstance(network, Painter):
            write_painter(network, target)
    except OSError as error:
        raise BadInput(f"{path} cannot be imported: {error.strerror}") from error
    return read_style_card(target)


def import_network(path: str | os.PathLike[str], name: str | None = None) -> Card | StyleCard:
    """Keep the network in a file, whether it paints or judges pictures; return its card.

    Raises `BadInput` as `import_style_network` and `engine.networks.importing.import_file`.
    """
    return import_style_network(path, name) or import_file(path, name)


def _check(name: str) -> None:
    """Raise `BadInput` for what cannot be a name, and for names of other networks."""
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be a network's name; use up to 100 letters, digits, '_', '-', '.'"
        )
    shipped = style_card(name)
    other = shipped is not None and shipped.path.parent != weights.user_folder()
    if other or name in catalogue.names() or catalogue.card_file(name):
        raise BadInput(f"{name} is the name of another network; choose one with ", Mention("name"))


def _usual_name(path: Path) -> str:
    """Return a name from that of a file, or of the folder that holds its parts."""
    named = path.parent if path.name in DESCRIPTIONS else path
    stem = named.name if named.is_dir() else named.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:100] or "style"


def _same_file(path: Path, target: Path) -> bool:
    return checksums.sha256(path) == checksums.sha256(target)


def _same(network: StyleNetwork, target: Path) -> bool:
    """Return whether a file holds this very network."""
    kept = open_style_network(target)
    if not (isinstance(kept, Painter) and isinstance(network, Painter)):
        return False
    if kept.found != network.found or plain(kept.plan) != plain(network.plan):
        return False
    new, old = network.state_dict(), kept.state_dict()
    return new.keys() == old.keys() and all(new[n].equal(old[n]) for n in new)
