"""Training a style network: a generator of progress. Closing it keeps what has been learned.

    from engine.training.styles.train import train

    for progress in train(Order(Path("waves.safetensors"), (Path("waves.jpg"),))):
        print(progress.step, progress.losses)

The caller sets the pace: a step is computed when the next progress is asked for.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

from engine.device import choose_device, release_memory
from engine.errors import BadInput, Mention
from engine.files import check_writable
from engine.named_files import digest_of
from engine.networks.style_cards import KINDS
from engine.outputs import Sources, keep_apart
from engine.stylization.network import StyleKind, StyleNetwork
from engine.stylization.opening import open_style_network
from engine.stylization.painter import Painter
from engine.training.styles.card import facts, signed
from engine.training.styles.kept import Digests, Kept, keep
from engine.training.styles.lesson import Material
from engine.training.styles.paintings import Judge, read_painting
from engine.training.styles.photos import Photos, read_photos
from engine.training.styles.settings import Order
from engine.training.styles.training import Training

EVERY = 60.0
"""Seconds between checkpoints."""


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    stage: str
    """What is being done: "reading photos", "training", "done"."""
    share: float = 0.0
    """Of the stage, from 0 to 1."""
    step: int = 0
    seconds: float = 0.0
    """Of computing so far, those before a break too."""
    left: float | None = None
    """Seconds of computing until the end, as far as can be told."""
    losses: dict[str, float] = field(default_factory=dict)
    """Weighted terms, as the means of the last steps."""
    note: str = ""
    """What a person should know, in a sentence."""
    network: Callable[[], StyleNetwork] | None = field(default=None, repr=False)
    """Gives a network that paints what has been learned so far."""
    keep: Callable[[], None] | None = field(default=None, repr=False)
    """Writes a checkpoint now. Both are right until the next progress is drawn."""


def train(
    order: Order, kept: Kept | None = None, every: float = EVERY
) -> Generator[Progress, None, None]:
    """Train a network and write it; yields after every step.

    Args:
        order: what to train. It is checked, and its pictures are read, as the generator begins.
        kept: a checkpoint to go on from, bit for bit on the same machine; then `order` is its own.
        every: seconds between checkpoints, which lie beside the network until it is finished. One is
            written when the generator is closed, too.

    Raises:
        BadInput: pictures or settings cannot be used; nothing can be written.
        WeightsMissing: the network that judges, or the one that learns, is not on this machine.
        Diverged: a loss is infinite or NaN; the last checkpoint is kept.
    """
    _check(order, kept)
    device = choose_device(order.device)
    settings, photos = order.settings, Photos()
    paintings = [read_painting(path, settings.painting_size) for path in order.paintings]
    from_noise = settings.kind == "texture"
    for number, count in () if from_noise else read_photos(settings, photos):
        yield Progress("reading photos", number / count)
    judge = Judge(device)
    base = None if order.add_to is None else _network_for_many(order.add_to)
    digests = Digests(
        {str(p.path.absolute()): p.sha256 for p in paintings}, photos.digests, judge.sha256,
        "" if order.add_to is None else digest_of(str(order.add_to)),
    )  # fmt: skip
    if kept is not None:
        kept.check(digests)
    material = Material(settings, judge, paintings, photos, base, digests.base)
    training = Training(order, material, None if kept is None else kept.state)
    schedule = training.schedule
    written = schedule.step
    note = "" if settings.photos or from_noise else (
        "Practising on the few pictures that come with the program: with a folder of your own photos "
        "the network will be better."
    )  # fmt: skip

    def save() -> None:
        nonlocal written
        if schedule.step > written:
            keep(order, digests, training.state())
            written = schedule.step

    due = time.monotonic() + every
    try:
        while not schedule.done:
            training.advance()
            if time.monotonic() >= due:
                save()
                due = time.monotonic() + every
            yield Progress(
                "training", schedule.progress, schedule.step, schedule.spent, schedule.left,
                dict(training.losses), note, training.network, save,
            )  # fmt: skip
        network = training.network()
        card = facts(order, digests, training)
        training.lesson.write(signed(network, order, training), order.output, card)
        order.checkpoint.unlink(missing_ok=True)
    except GeneratorExit:
        save()
        raise
    finally:
        release_memory(device)
    yield Progress(
        "done", 1.0, schedule.step, schedule.spent, 0.0, dict(training.losses), note,
        lambda: network,
    )  # fmt: skip


def _network_for_many(path: Path) -> Painter:
    """Return the network that further styles are added to. Raises `BadInput` for others."""
    found = open_style_network(path)
    if not isinstance(found, Painter) or found.kind != StyleKind.MANY:
        raise BadInput(
            Mention("add_to", value=str(path)),
            f" is a network for {KINDS[found.kind]}; further styles are learned by one for many",
        )
    return found


def _check(order: Order, kept: Kept | None) -> None:
    order.check()
    if kept is None and order.checkpoint.exists():
        raise BadInput(
            f"{order.checkpoint} is a training that was broken off: go on with it, or delete it to "
            "begin anew"
        )
    keep_apart([order.output, order.checkpoint], Sources(order.paintings))
    if order.add_to is not None and not order.add_to.is_file():
        raise BadInput(Mention("add_to", value=str(order.add_to)), ": there is no such network")
    check_writable(order.output)
