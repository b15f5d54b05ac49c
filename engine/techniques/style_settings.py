"""Settings shared by style transfer and texture synthesis, and their automatic values."""

from collections.abc import Sequence
from typing import Any

from engine.settings import setting


def tv_weight(default: float, group: str) -> Any:
    """Return the weight of the total variation."""
    return setting(
        default, "Smoothness", "Total variation: suppresses grain.",
        low=0.0, high=1e6, log=True, group=group, live=True,
    )  # fmt: skip


def pooling() -> Any:
    """Return the choice of what replaces max-pooling."""
    return setting(
        "max", "Pooling", "Average pooling gives smoother gradients and loses detail.",
        choices=("max", "average"), group="Network",
    )  # fmt: skip


def first_share() -> Any:
    """Return how many of the iterations the coarsest scale gets."""
    return setting(
        2.0, "First-scale iterations", "Iterations at the first scale, relative to each of the "
        "later scales.",
        low=0.1, high=20.0, step=0.5, group="Scale",
    )  # fmt: skip


def averaging(default: float) -> Any:
    """Return the decay of the running mean."""
    return setting(
        default, "Averaging", "Decay of the running mean of iterates, which is what you see; 0 "
        "shows the newest one.",
        low=0.0, high=0.9999, step=0.01, group="Optimizer",
    )  # fmt: skip


def usual_weights(names: Sequence[str], statistic: str) -> dict[str, float]:
    """Return the weights of style layers, shallow to deep, for "gram" or "wasserstein".

    Gram matrices are compared equally at all layers (Gatys et al. 2015). The weights of Wasserstein
    distances are halved from each layer to the next deeper one, 16:8:4:2:1. By eye, on the
    shipped network: with equal weights the deep layers, which can never be matched, outweigh
    the colours; with 256:64:16:4:1, crowsonkb's, there is grain in place of brush strokes.
    """
    if statistic == "gram":
        return dict.fromkeys(names, 1.0)
    return {name: 2.0 ** (len(names) - 1 - i) for i, name in enumerate(names)}
