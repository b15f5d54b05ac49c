"""How much of a painting's style the shipped network brings over, judged by VGG-19."""

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

from engine.image import open_picture
from engine.job import Inputs, Job, run
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.techniques.style_transfer import StyleTransfer
from tests.benchmarks.baseline import STYLE_LAYERS, gram
from tests.benchmarks.inputs import data_file, painting, weights
from tests.benchmarks.table import Row, at_most

SIDE, SMALLEST, ITERATIONS = 256, 96, 260
LIMIT = 0.20
PILOT = "weights/slim_vgg_pilot.safetensors"
"""Weights of the same network after half an hour of training: what the shipped ones are up to."""


def rows(device: torch.device) -> Iterator[Row]:
    """Yield the style errors of pictures made with the shipped network, its pilot and VGG-19.

    The error is the sum over relu1_1 to relu5_1 of the squared distance of VGG-19's Gram matrices
    to the painting's, relative to the latter's square.
    """
    judge = load_network("vgg19", weights("vgg19")).move(device, torch.float32)
    photo = open_picture(data_file("images/photos/cat_1080p.jpg")).resized(SIDE)
    wanted = grams(judge, painting(SIDE).tensor())
    plain = error(judge, photo.tensor(), wanted)
    for what, name, file in (
        ("slim_vgg", "slim_vgg", None),
        ("its pilot", "slim_vgg", data_file(PILOT)),
        ("vgg19", "vgg19", weights("vgg19")),
    ):
        technique = StyleTransfer(
            iterations=ITERATIONS, smallest_scale=SMALLEST, style_statistic="gram",
            style_layers=STYLE_LAYERS, content_weight=0.001, tv_weight=0.0, padding="zeros",
            start="content", learning_rate=0.05, averaging=0.0,
        )  # fmt: skip
        job = Job(
            technique, Inputs(content=photo, styles=((painting(4 * SIDE), 1.0),)), name,
            size=SIDE, device=device.type, precision="fp32",
        )  # fmt: skip
        network = load_network(name, file).move(device, torch.float32)
        (frame,) = deque(run(job, network), maxlen=1)
        yield Row(
            f"{what}: style error judged by VGG-19, {SIDE} px",
            error(judge, frame.picture.clamp(0, 1), wanted),
            unit="",
            target=at_most(LIMIT) if what == "slim_vgg" else None,
            note=f"the photo itself {plain:.3g}",
        )


@torch.inference_mode()
def grams(judge: Network, picture: Tensor) -> dict[str, Tensor]:
    taps = judge.taps(picture[None].to(judge.device), list(STYLE_LAYERS))
    return {name: gram(taps[name].contiguous()) for name in STYLE_LAYERS}


def error(judge: Network, picture: Tensor, wanted: dict[str, Tensor]) -> float:
    found = grams(judge, picture)
    return sum(
        float((found[name] - wanted[name]).square().sum() / wanted[name].square().sum())
        for name in wanted
    )
