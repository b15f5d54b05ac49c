"""The command `attribute`: what in a photo speaks for a class, as a heat map."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.options import PROGRAM, Parser, add_device
from engine.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

METHODS = (
    "gradient", "guided-backprop", "deconvnet", "occlusion", "cam", "grad-cam", "guided-grad-cam",
)  # fmt: skip
COLOURS = ("viridis", "magma", "inferno", "plasma", "cividis", "gray")
SUMMARY = "a heat map: what in a photo speaks for a class"


def run(argv: list[str]) -> int:
    """Carry out `attribute ARGV`; return the exit code. Raises `PareidoliaError`s."""
    options = _parser().parse_args(argv)
    from cli.running import check_output
    from engine import colour
    from engine.image import from_tensor, open_picture, save_picture

    output = Path(options.output)
    check_output(output)
    photo = open_picture(options.photo)
    from engine.device import choose_device
    from engine.networks.loading import load_network

    network = load_network(options.network, options.weights, choose_device(options.device))
    side = options.size or round(network.card.input_size * _stretch(photo.width, photo.height))
    picture = photo.resized(side).tensor()[None].to(network.device)
    target = _target(network, picture, options.target)
    values = _values(options, network, picture, target)
    if options.raw:
        _write_raw(Path(options.raw), values, target, network, options)
    heat = _colours(values, options.colours)
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
        "--method", required=True, choices=METHODS, metavar="M", help="one of " + ", ".join(METHODS)
    )
    add("--class", dest="target", metavar="NAME_OR_INDEX", default="",
        help="for which class (default: the most likely one)")  # fmt: skip
    add("--layer", default="", metavar="NAME", help="for grad-cam (default: the last map)")
    add("--window", type=int, default=0, metavar="PX", help="for occlusion (default: a seventh)")
    add("--stride", type=int, default=0, metavar="PX", help="for occlusion (default: a quarter)")
    add("--signed", action="store_true", help="for gradient: with its sign, in its colours")
    add(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="picture to write (png, jpg, webp, tif)",
    )
    add("--raw", metavar="FILE.npz", help="also the raw values, as NumPy arrays")
    add("--colours", choices=COLOURS, default="viridis", metavar="MAP", help=", ".join(COLOURS))
    add("--over", type=_share, default=0.0, metavar="X",
        help="lay the map over the photo in gray, 0 to 1 (default: the map alone)")  # fmt: skip
    add("--network", default="slim_vgg", metavar="NAME", help="which network (default: slim_vgg)")
    add("--weights", metavar="FILE_OR_FOLDER", help="its weights, when not in the usual places")
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


def _stretch(width: int, height: int) -> float:
    """Return how much longer the long side is, so that the short side fits the network's."""
    return min(max(width, height) / min(width, height), 3.0)


def _target(network: "Network", picture: "Tensor", text: str) -> int:
    from engine.networks.classes import find_class

    logits = network.logits(picture)  # raises for networks without classes
    return find_class(network, text) if text else int(logits.argmax())


def _values(options: Any, network: "Network", picture: "Tensor", target: int) -> "Tensor":
    """Return the raw map, (H, W) or (3, H, W)."""
    from engine import attribution

    module, x = network.module, network.prepare(picture)
    side = min(x.shape[2:])
    window = options.window or max(1, round(side / 7))
    stride = options.stride or max(1, window // 4)
    layer = _layer(network, options.layer, (x.shape[2], x.shape[3]))
    methods: dict[str, Callable[[], Tensor]] = {
        "gradient": lambda: attribution.saliency(module, x, target, signed=options.signed),
        "guided-backprop": lambda: attribution.guided_backprop(module, x, target),
        "deconvnet": lambda: attribution.deconvnet(module, x, target),
        "occlusion": lambda: attribution.occlusion(module, x, target, window, stride),
        "cam": lambda: attribution.cam(module, x, target),
        "grad-cam": lambda: attribution.grad_cam(module, x, target, layer),
        "guided-grad-cam": lambda: attribution.guided_grad_cam(module, x, target, layer),
    }
    try:
        values = methods[options.method]()[0].float().cpu()
    except ValueError as error:
        raise BadInput(f"{options.method} on {network.card.name}: {error}") from error
    if values.ndim == 3 and network.card.preprocessing.order == "BGR":
        values = values.flip(0)
    return values


def _layer(network: "Network", text: str, size: tuple[int, int]) -> str:
    """Return the dotted name of the layer asked for, or of the last one that has a map."""
    calls = network.calls(size)
    if text:
        name = network.resolve(text)
    else:
        maps = [c.name for c in calls.values() if len(c.shape) == 4 and min(c.shape[2:]) > 1]
        if not maps:
            raise BadInput(f"{network.card.name} has no layer with a map for this picture")
        name = maps[-1]
    return f"{name}#1" if f"{name}#2" in calls else name


def _colours(values: "Tensor", colours: str) -> "Tensor":
    """Return (3, H, W) in [0, 1]: a map in colours, or a signed gradient around gray."""
    import torch

    from engine.attribution.colour_map import colourised, display_range

    if values.ndim == 3:
        reach = max(display_range(values.abs().numpy())[1], 1e-12)
        return (values / (2 * reach) + 0.5).clamp(0, 1)
    array = values.numpy()
    low = min(0.0, float(array.min()))
    pixels = colourised(array, colours, low, max(display_range(array)[1], low + 1e-12))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def _write_raw(path: Path, values: "Tensor", target: int, network: "Network", options: Any) -> None:
    from engine.files import write_npz

    about = {
        "target": target, "class_name": network.classes[target], "method": options.method,
        "layer": options.layer, "network": network.card.name,
    }  # fmt: skip
    write_npz(path, {"values": values.numpy(), **about})
