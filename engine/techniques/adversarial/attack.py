"""An attack: its photo, class and networks; up a gradient, back into the budget, rounded."""

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.image import Picture
from engine.networks.classes import find_class, probabilities
from engine.networks.loading import load_network
from engine.objectives.probability import log_probability
from engine.parameterization.scales import fit, resize_picture
from engine.task import Task
from engine.techniques.adversarial.settings import Adversarial
from engine.techniques.adversarial.sight import Sight


def photo_of(task: Task[Adversarial]) -> Picture:
    """Return the photo. Raises `BadInput` if there is none."""
    if task.content is None:
        raise BadInput("an adversarial example needs a photo to begin with")
    return task.content


def size_of(task: Task[Adversarial]) -> tuple[int, int]:
    """Return height and width of the result: the photo's shape at the task's size."""
    photo = photo_of(task)
    return fit((photo.height, photo.width), task.size)


def original(task: Task[Adversarial]) -> Tensor:
    """Return the photo at the task's size as a file of 8 bits holds it: (1, 3, H, W)."""
    picture = resize_picture(photo_of(task).tensor()[None], size_of(task))
    return (picture * 255).round().div(255).to(task.device)


def another(
    task: Task[Adversarial], target: int, size: tuple[int, int]
) -> tuple[Sight, int] | None:
    """Return how a second network sees pictures of `size`, and its number for the class `target`.

    None if none was asked for.

    Raises `BadInput` when it has no such class.
    """
    name = task.technique.other_network.strip()
    if not name:
        return None
    other = load_network(name, device=task.device)
    wanted = task.network.classes[target]
    if other.classes == task.network.classes:
        return Sight(other, size), target  # names may occur twice
    named = [i for i, name in enumerate(other.classes) if name == wanted] or [
        i for i, name in enumerate(other.classes) if name.casefold() == wanted.casefold()
    ]
    if len(named) != 1:
        many = f"{len(named)} classes" if named else "no class"
        raise BadInput(f"{other.card.name} has {many} {wanted!r}; the comparison needs one")
    return Sight(other, size), named[0]


def norms(change: Tensor) -> tuple[float, float]:
    """Return the L2 and the largest absolute change, both in units of 1/255."""
    return float(change.norm()) * 255, float(change.abs().max()) * 255


def ahead(logits: Tensor, target: int, margin: float) -> bool:
    """Return whether `target` is first by its logit, and ahead of all by `margin` as a probability.

    The logits (classes,) decide: probabilities may be equal where logits are not.
    """
    others, chances = logits.clone(), logits.softmax(0)
    others[target] = -torch.inf
    second = int(others.argmax())
    return bool(logits[target] > others[second]) and float(
        chances[target] - chances[second]
    ) >= margin  # fmt: skip


def _target(task: Task[Adversarial], logits: Tensor, seen: int) -> int:
    """Return the class asked for, or the most likely one but `seen`. Raises `BadInput`."""
    settings = task.technique
    if len(logits) < 2:
        raise BadInput(
            f"{task.network.card.name} has one class only; an adversarial example needs a second "
            "one that the photo can be taken for"
        )
    if not settings.target.strip():
        others = logits.clone()
        others[seen] = -torch.inf
        return int(others.argmax())
    target = find_class(task.network, settings.target)
    if target == seen:
        raise BadInput(
            f"{task.network.card.name} sees {task.network.classes[target]} in the photo already; "
            "choose another class"
        )
    return target


def project(change: Tensor, settings: Adversarial) -> Tensor:
    """Return the nearest change (in [0, 1] units) within the budget; plain gradient ascent has none."""
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
    """Return whole `steps` shortened to an L2 norm of at most `most`, which `change` itself keeps."""
    # Exact: whole numbers, summed as such.
    excess = int(steps.long().square().sum()) - most**2
    if excess <= 0:
        return steps
    # Entries that were rounded away from zero go back by one, the least justified first.
    away = (steps.abs() - change.abs()).flatten()
    order = away.argsort(descending=True)
    order = order[away[order] > 0]
    saved = (2 * steps.abs().flatten()[order].long() - 1).cumsum(0)
    count = int((saved < excess).sum()) + 1
    shorter = steps.flatten().clone()
    back = order[:count]
    shorter[back] -= shorter[back].sign()
    return shorter.view_as(steps)


class Attack:
    """The photo, the class and the networks of one run."""

    def __init__(self, task: Task[Adversarial]) -> None:
        """Settle the class. Raises `BadInput` if the one asked for cannot be the target."""
        self.task = task
        self.base = original(task)
        size = (self.base.shape[2], self.base.shape[3])
        self.sight = Sight(task.network, size)
        self.before = self.sight.logits(self.base)
        """Logits of the photo."""
        # If weights are not finite, the first gradient says so.
        known = self.before.nan_to_num(-torch.inf)
        self.seen = int(known.argmax())
        self.target = _target(task, known, self.seen)
        self.another = another(task, self.target, size)

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
            logits = self.task.network.logits(self.sight.reduced(x))
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
        # Clipping to [0, 1] comes last: it takes nothing further from the photo.
        return (self.base + project(x + move - self.base, settings)).clamp(0, 1)

    def losses(self, picture: Tensor, logits: Tensor) -> dict[str, float]:
        """Return the losses of a picture (1, 3, H, W) that is seen as `logits`."""
        chances = logits.softmax(0)
        l2, largest = norms(picture - self.base)
        losses = {
            "target logit": float(logits[self.target]),
            "target probability": float(chances[self.target]),
            "original probability": float(chances[self.seen]),
            "L2": l2,
            "Linf": largest,
        }
        if self.another is not None:
            other, same = self.another
            losses["transfer probability"] = float(probabilities(other.logits(picture))[same])
        return losses
