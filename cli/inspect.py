"""The command `inspect`: what is inside a network, as a figure."""

import json
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cli.options import (
    Parser,
    add_device,
    add_network,
    add_output,
    add_output_options,
    positive,
    tell,
)
from cli.wording import program
from engine.errors import BadInput

if TYPE_CHECKING:
    from engine.image import Picture
    from engine.inspection.progress import Progress
    from engine.networks.network import Network
    from engine.outputs import Sources

KINDS = ("filters", "activations", "patches", "neighbors", "embedding")
SUMMARY = "what is inside a network: filters, activations, patches, neighbours, a map of a folder"
TILE = 96
"""Long side of a figure's small pictures, in pixels."""

T = TypeVar("T")
Found = tuple["Picture", dict[str, Any]]
"""A figure and what --json says about it."""


def run(argv: list[str]) -> int:
    """Carry out `inspect ARGV`; return the exit code. Raises `PareidoliaError`s."""
    options = parser().parse_args(argv)
    _check(options)
    from engine.image import save_picture
    from engine.outputs import keep_apart
    from engine.work.making import check_output

    output = Path(options.output)
    check_output(output)
    _check_source(options)
    keep_apart([output], _read(options))
    from engine.device import choose_device, choose_precision
    from engine.inspection.folder import BATCH
    from engine.networks.loading import load_network

    device = choose_device(options.device)
    network = load_network(options.network, options.weights, device, options.preprocessing)
    if options.what in ("patches", "neighbors", "embedding"):
        network = network.at(device, choose_precision(options.precision, device))
        _check_memory(network, options.size or network.card.input_size, BATCH)
    figures: dict[str, Callable[[Any, Network], Found]] = {
        "filters": _filters,
        "activations": _activations,
        "patches": _patches,
        "neighbors": _neighbors,
        "embedding": _embedding,
    }
    figure, numbers = figures[options.what](options, network)
    save_picture(figure, output)
    if options.json:
        names = {"what": options.what, "network": network.card.name, "output": str(output)}
        print(json.dumps({**names, **numbers}))
    else:
        print(output)
    return 0


def parser() -> Parser:
    """Return the parser of the command."""
    made = Parser(prog=f"{program()} inspect", description=SUMMARY)
    add = made.add_argument
    add("source", metavar="PHOTO_OR_FOLDER", type=Path, nargs="?",
        help="a photo for activations and neighbors, a folder for patches and embedding; "
        "filters need none")  # fmt: skip
    add("--what", required=True, choices=KINDS, metavar="W", help="one of " + ", ".join(KINDS))
    add("--layer", action="append", default=[], metavar="NAME",
        help="which layer; for patches may be repeated (default: filters: the first convolution; "
        "activations and patches: the deepest that sees less than the picture; "
        "else what goes into the last linear layer)")  # fmt: skip
    add_output(add)
    add("--among", type=Path, metavar="FOLDER", help="for neighbors: the pictures to choose from")
    add("--channel", type=int, action="append", default=[], metavar="K",
        help="for patches: which channel; may be repeated (default: the strongest)")  # fmt: skip
    add("--top", type=positive, default=0, metavar="N",
        help="how many: channels of activations (default: all) and of patches (8), "
        "filters of a deep layer (16), neighbors (8)")  # fmt: skip
    add("--each", action="store_true",
        help="filters, activations: scale every tile on its own (default: one scale for "
             "all)")  # fmt: skip
    add("--metric", choices=("l2", "cosine"), default="l2", help="for neighbors (default: l2)")
    add("--method", choices=("tsne", "pca"), default="tsne", help="for embedding (default: tsne)")
    add("--perplexity", type=float, default=30.0, metavar="X",
        help="for embedding by tsne, 1 or more (default: 30)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N", help="for embedding: same seed, same map")
    add_network(add)
    add("--size", type=positive, default=0, metavar="PX",
        help="side of the pictures for the network (default: the size it was made for)")  # fmt: skip
    add_device(add, "auto")
    add("--precision", default="auto", metavar="PRECISION",
        help="for folders: auto (bf16 where it is faster), fp32 or bf16 (default: auto)")  # fmt: skip
    add_output_options(add)
    return made


