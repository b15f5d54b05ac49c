"""The student's start: layer after layer, linear least squares from its own previous activations."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.networks.architectures.slim_vgg import RELU_NAMES
from engine.training.teacher import Chosen, Teacher

ROWS_PER_LAYER = 60_000


@torch.no_grad()
def least_squares_start(
    student: nn.Sequential, teacher: Teacher, chosen: Chosen, batches: list[tuple[Tensor, Tensor]]
) -> tuple[list[float], list[Tensor]]:
    """Set the student's convolutions; return each layer's R² before the ReLU and patch second moments.

    `batches` holds (RGB in [0, 1], the same normalised for the student). Targets are the chosen
    teacher channels before their ReLU, clamped from below at -3: how far under zero does not matter.
    """
    targets: list[list[Tensor]] = [[] for _ in RELU_NAMES]
    for rgb, _ in batches:
        outputs = teacher(rgb, before_relu=True)
        for per_layer, a in zip(targets, chosen.of(outputs), strict=True):
            per_layer.append(a.float().clamp_min(-3))
    inputs = [normalised for _, normalised in batches]
    generator = torch.Generator().manual_seed(0)
    scores, moments = [], []
    for i, name in enumerate(RELU_NAMES):
        block, number = name.removeprefix("relu").split("_")
        if number == "1" and block != "1":
            inputs = [F.max_pool2d(x, 2) for x in inputs]
        conv = student.get_submodule(name.replace("relu", "conv"))
        assert isinstance(conv, nn.Conv2d)
        score, second = fit(conv, inputs, targets[i], generator)
        scores.append(score)
        moments.append(second)
        targets[i].clear()
        inputs = [torch.relu(conv(x)) for x in inputs]
    return scores, moments


def fit(
    conv: nn.Conv2d, inputs: list[Tensor], targets: list[Tensor], generator: torch.Generator
) -> tuple[float, Tensor]:
    """Solve the ridge regression of one convolution on a random sample of positions.

    Returns R² and the second moments of its patches, a 1 for the bias last. A convolution without a
    bias leaves out the one that was found.
    """
    size = conv.in_channels * 9 + 1
    device = inputs[0].device
    normal = torch.zeros(size, size, device=device, dtype=torch.float64)
    right = torch.zeros(size, conv.out_channels, device=device, dtype=torch.float64)
    squares, sums, rows = 0.0, torch.zeros(conv.out_channels, device=device).double(), 0
    for x, t in zip(inputs, targets, strict=True):
        n, _, h, w = x.shape
        positions = _positions(x, ROWS_PER_LAYER // len(inputs), generator)
        patches = _patches(x, positions)
        wanted = t.permute(0, 2, 3, 1).reshape(n, h * w, -1)[:, positions].flatten(0, 1)
        normal += (patches.T @ patches).double()
        right += (patches.T @ wanted).double()
        squares += float(wanted.square().sum())
        sums += wanted.sum(0).double()
        rows += wanted.shape[0]
    ridge = 1e-4 * normal.diagonal().mean()
    normal_ridged = normal + ridge * torch.eye(size, device=device, dtype=torch.float64)
    solution = torch.linalg.solve(normal_ridged, right)
    weight = solution[:-1].T.reshape(conv.out_channels, conv.in_channels, 3, 3)
    conv.weight.copy_(weight)
    if conv.bias is not None:
        conv.bias.copy_(solution[-1])
    error = (
        squares
        - 2 * float((solution * right).sum())
        + float((solution * (normal @ solution)).sum())
    )
    variance = squares - float(sums.square().sum()) / rows
    return 1 - error / variance, (normal / rows).float()


@torch.no_grad()
def patch_moments(student: nn.Sequential, inputs: list[Tensor]) -> list[Tensor]:
    """Return the second moments of each convolution's patches, a 1 for the bias last, as `fit` does.

    `inputs` are pictures as the student takes them, (N, 3, H, W) each.
    """
    generator = torch.Generator().manual_seed(0)
    moments = []
    for layer in student.children():
        if isinstance(layer, nn.Conv2d):
            size = layer.in_channels * 9 + 1
            second = torch.zeros(size, size, device=inputs[0].device, dtype=torch.float64)
            rows = 0
            for x in inputs:
                patches = _patches(x, _positions(x, ROWS_PER_LAYER // len(inputs), generator))
                second += (patches.T @ patches).double()
                rows += patches.shape[0]
            moments.append((second / rows).float())
        if isinstance(layer, nn.AdaptiveAvgPool2d):
            break  # from here on there are no places
        inputs = [layer(x) for x in inputs]
    return moments


def _positions(x: Tensor, rows: int, generator: torch.Generator) -> Tensor:
    """Return the places of each picture that are looked at, for so many rows of patches in all."""
    n, _, h, w = x.shape
    take = min(max(rows // n, 1), h * w)
    return torch.randperm(h * w, generator=generator)[:take].to(x.device)


def _patches(x: Tensor, positions: Tensor) -> Tensor:
    """Return the 3x3 patches around some places of all pictures, with a 1 for the bias."""
    patches = torch.cat([F.unfold(one[None], 3, padding=1)[0].T[positions] for one in x])
    return torch.cat([patches, torch.ones_like(patches[:, :1])], 1)
