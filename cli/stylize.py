"""`stylize --styles FOLDER --sheet`: every painting of a folder on one photo, on one labelled sheet."""

import json
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.guard import say
from cli.options import is_folder, tell
from cli.wording import worded
from engine.errors import BadInput

if TYPE_CHECKING:
    from engine.job import Job


def add_sheet(parser: Any) -> None:
    """Add the options of a sheet to the command's parser."""
    parser.add_argument("--styles", dest="style_folder", type=Path, metavar="FOLDER",
        help="with --sheet: a folder of paintings: one picture in the style of each")  # fmt: skip
    parser.add_argument("--sheet", action="store_true",
        help="with --styles: OUT shows the photo in each painting's style, with its name")  # fmt: skip
    parser.add_argument("--figure", type=Path, metavar="FIGURE",
        help="also draw how long optimization takes to get as far, measured on this machine: .png, "
        ".svg or .pdf")  # fmt: skip
    parser.add_argument("--figure-seconds", type=float, default=60.0, metavar="S",
        help="with --figure: how long each of two optimizations is given (default: 60)")  # fmt: skip
    parser.add_argument("--judge", action="append", default=None, metavar="NETWORK",
        help="with --figure: judges both; the first one's loss is optimized (default: slim_vgg, and "
        "vgg19 where it is on this machine)")  # fmt: skip


def wants_sheet(options: Namespace) -> bool:
    """Return whether a sheet is to be made. Raises `BadInput` where the options do not go together."""
    folder, sheet = getattr(options, "style_folder", None), getattr(options, "sheet", False)
    if folder is None and not sheet:
        return False
    if folder is None or not sheet:
        raise BadInput("--styles FOLDER and --sheet go together: give both, or --style PAINTING")
    if options.style:
        raise BadInput("--styles already says which paintings: leave out --style")
    if not is_folder(folder):
        raise BadInput(f"--styles is {folder}; it must be a folder of paintings")
    if options.content is None:
        raise BadInput("--sheet needs a photo: name it before the options")
    if is_folder(options.content):
        raise BadInput(f"--sheet takes one photo, and {options.content} is a folder")
    for given, name in ((options.forecast, "--forecast"), (options.project, "--project")):
        if given:
            raise BadInput(f"{name} is for a single picture: leave it out with --sheet")
    return True


def make_sheet(job: "Job", options: Namespace) -> int:
    """Paint the photo in each painting's style, draw the sheet; return the exit code."""
    from engine.image import open_picture, save_picture
    from engine.outputs import Sources, keep_apart
    from engine.work.job_files import photos_in
    from engine.work.making import check_output

    output, began = Path(options.output), time.perf_counter()
    paintings = photos_in(options.style_folder)
    check_output(output)
    keep_apart([output], Sources((Path(options.content),), (options.style_folder,)))
    tell(open_picture(options.content, long_side=16))
    from tqdm import tqdm

    from cli.running import progress_stream
    from engine.figure import Tile, contact_sheet
    from engine.job import run
    from engine.networks.loading import load_network

    network = load_network(job.network, job.weights, preprocessing=job.preprocessing)
    tiles, damaged = [], False
    for path in tqdm(paintings, disable=options.quiet, file=progress_stream(), unit="style"):
        try:
            painting = open_picture(path)
        except BadInput as error:  # the others are painted all the same
            damaged = True
            say(worded(error))
            continue
        one = replace(job, inputs=replace(job.inputs, styles=((painting, 1.0),)))
        for frame in run(one, network):
            last = frame
        tiles.append(Tile(last.picture, path.stem.replace("_", " ")))
    if not tiles:
        raise BadInput(f"{options.style_folder} holds no painting that can be read")
    save_picture(contact_sheet(tiles), output)
    figures = {
        "output": str(output),
        "paintings": len(tiles),
        "seconds": round(time.perf_counter() - began, 3),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        print(f"{output}: {len(tiles)} paintings in {figures['seconds']:.1f} s")
    return BadInput.exit_code if damaged else 0