def _check(options: Any) -> None:
    """Refuse options that contradict each other, before anything is loaded."""
    what = options.what
    if len(options.layer) > 1 and what != "patches":
        raise BadInput(f"--what {what} takes one --layer, not {len(options.layer)}")
    if what == "neighbors" and options.among is None:
        raise BadInput("--what neighbors needs --among FOLDER, the pictures to choose from")
    if options.among is not None and what != "neighbors":
        raise BadInput(f"--among is for --what neighbors, not for {what}")
    if options.channel and what != "patches":
        raise BadInput(f"--channel is for --what patches, not for {what}")
    if not 0 <= options.seed < 2**32:
        raise BadInput(f"--seed is {options.seed}; it must be 0 to {2**32 - 1}")
    if not 1 <= options.perplexity < float("inf"):
        raise BadInput(f"--perplexity is {options.perplexity:g}; it must be 1 or more")


def _check_source(options: Any) -> None:
    what, source = options.what, options.source
    if what == "filters":
        return
    if source is None:
        kind = "a photo" if what in ("activations", "neighbors") else "a folder of pictures"
        raise BadInput(f"--what {what} needs {kind}; give its path")
    if what in ("patches", "embedding") and source.is_file():
        raise BadInput(f"{source} is a file; --what {what} needs a folder of pictures")


def _check_memory(network: "Network", side: int, count: int) -> None:
    """Check that so many squares at a time fit into memory; no picture is larger than a square."""
    from engine.memory import check_look

    check_look(network, (side, side), graph=False, count=count)


def _read(options: Any) -> "Sources":
    """Return what the command reads."""
    from engine.outputs import Sources

    single = options.what in ("activations", "neighbors")
    named = [Path(p) for p in (options.source if single else None, options.weights) if p]
    folder = options.among if single else options.source
    return Sources(tuple(named), trees=(folder,) if folder is not None else ())


def _layer(network: "Network", side: int) -> str:
    """Return the deepest layer whose units see less than the picture, or the first with maps."""
    calls = [c for c in network.calls((side, side)).values() if len(c.shape) == 4]
    if not calls:
        raise BadInput(f"{network.card.name} has no layer with a map; name one with --layer")
    fitting = [c for c in calls if (c.receptive_field or side) < side and "#" not in c.name]
    rectified = [c for c in fitting if c.kind.startswith("ReLU")]
    return (rectified or fitting or calls[:1])[-1].name


