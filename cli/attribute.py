"""The command `attribute`: what in a photo supports a class or a unit, as a heat map."""

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.attribute_options import LAYERED, parser
from cli.options import is_folder, tell
from engine.attribution.registry import Method, find_method
from engine.errors import BadInput
from engine.networks.classes import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from engine.attribution.heat import Heat
    from engine.attribution.unit_name import UnitName
    from engine.image import Picture
    from engine.looking import Answer
    from engine.networks.network import Network


def run(argv: list[str]) -> int:
    """Carry out `attribute ARGV`; return the exit code. Raises `PareidoliaError`s."""
    options = parser().parse_args(argv)
    if not is_folder(options.photo):
        return _one(options, {})
    for name in ("cut", "raw"):
        if getattr(options, name):
            raise BadInput(f"--{name} takes one photo, and {options.photo} is a folder")
    from cli.each_photo import for_each

    loaded: dict[str, Network] = {}
    return for_each(options, "photo", lambda own: _one(own, loaded))


def _one(options: Any, loaded: "dict[str, Network]") -> int:
    """Carry out the command for one photo; `networks` are those loaded already, by name."""
    from engine.device import choose_device
    from engine.files import check_writable
    from engine.image import open_picture
    from engine.networks.fitting import squeezed
    from engine.networks.loading import load_network
    from engine.outputs import Sources, keep_apart
    from engine.work.making import check_output

    check_output(Path(options.output))
    if options.cut:
        check_output(Path(options.cut))
        if Path(options.cut).suffix.lower() in (".jpg", ".jpeg"):
            raise BadInput(f"{options.cut} would blur the edges of the mask: end the name in .png")
    if options.raw:
        if Path(options.raw).suffix.lower() != ".npz":
            raise BadInput(f"{options.raw} has no known suffix: end the name in .npz")
        check_writable(Path(options.raw))
    written = [Path(path) for path in (options.output, options.cut, options.raw) if path]
    read = [Path(path) for path in (options.photo, options.weights) if path]
    keep_apart(written, Sources(tuple(read)))
    photo = open_picture(options.photo)
    tell(photo)
    names = options.network or ["slim_vgg"]
    device = choose_device(options.device)
    for name in names:
        if name not in loaded:
            loaded[name] = load_network(name, options.weights, device, options.preprocessing)
    networks = [loaded[name] for name in names]
    targets = len(options.target) + len(options.unit)
    several = max(len(options.method), targets, len(options.layer), len(networks)) > 1
    if options.companions:
        _check_companions(options)
    for network in networks:
        _check_memory(options, network, photo)
        if options.size is None and (words := squeezed(network, photo.width, photo.height)):
            print(f"pareidolia: {words}", file=sys.stderr)
    chosen = _figure if several or options.sanity or options.companions else _single
    said, target = chosen(options, photo, networks)
    if options.cut:
        said["cut"] = _cut_out(options, photo, networks[0], target)
    if options.json:
        print(json.dumps({**said, "output": options.output}))
    else:
        print(f"{options.output} ({said.get('caption', said['name'])})")
    return 0


