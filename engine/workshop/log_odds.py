"""Log odds of a choice: what stands in for its log probability where that is nearly 0."""

import torch
from torch import Tensor


def log_odds(logits: Tensor, chosen: Tensor) -> Tensor:
    """Return log(p / (1 - p)) of what is chosen, (N,).

    Its gradient is that of log p divided by 1 - p: the same direction, also where p rounds to 1 and
    that of log p is lost.

    Args:
        logits: (N, choices).
        chosen: (N,).
    """
    others = logits.scatter(1, chosen[:, None], -torch.inf)
    return logits.gather(1, chosen[:, None])[:, 0] - others.logsumexp(1)
