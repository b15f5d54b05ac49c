"""Learning classes from few labels: a discriminator that classifies, and what it is compared with.

T. Salimans et al., "Improved Techniques for Training GANs", 2016. A classifier with K logits l has a
further class, "generated", whose logit is always 0. With L = logsumexp l, it takes a picture for real
with the probability exp L / (exp L + 1) = sigmoid(L), so that no logit of its own is needed.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

NEIGHBORS = 7
"""In the graph on which labels spread."""
ROUNDS = 1000
"""More than labels need to settle."""


def unsupervised_loss(unlabelled: Tensor, generated: Tensor) -> Tensor:
    """Return -(E log(1 - p(generated | data)) + E log p(generated | G)) / 2, a scalar, in nats.

    Both are logits (N, K).
    """
    real, fake = unlabelled.logsumexp(1), generated.logsumexp(1)
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


def feature_matching(real: Tensor, generated: Tensor) -> Tensor:
    """Return the mean squared difference of mean features (N, features): what the generator lowers."""
    return (real.mean(0) - generated.mean(0)).square().mean()


def few_labels(classes: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Choose which `count` of the classes (N,) are known; return their places.

    Of each class equally many, or one more of the first ones, if there are that many.
    """
    order = torch.randperm(len(classes), generator=generator)
    found = [order[classes[order] == number] for number in range(int(classes.max()) + 1)]
    most = max(len(places) for places in found)
    turns = [places[turn] for turn in range(most) for places in found if turn < len(places)]
    return torch.stack(turns[:count])


def support_vectors(pictures: Tensor, classes: Tensor, others: Tensor) -> Tensor:
    """Return what a support vector machine with a Gaussian kernel takes `others` (M, D) for.

    It learns from labelled pictures (N, D) with their classes (N,) alone.
    """
    from sklearn.svm import SVC  # type: ignore[import-untyped]

    machine = SVC().fit(pictures.cpu().numpy(), classes.cpu().numpy())
    return torch.from_numpy(machine.predict(others.cpu().numpy())).long()


def spread_labels(pictures: Tensor, classes: Tensor, known: Tensor, others: Tensor) -> Tensor:
    """Return what label spreading takes `others` (M, D) for.

    D. Zhou et al., "Learning with Local and Global Consistency", 2004: labels pass along the graph of
    the nearest neighbours of all pictures.

    Args:
        pictures: (N, D), with labels and without.
        classes: (N,); only those at `known` are used.
        known: places in the pictures.
        others: pictures that are not in the graph; each takes the label of its neighbours there.
    """
    from sklearn.semi_supervised import LabelSpreading  # type: ignore[import-untyped]

    given = torch.full_like(classes, -1)
    given[known] = classes[known]
    spreading = LabelSpreading(kernel="knn", n_neighbors=NEIGHBORS, max_iter=ROUNDS)
    # No label reaches some pictures: 0 / 0. Such a one is taken for the first class.
    with np.errstate(invalid="ignore"):
        spreading.fit(pictures.cpu().numpy(), given.cpu().numpy())
        return torch.from_numpy(spreading.predict(others.cpu().numpy())).long()


def error(predicted: Tensor, classes: Tensor) -> float:
    """Return which percentage of the predictions (N,) is wrong."""
    return 100 * float((predicted != classes).float().mean())
