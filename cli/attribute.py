"""The command `attribute`: what in a photo speaks for a class or a unit, as a heat map."""

import json
import sys
from argparse import ArgumentTypeError
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.options import PROGRAM, Parser, add_device, add_network, add_output, positive
from engine.colour_map import SEQUENTIAL
from engine.errors import BadInput
from engine.heat import FILLS, METHODS, Heat, Method, UnitName, around_gray, find_method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from engine.attribution.occlusion import Occluded
    from engine.attribution.unit import Unit
    from engine.image import Picture
    from engine.networks.network import Network

COMMANDS = tuple(method.command for method in METHODS)
LAYERED = tuple(m.command for m in METHODS if m.of_layer and m.command != "cam")
SUMMARY = "a heat map: what in a photo speaks for a class, or drives a unit"


def run(argv: list[str]) -> int:
    """Carry out `attribute ARGV`; return the exit code. Raises `PareidoliaError`s."""
    options = _parser().parse_args(argv)
    from cli.running import check_output
    from engine.device import choose_device
    from engine.files import check_writable
    from engine.image import open_picture
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
    names = options.network or ["slim_vgg"]
    device = choose_device(options.device)
    networks = [load_network(name, options.weights, device) for name in names]
    targets = len(options.target) + len(options.unit)
    several = max(len(options.method), targets, len(options.layer), len(networks)) > 1
    if options.companions:
        _check_companions(options)
    for network in networks:
        _check_memory(options, network, photo)
    chosen = _figure if several or options.sanity or options.companions else _single
    said, target = chosen(options, photo, networks)
    if options.cut:
        said["cut"] = _cut_out(options, photo, networks[0], target)
    if options.json:
        print(json.dumps({**said, "output": options.output}))
    else:
        print(f"{options.output} ({said['name']})")
    return 0


def _single(
    options: Any, photo: "Picture", networks: "Sequence[Network]"
) -> "tuple[dict[str, Any], int | Unit]":
    """Write one map; return what --json says about it, and the target."""
    from engine import colour
    from engine.attribution.methods import Question, attribute, layer_of
    from engine.files import write_npz
    from engine.image import from_tensor, save_picture
    from engine.networks.fitting import fitted

    (network,) = networks
    picture = fitted(network, photo.tensor()[None], options.size)
    (target,) = _targets(network, picture, options)
    (method,) = _methods(options)
    x = network.prepare(picture)
    question = Question(target, "", options.window, options.stride, options.fill)
    if method.command in LAYERED:
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
    heat = _colours(method, values, options.colours)
    if options.over and values.ndim == 2:
        heat = colour.gray(picture[0].cpu()[None])[0].lerp(heat, options.over)
    save_picture(from_tensor(heat), options.output)
    if options.raw:
        told = {"target": target, "class_name": names["name"]}
        about = {
            **({"unit": names["name"]} if "unit" in names else told), "method": method.command,
            "layer": layer, "network": network.card.name,
        }  # fmt: skip
        # Zeiler and Fergus's companions, one number for each place of the square.
        beside = {k: getattr(c, k)[0].numpy() for c in covered for k in ("probability", "label")}
        write_npz(Path(options.raw), {"values": values.numpy(), **beside, **about})
    return {**names, "method": method.command, "network": network.card.name}, target


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
    if options.sanity:
        if len(columns) > 1:
            raise BadInput("--sanity takes one network, class or unit, and layer")
        made = sanity_check(
            picture, columns[0], methods, colours=options.colours, long_side=options.size
        )
    else:
        made = compare(
            picture, columns, methods, colours=options.colours, one_scale=not options.each,
            over=options.over, own_colours=True, companions=options.companions,
            long_side=options.size,
        )  # fmt: skip
    assert made is not None  # nobody stops it
    save_picture(made.figure, options.output)
    if options.raw:
        write_npz(Path(options.raw), made.values)
    inputs = {
        network: network.prepare(fitted(network, picture, options.size)) for network in networks
    }
    for network, x in inputs.items():
        for method in methods:
            _tell_plain(method, network, x)
    named = [_named(c.network, inputs[c.network], c.question.target) for c in columns]
    units = [each["unit"] for each in named if "unit" in each]
    said = {
        "class": [each["class"] for each in named if "class" in each],
        "probability": [each["probability"] for each in named if "class" in each],
        **({"unit": units} if units else {}),
        "name": ", ".join(dict.fromkeys(each["name"] for each in named)),
        "method": [m.command for m in methods],
        "network": [n.card.name for n in networks],
    }
    return said, columns[0].question.target