def _single(
    options: Any, photo: "Picture", networks: "Sequence[Network]"
) -> "tuple[dict[str, Any], int | UnitName]":
    """Write one map; return what --json says about it, and the target."""
    import torch

    from engine.attribution.heat import scale_around_gray
    from engine.attribution.square import Square
    from engine.figure import Tile, contact_sheet
    from engine.files import write_npz
    from engine.image import from_tensor, save_picture
    from engine.image_metadata import described
    from engine.looking import Request, look

    (network,) = networks
    (method,) = _methods(options)
    if options.layer and not method.takes_layer:
        raise BadInput(f"--layer is for {', '.join(LAYERED)}, not for {method.command}")
    request = Request(
        options.unit[0] if options.unit else options.target[0] if options.target else None,
        (method.command,), options.layer[0] if options.layer else "",
        Square(fill=options.fill), options.window, options.stride,
        classes=not options.unit, long_side=options.size,
    )  # fmt: skip
    for answer in look(network, photo.tensor(), request):
        found = answer
    if found.error is not None:
        raise found.error
    _tell_plain(method, network, found.plain)
    names, heat, layer = _named(found), found.maps[method.command], found.layer
    values = torch.from_numpy(found.raw[method.command])
    scale = heat.scale() if values.ndim == 2 else scale_around_gray(values)
    told_of = _caption(heat, names, layer, scale)
    drawn = _drawn(options, photo, values, heat)
    made = contact_sheet([Tile(drawn, told_of)]) if options.caption else from_tensor(drawn)
    save_picture(replace(made, exif=described(told_of)), options.output)
    if options.raw:
        told = {"target": names.get("class"), "class_name": names["name"]}
        about = {
            **({"unit": names["name"]} if "unit" in names else told), "method": method.command,
            "layer": layer, "network": network.card.name,
        }  # fmt: skip
        # Zeiler and Fergus's other maps: one number for each place of the square.
        companions = ("probability", "label") if found.occluded else ()
        beside = {key: getattr(found.occluded, key)[0].numpy() for key in companions}
        write_npz(Path(options.raw), {"values": values.numpy(), **beside, **about})
    numbers = {
        "largest": heat.largest,
        "scale": heat.reach,
        "looked_at": [found.looked_at[1], found.looked_at[0]],
        "caption": told_of,
    }
    about_it = {"method": method.command, "network": network.card.name, "layer": layer}
    return {**names, **about_it, **numbers}, found.unit or found.target


def _caption(heat: "Heat", names: dict[str, Any], layer: str, scale: str) -> str:
    """Return in one line what a map shows and what its colours stand for."""
    from engine.attribution.heat import caption

    sure = names.get("probability")
    answer = f"{names['activation']:.4g}" if sure is None else percent(sure)
    return caption(heat.title, layer, names["name"], answer, scale)


def _drawn(options: Any, photo: "Picture", values: "Tensor", heat: "Heat") -> "Tensor":
    """Return the map alone, at the size of the network's input, or over the photo."""
    from engine.attribution.overlay import laid_over, overlay_size

    if not options.over or values.ndim == 3:
        return _colours(heat, values, options.colours)
    looked_at = (values.shape[0], values.shape[1])
    height, width = overlay_size(options.over_size, (photo.height, photo.width), looked_at)
    below = photo.resized(size=(width, height)).tensor()
    return laid_over(below, heat, options.colours, options.over)


def _figure(
    options: Any, photo: "Picture", networks: "Sequence[Network]"
) -> "tuple[dict[str, Any], int | UnitName]":
    """Write a figure of many maps; return what --json says about it, and the first target."""
    from engine.attribution.methods import without_rule
    from engine.files import write_npz
    from engine.image import save_picture
    from engine.looking import ComparisonRequest, Request, look
    from engine.networks.fitting import fitted

    picture, methods = photo.tensor()[None], _methods(options)
    request = ComparisonRequest(
        tuple(method.command for method in methods), tuple(options.target), tuple(options.unit),
        layers=tuple(options.layer), sanity=options.sanity, colours=options.colours,
        one_scale=not options.each, over=options.over, own_colours=True,
        companions=options.companions, window=options.window, stride=options.stride,
        fill=options.fill, long_side=options.size, strict=True,
    )  # fmt: skip
    with _progress(options.quiet) as progress:
        for answer in look(networks, picture, request):
            progress(answer.done, answer.total)
            done = answer
    made = done.compared
    assert made is not None  # it was not stopped
    save_picture(made.figure, options.output)
    if options.raw:
        write_npz(Path(options.raw), made.values)
    for network in networks:
        x = network.prepare(fitted(network, picture, options.size))
        for method in methods:
            _tell_plain(method, network, without_rule(method, network, x))
    named = []
    for column in done.columns:
        target = column.question.target
        about = Request(
            target if isinstance(target, int) else target.name,
            classes=isinstance(target, int), long_side=options.size,
        )  # fmt: skip
        (found,) = look(column.network, picture, about)
        named.append(_named(found))
    units = [each["unit"] for each in named if "unit" in each]
    said = {
        "class": [each["class"] for each in named if "class" in each],
        "probability": [each["probability"] for each in named if "class" in each],
        **({"unit": units} if units else {}),
        "name": ", ".join(dict.fromkeys(each["name"] for each in named)),
        "method": [m.command for m in methods],
        "network": [n.card.name for n in networks],
        "largest": {key: float(abs(values).max()) for key, values in made.values.items()},
    }
    first = done.columns[0].question.target
    return said, first if isinstance(first, int) else first.name