def _read_all(options: Any, steps: "Generator[Progress | None, None, T]") -> "T":
    """Return what a reader finds, showing the number of files read on standard error."""
    from tqdm import tqdm

    from engine.inspection.progress import finished

    bar = tqdm(unit=" pictures", disable=options.quiet, file=sys.stderr, leave=False)

    def told(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return finished(steps, told)


def _filters(options: Any, network: "Network") -> Found:
    from engine.figure import Tile, contact_sheet
    from engine.inspection.filters import filters
    from engine.inspection.tiling import enlarged, grid

    found = filters(network, options.layer[0] if options.layer else "")
    together, shape = not options.each, list(found.weight.shape)
    if found.coloured:
        shown = enlarged(found.pictures(together), 40)
        tile, caption = grid(shown, gap=4), f"all {shape[0]} filters, {shape[2]}x{shape[3]}"
    else:
        most = options.top or 16
        slices = found.slices(most, most, together)
        rows, columns = slices.shape[:2]
        tile = grid(enlarged(slices.flatten(0, 1), 24), columns, gap=3)
        caption = f"{rows} of {shape[0]} filters (rows), {columns} of {shape[1]} inputs (columns)"
    figure = contact_sheet([Tile(tile, caption)], title=f"{network.card.name} {found.layer}")
    largest = float(found.weight.abs().max())
    return figure, {"layer": found.layer, "shape": shape, "largest": largest}


def _activations(options: Any, network: "Network") -> Found:
    from engine.figure import Tile, strip
    from engine.image import open_picture
    from engine.inspection.activations import activations, tiles, top_channels
    from engine.inspection.tiling import enlarged, grid

    photo = open_picture(options.source)
    tell(photo)
    stretch = min(max(photo.width, photo.height) / min(photo.width, photo.height), 3.0)
    side = options.size or round(network.card.input_size * stretch)
    _check_memory(network, side, 1)
    picture = photo.resized(side).tensor()
    layer = options.layer[0] if options.layer else _layer(network, network.card.input_size)
    maps = activations(network, picture.to(network.device), layer)
    strongest = top_channels(maps, options.top or len(maps))
    chosen = [channel for channel, _ in strongest] if options.top else list(range(len(maps)))
    sheet = grid(enlarged(tiles(maps[chosen], not options.each), TILE), gap=2)
    count = f"{len(chosen)} strongest of" if options.top else "all"
    caption = f"{layer}: {count} {len(maps)} channels, {maps.shape[2]}x{maps.shape[1]}"
    small = photo.resized(max(sheet.shape[1] // 3, 128)).tensor()
    figure = strip(
        [Tile(small, options.source.name), Tile(sheet, caption)], title=network.card.name
    )
    numbers = [{"channel": c, "mean": v, "max": float(maps[c].max())} for c, v in strongest]
    return figure, {"layer": layer, "shape": list(maps.shape), "channels": numbers}


def _patches(options: Any, network: "Network") -> Found:
    from engine.figure import Tile, rows
    from engine.inspection.patches import PatchSearch, patch_picture

    layers = options.layer or [_layer(network, options.size or network.card.input_size)]
    search = PatchSearch(network, options.source, layers, side=options.size)
    for channel in options.channel:
        for layer in search.layers:
            if not 0 <= channel < search.channels(layer):
                last = search.channels(layer) - 1
                raise BadInput(f"--channel is {channel}; {layer} has channels 0 to {last}")
    _read_all(options, search.run())
    lines: list[tuple[str, list[Tile]]] = []
    numbers: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for layer in search.layers:
        for channel in options.channel or search.strongest(layer, options.top or 8):
            found = search.patches(layer, channel)
            tiles = [Tile(patch_picture(patch, TILE), f"{patch.value:.3g}") for patch in found]
            lines.append((f"{layer}\nchannel {channel}", tiles))
            numbers.setdefault(layer, {})[channel] = [
                {"value": p.value, "picture": str(p.path), "y": p.y, "x": p.x, "box": list(p.box)}
                for p in found
            ]
    if not any(tiles for _, tiles in lines):
        raise BadInput(f"none of the pictures in {options.source} can be read")
    figure = rows(lines, title=f"{network.card.name}: what activates a channel most")
    unreadable = [str(path) for path in search.unreadable]
    return figure, {"pictures": len(search.files), "unreadable": unreadable, "layers": numbers}


def _neighbors(options: Any, network: "Network") -> Found:
    from engine.figure import Tile, rows
    from engine.inspection.distances import Neighbor
    from engine.inspection.features import Features
    from engine.inspection.folder import picture_files, thumbnail
    from engine.inspection.neighbors import neighbors

    features = Features(network, options.layer[0] if options.layer else "")
    found = _read_all(options, neighbors(
        features, options.source, picture_files(options.among), options.top or 8, options.metric,
        folder=options.among, side=options.size,
    ))  # fmt: skip

    def line(near: list[Neighbor]) -> list[Tile]:
        first = Tile(thumbnail(options.source, TILE), options.source.stem)
        return [first, *(Tile(thumbnail(n.path, TILE), f"{n.distance:.3g}") for n in near)]

    labelled = [("by features", line(found.features)), ("by pixels", line(found.pixels))]
    figure = rows(labelled, title=f"Nearest neighbours: {network.card.name}, {options.metric}")
    return figure, {
        "features_from": features.name,
        "metric": options.metric,
        "features": [{"picture": str(n.path), "distance": n.distance} for n in found.features],
        "pixels": [{"picture": str(n.path), "distance": n.distance} for n in found.pixels],
        "unreadable": [str(path) for path in found.unreadable],
    }


def _embedding(options: Any, network: "Network") -> Found:
    from engine.figure import Tile, contact_sheet
    from engine.inspection.embedding import embedding, map_picture, map_title
    from engine.inspection.features import Features
    from engine.inspection.folder import picture_files

    features = Features(network, options.layer[0] if options.layer else "")
    found = _read_all(options, embedding(
        features, picture_files(options.source), options.method, options.perplexity, options.seed,
        folder=options.source, side=options.size,
    ))  # fmt: skip
    caption = map_title(found, options.method, f"{network.card.name}'s features")
    tile = Tile(map_picture(found.paths, found.positions), caption)
    figure = contact_sheet([tile])
    return figure, {
        "features_from": features.name,
        "method": options.method,
        "perplexity": found.perplexity,
        "explained": [round(float(x), 6) for x in found.explained],
        "pictures": [
            {"picture": str(path), "x": float(x), "y": float(y)}
            for path, (x, y) in zip(found.paths, found.positions, strict=True)
        ],
        "unreadable": [str(path) for path in found.unreadable],
    }
