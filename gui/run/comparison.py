"""The comparison of methods for the window, made in a thread of its own."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from engine.looking import ComparisonAnswer, ComparisonRequest
from gui.pictures import image_of
from gui.pixels import levels_of, picture_of
from gui.run.networks import NetworkKey, Networks
from gui.wording import worded

if TYPE_CHECKING:
    from engine.attribution.comparison import Compared

MOST_COLUMNS = 12


@dataclass(frozen=True)
class ComparisonQuery:
    """What to compare, on which picture, with which networks."""

    image: QImage
    networks: tuple[NetworkKey, ...]
    request: ComparisonRequest


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """The figure, and what is missing from it."""

    compared: "Compared"
    levels: tuple[QImage, ...]
    """The figure as `FigureView` takes it."""
    refusals: tuple[str, ...]
    """Why some networks could not be asked about some targets."""


def comparison(
    query: ComparisonQuery, networks: Networks
) -> Generator[ComparisonAnswer, None, ComparisonResult]:
    """Yield progress; return the figure. Raises `PareidoliaError`s. Not for the GUI thread."""
    import engine

    named = query.networks[:1] if query.request.sanity else query.networks
    loaded = [networks.get(*each).twin() for each in named]
    picture = picture_of(query.image).tensor()
    for answer in engine.look(loaded, picture, query.request):
        last = answer
        yield answer
    assert last.compared is not None
    refusals = tuple(map(worded, last.refusals))
    return ComparisonResult(last.compared, levels_of(image_of(last.compared.figure)), refusals)
