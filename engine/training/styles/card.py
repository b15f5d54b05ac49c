"""The card in a trained network's file, for people and for checking where it comes from."""

from pathlib import Path
from typing import Any, TypeVar

from engine.settings import values
from engine.stylization.network import StyleNetwork
from engine.training.styles.kept import Digests
from engine.training.styles.paintings import Judge
from engine.training.styles.settings import Order
from engine.training.styles.training import Training

T = TypeVar("T", bound=StyleNetwork)
PRIVATE = ("photos", "licence", "minutes", "steps")
"""Settings that stand elsewhere in the card, or name a folder."""


def facts(order: Order, digests: Digests, training: Training) -> dict[str, Any]:
    """Return the card of a finished training as plain values."""
    settings = {n: v for n, v in values(order.settings).items() if n not in PRIVATE}
    schedule = training.schedule
    settings |= {"side": schedule.side, "batch": schedule.pictures, "rate": schedule.peak}
    return {
        "trained": order.trains,
        "settings": settings,
        "judge": {"name": Judge.NAME, "sha256": digests.judge},
        "losses": {name: round(value, 5) for name, value in training.losses.items()},
        "paintings": {Path(path).name: digest for path, digest in digests.paintings.items()},
        "photos": dict(digests.photos),
        **({"base": training.lesson.base} if training.lesson.base else {}),
        "steps": training.schedule.step,
        "minutes": round(training.schedule.spent / 60, 4),
    }


def signed(network: T, order: Order, training: Training) -> T:
    """Return the network with its licence, and a sentence on how it was made."""
    licence = training.lesson.material.judge.licence
    own = f"as its paintings and photos allow; judged by {Judge.NAME} ({licence})"
    if training.lesson.licence:
        own = f"{training.lesson.licence}; what was learned besides {own}"
    network.licence = order.settings.licence.strip() or own
    names = ", ".join(path.stem for path in order.paintings)
    count = len(training.lesson.material.photos.pictures)
    practice = f"practised on {count} photos, " if count else ""
    base = training.lesson.material.base
    base_found = f"{base.found}; " if base is not None and base.found else ""
    network.found = (
        f"{base_found}{training.lesson.made_by} {names}: {training.schedule.step} steps in "
        f"{training.schedule.spent / 60:.1f} minutes, {practice}judged by {Judge.NAME}"
    )
    return network
