"""The state of each network on disk, read off the GUI thread for the catalogue's table."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from engine.errors import PareidoliaError
from engine.networks import catalogue, weights
from engine.networks.card import Card
from engine.networks.style_cards import StyleCard, style_cards
from gui.wording import worded

MIB = 2**20
USABLE = ("shipped", "imported", "here")
"""States in which the weights are on this machine."""


@dataclass(frozen=True)
class NetworkStatus:
    """A network as found on this machine."""

    name: str
    card: Card | None = None
    state: str = ""
    """One of `catalogue.State`; empty: not known (yet)."""
    path: Path | None = None
    size: int = 0
    """Size in bytes of the file that is here, or else of the one to download."""
    partial: int = 0
    """Bytes of an unfinished download."""
    removable: bool = False
    """Whether the user's own folder holds it."""
    problem: str = ""
    """Why its state cannot be found out."""
    paints: bool = False
    """Whether it is a style network, which no technique can use in place of a classifier."""

    @property
    def usable(self) -> bool:
        """Whether the weights are on this machine."""
        return self.state in USABLE

    @property
    def url(self) -> str:
        """Where the weights are published; empty: nowhere."""
        return self.card.url if self.card else ""


def known() -> list[NetworkStatus]:
    """Return every network with only its card: quick, for the table as it opens."""
    found = [NetworkStatus(name, problem=reason) for name, reason in catalogue.damaged().items()]
    for name in catalogue.names():
        try:
            card = catalogue.card(name)
            found.append(NetworkStatus(name, card, size=card.bytes))
        except PareidoliaError as error:
            found.append(NetworkStatus(name, problem=worded(error)))
    return found + [_style(card) for card in style_cards()]


def _style(style: StyleCard) -> NetworkStatus:
    """Return a style network, which is always on this machine."""
    title = QCoreApplication.translate("Networks", "Style network: {0}").format(style.paints)
    card = Card(
        style.name, title, "style network", licence=style.licence, notes=style.found,
        bytes=style.bytes, file=style.path.name,
    )  # fmt: skip
    folder = style.path.parent
    own = folder == weights.user_folder()
    state = "shipped" if folder == weights.SHIPPED else "imported" if own else "here"
    return NetworkStatus(
        style.name, card, state, style.path, style.bytes, removable=own, paints=True
    )


def look() -> list[NetworkStatus]:
    """Return the state of every network; reads the headers of all weight files."""
    return [_look(facts) for facts in known()]


def _look(facts: NetworkStatus) -> NetworkStatus:
    if facts.paints:
        return facts
    if facts.card is None:
        file = catalogue.card_file(facts.name)
        own = file is not None and file.parent == weights.user_folder()
        return NetworkStatus(facts.name, problem=facts.problem, removable=own)
    card = facts.card
    try:
        state, path = catalogue.state(card.name), catalogue.located(card)
        size = path.stat().st_size if path else card.bytes
        part = part_files(card)[0]
        partial = part.stat().st_size if part.is_file() else 0
    except (PareidoliaError, OSError) as error:  # including a file deleted in the meantime
        return NetworkStatus(facts.name, card, size=card.bytes, problem=worded(error))
    folder = weights.user_folder()
    own = path is not None and path.parent == folder
    removable = own or (folder / f"{card.name}.json").is_file()
    return NetworkStatus(facts.name, card, state, path, size, partial, removable)


def part_files(card: Card) -> tuple[Path, Path]:
    """Return the file of an unfinished download of `card`, and that of its server's mark beside it."""
    target = weights.user_folder() / (card.file or card.url.rsplit("/", 1)[-1])
    part = target.with_name(target.name + ".part")
    return part, part.with_name(part.name + ".version")


def mib(count: float) -> str:
    """Return a number of bytes in words, as on the command line."""
    return f"{count / MIB:.1f} MiB"
