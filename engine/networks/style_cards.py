"""Networks that paint, as files of this program, described by their metadata.

They lie beside the networks that judge pictures, but no technique can run one in their place.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.networks import weights
from engine.networks.formats import safetensors_file

KEY = "style_network"
"""The key in a file's metadata: what it is, as JSON."""
SUFFIXES = (".t7", ".model")
"""Suffixes of other programs' files, besides `weights.SUFFIXES`."""
DESCRIPTIONS = ("model.json", "manifest.json")
"""What TensorFlow.js calls the file that describes a network in a folder."""
KINDS = {
    "any": "any painting",
    "many": "many styles",
    "single": "one style",
    "texture": "one texture",
}


@dataclass(frozen=True)
class StyleCard:
    """Facts about one style network, known without loading it."""

    name: str
    kind: str
    """One of `engine.stylization.network.StyleKind`."""
    styles: tuple[str, ...]
    """Names of its own styles."""
    licence: str
    found: str
    """What the file was when it was imported, and how pictures are prepared."""
    path: Path
    bytes: int

    @property
    def paints(self) -> str:
        """What it can paint, in words."""
        if self.kind == "many" and self.styles:
            return f"{len(self.styles)} styles"
        return KINDS.get(self.kind, self.kind)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"path": str(self.path)}


def said(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what a file's metadata say about a style network; nothing for other files."""
    try:
        found = json.loads(metadata.get(KEY, "{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_style_card(path: Path) -> StyleCard | None:
    """Return the card in a file; None for any other file, damaged or not."""
    if path.suffix.lower() != ".safetensors":
        return None
    try:
        facts = said(safetensors_file.metadata(path))
        size = path.stat().st_size
    except (BadInput, OSError):
        return None
    if not facts:
        return None
    styles = facts.get("styles") or ()
    return StyleCard(
        path.stem,
        str(facts.get("kind", "any")),
        tuple(map(str, styles)) if isinstance(styles, list) else (),
        str(facts.get("licence", "")),
        str(facts.get("found", "")),
        path,
        size,
    )


def style_cards() -> list[StyleCard]:
    """Return the style networks on this machine by name, each name once."""
    found: dict[str, StyleCard] = {}
    for folder in weights.folders():
        for path in weights.weight_files(folder):
            card = read_style_card(path)
            if card is not None:
                found.setdefault(card.name, card)
    return [found[name] for name in sorted(found)]


def style_card(name: str) -> StyleCard | None:
    """Return the card of the style network called `name`, or None."""
    return next((card for card in style_cards() if card.name == name), None)


def remove_style_network(name: str) -> list[Path]:
    """Delete an imported style network; return what was deleted, nothing if there is none."""
    card = style_card(name)
    if card is None or card.path.parent != weights.user_folder():
        return []
    card.path.unlink()
    return [card.path]
