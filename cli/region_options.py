"""Options for regions of the photo: a mask with a style of its own, or kept; later ones lie on top."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput

if TYPE_CHECKING:
    from engine.regions import Region
    from engine.task import Technique

WITH_STYLE = "MASK[=STYLE[:WEIGHT]]"
WITHOUT = "MASK"


class _InOrder(argparse.Action):
    """Collects both options in one list: which comes later matters."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Add the option's value."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*before, (self.const, values)])


def add_regions(parser: Any, kind: "type[Technique]") -> Any:
    """Add --region and --keep for a technique that takes regions; return their group."""
    group = parser.add_argument_group("regions")
    if "styles" in kind.inputs:
        metavar, text = WITH_STYLE, (
            "where MASK is white, paint in STYLE, with WEIGHT times the strength; without a STYLE in "
            "the usual one. May be repeated: later regions lie on top. Grey is partly inside; a mask "
            "has the photo's proportions, at any size"
        )  # fmt: skip
        if kind.styles_optional:
            text += ". STYLE may also be the name of one of the network's own styles"
    else:
        metavar, text = WITHOUT, (
            "work only where MASK is white, in part where it is grey. May be repeated. A mask has the "
            "photo's proportions, at any size"
        )  # fmt: skip
    add = group.add_argument
    add("--region", dest="regions", action=_InOrder, const="region", default=[], metavar=metavar,
        help=text)  # fmt: skip
    add("--keep", dest="regions", action=_InOrder, const="keep", default=[], metavar="MASK",
        help="where MASK is white, keep the photo as it is; may be repeated")  # fmt: skip
    return group


def regions_of(kind: "type[Technique]", options: argparse.Namespace) -> "tuple[Region, ...]":
    """Return the regions that the options describe, in order. Raises `BadInput`."""
    from engine.regions import Region
    from engine.settings import describe

    found = []
    for option, text in getattr(options, "regions", []):
        if option == "keep":
            found.append(Region(text, kept=True))
            continue
        mask, style, weight = parse_region(text)
        if style is not None and "styles" not in kind.inputs:
            raise BadInput(
                f"--region {text!r} names a style, and {kind.command} takes none: give --region MASK"
            )
        if style is not None and _is_name(style) and "network_style" in describe(kind):
            found.append(Region(mask, None, weight, network_style=style))
        else:
            found.append(Region(mask, style, weight))
    return tuple(found)


def _is_name(style: str) -> bool:
    """Whether a style is given by its name or number in a network, not as a file."""
    from cli.options import is_file

    return not is_file(style) and not set(style) & set("/\\.")


def parse_region(text: str) -> tuple[str, str | None, float]:
    """Return mask, style and weight of MASK[=STYLE[:WEIGHT]]; what is missing is None, and 1.

    An equals sign may belong to a path: files that exist decide. Raises `BadInput` if a part is empty.
    """
    from cli.options import is_file, parse_style  # which takes this module's options

    splits = list(_splits(text))
    for mask, rest in splits:
        if is_file(mask) and is_file(parse_style(rest)[0]):
            return mask, *parse_style(rest)
    if is_file(text) or not splits:
        return text, None, 1.0
    mask, rest = next((each for each in splits if is_file(each[0])), splits[0])
    if not mask or not rest:
        raise BadInput(
            f"--region {text!r} is not {WITH_STYLE}, such as --region sky.png=waves.jpg:2"
        )
    return mask, *parse_style(rest)


def _splits(text: str) -> Iterator[tuple[str, str]]:
    for at, letter in enumerate(text):
        if letter == "=":
            yield text[:at], text[at + 1 :]
