"""python -m tests.benchmarks.networks: every technique and method on all of torchvision's classifiers.

Each network gets random weights (seeded), which tell nothing about pictures but all about shapes.
Every technique runs two iterations at its default layers, every attribution method is asked for a
map; a network that takes nothing but squares gets a square photo. Small networks come first, each
in a process of its own, which gives back its memory and may take `--minutes`; what it has not done
by then stands in the table as not tried. Writes docs/networks.md after each; what stands there
already is kept unless its network is named, so that a run that was broken off goes on. Ends with 1
where one neither worked nor said in a sentence why not.
"""

import argparse
import multiprocessing
import re
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torchvision import models

import engine
from cli.options import read_job, technique_parser
from engine.attribution.methods import Question, attribute
from engine.attribution.registry import find_method
from engine.errors import BadInput, PareidoliaError
from engine.image import open_picture
from engine.job import run
from engine.networks.fingerprints import torchvision_table
from engine.networks.fitting import fitted
from engine.networks.network import Network
from engine.techniques import ROWS, TECHNIQUES
from tests.benchmarks.inputs import ROOT

PHOTO = str(ROOT / "resources/pictures/cat.jpg")
PAINTING = str(ROOT / "resources/pictures/brush_strokes.jpg")
PAGE = ROOT / "docs" / "networks.md"
CLASSES = 10
NEEDS = {
    "style-transfer": (PHOTO, "--style", PAINTING),
    "texture-synthesis": (PAINTING,),
    "deep-dream": (PHOTO, "--octaves", "1"),
    "class-visualization": ("--class", "3"),
    "activation-maximization": ("--channel", "3"),
    "feature-inversion": (PHOTO,),
    "langevin": ("--class", "3", "--samples", "1", "--chains", "1"),
    "adversarial": (PHOTO,),
    "hierarchy": ("--units", "1"),
    "multifaceted": ("--class", "3", "--facets", "2", "--nearest", "1"),
}
METHODS = (
    "gradient", "guided-backprop", "deconvnet", "occlusion", "cam", "grad-cam", "guided-grad-cam",
)  # fmt: skip
"""Those with a mechanism of their own: the others are the gradient's."""
ASKED = tuple(
    command for command, row in ROWS.items() if command != "stylize" and row.group != "Workshop"
)
"""Techniques that the classifier is turned around by: stylization in one pass has networks of its own,
and so has the workshop."""
COLUMNS = (*ASKED, *METHODS)
SMALL = 64
"""Side in pixels where the network takes it, else what it was made for."""

Found = dict[str, str]
"""By command or method: "" where it worked, else what was said; and by `DATE` when that was."""
DATE = "date"


def weights(name: str, folder: Path) -> Path:
    """Write random weights of torchvision's network `name`, as anybody would have trained them."""
    torch.manual_seed(zlib.crc32(name.encode()))
    settings = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    module = models.get_model(name, weights=None, num_classes=CLASSES, **settings)
    file = folder / f"{name}.pth"
    torch.save(module.state_dict(), file)
    return file


