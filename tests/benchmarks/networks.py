"""python -m tests.benchmarks.networks: every technique and method on all of torchvision's classifiers.

Each network gets random weights (seeded), which tell nothing about pictures but all about shapes.
Every technique runs two iterations at its default layers, every attribution method is asked for a
map. Small networks come first, each in a process of its own, which gives back its memory and may
take `--minutes`; what it has not done by then stands in the table as not tried. Writes
docs/networks.md; what was found before is kept in out/networks.json, so that a run that was broken
off goes on. Ends with 1 where one neither worked nor said in a sentence why not.
"""

import argparse
import json
import multiprocessing
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
from PIL import Image
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
from engine.techniques import TECHNIQUES
from tests.benchmarks.inputs import ROOT

PHOTO = str(ROOT / "resources/pictures/cat.jpg")
PAINTING = str(ROOT / "resources/pictures/brush_strokes.jpg")
KEPT = ROOT / "out" / "networks.json"
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
COLUMNS = (*TECHNIQUES, *METHODS)
SMALL = 64
"""Side in pixels where the network takes it, else what it was made for."""

Found = dict[str, str]
"""By command or method: "" where it worked, else what was said."""


def weights(name: str, folder: Path) -> Path:
    """Write random weights of torchvision's network `name`, as anybody would have trained them."""
    torch.manual_seed(zlib.crc32(name.encode()))
    settings = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    module = models.get_model(name, weights=None, num_classes=CLASSES, **settings)
    file = folder / f"{name}.pth"
    torch.save(module.state_dict(), file)
    return file


def side_for(network: Network) -> int:
    """Return the smaller of the two sides that the network takes."""
    try:
        network.calls((SMALL // 2, SMALL))  # the photo's shape, about
    except BadInput:
        return network.card.input_size
    return SMALL


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
    side = side_for(network)
    short = ("--iterations", "2", "--precision", "fp32", "--device", "cpu")
    for technique in TECHNIQUES:
        more = ("--folder", str(folder / "photos")) if technique == "multifaceted" else ()
        size = ("--size", str(4 * side if technique == "hierarchy" else side))  # a sheet
        options = (*NEEDS[technique], *more, *short, *size)
        yield technique, outcome(partial(draw, technique, network, options))
    x = network.prepare(fitted(network, open_picture(PHOTO).tensor()[None], side))
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
    return {column: found.get(column, rest) for column in COLUMNS}, memory


def page(table: dict[str, Found]) -> str:
    """Return the table as a page of the documentation, with what was said below it."""
    notes: dict[str, int] = {}

    def cell(said: str, name: str) -> str:
        if not said:
            return "✓"
        return str(notes.setdefault(said.replace(name, "the network"), len(notes) + 1))

    rows = [
        f"| {name} | " + " | ".join(cell(found[c], name) for c in COLUMNS) + " |"
        for name, found in sorted(table.items())
    ]
    left = sorted(torchvision_table()["models"].keys() - table.keys())
    return "\n".join(
        [
            "# What works with which network",
            "",
            f"{len(table)} of torchvision's {len(torchvision_table()['models'])} classifiers, with",
            "random weights: each technique for two iterations at its default layers, each",
            "attribution method asked for a map. ✓: it made its picture. A number: what it said",
            "instead, below the table.",
            "",
            f"Made by `make networks-table` with torch {torch.__version__.split('+')[0]}.",
            "",
            "| network | " + " | ".join(COLUMNS) + " |",
            "|---" * (len(COLUMNS) + 1) + "|",
            *rows,
            "",
            *(f"{number}. {said}" for said, number in notes.items()),
            "",
            *([f"Not tried yet: {', '.join(left)}.", ""] if left else []),
        ]
    )


def photos(folder: Path) -> None:
    """Put a few pictures into a folder, for the technique that reads one."""
    folder.mkdir()
    with Image.open(PHOTO) as image:
        for turn in range(4):
            image.convert("RGB").rotate(90 * turn).save(folder / f"{turn}.png")


def main() -> int:
    """Fill what is missing of the table, write the page; return 1 where something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.networks")
    parser.add_argument("names", nargs="*", help="only these networks (default: all)")
    parser.add_argument("--minutes", type=float, default=20, help="most for one network (20)")
    given = parser.parse_args()
    every = torchvision_table()["models"]
    wanted = sorted(given.names or every, key=lambda name: every[name]["mib"])
    table: dict[str, Found] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    KEPT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        photos(Path(made) / "photos")
        for name in wanted:
            if name in table:
                continue
            began = time.monotonic()
            table[name], memory = tried(name, Path(made), given.minutes)
            KEPT.write_text(json.dumps(table, indent=1))
            worked = sum(not said for said in table[name].values())
            print(
                f"{name}: {worked} of {len(table[name])}, {time.monotonic() - began:.0f} s, "
                f"{memory or '?'} MiB",
                flush=True,
            )
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(table), "utf-8")
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
