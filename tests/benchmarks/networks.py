"""python -m tests.benchmarks.networks: every technique and method on all of torchvision's classifiers.

Each network gets random weights (seeded), which tell nothing about pictures but all about shapes.
Every technique runs two iterations at its default layers, every attribution method is asked for a
map, through the command line as a user would. Writes docs/networks.md; what was found before is
kept in out/networks.json, so that a run that was broken off goes on. Ends with 1 where a command
neither worked nor said in a sentence why not.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
import zlib
from pathlib import Path

import torch
from PIL import Image
from torchvision import models

import engine
from cli.commands import run
from cli.guard import guarded
from engine.errors import BadInput
from engine.networks.fingerprints import torchvision_table
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


def side_for(name: str, file: Path) -> int:
    """Return the smallest of the two sides that the network takes."""
    network = engine.load_network(name, file)
    try:
        network.calls((SMALL // 2, SMALL))  # the photo's shape, about
    except BadInput:
        return network.card.input_size
    return SMALL


def outcome(*command: str) -> str:
    """Run a command; return "" or what it said. What is no sentence begins with "FAULT"."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = guarded(lambda: run(command))
    if code == 0:
        return ""
    sentence = said.getvalue().strip().splitlines()[-1].removeprefix("pareidolia: ")
    return sentence if code == 2 else f"FAULT ({code}): {sentence}"


def tried(name: str, folder: Path) -> Found:
    """Return what became of every technique and method on one network."""
    file = weights(name, folder)
    try:
        side = side_for(name, file)
        own = ("--network", name, "--weights", str(file), "-o", str(folder / "out.png"))
        short = ("--iterations", "2", "--quiet", "--precision", "fp32")
        found: Found = {}
        for technique in TECHNIQUES:
            more = ("--folder", str(folder / "photos")) if technique == "multifaceted" else ()
            size = ("--size", str(4 * side if technique == "hierarchy" else side))  # a sheet
            found[technique] = outcome(technique, *NEEDS[technique], *more, *own, *short, *size)
        for method in METHODS:
            wide = ("--window", str(side // 2)) if method == "occlusion" else ()
            asked = ("--method", method, "--class", "3", "--size", str(side), *wide)
            found[method] = outcome("attribute", PHOTO, *asked, *own)
        return found
    finally:
        file.unlink()


def page(table: dict[str, Found]) -> str:
    """Return the table as a page of the documentation, with what was said below it."""
    columns = [*TECHNIQUES, *METHODS]
    notes: dict[str, int] = {}

    def cell(said: str, name: str) -> str:
        if not said:
            return "✓"
        return str(notes.setdefault(said.replace(name, "the network"), len(notes) + 1))

    rows = [
        f"| {name} | " + " | ".join(cell(found[c], name) for c in columns) + " |"
        for name, found in sorted(table.items())
    ]
    return "\n".join(
        [
            "# What works with which network",
            "",
            "Every one of torchvision's classifiers, with random weights: each technique for two",
            "iterations at its default layers, each attribution method asked for a map. ✓: it made",
            "its picture. A number: what it said instead, below the table.",
            "",
            f"Made by `make networks-table` with torch {torch.__version__.split('+')[0]}.",
            "",
            "| network | " + " | ".join(columns) + " |",
            "|---" * (len(columns) + 1) + "|",
            *rows,
            "",
            *(f"{number}. {said}" for said, number in notes.items()),
            "",
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
    wanted = parser.parse_args().names or list(torchvision_table()["models"])
    table: dict[str, Found] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    KEPT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        photos(Path(made) / "photos")
        for name in wanted:
            if name in table:
                continue
            began = time.monotonic()
            table[name] = tried(name, Path(made))
            KEPT.write_text(json.dumps(table, indent=1))
            worked = sum(not said for said in table[name].values())
            print(
                f"{name}: {worked} of {len(table[name])}, {time.monotonic() - began:.0f} s",
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