def picture_for(network: Network, folder: Path) -> tuple[str, int]:
    """Return the photo and its long side in pixels: the first of three kinds that it takes."""
    usual = network.card.input_size
    for side in (SMALL, usual):
        try:
            network.calls((side // 2, side))  # the photo's shape, about
        except BadInput:
            continue
        return PHOTO, side
    return str(folder / "square.png"), usual


def outcome(work: Callable[[], object]) -> str:
    """Do some work; return "" or the sentence it ended with. Anything else begins with "FAULT"."""
    try:
        work()
    except PareidoliaError as error:
        return str(error)
    except Exception as error:
        return f"FAULT: {error!r}"
    return ""


def draw(technique: str, network: Network, options: Sequence[str]) -> None:
    """Run a technique with the options of its command, on a network that is loaded already."""
    kind = TECHNIQUES[technique]
    job = read_job(kind, technique_parser(kind).parse_args([*options, "-o", "out.png"]))
    frame = None
    for frame in run(job, network):
        assert frame.picture.isfinite().all(), "numbers that are not finite"
    assert frame is not None, "no frame"


def tries(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Give what became of every technique and method on one network, one after another."""
    file = weights(name, folder)
    try:
        network = engine.load_network(name, file)
    finally:
        file.unlink()
    photo, side = picture_for(network, folder)
    short = ("--iterations", "2", "--precision", "fp32", "--device", "cpu")
    for technique in ASKED:
        more = ("--folder", str(folder / "photos")) if technique == "multifaceted" else ()
        size = ("--size", str(4 * side if technique == "hierarchy" else side))  # a sheet
        needs = (photo if option == PHOTO else option for option in NEEDS[technique])
        options = (*needs, *more, *short, *size)
        yield technique, outcome(partial(draw, technique, network, options))
    x = network.prepare(fitted(network, open_picture(photo).tensor()[None], side))
    question = Question(3, window=side // 2)
    for method in METHODS:
        yield method, outcome(partial(attribute, find_method(method), network, x, question))


def tell(name: str, folder: Path, to: Connection) -> None:
    """Send what is found on one network, and at last the most memory that it took, in MiB."""
    for column, said in tries(name, folder):
        to.send((column, said))
    to.send(("", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


def tried(name: str, folder: Path, minutes: float) -> tuple[Found, int]:
    """Return what became of one network in a process of its own, and its memory (0: unknown)."""
    end = time.monotonic() + 60 * minutes
    receiver, sender = multiprocessing.Pipe(duplex=False)
    # Forked, since what is imported need not be again; nothing has been computed here.
    child = multiprocessing.get_context("fork").Process(target=tell, args=(name, folder, sender))
    child.start()
    sender.close()
    found: Found = {}
    memory, rest = 0, f"not tried: the network takes more than {minutes:g} minutes for all"
    try:
        while receiver.poll(max(0, end - time.monotonic())):
            column, said = receiver.recv()
            if not column:
                memory = said
                break
            found[column] = said
    except EOFError:
        child.join()
        rest = f"FAULT: the process ended with {child.exitcode}"
    child.kill()
    child.join()
    date = time.strftime("%Y-%m-%d", time.gmtime())
    return {**{column: found.get(column, rest) for column in COLUMNS}, DATE: date}, memory


def read_page(text: str) -> dict[str, Found]:
    """Return the table of a page that `page` made; a number becomes what it stands for."""
    said = {"✓": "", **dict(re.findall(r"^(\d+)\. (.+)$", text, re.MULTILINE))}
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    columns = rows[0][1:] if rows else []
    return {
        name: {c: said.get(cell, cell) for c, cell in zip(columns, cells, strict=True)}
        for name, *cells in rows[1:]
    }


def page(table: dict[str, Found]) -> str:
    """Return the table as a page of the documentation, with what was said below it."""
    notes: dict[str, int] = {}

    def cell(said: str, name: str) -> str:
        if not said:
            return "✓"
        return str(notes.setdefault(said.replace(name, "the network"), len(notes) + 1))

    rows = [
        f"| {name} | " + " | ".join(cell(found[c], name) for c in COLUMNS) + f" | {found[DATE]} |"
        for name, found in sorted(table.items())
    ]
    left = sorted(torchvision_table()["models"].keys() - table.keys())
    return "\n".join(
        [
            "# What works with which network",
            "",
            f"{len(table)} of torchvision's {len(torchvision_table()['models'])} classifiers, with",
            "random weights: each technique ran for two iterations at its default layers, and each",
            "attribution method made a map. ✓: it worked. A number: what the program said instead,",
            "below the table. Networks that take only squares got a square photo.",
            "",
            f"Made by `make networks-table` with torch {torch.__version__.split('+')[0]}.",
            "Each row ends with its date: a network that has a row is tried again only when it is named.",
            "",
            "| network | " + " | ".join((*COLUMNS, DATE)) + " |",
            "|---" * (len(COLUMNS) + 2) + "|",
            *rows,
            "",
            *(f"{number}. {said}" for said, number in notes.items()),
            "",
            *([f"Not tried yet, for want of time: {', '.join(left)}.", ""] if left else []),
        ]
    )


def photos(folder: Path) -> None:
    """Put the photo as a square into a folder, and a few more into one in it, which is searched."""
    (folder / "photos").mkdir()
    with Image.open(PHOTO) as opened:
        image = opened.convert("RGB")
    ImageOps.fit(image, (image.height, image.height)).save(folder / "square.png")
    for turn in range(4):
        image.rotate(90 * turn).save(folder / "photos" / f"{turn}.png")


def main() -> int:
    """Fill what is missing of the table, write the page; return 1 where something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.networks")
    parser.add_argument("names", nargs="*", help="these again (default: what the page lacks)")
    parser.add_argument("--minutes", type=float, default=20, help="most for one network (20)")
    given = parser.parse_args()
    every = torchvision_table()["models"]
    table = read_page(PAGE.read_text("utf-8")) if PAGE.exists() else {}
    whole = [name for name, found in table.items() if found.keys() == {*COLUMNS, DATE}]
    wanted = given.names or [name for name in every if name not in whole]
    with tempfile.TemporaryDirectory() as made:
        photos(Path(made))
        for name in sorted(wanted, key=lambda name: every[name]["mib"]):
            began = time.monotonic()
            table[name], memory = tried(name, Path(made), given.minutes)
            PAGE.write_text(page(table), "utf-8")
            worked = sum(not table[name][column] for column in COLUMNS)
            print(
                f"{name}: {worked} of {len(COLUMNS)}, {time.monotonic() - began:.0f} s, "
                f"{memory or '?'} MiB",
                flush=True,
            )
    faults = [
        f"{n}, {c}: {said}"
        for n, found in table.items()
        for c, said in found.items()
        if said.startswith("FAULT")
    ]
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
