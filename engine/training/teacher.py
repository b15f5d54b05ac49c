"""The teacher: VGG-19's convolutions, and the half of its channels that the student learns.

Channels are divided by their mean activation over photographs, as Gatys et al. (2015) normalise
VGG: then all layers have scale 1 and the student needs no batch norm.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torchvision.models import vgg19

from engine.networks.architectures.slim_vgg import BLOCKS, RELU_NAMES

BGR_MEAN = (103.939, 116.779, 123.68)


class Teacher(nn.Module):
    """VGG-19 to relu5_4; maps RGB in [0, 1] to its sixteen ReLU outputs."""

    def __init__(self, weights: Path, dtype: torch.dtype) -> None:
        """Load torchvision-named `features.*` tensors trained for BGR 0..255 minus the Caffe mean."""
        super().__init__()
        with torch.device("meta"):
            self.features = vgg19().features
        state = {k.removeprefix("features."): v.to(dtype) for k, v in load_file(weights).items()}
        self.features.load_state_dict(state, assign=True)
        self.features.to(memory_format=torch.channels_last)
        self.dtype = dtype
        self.requires_grad_(False)

    def forward(self, rgb: Tensor, before_relu: bool = False) -> list[Tensor]:
        """Return sixteen activations (N, C, H, W), after the ReLU or (for the start) before it."""
        mean = torch.tensor(BGR_MEAN, device=rgb.device).view(1, 3, 1, 1)
        x = (rgb.flip(1) * 255 - mean).to(self.dtype, memory_format=torch.channels_last)
        out = []
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                if before_relu:
                    out.append(x)
                x = torch.relu(x)
                if not before_relu:
                    out.append(x)
            elif len(out) < len(RELU_NAMES):
                x = layer(x)
        return out


@dataclass(frozen=True)
class Chosen:
    """Per layer: which of the teacher's channels, their means, and their variances once divided."""

    channels: list[Tensor]
    means: list[Tensor]
    variances: list[Tensor]

    def of(self, activations: list[Tensor]) -> list[Tensor]:
        """Return the chosen channels of the teacher's activations, divided by their means."""
        return [
            (a.permute(0, 2, 3, 1)[..., c] / m.to(a.dtype)).permute(0, 3, 1, 2)
            for a, c, m in zip(activations, self.channels, self.means, strict=True)
        ]


def pivoted_cholesky(matrix: Tensor, n: int) -> Tensor:
    """Return the `n` most independent indices of a positive semi-definite matrix, greedily.

    Each step takes the index with the largest variance that those already chosen do not explain.
    """
    residual = matrix.double().clone()
    chosen: list[int] = []
    for _ in range(n):
        diagonal = residual.diagonal().clone()
        diagonal[chosen] = -1
        pivot = int(diagonal.argmax())
        column = residual[:, pivot] / residual[pivot, pivot].clamp_min(1e-12).sqrt()
        residual -= torch.outer(column, column)
        chosen.append(pivot)
    return torch.tensor(chosen)


@torch.no_grad()
def choose_channels(teacher: Teacher, batches: list[Tensor]) -> Chosen:
    """Choose each layer's channels from the statistics of `batches` (each (N, 3, H, W) in [0, 1]).

    Pivoted Cholesky runs on the covariance of channels scaled to the square root of their standard
    deviation: between the correlation matrix (all channels equal) and the covariance (what a Gram
    matrix of the teacher weighs most).
    """
    first: list[Tensor] = []
    second: list[Tensor] = []
    total = [0] * len(RELU_NAMES)
    for batch in batches:
        for i, a in enumerate(teacher(batch)):
            flat = a.permute(0, 2, 3, 1).reshape(-1, a.shape[1]).float()
            if len(first) <= i:
                first.append(torch.zeros(flat.shape[1], device=flat.device))
                second.append(torch.zeros(flat.shape[1], flat.shape[1], device=flat.device))
            first[i] += flat.sum(0)
            second[i] += flat.T @ flat
            total[i] += flat.shape[0]
    widths = [w for n, w in BLOCKS for _ in range(n)]
    channels, means, variances = [], [], []
    for s1, s2, n, width in zip(first, second, total, widths, strict=True):
        mean = (s1 / n).double()
        covariance = (s2 / n).double() - torch.outer(mean, mean)
        deviation = covariance.diagonal().clamp_min(0).sqrt()
        alive = (mean > 1e-3 * mean.median()) & (deviation > 0)
        scale = torch.where(alive, deviation.clamp_min(1e-12).rsqrt(), 0.0)
        picked = pivoted_cholesky(covariance * torch.outer(scale, scale), width)
        picked = picked.to(mean.device).sort().values
        channels.append(picked)
        means.append(mean[picked].float())
        variances.append((deviation[picked] / mean[picked]).square().float())
    return Chosen(channels, means, variances)


@torch.no_grad()
def recognised_channels(
    student: nn.Sequential, teacher: Teacher, batches: list[tuple[Tensor, Tensor]]
) -> tuple[Chosen, list[float]]:
    """Return which of the teacher's channels a trained student's are, and how well they correlate.

    Which channels were chosen depends on the crops that were drawn; with one more or less, all those
    after it would be taken for their neighbours. So each layer's channels are matched one to one with
    the teacher's so that the sum of correlations is largest (Kuhn 1955, the Hungarian method).

    Args:
        student: its layers named as those of SlimVGG.
        teacher: whose channels it learned.
        batches: pictures, RGB in [0, 1], and the same as the student takes them.
    """
    sums: list[list[Tensor]] = [[] for _ in RELU_NAMES]
    rows = [0] * len(RELU_NAMES)
    for rgb, normalised in batches:
        x, own = normalised, []
        for name, layer in student.named_children():
            x = layer(x)
            if name in RELU_NAMES:
                own.append(x)
        for i, (a, t) in enumerate(zip(own, teacher(rgb), strict=True)):
            one, other = (f.permute(0, 2, 3, 1).flatten(0, 2).float().double() for f in (a, t))
            parts = [
                one.sum(0),
                other.sum(0),
                one.square().sum(0),
                other.square().sum(0),
                one.T @ other,
            ]
            sums[i] = parts if not sums[i] else [p + q for p, q in zip(sums[i], parts, strict=True)]
            rows[i] += len(one)
    channels, means, variances, scores = [], [], [], []
    for (s1, t1, s2, t2, product), n in zip(sums, rows, strict=True):
        deviation = [
            (b / n - (a / n).square()).clamp_min(1e-12).sqrt() for a, b in ((s1, s2), (t1, t2))
        ]
        correlation = (product / n - torch.outer(s1, t1) / n**2) / torch.outer(*deviation)
        _, columns = linear_sum_assignment(correlation.cpu().numpy(), maximize=True)
        picked = torch.from_numpy(columns).to(s1.device)
        mean = t1[picked] / n
        channels.append(picked)
        means.append(mean.float())
        variances.append((deviation[1][picked] / mean).square().float())
        scores.append(float(correlation[torch.arange(len(picked)), picked].mean()))
    return Chosen(channels, means, variances), scores
