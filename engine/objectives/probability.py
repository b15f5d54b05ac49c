"""Log probabilities: of a class given a picture, and of a picture (Nguyen et al. 2017, PPGN)."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from engine.objectives.priors import total_variation


def log_probability(logits: Tensor, target: int) -> Tensor:
    """Return log p(class `target` | picture), (N,), from logits (N, classes).

    It also rises when the other classes fall: the gradient is that of the whole log-softmax. For a
    single output it is the log of the logistic function.
    """
    if logits.shape[1] == 1:
        return logsigmoid(logits)[:, target]
    return torch.log_softmax(logits, 1)[:, target]


def gaussian_log_prior(pictures: Tensor, mean: Tensor) -> Tensor:
    """Return -|x - mean|² / 2 of each picture, (N,): a normal density of variance 1 per pixel.

    `pictures` (N, 3, H, W); `mean` anything that can be subtracted from them. The constant is left
    out.
    """
    return -0.5 * (pictures - mean).square().sum((1, 2, 3))


def smooth_log_prior(pictures: Tensor, beta: float = 2.0) -> Tensor:
    """Return minus the total variation of each picture (N, 3, H, W), as (N,).

    By itself this is not a density, as it says nothing about a picture's mean colour.
    """
    return -torch.stack([total_variation(picture, beta) for picture in pictures])