@contextmanager
def _progress(quiet: bool) -> "Iterator[Callable[[int, int], None]]":
    """Give a function that shows the number of maps made on standard error, if that is a terminal."""
    from tqdm import tqdm

    # None: no bar in files and pipes, where other lines are read
    with tqdm(unit=" maps", disable=quiet or None, file=sys.stderr, leave=False) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield told


def _check_memory(options: Any, network: "Network", photo: "Picture") -> None:
    """Check that all methods fit into memory at the size of the network's input."""
    from engine.attribution.occluding import BATCH
    from engine.memory import check_look
    from engine.networks.fitting import looking_size

    size = looking_size(network, photo.width, photo.height, options.size)
    check_look(network, size)
    if any(find_method(name).covers for name in options.method):
        check_look(network, size, graph=False, count=BATCH)


def _check_companions(options: Any) -> None:
    """Check that --companions goes with an occlusion of a class."""
    if "occlusion" not in options.method:
        raise BadInput("--companions is for --method occlusion")
    if options.sanity:
        raise BadInput("--companions and --sanity make different figures: choose one of them")
    if options.unit and not options.target:
        raise BadInput("--companions is for classes: a unit has no probability; add --class")


def _cut_out(options: Any, photo: "Picture", network: "Network", target: "int | UnitName") -> str:
    """Write the mask of the object that the target's saliency points at."""
    from engine.attribution.cut_out import enlarged, mask_picture
    from engine.image import save_picture
    from engine.looking import Request, look

    *_, found = look(network, photo.tensor(), Request(target, classes=False, pointed=True))
    if found.error is not None:
        raise found.error
    assert found.pointed is not None
    mask = found.pointed.selected().mask
    save_picture(mask_picture(enlarged(mask, photo.width, photo.height)), options.cut)
    return str(options.cut)


def _named(found: "Answer") -> dict[str, Any]:
    """Return what --json says about the target of an answer."""
    if found.unit is not None:
        name, activation = found.unit.words, found.activation
        return {"unit": str(found.unit), "name": name, "activation": activation}
    return {"class": found.target, "name": found.target_name, "probability": found.probability}


def _tell_plain(method: Method, network: "Network", plain: "Sequence[str]") -> None:
    """Say on standard error for which activations a method with a rule for ReLUs has no rule."""
    if plain:
        kept = f"no rule for {', '.join(plain)}, which keep their ordinary gradient"
        print(f"pareidolia: {method.command} on {network.card.name}: {kept}", file=sys.stderr)


def _methods(options: Any) -> list[Method]:
    """Return the methods requested."""
    methods = [find_method(name) for name in options.method]
    if options.signed:
        signed = find_method("signed-gradient")
        methods = [signed if m.command == "gradient" else m for m in methods]
    return list(dict.fromkeys(methods))


def _colours(heat: "Heat", values: "Tensor", colours: str) -> "Tensor":
    """Return (3, H, W) in [0, 1]: a map in colours, or a gradient in its own colours around grey."""
    import torch

    from engine.attribution.heat import around_gray

    if values.ndim == 3:
        return around_gray(values)
    pixels = heat.coloured(colours)
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
