"""The steps of an attack: up a gradient, back into the budget, and the check after rounding."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.networks.classes import find_class, probabilities
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.objectives.probability import log_probability
from engine.parameterization.scales import fit, resize_picture
from engine.task import Frame, Stage, Task, finite
from engine.techniques.adversarial import Adversarial


@dataclass(frozen=True)
class Panel:
    """One picture of the figure about an attack."""

    picture: Tensor
    """(3, H, W) in [0, 1] on the CPU."""
    caption: str


def stages(settings: Adversarial, task: Task) -> list[Stage]:
    """Return one stage: the photo's shape at the task's size."""
    if task.content is None:
        raise BadInput("an adversarial example needs a photo to begin with")
    size = fit((task.content.height, task.content.width), task.size)
    return [Stage(size, 1 if settings.method == "fgsm" else settings.iterations)]


def original(task: Task) -> Tensor:
    """Return the photo at the task's size as a file of 8 bits holds it: (1, 3, H, W)."""
    (stage,) = stages(cast(Adversarial, task.technique), task)
    assert task.content is not None
    picture = resize_picture(task.content.tensor()[None], stage.size)
    return (picture * 255).round().div(255).to(task.device)


def strip(task: Task, adversarial: Tensor) -> list[Panel]:
    """Return original, adversarial picture, their difference and ten times that around gray.

    `adversarial` (3, H, W) is the picture of a frame of the task's run.
    """
    before = original(task)
    after = adversarial.to(before)[None]
    with torch.no_grad():
        sure = [probabilities(task.network.logits(x))[0] for x in (before, after)]
    names = task.network.classes
    seen, target = int(sure[0].argmax()), _target(task, sure[0])
    l2, largest = norms(after - before)

    def told(chances: Tensor) -> str:
        parts = [f"{names[i]} {100 * float(chances[i]):.1f}%" for i in (seen, target)]
        return ", ".join(parts)

    change = (after - before)[0].cpu()
    others = _told_by_another(task, target, (before, after))
    return [
        Panel(before[0].cpu(), f"original: {told(sure[0])}{others[0]}"),
        Panel(adversarial.cpu(), f"adversarial: {told(sure[1])}{others[1]}"),
        Panel((0.5 + change).clamp(0, 1), f"difference: L2 {l2:.0f}, Linf {largest:.0f} of 255"),
        Panel((0.5 + 10 * change).clamp(0, 1), "difference x 10"),
    ]


def _told_by_another(task: Task, target: int, pictures: Sequence[Tensor]) -> list[str]:
    """Return what the second network says of each picture, as a line to add; "" without one."""
    found = _another(task, target)
    if found is None:
        return [""] * len(pictures)
    other, same = found
    lines = []
    with torch.no_grad():
        for picture in pictures:
            chances = probabilities(other.logits(picture))[0]
            first = int(chances.argmax())
            words = [f"{other.classes[i]} {100 * float(chances[i]):.1f}%" for i in (first, same)]
            lines.append(f"\n{other.card.name}: {', '.join(dict.fromkeys(words))}")
    return lines


def _another(task: Task, target: int) -> tuple[Network, int] | None:
    """Return the second network with its number of the class `target`; None: none was asked for.

    Raises `BadInput` when it has no such class.
    """
    name = cast(Adversarial, task.technique).other_network.strip()
    if not name:
        return None
    other = load_network(name).move(task.device, task.network.dtype)
    wanted = task.network.classes[target]
    if other.classes == task.network.classes:
        return other, target  # names may occur twice
    named = [i for i, name in enumerate(other.classes) if name == wanted] or [
        i for i, name in enumerate(other.classes) if name.casefold() == wanted.casefold()
    ]
    if len(named) != 1:
        many = f"{len(named)} classes" if named else "no class"
        raise BadInput(f"{other.card.name} has {many} {wanted!r}; it takes one to compare with")
    return other, named[0]


def norms(change: Tensor) -> tuple[float, float]:
    """Return the L2 and the largest absolute change, both in units of 1/255."""
    return float(change.norm()) * 255, float(change.abs().max()) * 255


def _target(task: Task, chances: Tensor) -> int:
    """Return the class asked for, or the second most likely one. Raises `BadInput`."""
    settings = cast(Adversarial, task.technique)
    seen = int(chances.argmax())
    if len(chances) < 2:
        raise BadInput(
            f"{task.network.card.name} has one class only; an adversarial example needs a second "
            "one that the photo can be taken for"
        )
    if not settings.target.strip():
        return int(chances.topk(2).indices[1])
    target = find_class(task.network, settings.target)
    if target == seen:
        raise BadInput(
            f"{task.network.card.name} sees {task.network.classes[target]} in the photo already; "
            "choose another class"
        )
    return target


def project(change: Tensor, settings: Adversarial) -> Tensor:
    """Return the nearest change (in [0, 1] units) within the budget; gradient has none."""
    if settings.method == "gradient":
        return change
    if settings.norm == "Linf":
        return change.clamp(-settings.epsilon / 255, settings.epsilon / 255)
    return change * min(1.0, settings.epsilon_l2 / 255 / max(float(change.norm()), 1e-20))


