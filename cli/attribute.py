"""The command `attribute`: what in a photo speaks for a class or a unit, as a heat map."""

import json
import sys
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.attribute_options import LAYERED, parser
from cli.options import tell
from engine.attribution.heat import Heat, around_gray, caption, scale_around_gray
from engine.attribution.registry import Method, find_method
from engine.attribution.unit_name import UnitName
from engine.errors import BadInput
from engine.networks.classes import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from engine.attribution.occluding import Occluded
    from engine.attribution.unit import Unit
    from engine.image import Picture
    from engine.networks.network import Network


def run(argv: list[str]) -> int:
    """Carry out `attribute ARGV`; return the exit code. Raises `PareidoliaError`s."""
    options = parser().parse_args(argv)
    from cli.running import check_output
    from engine.device import choose_device
    from engine.files import check_writable
    from engine.image import open_picture
    from engine.networks.fitting import squeezed
    from engine.networks.loading import load_network
    from engine.outputs import Sources, keep_apart

    check_output(Path(options.output))
    if options.cut:
        check_output(Path(options.cut))
        if Path(options.cut).suffix.lower() in (".jpg", ".jpeg"):
            raise BadInput(f"{options.cut} blurs the edges of a mask: end it in .png")
    if options.raw:
        if Path(options.raw).suffix.lower() != ".npz":
            raise BadInput(f"{options.raw} does not say its format: end it in .npz")
        check_writable(Path(options.raw))
    written = [Path(path) for path in (options.output, options.cut, options.raw) if path]
    read = [Path(path) for path in (options.photo, options.weights) if path]
    keep_apart(written, Sources(tuple(read)))
    photo = open_picture(options.photo)
    tell(photo)
    names = options.network or ["slim_vgg"]
    device = choose_device(options.device)
    networks = [
        load_network(name, options.weights, device, options.preprocessing) for name in names
    ]
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
) -> "tuple[dict[str, Any], int | Unit]":
    """Write one map; return what --json says about it, and the target."""
    from engine.attribution.methods import Question, attribute, layer_of
    from engine.figure import Tile, contact_sheet
    from engine.files import write_npz
    from engine.image import from_tensor, save_picture
    from engine.image_metadata import described
    from engine.networks.fitting import fitted

    (network,) = networks
    picture = fitted(network, photo.tensor()[None], options.size)
    (target,) = _targets(network, picture, options)
    (method,) = _methods(options)
    x = network.prepare(picture)
    question = Question(target, "", options.window, options.stride, options.fill)
    if method.takes_layer:
        question = replace(question, layer=options.layer[0] if options.layer else "")
        layer = question.layer or layer_of(network, x, question)
    elif options.layer:
        raise BadInput(f"--layer is for {', '.join(LAYERED)}, not for {method.command}")
    else:
        layer = ""
    covered: deque[Occluded] = deque(maxlen=1)
    values = attribute(method, network, x, question, publish=covered.append)
    assert values is not None  # nobody stops it
    _tell_plain(method, network, x)
    names = _named(network, picture, target)
    heat = Heat.of(method, values)
    scale = scale_around_gray(values) if values.ndim == 3 else heat.scale()
    told_of = _caption(heat, names, layer, scale)
    drawn = _drawn(options, photo, values, heat)
    made = contact_sheet([Tile(drawn, told_of)]) if options.caption else from_tensor(drawn)
    save_picture(replace(made, exif=described(told_of)), options.output)
    if options.raw:
        told = {"target": target, "class_name": names["name"]}
        about = {
            **({"unit": names["name"]} if "unit" in names else told), "method": method.command,
            "layer": layer, "network": network.card.name,
        }  # fmt: skip
        # Zeiler and Fergus's companions, one number for each place of the square.
        beside = {k: getattr(c, k)[0].numpy() for c in covered for k in ("probability", "label")}
        write_npz(Path(options.raw), {"values": values.numpy(), **beside, **about})
    numbers = {
        "largest": heat.largest,
        "scale": heat.reach,
        "looked_at": [picture.shape[3], picture.shape[2]],
        "caption": told_of,
    }
    about_it = {"method": method.command, "network": network.card.name, "layer": layer}
    return {**names, **about_it, **numbers}, target


def _caption(heat: Heat, names: dict[str, Any], layer: str, scale: str) -> str:
    """Return what a map is of and what its colours stand for, in a line."""
    sure = names.get("probability")
    answer = f"{names['activation']:.4g}" if sure is None else percent(sure)
    return caption(heat.title, layer, names["name"], answer, scale)


def _drawn(options: Any, photo: "Picture", values: "Tensor", heat: Heat) -> "Tensor":
    """Return the map alone, of the size that the network looked at, or over the photo."""
    from engine.attribution.overlay import laid_over, overlay_size

    if not options.over or values.ndim == 3:
        return _colours(heat, values, options.colours)
    looked_at = (values.shape[0], values.shape[1])
    height, width = overlay_size(options.over_size, (photo.height, photo.width), looked_at)
    below = photo.resized(size=(width, height)).tensor()
    return laid_over(below, heat, options.colours, options.over)


