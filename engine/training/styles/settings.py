"""The settings of a training, described once, and what is to be trained; knows no PyTorch."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.errors import BadInput, Mention
from engine.settings import mention, setting

MOST_MINUTES = 100_000.0


class Usual(NamedTuple):
    """The settings of a kind that are used if they are left on auto."""

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
        "single: a new network for one painting; many: a new network for several paintings; "
        "texture: a network that draws a picture's texture from noise, without a seam.",
        choices=("learn", "single", "many", "texture"), group="Training",
    )  # fmt: skip
    minutes: float | None = setting(
        None, "Time", "How long to compute; pauses do not count. Learning rate and picture size are "
        "scheduled to end by then. auto: learn 3 (and no more than 300 steps), single 40, many 90, "
        "further styles 5, texture 20.",
        low=0.01, high=MOST_MINUTES, unit="min", log=True, group="Training",
    )  # fmt: skip
    steps: int | None = setting(
        None, "Steps", "The most steps to take, instead of a time or in addition to one.",
        low=1, high=10_000_000, log=True, group="Training",
    )  # fmt: skip
    photos: str = setting(
        "", "Photos", "A folder of photos to practise on, ideally some hundred of the kind that "
        "you will paint. Empty: the few that come with the program.",
        picks="folder", group="Training",
    )  # fmt: skip
    painting_size: int = setting(
        512, "Painting size", "Long side at which paintings are read. Strokes come out as large as they "
        "are at that size, in photos of any size.",
        low=64, high=2048, step=64, unit="px", log=True, group="Training",
    )  # fmt: skip
    side: int | None = setting(
        None, "Practice size", "Side of the square photos that are practised on. auto: 256 for learn; "
        "128 for the others, and twice that in the last third of the time.",
        low=64, high=512, step=32, unit="px", log=True, group="Training",
    )  # fmt: skip
    batch: int | None = setting(
        None, "Batch", "Photos in each step. auto: 1 for learn, 4 for the others.",
        low=1, high=64, group="Training",
    )  # fmt: skip
    rate: float | None = setting(
        None, "Learning rate", "Adam's largest step size. auto: learn 0.1, further styles 0.03, texture "
        "0.003, others 0.001.",
        low=1e-6, high=1.0, log=True, group="Training",
    )  # fmt: skip
    norm: str = setting(
        "instance", "Normalization", "single: instance normalizes each picture by itself; batch uses the "
        "means of the training, as the first such networks did, and paints worse.",
        choices=("instance", "batch"), group="Training",
    )  # fmt: skip
    seed: int = setting(
        0, "Seed", "Same seed and same steps, same network.",
        low=-(2**63), high=2**63 - 1, group="Training",
    )  # fmt: skip
    content_weight: float = setting(
        1.0, "Content weight", "How strongly the photo's content is preserved (Gatys et al. 2015).",
        low=0.0, high=1e4, log=True, group="Losses",
    )  # fmt: skip
    style_weight: float = setting(
        5.0, "Style weight", "How strongly the painting's statistics are matched.",
        low=0.0, high=1e4, log=True, group="Losses",
    )  # fmt: skip
    smoothness: float = setting(
        1.0, "Smoothness", "Weight of the total variation, against grain and dots.",
        low=0.0, high=1e4, log=True, group="Losses",
    )  # fmt: skip
    steadiness: float = setting(
        0.0, "Steadiness", "How strongly noise in a photo is kept from changing the picture: 50 "
        "makes films flicker less, but each step takes longer.",
        low=0.0, high=1e4, log=True, group="Losses",
    )  # fmt: skip
    diversity: float = setting(
        0.1, "Diversity", "texture: how much the samples in a step have to differ from each other. "
        "It has no effect with a batch of 1.",
        low=0.0, high=1e3, log=True, group="Losses",
    )  # fmt: skip
    licence: str = setting(
        "", "Licence", "What you allow others to do with the network; it is written into the file.",
        group="File",
    )  # fmt: skip


@dataclass(frozen=True)
class Order:
    """What is to be trained, from what, and where to."""

    output: Path
    paintings: tuple[Path, ...]
    settings: StyleTraining = StyleTraining()
    add_to: Path | None = None
    """A network for many styles that learns these as well; None: a new network is trained."""
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
        """The values used for settings that are left on auto."""
        return USUAL[self.trains]

    @property
    def limits(self) -> tuple[float | None, int | None]:
        """Seconds of computing and steps after which the training is over: one of them, or both."""
        minutes, steps = self.settings.minutes, self.settings.steps
        if minutes is None and steps is None:
            return 60 * self.usual.minutes, self.usual.steps
        return None if minutes is None else 60 * minutes, steps

    def check(self) -> None:
        """Raise `BadInput` if settings do not go together, before anything is opened."""
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
    """Return the path of the network that a checkpoint belongs to, or that was named itself."""
    return path.with_name(path.name.removesuffix(".training"))
