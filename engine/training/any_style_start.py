"""The decoder's start: layer after layer, least squares towards the encoder's own layers.

Each convolution is fitted to what the encoder saw at its depth, normalized; the scale and shift that
come after it are the moments of that layer in the style. So the start already paints with the style's
moments at four depths, and the training has to learn strokes, not palettes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.stylization.adain import Moments
from engine.stylization.any_style import AnyStyle, code_of, split_code
from engine.training.start import fit


@torch.no_grad()
def measure_codes(network: AnyStyle, codes: Tensor) -> None:
    """Let the perceptron see codes (N, CODE) centred and scaled: means, and logarithms of deviations."""
    means, deviations = split_code(codes)
    features = torch.cat([*means, *(d.log() for d in deviations)], 1)
    network.code_mean.copy_(features.mean(0))
    network.code_scale.copy_(features.std(0).clamp_min(1e-2))


@torch.no_grad()
def least_squares_start(network: AnyStyle, photos: list[Tensor]) -> list[float]:
    """Fit the decoder's convolutions on batches of photos (N, 3, H, W); return the R² of each.

    The residual blocks stay switched off; theirs and the finer structure's part is learned later.
    """
    levels = [network.levels(photo) for photo in photos]
    codes = [code_of([Moments().of(level) for level in each]) for each in levels]
    generator = torch.Generator().manual_seed(0)
    plain = [[Moments().normalize(level) for level in each] for each in levels]
    own = [split_code(code) for code in codes]
    x = [
        Moments().normalize(each[3], deviations[3], means[3])
        for each, (means, deviations) in zip(levels, own, strict=True)
    ]
    scores = []
    # Convolution, the level that it gives back, how much smaller than that its result is.
    for name, level, smaller, grows in (
        ("conv4", 2, 2, True), ("conv3", 1, 2, True), ("conv2_1", 1, 1, False),
        ("conv2_2", 0, 2, True), ("conv1", 0, 1, False),
    ):  # fmt: skip
        conv = network.get_submodule(name)
        targets = [F.avg_pool2d(each[level], smaller) for each in plain]
        score, _ = fit(conv, x, targets, generator)  # type: ignore[arg-type]
        scores.append(score)
        x = [
            torch.relu(Moments().normalize(conv(a), deviations[level], means[level]))
            for a, (means, deviations) in zip(x, own, strict=True)
        ]
        if grows:
            x = [F.interpolate(a, scale_factor=2.0, mode="nearest") for a in x]
    score, _ = fit(network.out, x, photos, generator)
    return [*scores, score]
