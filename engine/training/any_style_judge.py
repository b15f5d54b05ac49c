"""How well style networks paint, by a network that they were not trained on.

    python -m engine.training.any_style_judge --network FILE … --judge VGG19
        --paintings FOLDER --photos FOLDER [--sizes 256 512]

Style error: the sum over relu1_1 to relu5_1 of |G - A|² / |A|², Gram matrices of result and painting at
the same size. Content: CFSD, the divergence of the photo's and the result's self-similarities (Chung,
Hyun, Heo 2024, "Style Injection in Diffusion"), at 256 pixels. Printed beside what the photo itself has.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.image import open_picture
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.objectives.style import gram_matrix
from engine.parameterization.scales import fit, resize_picture
from engine.stylization.network import StyleKind, StyleNetwork
from engine.stylization.opening import open_style_network
from engine.training.any_style_losses import STYLE_LAYERS
from engine.training.any_style_pictures import SUFFIXES, read_paintings

SIMILAR_AT, SIMILAR_LAYER = 256, "relu3_1"


@torch.no_grad()
def grams(judge: Network, picture: Tensor) -> list[Tensor]:
    """Return the Gram matrices (1, C, C) of the style layers of a picture (1, 3, H, W) in [0, 1]."""
    found = judge.taps(picture, STYLE_LAYERS)
    return [gram_matrix(found[name].double()) for name in STYLE_LAYERS]


def style_error(own: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """Return the sum over layers of the relative squared error of a picture's Gram matrices."""
    pairs = zip(own, wanted, strict=True)
    return float(sum((g - a).square().sum() / a.square().sum() for g, a in pairs))


@torch.no_grad()
def content_distance(judge: Network, picture: Tensor, photo: Tensor) -> float:
    """Return CFSD: the mean over places of KL(photo's softmax similarities, picture's)."""
    similarities = []
    for x in (photo, picture):
        maps = judge.taps(x, [SIMILAR_LAYER])[SIMILAR_LAYER][0].float().flatten(1)
        rows = F.normalize(maps, dim=0)
        similarities.append((rows.T @ rows).log_softmax(1))
    wanted, own = similarities
    return float(F.kl_div(own, wanted, reduction="batchmean", log_target=True))


def at_side(path: Path, side: int) -> Tensor:
    """Return a picture (1, 3, H, W) whose long side is `side` pixels."""
    picture = open_picture(path, long_side=2 * side)
    return resize_picture(picture.tensor()[None], fit((picture.height, picture.width), side))


@torch.no_grad()
def judged(
    network: StyleNetwork,
    judge: Network,
    photos: Sequence[Path],
    paintings: Sequence[Path],
    side: int,
) -> list[tuple[str, str, float, float, float]]:
    """Return (photo, painting, style error of the photo, of the result, CFSD) for each pair."""
    found = []
    contents = {photo: at_side(photo, side) for photo in photos}
    before = {photo: grams(judge, content) for photo, content in contents.items()}
    for painting in paintings:
        style = at_side(painting, side)
        wanted = grams(judge, style)
        code = network.encode(style) if network.kind == StyleKind.ANY else network.style(0)
        for photo, content in contents.items():
            made = network(content, code).clamp(0, 1)
            small = [
                resize_picture(x, fit((x.shape[2], x.shape[3]), SIMILAR_AT))
                for x in (made, content)
            ]
            found.append(
                (
                    photo.stem,
                    painting.stem,
                    style_error(before[photo], wanted),
                    style_error(grams(judge, made), wanted),
                    content_distance(judge, small[0], small[1]),
                )
            )
    return found


def main() -> None:
    """Parse the options, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--network", type=Path, nargs="+", required=True, help="style networks")
    add("--judge", type=Path, required=True, help="weights of VGG-19")
    add("--paintings", type=Path, required=True, help="folder that the network was trained from")
    add(
        "--without", nargs="*", default=None, help="paintings to judge by (default: those kept out)"
    )
    add("--photos", type=Path, required=True, help="folder of photos")
    add("--sizes", type=int, nargs="+", default=[256, 512], help="long sides in pixels")
    options = parser.parse_args()
    judge = load_network("vgg19", options.judge)
    kept_out = read_paintings(options.paintings, options.without).kept_out
    files = sorted(options.paintings.iterdir())
    paintings = [f for f in files if f.stem in kept_out and f.suffix.lower() in SUFFIXES]
    photos = [f for f in sorted(options.photos.iterdir()) if f.suffix.lower() in SUFFIXES]
    for path in options.network:
        network = open_style_network(path)
        for side in options.sizes:
            rows = judged(network, judge, photos, paintings, side)
            print(f"{path.name} at {side} px")
            for photo, painting, before, after, distance in rows:
                print(f"  {photo:16} {painting:24} photo {before:.2f}, painted {after:.2f}, "
                      f"CFSD {distance:.3f}")  # fmt: skip
            before, after, distance = map(
                median, list(zip(*(row[2:] for row in rows), strict=True))
            )
            print(f"  median: photo {before:.2f}, painted {after:.2f}, CFSD {distance:.3f}")


if __name__ == "__main__":
    main()
