"""python -m tests.benchmarks.classes: do class visualizations show the class, or only fool a network?

Pictures made with one network are shown to another, which never saw them being made.
"""

import argparse
from collections import deque
from pathlib import Path

from engine.image import from_tensor, save_picture
from engine.job import Job, run
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.techniques.class_visualization import ClassVisualization
from tests.benchmarks.inputs import ROOT, folder

CLASSES = (
    1,
    7,
    9,
    22,
    71,
    94,
    107,
    113,
    130,
    251,
    281,
    309,
    323,
    327,
    340,
    417,
    950,
    954,
    963,
    985,
)
"""Of ImageNet: goldfish, cock, ostrich, bald eagle, scorpion, hummingbird, jellyfish, snail,
flamingo, dalmatian, tabby, bee, monarch, starfish, zebra, balloon, orange, banana, pizza, daisy."""
FEW = 5


def main() -> None:
    """Print a row per class and the shares of those that were named rightly."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.classes", description=__doc__)
    parser.add_argument("--maker", default="squeezenet1_1")
    parser.add_argument("--judge", default="googlenet_bvlc")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--iterations", type=int, default=256)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "classes")
    options = parser.parse_args()
    maker, judge = (
        load_network(name, folder() / "weights") for name in (options.maker, options.judge)
    )
    options.out.mkdir(parents=True, exist_ok=True)
    hits = {options.maker: 0, options.judge: 0, f"{options.judge}, first {FEW}": 0}
    for index in CLASSES:
        technique = ClassVisualization(target=str(index), iterations=options.iterations)
        job = Job(technique, network=options.maker, size=options.size)
        (frame,) = deque(run(job, maker), maxlen=1)
        save_picture(from_tensor(frame.picture), options.out / f"{options.maker}-{index}.png")
        own, other = (_places(network, frame.picture, index) for network in (maker, judge))
        hits[options.maker] += own == 1
        hits[options.judge] += other == 1
        hits[f"{options.judge}, first {FEW}"] += other <= FEW
        name = judge.classes[index]
        print(
            f"{index:4} {name:20.20} place {own:3} by its maker, {other:3} by the other", flush=True
        )
    for who, count in hits.items():
        print(f"{who}: {count} of {len(CLASSES)}")


def _places(network: Network, picture: object, index: int) -> int:
    """Return the class's place among the network's guesses, from 1."""
    order = network.logits(picture)[0].argsort(descending=True)  # type: ignore[arg-type]
    return int((order == index).nonzero()[0, 0]) + 1


if __name__ == "__main__":
    main()
