"""The figure of an attack: the photo, the adversarial picture, and their difference."""

from dataclasses import dataclass

from torch import Tensor

from engine.networks.classes import probabilities
from engine.task import Task
from engine.techniques.adversarial.attack import Attack, norms
from engine.techniques.adversarial.settings import Adversarial
from engine.techniques.adversarial.sight import Sight


@dataclass(frozen=True)
class Panel:
    """One picture of the figure."""

    picture: Tensor
    """(3, H, W) in [0, 1] on the CPU."""
    caption: str


def title(task: Task[Adversarial]) -> str:
    """Return which network looks, and at which size."""
    height, width = Attack(task).sight.size
    return f"{task.network.card.title}, looking at {width}x{height} pixels"


def strip(task: Task[Adversarial], adversarial: Tensor) -> list[Panel]:
    """Return original, adversarial picture, their difference and ten times that around grey.

    `adversarial` (3, H, W) is the picture of a frame of the task's run, or read from its file.
    """
    attack = Attack(task)
    before, after = attack.base, adversarial.to(attack.base)[None]
    names = task.network.classes

    def told(picture: Tensor) -> str:
        logits = attack.sight.logits(picture)
        # What is seen comes first, and is said even if it is neither of the two.
        classes = dict.fromkeys((int(logits.argmax()), attack.seen, attack.target))
        chances = logits.softmax(0)
        words = ", ".join(f"{names[i]} {100 * float(chances[i]):.1f}%" for i in classes)
        return words + _told_by_another(attack.another, picture)

    l2, largest = norms(after - before)
    change = (after - before)[0].cpu()
    return [
        Panel(before[0].cpu(), f"original: {told(before)}"),
        Panel(adversarial.cpu(), f"adversarial: {told(after)}"),
        Panel((0.5 + change).clamp(0, 1), f"difference: L2 {l2:.0f}, Linf {largest:.0f} of 255"),
        Panel((0.5 + 10 * change).clamp(0, 1), "difference x 10"),
    ]


def _told_by_another(found: tuple[Sight, int] | None, picture: Tensor) -> str:
    """Return what the second network says about a picture, as a line to add; "" without one."""
    if found is None:
        return ""
    sight, same = found
    names, chances = sight.network.classes, probabilities(sight.logits(picture))
    classes = dict.fromkeys((int(chances.argmax()), same))
    words = ", ".join(f"{names[i]} {100 * float(chances[i]):.1f}%" for i in classes)
    return f"\n{sight.network.card.name}: {words}"
