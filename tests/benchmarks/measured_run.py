"""python -m tests.benchmarks.measured_run: two iterations at one size, alone in a process.

Prints the seconds of the second one, the most memory of the whole process, and the tiles, as JSON.
"""

import argparse
import json
import time

from engine.device import peak_memory
from engine.image import open_picture
from engine.job import Inputs, Job, frames_of, prepare
from engine.networks.parts import Rewiring
from engine.task import Task
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.style_transfer.steps import content_layers, style_layers
from engine.techniques.tiling import Room


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.measured_run")
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--network", required=True)
    parser.add_argument("--weights")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--memory", type=int)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    technique = StyleTransfer(iterations=2, smallest_scale=65536)
    pictures = Inputs(
        content=open_picture(given.content), styles=((open_picture(given.style), 1.0),)
    )
    job = Job(
        technique, pictures, given.network, given.weights,
        size=given.size, device=given.device, memory=given.memory,
    )  # fmt: skip
    task = prepare(job)
    assert isinstance(task.technique, StyleTransfer)
    tiles = _tiles(task, (given.size, given.size))
    moments = [time.perf_counter() for _ in frames_of(job, task)]
    figures = {
        "seconds": moments[1] - moments[0],
        "memory": peak_memory(task.network.device) / 2**20,
        "tiles": tiles,
        "precision": str(task.network.dtype).removeprefix("torch."),
    }
    print(json.dumps(figures))


def _tiles(task: Task[StyleTransfer], size: tuple[int, int]) -> int:
    """Return in how many tiles a picture of `size` (height, width) is looked at; 1: as a whole."""
    settings, network = task.technique, task.network
    layers = [*content_layers(settings, network), *style_layers(settings, network)]
    rewiring = Rewiring(settings.pooling, settings.padding)
    tiled = Room.of(task, size).tiled(network, layers, size, rewiring)
    return 1 if tiled is None else tiled.plan.tiles


if __name__ == "__main__":
    main()
