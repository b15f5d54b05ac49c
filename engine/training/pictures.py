"""Training pictures: a tar of `<class>/<picture>.jpg`, kept decoded in memory, cropped at random."""

import io
import random
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class PictureSet:
    """Decoded RGB pictures with the index of each one's class, and the sorted class names."""

    pictures: list[Image.Image]
    labels: list[int]
    classes: list[str]

    def split(self, part: float, seed: int) -> tuple["PictureSet", "PictureSet"]:
        """Return (the rest, `part` of the pictures), drawn at random with `seed`."""
        order = list(range(len(self.pictures)))
        random.Random(seed).shuffle(order)
        cut = round(len(order) * part)
        return self._take(order[cut:]), self._take(order[:cut])

    def _take(self, indices: list[int]) -> "PictureSet":
        return PictureSet(
            [self.pictures[i] for i in indices], [self.labels[i] for i in indices], self.classes
        )


def read_tar(path: Path) -> PictureSet:
    """Read every JPEG of the tar; the folder a picture lies in is its class."""
    found: list[tuple[str, Image.Image]] = []
    with tarfile.open(path) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            if member.isfile() and member.name.lower().endswith((".jpg", ".jpeg")):
                file = tar.extractfile(member)
                assert file is not None
                picture = Image.open(io.BytesIO(file.read())).convert("RGB")
                found.append((Path(member.name).parent.name, picture))
    if not found:
        raise ValueError(f"{path} holds no JPEG pictures; a tar of <class>/<picture>.jpg is needed")
    classes = sorted({name for name, _ in found})
    index = {name: i for i, name in enumerate(classes)}
    return PictureSet([p for _, p in found], [index[name] for name, _ in found], classes)


def to_batch(pictures: list[Image.Image]) -> Tensor:
    """Return pictures of one size as an (N, 3, H, W) float tensor in [0, 1], channels last in memory."""
    array = np.stack([np.asarray(p) for p in pictures])
    return torch.from_numpy(array).permute(0, 3, 1, 2).float().div_(255)


def random_crop(picture: Image.Image, side: int, rng: random.Random, least: float) -> Image.Image:
    """Return a square-ish crop of `least`..1 of the short side (aspect within 10 %), maybe mirrored."""
    short = min(picture.size)
    w = short * rng.uniform(least, 1.0)
    h = min(max(w * rng.uniform(0.9, 1.1), 16), picture.height)
    x = rng.uniform(0, picture.width - w)
    y = rng.uniform(0, picture.height - h)
    crop = picture.resize((side, side), Image.Resampling.BICUBIC, box=(x, y, x + w, y + h))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else crop


def jitter_colour(batch: Tensor, rng: random.Random, strength: float = 0.15) -> Tensor:
    """Change brightness, contrast and saturation of each picture by up to `strength`; stays in [0, 1]."""
    n = batch.shape[0]

    def factors() -> Tensor:
        drawn = [rng.uniform(1 - strength, 1 + strength) for _ in range(n)]
        return torch.tensor(drawn).view(n, 1, 1, 1)

    batch = batch * factors()
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    batch = mean + (batch - mean) * factors()
    gray = batch.mean(dim=1, keepdim=True)
    return (gray + (batch - gray) * factors()).clamp_(0, 1)


def centre_crop(picture: Image.Image, side: int) -> Image.Image:
    """Return the centre square of `picture`, `side` pixels wide."""
    short = min(picture.size)
    x, y = (picture.width - short) / 2, (picture.height - short) / 2
    return picture.resize((side, side), Image.Resampling.BICUBIC, box=(x, y, x + short, y + short))


class Crops:
    """An endless stream of random training crops and labels; every epoch in a new order."""

    def __init__(self, pictures: PictureSet, seed: int) -> None:
        """Draw from `pictures` with `seed`."""
        self.pictures = pictures
        self.rng = random.Random(seed)
        self._order: list[int] = []

    def draw(self, n: int, side: int, least: float = 0.62) -> tuple[Tensor, Tensor]:
        """Return `n` crops (n, 3, side, side) in [0, 1] and their labels (n,)."""
        chosen: list[int] = []
        while len(chosen) < n:
            if not self._order:
                self._order = list(range(len(self.pictures.pictures)))
                self.rng.shuffle(self._order)
            chosen.append(self._order.pop())
        crops = [random_crop(self.pictures.pictures[i], side, self.rng, least) for i in chosen]
        labels = torch.tensor([self.pictures.labels[i] for i in chosen])
        return jitter_colour(to_batch(crops), self.rng), labels