def _figure(
    options: Any, photo: "Picture", networks: "Sequence[Network]"
) -> "tuple[dict[str, Any], int | Unit]":
    """Write a figure of many maps; return what --json says about it, and the first target."""
    from engine.attribution.comparison import Column, compare, sanity_check
    from engine.attribution.methods import Question
    from engine.files import write_npz
    from engine.image import save_picture
    from engine.networks.fitting import fitted

    picture = photo.tensor()[None]
    columns = [
        Column(network, Question(target, layer, options.window, options.stride, options.fill))
        for network in networks
        for target in _targets(network, fitted(network, picture, options.size), options)
        for layer in options.layer or ("",)
    ]
    methods = _methods(options)
    with _progress(options.quiet) as progress:
        if options.sanity:
            made = sanity_check(
                picture, columns, methods, colours=options.colours, long_side=options.size,
                progress=progress,
            )  # fmt: skip
        else:
            made = compare(
                picture, columns, methods, colours=options.colours, one_scale=not options.each,
                over=options.over, own_colours=True, companions=options.companions,
                long_side=options.size, progress=progress,
            )  # fmt: skip
    assert made is not None  # nobody stops it
    save_picture(made.figure, options.output)
    if options.raw:
        write_npz(Path(options.raw), made.values)
    inputs = {network: fitted(network, picture, options.size) for network in networks}
    for network, small in inputs.items():
        for method in methods:
            _tell_plain(method, network, network.prepare(small))
    named = [_named(c.network, inputs[c.network], c.question.target) for c in columns]
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
    return said, columns[0].question.target


@contextmanager
def _progress(quiet: bool) -> "Iterator[Callable[[int, int], None]]":
    """Give what shows the number of maps made on standard error, where somebody looks."""
    from tqdm import tqdm

    # None: not into files and pipes, where other lines are read.
    with tqdm(unit=" maps", disable=quiet or None, file=sys.stderr, leave=False) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield told


def _check_memory(options: Any, network: "Network", photo: "Picture") -> None:
    """See that all methods fit into memory at the size that the network looks at."""
    from engine.attribution.occluding import BATCH
    from engine.memory import check_look
    from engine.networks.fitting import looking_size

    size = looking_size(network, photo.width, photo.height, options.size)
    check_look(network, size)
    if any(find_method(name).covers for name in options.method):
        check_look(network, size, graph=False, count=BATCH)


def _check_companions(options: Any) -> None:
    """See that an occlusion of a class is asked for."""
    if "occlusion" not in options.method:
        raise BadInput("--companions is for --method occlusion")
    if options.sanity:
        raise BadInput("--companions and --sanity make different figures: choose one of them")
    if options.unit and not options.target:
        raise BadInput("--companions is for classes: a unit has no probability; add --class")


def _cut_out(options: Any, photo: "Picture", network: "Network", target: "int | Unit") -> str:
    """Write the mask of the object that the target's saliency points at."""
    from engine.attribution.cut_out import enlarged, mask_picture, pointed_at
    from engine.image import save_picture

    mask = pointed_at(network, photo, target).selected().mask
    save_picture(mask_picture(enlarged(mask, photo.width, photo.height)), options.cut)
    return str(options.cut)


def _named(network: "Network", picture: "Tensor", target: "int | Unit") -> dict[str, Any]:
    """Return what --json says of a target in a picture of the size that the network looks at."""
    if isinstance(target, int):
        from engine.networks.classes import probabilities

        chances = probabilities(network.logits(picture)[0].detach().cpu().double())
        probability = float(chances[target])
        return {"class": target, "name": network.classes[target], "probability": probability}
    from engine.attribution.methods import located

    unit, activation = located(network, network.prepare(picture), target)
    name = UnitName(unit.layer, unit.channel, unit.position)
    return {"unit": str(name), "name": name.words, "activation": activation}


def _tell_plain(method: Method, network: "Network", x: "Tensor") -> None:
    """Say on standard error which activations a method with a rule for ReLUs has none for."""
    from engine.attribution.methods import without_rule

    plain = without_rule(method, network, x)
    if plain:
        kept = f"no rule for {', '.join(plain)}, which keep their ordinary gradient"
        print(f"pareidolia: {method.command} on {network.card.name}: {kept}", file=sys.stderr)


def _methods(options: Any) -> list[Method]:
    """Return the methods asked for."""
    methods = [find_method(name) for name in options.method]
    if options.signed:
        signed = find_method("signed-gradient")
        methods = [signed if m.command == "gradient" else m for m in methods]
    return list(dict.fromkeys(methods))


def _targets(network: "Network", picture: "Tensor", options: Any) -> "list[int | Unit]":
    """Return the classes and units asked for; if none is, the most likely class."""
    from engine.attribution.unit import Unit
    from engine.networks.classes import find_class

    units = [Unit(name.layer, name.channel, name.position) for name in options.unit]
    classes = [find_class(network, text) for text in options.target]
    if not classes and not units:
        return [int(network.logits(picture)[0].argmax())]  # raises for networks without classes
    return [*classes, *units]


def _colours(heat: Heat, values: "Tensor", colours: str) -> "Tensor":
    """Return (3, H, W) in [0, 1]: a map in colours, or a gradient in its own around gray."""
    import torch

    if values.ndim == 3:
        return around_gray(values)
    pixels = heat.coloured(colours)
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
