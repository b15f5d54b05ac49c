"""Put trained weights where the program ships them, with their measured card beside.

python -m engine.training.publish --weights out/training/slim_vgg.safetensors --data TAR
"""

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.networks import catalogue
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.training.class_names import readable
from engine.training.objective import normalise
from engine.training.pictures import PictureSet, centre_crop, read_tar, to_batch

RESOURCES = Path(__file__).resolve().parents[2] / "resources" / "networks"
COMMAND = "python -m engine.training.slim_vgg --data TAR --teacher WEIGHTS --minutes N"


@torch.inference_mode()
def top1(weights: Path, pictures: PictureSet) -> float:
    """Return the share of `pictures` (128 px, centre crop) that the weights name rightly."""
    network = slim_vgg(len(pictures.classes)).eval()
    network.load_state_dict({k: v.float() for k, v in load_file(weights).items()})
    correct = 0
    for begin in range(0, len(pictures.pictures), 32):
        part = slice(begin, begin + 32)
        rgb = to_batch([centre_crop(p, 128) for p in pictures.pictures[part]])
        answers = network(normalise(rgb)).argmax(1)
        correct += int((answers == torch.tensor(pictures.labels[part])).sum())
    return correct / len(pictures.pictures)


def publish(weights: Path, data: Path, seed: int) -> None:
    """Write the shipped weights and their card; prints the accuracy that the card will say."""
    _, held = read_tar(data).split(0.1, seed)
    with safe_open(weights, "pt") as file:
        folders = json.loads(file.metadata()["classes"])
    accuracy = top1(weights, held)
    RESOURCES.mkdir(parents=True, exist_ok=True)
    target = RESOURCES / "slim_vgg.safetensors"
    classes = [readable(name) for name in folders]
    save_file(load_file(weights), target, metadata={"classes": json.dumps(classes)})
    card = replace(
        catalogue.built_in("slim_vgg"),
        input_size=128,
        classes=tuple(classes),
        bytes=target.stat().st_size,
        sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
        notes=(
            f"Half of VGG-19's channels, learned from Caltech-101 ({len(held.pictures)} of its "
            f"training pictures kept aside: top-1 {accuracy:.3f} at 128 px, centre crop). "
            f"Made by: {COMMAND}"
        ),
    )
    text = json.dumps(card.to_dict(), indent=1, ensure_ascii=False) + "\n"
    (RESOURCES / "slim_vgg.json").write_text(text, encoding="utf-8")
    print(f"top-1 {accuracy:.3f} on {len(held.pictures)} pictures; {target.stat().st_size} bytes")


def main() -> None:
    """Parse the options and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="what the training wrote")
    parser.add_argument("--data", type=Path, required=True, help="the tar it was trained from")
    parser.add_argument("--seed", type=int, default=0, help="that of the training")
    options = parser.parse_args()
    publish(options.weights, options.data, options.seed)


if __name__ == "__main__":
    main()
