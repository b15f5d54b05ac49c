"""The options of the command `attribute`."""

import argparse
import textwrap
from argparse import ArgumentTypeError
from contextlib import suppress
from pathlib import Path

from cli.options import Parser, add_device, add_network, add_output, positive
from cli.wording import program, worded
from engine.attribution.registry import METHODS
from engine.attribution.square import FILLS
from engine.attribution.unit_name import UnitName
from engine.colour_names import SEQUENTIAL
from engine.errors import BadInput

COMMANDS = tuple(method.command for method in METHODS)
LAYERED = tuple(m.command for m in METHODS if m.takes_layer)
SUMMARY = "a heat map: what in a photo supports a class or activates a unit"


def parser() -> Parser:
    """Return the parser of the command."""
    made = Parser(
        prog=f"{program()} attribute",
        description=SUMMARY,
        epilog=_methods(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("photo", metavar="PHOTO", type=Path)
    add("--method", required=True, action="append", choices=COMMANDS, metavar="M",
        help="one of " + ", ".join(COMMANDS) + "; may be repeated, as may --class, --layer "
        "and --network: a figure, a row for each method, a column for each of the others")  # fmt: skip
    add("--class", dest="target", action="append", metavar="NAME_OR_INDEX", default=[],
        help="for which class (default: the most likely one)")  # fmt: skip
    add("--unit", action="append", metavar="LAYER:CHANNEL[:Y,X]", default=[], type=_unit,
        help="for which unit inside the network instead (default "
        "position: where it is strongest); may be repeated")  # fmt: skip
    add("--layer", action="append", metavar="NAME", default=[],
        help="for grad-cam (default: the last map)")  # fmt: skip
    add(
        "--window",
        type=positive,
        default=0,
        metavar="PX",
        help="for occlusion (default: a seventh)",
    )
    add(
        "--stride",
        type=positive,
        default=0,
        metavar="PX",
        help="for occlusion (default: half of it)",
    )
    add("--fill", choices=FILLS, default=FILLS[0], metavar="WHAT",
        help="for occlusion: mean (colour of the training pictures), gray, black, blur")  # fmt: skip
    add("--companions", action="store_true",
        help="for occlusion: a figure that also shows the class's probability and the most "
             "likely class at each "
        "position of the square (Zeiler and Fergus 2014)")  # fmt: skip
    add("--signed", action="store_true", help="for gradient: the same as --method signed-gradient")
    add_output(add)
    add("--cut", metavar="MASK.png",
        help="also write the object that the gradient points at, as a mask of the photo's size "
        "(GrabCut, as in Simonyan et al. 2014)")  # fmt: skip
    add("--raw", metavar="FILE.npz",
        help="also write the raw values as NumPy arrays, one for each pixel "
        "of the network's input; for occlusion also the class's probability and the most likely "
        "class at each "
        "position of the square")  # fmt: skip
    add("--colours", choices=SEQUENTIAL, default="viridis", metavar="MAP",
        help=", ".join(SEQUENTIAL))  # fmt: skip
    add("--over", type=_share, default=0.0, metavar="X",
        help="lay the map over the photo in grey with this opacity, 0 to 1 (default: only the "
             "map)")  # fmt: skip
    add("--over-size", type=_over_size, default="photo", metavar="SIZE",
        help="size of the picture for --over: photo, network (the size of the network's input) or the "
        "long side in pixels (default: photo); the network's input stays the same")  # fmt: skip
    add("--caption", action="store_true",
        help="write the target, the probability, the scale and the maximum below a single "
        "map; otherwise they are only in the file's description and in --json")  # fmt: skip
    add("--each", action="store_true",
        help="in a figure, scale every map on its own (default: one scale per row)")  # fmt: skip
    add("--sanity", action="store_true",
        help="a figure of how the maps of every given class change as the "
        "weights are randomized from the top layer down (Adebayo et al. 2018)")  # fmt: skip
    add_network(add, several=True)
    add("--size", type=positive, metavar="PX",
        help="long side of the photo for the network (default: the size it was made for)")  # fmt: skip
    add_device(add, "auto")
    add("--quiet", action="store_true", help="no progress bar")
    add("--json", action="store_true", help="print the result as one line of JSON")
    return made


def _unit(text: str) -> UnitName:
    try:
        return UnitName.parse(text)
    except BadInput as error:
        raise ArgumentTypeError(worded(error)) from None


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise ArgumentTypeError(f"{text!r} is not a number from 0 to 1")


def _over_size(text: str) -> str:
    if text not in ("photo", "network"):
        positive(text)
    return text


def _methods() -> str:
    """Return what each method does, in a line or two."""
    wide = max(map(len, COMMANDS)) + 2
    told = [
        textwrap.fill(
            f"{method.help}", 96, initial_indent=f"  {method.command:{wide}}",
            subsequent_indent=" " * (wide + 2),
        )
        for method in METHODS
    ]  # fmt: skip
    return "\n".join(["methods:", *told])
