"""Photos to practise on: a folder of them, or those that ship, as crops drawn anew for each step.

What a step draws depends on its number and the seed alone, so that a training goes on after a break
with the very crops that would have come.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from torch import Tensor

from engine.errors import BadInput, PareidoliaError, Part
from engine.image import open_picture, to_bytes8
from engine.image_formats import SUFFIXES
from engine.settings import mention
from engine.training.any_style_pictures import pattern
from engine.training.pictures import jitter_colour, random_crop, to_batch
from engine.training.styles.settings import StyleTraining

SHIPPED = Path(__file__).resolve().parents[3] / "resources" / "pictures"
MADE = 0.4
"""Share of patterns made by formula among the few pictures that ship."""
MOST = 500
"""Photos of a folder that are kept in memory, evenly spread over the names."""
KEPT, SMALLEST = 448, 64
"""Pixels of the short side that a photo is reduced to, and that it has at least."""
LEAST = 0.3
"""Smallest crop, of the photo's short side."""


@dataclass
class Photos:
    """Decoded photos."""

    made: float = 0.0
    """Share of patterns among what is drawn."""
    pictures: list[Image.Image] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of their files, by name."""

    def draw(self, count: int, side: int, step: int, seed: int) -> Tensor:
        """Return crops (count, 3, side, side), RGB in [0, 1]: those of this step."""
        chance = random.Random(f"{seed} {step}")
        drawn = [
            pattern(side, chance)
            if chance.random() < self.made
            else random_crop(chance.choice(self.pictures), side, chance, LEAST)
            for _ in range(count)
        ]
        return jitter_colour(to_batch(drawn), chance)


def paths_of(settings: StyleTraining) -> list[Path]:
    """Return the files of the photos. Raises `BadInput` where there are none."""
    if not settings.photos.strip():
        return sorted(SHIPPED.glob("*.jpg"))
    folder = Path(settings.photos).expanduser()
    where = mention(settings, "photos", settings.photos)
    try:
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    except NotADirectoryError:
        raise BadInput(where, " is a file; give the folder that it lies in") from None
    except OSError as error:
        raise BadInput(
            where, f" cannot be read ({error.strerror}); give a folder of photos"
        ) from error
    if not files:
        raise BadInput(where, " holds no pictures; give a folder of photos")
    return [files[len(files) * k // MOST] for k in range(MOST)] if len(files) > MOST else files


def read_photos(settings: StyleTraining, into: Photos) -> Iterator[tuple[int, int]]:
    """Open the photos, yielding how many of how many there are; unreadable ones are left out.

    Raises `BadInput` where none is left.
    """
    files = paths_of(settings)
    into.made = 0.0 if settings.photos.strip() else MADE
    reasons: list[Part] = []
    for number, path in enumerate(files, 1):
        try:
            photo = open_picture(path, short_side=KEPT)
        except PareidoliaError as error:
            reasons = reasons or list(error.parts)
        else:
            short = min(photo.width, photo.height)
            if short < SMALLEST:
                size = f"{photo.width} x {photo.height}"
                reasons = reasons or [f"{path} has {size} pixels, less than {SMALLEST} on a side"]
            else:
                image = Image.fromarray(to_bytes8(photo.tensor()))
                scale = min(KEPT / short, 1.0)
                width, height = (round(length * scale) for length in image.size)
                into.pictures.append(image.resize((width, height), Image.Resampling.LANCZOS))
                into.digests[path.name] = photo.sha256
        yield number, len(files)
    if not into.pictures:
        raise BadInput(
            mention(settings, "photos", settings.photos),
            " holds no photo to practise on: ",
            *reasons,
        )
