"""Settings that style transfer and texture synthesis declare alike."""

from typing import Any

from engine.settings import setting


def tv_weight(default: float, group: str) -> Any:
    """Return the weight of the total variation."""
    return setting(
        default, "Smoothness", "Total variation: suppresses grain.",
        low=0.0, high=1e6, log=True, group=group, live=True,
    )  # fmt: skip


def pooling() -> Any:
    """Return the choice of what stands for max-pooling."""
    return setting(
        "max", "Pooling", "Average pooling gives smoother gradients and loses detail.",
        choices=("max", "average"), group="Network",
    )  # fmt: skip


def first_share() -> Any:
    """Return how many of the iterations the coarsest scale gets."""
    return setting(
        2.0, "First scale's share", "Iterations at the first scale, relative to each later one.",
        low=0.1, high=20.0, step=0.5, group="Scale",
    )  # fmt: skip


def averaging(default: float) -> Any:
    """Return the decay of the running mean."""
    return setting(
        default, "Averaging", "Decay of the running mean of pictures, which is what is shown; "
        "0 shows the newest.",
        low=0.0, high=0.9999, step=0.01, group="Optimizer",
    )  # fmt: skip
