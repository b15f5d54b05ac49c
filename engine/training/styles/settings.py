"""The settings of a training, described once, and what is to be trained; knows no PyTorch."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.errors import BadInput, Mention
from engine.settings import mention, setting

MOST_MINUTES = 100_000.0


class Usual(NamedTuple):
    """What the settings of a kind are where they are left to themselves."""

    minutes: float
    steps: int | None
    """At most; None: as many as there is time for."""
    rate: float
    side: int
    batch: int


# Scales and shifts are learned from single large pictures: small ones have other moments.
USUAL = {
    "learn": Usual(3, 300, 0.1, 256, 1),
    "single": Usual(40, None, 1e-3, 128, 4),
    "many": Usual(90, None, 1e-3, 128, 4),
    "add": Usual(5, None, 0.03, 128, 4),
    "texture": Usual(20, None, 3e-3, 128, 4),
}
"""By what is trained: a kind, or "add", further styles of a network for many."""


@dataclass(frozen=True)
class StyleTraining:
    """How a style network is trained."""

    kind: str = setting(
        "learn", "Kind", "learn: the shipped network for any painting learns one painting better; "
        "single: a network for one painting, begun anew; many: a network for several paintings; "
        "texture: a network that draws a picture's texture from noise, without a seam.",
        choices=("learn", "single", "many", "texture"), group="Training",
    )  # fmt: skip
    minutes: float | None = setting(
        None, "Time", "How long is computed; pauses do not count. The training arranges itself so "
        "that it ends well by then. auto: learn 3 (and no more than 300 steps), single 40, many 90, "
        "further styles 5, texture 20.",
        low=0.01, high=MOST_MINUTES, unit="min", log=True, group="Training",
    )  # fmt: skip
    steps: int | None = setting(
        None, "Steps", "How many steps are taken at most, in place of a time or besides one.",
        low=1, high=10_000_000, log=True, group="Training",
    )  # fmt: skip
    photos: str = setting(
        "", "Photos", "Folder of the photos that are painted for practice: better some hundred of "
        "the kind that you will paint. Empty: those that come with the program.",
        picks="folder", group="Training",
    )  # fmt: skip
    painting_size: int = setting(
        512, "Painting size", "Long side that paintings are looked at with. Strokes come out as "
        "large as they are then, in photos of any size.",
        low=64, high=2048, step=64, unit="px", log=True, group="Training",
    )  # fmt: skip
    side: int | None = setting(
        None, "Practice size", "Side of the square photos that are painted for practice. auto: learn "
        "256, others 128, and twice that in the last third of the time.",
        low=64, high=512, step=32, unit="px", log=True, group="Training",
    )  # fmt: skip
    batch: int | None = setting(
        None, "Batch", "Photos that are painted in a step. auto: learn 1, others 4.",
        low=1, high=64, group="Training",
    )  # fmt: skip
    rate: float | None = setting(
        None, "Learning rate", "Adam's largest step. auto: learn 0.1, further styles 0.03, texture "
        "0.003, others 0.001.",
        low=1e-6, high=1.0, log=True, group="Training",
    )  # fmt: skip
    norm: str = setting(
        "instance", "Normalization", "single: instance normalizes each picture by itself; batch does "
        "it with the means of the training, as the first such networks did, and paints worse.",
        choices=("instance", "batch"), group="Training",
    )  # fmt: skip
    seed: int = setting(
        0, "Seed", "Same seed and same steps, same network.",
        low=-(2**63), high=2**63 - 1, group="Training",
    )  # fmt: skip
    content_weight: float = setting(
        1.0, "Content weight", "How much the photo has to stay what it is (Gatys et al. 2015).",
        low=0.0, high=1e4, log=True, group="Losses",
    )  # fmt: skip
    style_weight: float = setting(
        5.0, "Style weight", "How much the statistics of the painting count.",
        low=0.0, high=1e4, log=True, group="Losses",
    )  # fmt: skip
    smoothness: float = setting(
        1.0, "Smoothness", "Weight of the total variation, against grain and dots.",
        low=0.0, high=1e4, log=True, group="Losses",
    )  # fmt: skip
    steadiness: float = setting(
        0.0, "Steadiness", "Weight of what noise in a photo changes in the picture: 50 makes for "
        "films that flicker less. Steps take longer then.",
        low=0.0, high=1e4, log=True, group="Losses",
    )  # fmt: skip
    diversity: float = setting(
        0.1, "Diversity", "texture: how much its textures have to differ from each other. Of a single "
        "one in a step nothing is asked.",
        low=0.0, high=1e3, log=True, group="Losses",
    )  # fmt: skip
    licence: str = setting(
        "", "Licence", "What you allow others to do with the network; it stands in the file.",
        group="File",
    )  # fmt: skip


@dataclass(frozen=True)
class Order:
    """What is to be trained, from what, and where to."""

    output: Path
    paintings: tuple[Path, ...]
    settings: StyleTraining = StyleTraining()
    add_to: Path | None = None
    """A network for many styles that learns these besides; None: it is no such thing."""
    device: str = "auto"
    precision: str = "auto"

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished training is kept."""
        return checkpoint_of(self.output)

    @property
    def trains(self) -> str:
        """What is trained: a key of `USUAL`."""
        return self.settings.kind if self.add_to is None else "add"

    @property
    def usual(self) -> Usual:
        """What is taken where the settings say nothing."""
        return USUAL[self.trains]

    @property
    def limits(self) -> tuple[float | None, int | None]:
        """Seconds of computing and steps after which the training is over: one of them, or both."""
        minutes, steps = self.settings.minutes, self.settings.steps
        if minutes is None and steps is None:
            return 60 * self.usual.minutes, self.usual.steps
        return None if minutes is None else 60 * minutes, steps

    def check(self) -> None:
        """Raise `BadInput` where something does not go together, before anything is opened."""
        kind = mention(self.settings, "kind", self.settings.kind)
        if self.output.suffix.lower() != ".safetensors":
            raise BadInput(
                f"{self.output} would be a style network: its name has to end in .safetensors"
            )
        if self.settings.norm != "instance" and self.settings.kind != "single":
            raise BadInput(
                mention(self.settings, "norm", self.settings.norm), " is for ",
                mention(self.settings, "kind", "single"), ", not for ", kind,
            )  # fmt: skip
        if self.add_to is not None and self.settings.kind != "many":
            raise BadInput(
                Mention("add_to"), " is for ", mention(self.settings, "kind", "many"),
                ", not for ", kind,
            )  # fmt: skip
        count = len(self.paintings)
        given = f"{count or 'none'} {'is' if count < 2 else 'are'} given"
        if self.settings.kind != "many" and count != 1:
            raise BadInput(kind, f" takes one painting; {given}")
        if self.settings.kind == "many" and count < (2 if self.add_to is None else 1):
            raise BadInput(kind, f" takes several paintings; {given}")


def checkpoint_of(output: Path) -> Path:
    """Return where the unfinished training of a network is kept, beside its file."""
    return output.with_name(f"{output.name}.training")


def output_of(path: Path) -> Path:
    """Return the network that a checkpoint, or the network's own path, means."""
    return path.with_name(path.name.removesuffix(".training"))
