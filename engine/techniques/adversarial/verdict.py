"""What the file written by an attack achieves: the file itself is tested, not the run."""

from engine.image import Picture
from engine.networks.classes import percent
from engine.task import Task, Verdict
from engine.techniques.adversarial.attack import Attack, ahead
from engine.techniques.adversarial.settings import Adversarial

LOSSY = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WebP"}
"""Formats that change pixels when they are written, by suffix."""


def verdict(task: Task[Adversarial], written: Picture) -> Verdict:
    """Return what the network sees in a written picture, as the program's other tools look at it."""
    attack = Attack(task)
    settings = task.technique
    picture = written.tensor()[None].to(task.device)
    logits = attack.sight.logits(picture)
    chances, names = logits.softmax(0), task.network.classes
    first = int(logits.argmax())
    fooled = first == attack.target
    height, width = attack.sight.size

    def sure(number: int) -> str:
        return percent(float(chances[number]))

    others = [n for n in (attack.target, attack.seen) if n != first]
    beside = ", ".join(f"{names[n]} {sure(n)}" for n in others)
    name, path = task.network.card.name, written.path
    takes = f"{name} {'still ' if first == attack.seen else ''}takes"
    words = (
        f"{takes} {path.name if path else 'the picture'} for {names[first]} "
        f"({sure(first)}; {beside}), looking at it at {width}x{height} pixels"
    )
    lossy = LOSSY.get(path.suffix.lower() if path else "")
    if lossy and not ahead(logits, attack.target, settings.margin):
        words += f"; {lossy} loses part of the change, PNG and TIFF keep all of it"
    return Verdict(
        words,
        {
            "seen": {
                "class": first,
                "name": names[first],
                "probability": float(chances[first]),
                "target": attack.target,
                "target_name": names[attack.target],
                "target_probability": float(chances[attack.target]),
                "original": attack.seen,
                "original_name": names[attack.seen],
                "original_probability": float(chances[attack.seen]),
                "fooled": fooled,
                "size": [width, height],
            },
            "losses": attack.losses(picture, logits),
        },
    )
