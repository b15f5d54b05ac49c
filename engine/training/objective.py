"""What the student is trained for: the teacher's channels, their Gram matrices, and the class."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.networks.architectures.slim_vgg import RELU_NAMES
from engine.training.teacher import Chosen

# The layers that style transfer and dreams use count double.
LAYER_WEIGHTS = {
    name: 2.0 if name in {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1"} else 1.0
    for name in RELU_NAMES
}
LARGE_MAP = 40
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def normalise(rgb: Tensor) -> Tensor:
    """Return RGB in [0, 1] as the student takes it (ImageNet mean and deviation), channels last."""
    mean = torch.tensor(MEAN, device=rgb.device).view(1, 3, 1, 1)
    deviation = torch.tensor(DEVIATION, device=rgb.device).view(1, 3, 1, 1)
    return ((rgb - mean) / deviation).contiguous(memory_format=torch.channels_last)


def features(student: nn.Sequential, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the sixteen ReLU outputs and the logits for normalised pictures."""
    out = []
    for name, layer in student.named_children():
        x = torch.relu(x) if name in LAYER_WEIGHTS else layer(x)
        if name in LAYER_WEIGHTS:
            out.append(x)
    return out, x


def relative_errors(own: list[Tensor], wanted: list[Tensor], chosen: Chosen) -> list[Tensor]:
    """Return mean squared error / variance of the target for each layer (1 - R²)."""
    errors = []
    for a, t, v in zip(own, wanted, chosen.variances, strict=False):
        if a.shape[-1] > LARGE_MAP:  # huge maps are learned from a third of the pictures as well
            a, t = a[: -(-len(a) // 3)], t[: -(-len(t) // 3)]
        norm = torch.linalg.vector_norm(a - t, dtype=torch.float32)
        errors.append(norm.square() / (a.numel() * v.mean()))
    return errors


def gram_error(own: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Return the mean over style layers of the relative squared error of each picture's Gram matrix."""
    total = own[0].new_zeros((), dtype=torch.float32)
    for name in STYLE_LAYERS:
        i = RELU_NAMES.index(name)
        a, t = own[i].flatten(2), wanted[i].flatten(2)
        g, target = (a @ a.mT).float(), (t @ t.mT).float()
        difference = (g - target).square().sum((1, 2))
        total = total + (difference / target.square().sum((1, 2))).mean()
    return total / len(STYLE_LAYERS)


def distillation(own: list[Tensor], wanted: list[Tensor], chosen: Chosen) -> Tensor:
    """Return the weighted mean over layers of error / variance, plus a quarter of the Gram error."""
    errors = relative_errors(own, wanted, chosen)
    weights = list(LAYER_WEIGHTS.values())[: len(errors)]
    total = sum(w * e for w, e in zip(weights, errors, strict=True))
    assert isinstance(total, Tensor)
    return total / sum(weights) + 0.25 * gram_error(own, wanted)


def adversarial(
    student: nn.Sequential, x: Tensor, labels: Tensor, steps: int, length: float, radius: float
) -> Tensor:
    """Return pictures moved up the loss by `steps` L2 steps inside a ball (normalised units).

    Networks trained on such pictures have gradients that people can read (Engstrom et al. 2019,
    "Adversarial Robustness as a Prior for Learned Representations").
    """
    moved = x.clone()
    for _ in range(steps):
        moved.requires_grad_(True)
        loss = F.cross_entropy(student(moved).float(), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        norm = gradient.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        offset = moved.detach() + length * gradient / norm - x
        size = offset.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        moved = x + offset * (radius / size).clamp_max(1)
    return moved.detach()
