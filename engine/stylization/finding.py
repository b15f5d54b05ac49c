"""Which style network is meant: one by its name, or a file."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadInput, Mention, WeightsMissing
from engine.networks.style_cards import read_style_card, style_cards
from engine.networks.weights import folders
from engine.settings import WEIGHT_FILES, Setting, names_file, parse_weighted

if TYPE_CHECKING:
    import torch

    from engine.stylization.network import StyleNetwork

SHIPPED = "any_style"
"""The network for any style that is used if none is named."""


def parse_networks(text: str) -> list[tuple[str, float]]:
    """Return names or files with weights from "NAME[:WEIGHT], …"; for an empty text, the shipped one.

    Raises `BadInput` for weights that are not above 0.
    """
    return parse_weighted(text, "the style network") or [(SHIPPED, 1.0)]


def find_style_network(name: str) -> Path:
    """Return the file of a style network, by its path or by its name in the usual folders.

    Raises `WeightsMissing` if there is none, `BadInput` for a path that leads nowhere.
    """
    path = Path(name).expanduser()
    if path.is_file() or (path.is_dir() and names_file(name)):
        return path
    if names_file(name):
        raise BadInput(f"{name}: there is no such style network")
    for candidate in _candidates(name):
        if candidate.is_file():
            return candidate
    raise WeightsMissing(*_missing(name))


def draws_texture(text: str) -> bool:
    """Return whether `text`, as `parse_networks` takes it, names a network for a texture."""
    try:
        path = find_style_network(parse_networks(text)[0][0])
        facts = path.stat()
    except (BadInput, WeightsMissing, OSError):  # said when it is run
        return False
    return _is_texture(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=64)
def _is_texture(path: Path, _changed: int, _size: int) -> bool:
    card = read_style_card(path)
    return card is not None and card.kind == "texture"


def _missing(name: str) -> Iterator[str | Mention]:
    """Yield the parts of a sentence about a network that is not here."""
    said = "no network for any painting is installed" if name == SHIPPED else (
        f"there is no style network called {name}"
    )  # fmt: skip
    known = [card.name for card in style_cards() if name != SHIPPED or card.kind == "any"]
    yield said
    if known:
        yield from ("; there are ", ", ".join(known), ": ", _named(known[0]))
        return
    yield ": train one with `python -m engine.training.any_style`, or import one of another program ("
    yield "AdaIN's, Magenta's, PyTorch's fast_neural_style) and name it: "
    yield _named("FILE")


def _named(value: str) -> Mention:
    return Mention(
        "style_network", Setting("style_network", "text", "", "Style network", ""), value
    )


def _candidates(name: str) -> Iterator[Path]:
    for folder in folders():
        for suffix in WEIGHT_FILES:
            yield folder / f"{name}{suffix}"


def load_style_network(
    name: str, device: "str | torch.device" = "cpu", dtype: "torch.dtype | None" = None
) -> "StyleNetwork":
    """Return the style network called `name`, or in the file `name`, ready to paint on `device`.

    It is shared by all who ask, and opened anew when its file has changed. Networks of other
    programs compute in float32 whatever `dtype` is: some take colours up to 255, which bf16 would
    round.
    """
    path = find_style_network(name)
    facts = path.stat()
    return _loaded(path, facts.st_mtime_ns, facts.st_size, str(device), dtype)


@lru_cache(maxsize=4)
def _loaded(
    path: Path, _changed: int, _size: int, device: str, dtype: "torch.dtype | None"
) -> "StyleNetwork":
    from engine.stylization.any_style import AnyStyle
    from engine.stylization.opening import open_style_network

    network = open_style_network(path).to(device)
    if isinstance(network, AnyStyle) and dtype is not None:
        network.in_precision(dtype)
    return network