def _check_memory(options: Any, network: "Network", photo: "Picture") -> None:
    """See that all methods fit into memory at the size that the network looks at."""
    from engine.attribution.occlusion import BATCH
    from engine.memory import check_look
    from engine.networks.fitting import looking_size

    size = looking_size(network, photo.width, photo.height, options.size)
    check_look(network, size)
    if "occlusion" in options.method:
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


def _parser() -> Parser:
    parser = Parser(prog=f"{PROGRAM} attribute", description=SUMMARY)
    add = parser.add_argument
    add("photo", metavar="PHOTO", type=Path)
    add("--method", required=True, action="append", choices=COMMANDS, metavar="M",
        help="one of " + ", ".join(COMMANDS) + "; may be repeated, as may --class, --layer "
        "and --network: a figure, a row for each method, a column for each of the others")  # fmt: skip
    add("--class", dest="target", action="append", metavar="NAME_OR_INDEX", default=[],
        help="for which class (default: the most likely one)")  # fmt: skip
    add("--unit", action="append", metavar="LAYER:CHANNEL[:Y,X]", default=[], type=_unit,
        help="for which unit inside the network instead (default place: where it is highest); may "
        "be repeated")  # fmt: skip
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
        help="for occlusion: mean (of the network's training), gray, black, blur")  # fmt: skip
    add("--companions", action="store_true",
        help="for occlusion: a figure that also shows the class's probability and the most likely "
        "class at each place of the square (Zeiler and Fergus 2014)")  # fmt: skip
    add("--signed", action="store_true", help="for gradient: the same as --method signed-gradient")
    add_output(add)
    add("--cut", metavar="MASK.png",
        help="also the object that the gradient points at, as a mask of the photo's size "
        "(GrabCut, as in Simonyan et al. 2014)")  # fmt: skip
    add("--raw", metavar="FILE.npz",
        help="also the raw values, as NumPy arrays; of occlusion also the class's probability and "
        "the most likely class at each place of the square")  # fmt: skip
    add("--colours", choices=SEQUENTIAL, default="viridis", metavar="MAP",
        help=", ".join(SEQUENTIAL))  # fmt: skip
    add("--over", type=_share, default=0.0, metavar="X",
        help="lay the map over the photo in gray, 0 to 1 (default: the map alone)")  # fmt: skip
    add("--each", action="store_true",
        help="in a figure, every map with its own scale (default: one for each row)")  # fmt: skip
    add("--sanity", action="store_true",
        help="a figure of what is left of the maps as the weights are made random from the top "
        "layer down (Adebayo et al. 2018)")  # fmt: skip
    add_network(add, several=True)
    add("--size", type=positive, metavar="PX",
        help="long side of the photo for the network (default: what it was made for)")  # fmt: skip
    add_device(add, "auto")
    add("--json", action="store_true", help="what was found as one line of JSON")
    return parser


def _unit(text: str) -> UnitName:
    try:
        return UnitName.parse(text)
    except BadInput as error:
        raise ArgumentTypeError(str(error)) from None


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise ArgumentTypeError(f"{text!r} is not a number from 0 to 1")


def _targets(network: "Network", picture: "Tensor", options: Any) -> "list[int | Unit]":
    """Return the classes and units asked for; if none is, the most likely class."""
    from engine.attribution.unit import Unit
    from engine.networks.classes import find_class

    units = [Unit(name.layer, name.channel, name.position) for name in options.unit]
    classes = [find_class(network, text) for text in options.target]
    if not classes and not units:
        return [int(network.logits(picture)[0].argmax())]  # raises for networks without classes
    return [*classes, *units]


def _colours(method: Method, values: "Tensor", colours: str) -> "Tensor":
    """Return (3, H, W) in [0, 1]: a map in colours, or a gradient in its own around gray."""
    import torch

    if values.ndim == 3:
        return around_gray(values)
    pixels = Heat.of(method, values).coloured(colours)
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