def rounded(x: Tensor, base: Tensor, settings: Adversarial) -> Tensor:
    """Return `x` in steps of 1/255, still within the budget around `base` (in such steps too)."""
    change = (x - base) * 255
    steps = change.round()
    if settings.method != "gradient" and settings.norm == "Linf":
        most = int(settings.epsilon)
        steps = steps.clamp(-most, most)
    elif settings.method != "gradient":
        steps = _shortened(steps, change, settings.epsilon_l2)
    # The same numbers that a file holds: a whole one over 255.
    return ((base * 255).round() + steps).clamp(0, 255).div(255)


def _shortened(steps: Tensor, change: Tensor, most: float) -> Tensor:
    """Return whole `steps` no longer than `most` by L2; `change` itself is no longer."""
    # Exact: whole numbers, summed as such.
    excess = int(steps.long().square().sum()) - most**2
    if excess <= 0:
        return steps
    # Entries that were rounded away from zero go back by one, the least deserved first.
    away = (steps.abs() - change.abs()).flatten()
    order = away.argsort(descending=True)
    order = order[away[order] > 0]
    saved = (2 * steps.abs().flatten()[order].long() - 1).cumsum(0)
    count = int((saved < excess).sum()) + 1
    shorter = steps.flatten().clone()
    back = order[:count]
    shorter[back] -= shorter[back].sign()
    return shorter.view_as(steps)


class _Attack:
    """The photo, the class and the networks of one run."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.base = original(task)
        with torch.no_grad():
            chances = probabilities(task.network.logits(self.base))[0]
        self.seen = int(chances.argmax())
        self.target = _target(task, chances)
        self.another = _another(task, self.target)

    def start(self, settings: Adversarial) -> Tensor:
        """Return where the attack begins."""
        if settings.method != "pgd" or not settings.random_start:
            return self.base.clone()
        noise = self.task.noise(*self.base.shape)
        if settings.norm == "Linf":
            change = torch.erf(noise / 2**0.5) * settings.epsilon / 255  # uniform
        else:
            change = noise / noise.norm() * settings.epsilon_l2 / 255
        return (self.base + change).clamp(0, 1)

    def gradient(self, x: Tensor, settings: Adversarial) -> Tensor:
        """Return the gradient of the target's logit, or of its log probability."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            logits = self.task.network.logits(x)
            if settings.method == "gradient":
                value = logits[0, self.target]
            else:
                value = log_probability(logits, self.target)[0]
            (gradient,) = torch.autograd.grad(value, x)
        return gradient

    def stepped(self, x: Tensor, gradient: Tensor, settings: Adversarial) -> Tensor:
        """Return `x` one step up the gradient, within the budget and the valid range."""
        if settings.method == "gradient":
            move = gradient * (settings.step / 255 / max(float(gradient.norm()), 1e-20))
        else:
            share = 1.0 if settings.method == "fgsm" else settings.share
            if settings.norm == "Linf":
                move = gradient.sign() * (share * settings.epsilon / 255)
            else:
                length = share * settings.epsilon_l2 / 255
                move = gradient * (length / max(float(gradient.norm()), 1e-20))
        # Cut off at 0 and 1 last: nothing gets further from the photo by that.
        return (self.base + project(x + move - self.base, settings)).clamp(0, 1)

    def check(self, picture: Tensor) -> tuple[dict[str, float], float]:
        """Return the losses of a rounded picture and by how much the target is ahead."""
        logits = self.task.network.logits(picture)
        chances = probabilities(logits)[0]
        others = chances.clone()
        others[self.target] = -1.0
        l2, largest = norms(picture - self.base)
        losses = {
            "target logit": float(logits[0, self.target]),
            "target probability": float(chances[self.target]),
            "original probability": float(chances[self.seen]),
            "L2": l2,
            "Linf": largest,
        }
        if self.another is not None:
            other, same = self.another
            losses["transfer probability"] = float(probabilities(other.logits(picture))[0][same])
        return losses, float(chances[self.target] - others.max())


@torch.no_grad()
def frames(task: Task) -> Iterator[Frame]:
    """Yield a frame per iteration; its picture and losses are those of the 8-bit picture."""
    began = time.perf_counter()
    first = cast(Adversarial, task.technique)
    (stage,) = stages(first, task)
    attack = _Attack(task)
    x = attack.start(first)
    for done in range(1, stage.iterations + 1):
        settings = cast(Adversarial, task.technique)
        gradient = attack.gradient(x, settings)
        finite({"gradient": float(gradient.abs().sum())}, done)
        x = attack.stepped(x, gradient, settings)
        picture = rounded(x, attack.base, settings)
        losses, ahead = attack.check(picture)
        finite(losses, done)
        fooled = ahead > 0 and ahead >= settings.margin
        last = done if fooled else stage.iterations  # a run that ends early is complete
        label = "fooled" if fooled else "not fooled yet" if done < last else "not fooled"
        yield Frame(
            done, last, losses, time.perf_counter() - began, label, partial(_render, picture)
        )
        if fooled:
            return


def _render(picture: Tensor) -> Tensor:
    return picture[0].float().cpu()
