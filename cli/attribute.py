"""The command `attribute`: what in a photo speaks for a class, as a heat map."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.options import PROGRAM, Parser, add_device, add_network, add_output
from engine.colour_map import SEQUENTIAL
from engine.heat import METHODS, Heat, Method, find_method

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

COMMANDS = tuple(method.command for method in METHODS)
SUMMARY = "a heat map: what in a photo speaks for a class"


def run(argv: list[str]) -> int:
    """Carry out `attribute ARGV`; return the exit code. Raises `PareidoliaError`s."""
    options = _parser().parse_args(argv)
    from cli.running import check_output
    from engine import colour
    from engine.attribution.methods import Question, attribute
    from engine.image import from_tensor, open_picture, save_picture

    output = Path(options.output)
    check_output(output)
    photo = open_picture(options.photo)
    from engine.device import choose_device
    from engine.networks.fitting import fitting_size
    from engine.networks.loading import load_network

    network = load_network(options.network, options.weights, choose_device(options.device))
    if options.size:
        photo = photo.resized(options.size)
    else:
        height, width = fitting_size(network, photo.width, photo.height)
        photo = photo.resized(size=(width, height))
    picture = photo.tensor()[None].to(network.device)
    target = _target(network, picture, options.target)
    method = find_method(options.method)
    if options.signed and method.command == "gradient":
        method = find_method("signed-gradient")
    question = Question(target, options.layer, options.window, options.stride)
    values = attribute(method, network, network.prepare(picture), question)
    assert values is not None  # nobody stops it
    if options.raw:
        _write_raw(Path(options.raw), values, target, network, options)
    heat = _colours(method, values, options.colours)
    if options.over and values.ndim == 2:
        heat = colour.gray(picture[0].cpu()[None])[0].lerp(heat, options.over)
    save_picture(from_tensor(heat), output)
    if options.json:
        names = {"class": target, "name": network.classes[target], "method": options.method}
        print(json.dumps({**names, "network": network.card.name, "output": str(output)}))
    else:
        print(f"{output} ({network.classes[target]})")
    return 0


def _parser() -> Parser:
    parser = Parser(prog=f"{PROGRAM} attribute", description=SUMMARY)
    add = parser.add_argument
    add("photo", metavar="PHOTO", type=Path)
    add(
        "--method",
        required=True,
        choices=COMMANDS,
        metavar="M",
        help="one of " + ", ".join(COMMANDS),
    )
    add("--class", dest="target", metavar="NAME_OR_INDEX", default="",
        help="for which class (default: the most likely one)")  # fmt: skip
    add("--layer", default="", metavar="NAME", help="for grad-cam (default: the last map)")
    add("--window", type=int, default=0, metavar="PX", help="for occlusion (default: a seventh)")
    add("--stride", type=int, default=0, metavar="PX", help="for occlusion (default: half of it)")
    add("--signed", action="store_true", help="for gradient: the same as --method signed-gradient")
    add_output(add)
    add("--raw", metavar="FILE.npz", help="also the raw values, as NumPy arrays")
    add(
        "--colours",
        choices=SEQUENTIAL,
        default="viridis",
        metavar="MAP",
        help=", ".join(SEQUENTIAL),
    )
    add("--over", type=_share, default=0.0, metavar="X",
        help="lay the map over the photo in gray, 0 to 1 (default: the map alone)")  # fmt: skip
    add_network(add)
    add("--size", type=int, default=0, metavar="PX",
        help="long side of the photo for the network (default: what it was made for)")  # fmt: skip
    add_device(add, "auto")
    add("--json", action="store_true", help="what was found as one line of JSON")
    return parser


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError
    return share


def _target(network: "Network", picture: "Tensor", text: str) -> int:
    from engine.networks.classes import find_class

    logits = network.logits(picture)  # raises for networks without classes
    return find_class(network, text) if text else int(logits.argmax())


def _colours(method: Method, values: "Tensor", colours: str) -> "Tensor":
    """Return (3, H, W) in [0, 1]: a map in colours, or a gradient in its own around gray."""
    import torch

    from engine.colour_map import display_range

    if values.ndim == 3:
        reach = max(display_range(values.abs().numpy())[1], 1e-12)
        return (values / (2 * reach) + 0.5).clamp(0, 1)
    pixels = Heat.of(method, values).coloured(colours)
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def _write_raw(path: Path, values: "Tensor", target: int, network: "Network", options: Any) -> None:
    from engine.files import write_npz

    about = {
        "target": target, "class_name": network.classes[target], "method": options.method,
        "layer": options.layer, "network": network.card.name,
    }  # fmt: skip
    write_npz(path, {"values": values.numpy(), **about})
