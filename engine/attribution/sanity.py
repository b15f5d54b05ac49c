"""Sanity check of attribution maps (Adebayo et al. 2018): do they change when the weights do?

Layer by layer, from the logits down, the trained weights are replaced by random ones; a map that
stays the same never depended on what the network had learned.
"""

import copy
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Method = Callable[[nn.Module, Tensor], Tensor]
"""Takes a model and pictures, returns a map (N, H, W)."""


@dataclass(frozen=True)
class Randomised:
    """The map after some more layers have been randomized."""

    layer: str
    """The layer randomized last; empty for the trained network."""
    map: Tensor
    """(N, H, W), detached."""
    correlation: float
    """Spearman's rank correlation of the maps' absolute values with the trained network's."""


def randomisation(
    model: nn.Module,
    x: Tensor,
    method: Method,
    generator: torch.Generator,
    wanted: Container[int] | None = None,
) -> Iterator[Randomised]:
    """Yield the map of the trained model, then one after each layer, top down (cascading).

    `wanted`: after how many layers a map is yielded, by default after each; the trained model's
    always is.

    A layer's weights become normal random numbers with the same mean and standard deviation, drawn
    by `generator` on the CPU, so that activations keep their magnitude; biases and normalization
    stay. `model` is left as it is: a copy is randomized.
    """
    trained = None
    for layer, twin in randomised(model, generator, wanted):
        found = method(twin, x).detach()
        if trained is None:
            trained = found
            yield Randomised(layer, found, 1.0)
        else:
            yield Randomised(layer, found, rank_correlation(found.abs(), trained.abs()))


def randomised(
    model: nn.Module, generator: torch.Generator, wanted: Container[int] | None = None
) -> Iterator[tuple[str, nn.Module]]:
    """Yield the name of the layer randomized last and the model as it then is, top down.

    Arguments as in `randomisation`. First comes the trained model, with an empty name. Each model
    is valid only until the next one is drawn.
    """
    twin = copy.deepcopy(model).eval()
    yield "", twin
    for count, (name, weight) in enumerate(reversed(weighted_layers(twin)), 1):
        with torch.no_grad():
            noise = torch.randn(weight.shape, generator=generator).to(weight)
            weight.copy_(noise * weight.std() + weight.mean())
        if wanted is None or count in wanted:
            yield name, twin


def weighted_layers(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Return (name, weight) of the layers that the check randomizes, in the order of the modules."""
    weights = [(name, m._parameters.get("weight")) for name, m in model.named_modules()]
    return [(name, w) for name, w in weights if isinstance(w, Tensor) and w.dim() >= 2]


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Return Spearman's rank correlation of all values, ties sharing a rank; 0 if one is constant."""
    from scipy.stats import rankdata

    ranks = [torch.from_numpy(rankdata(t.detach().cpu().double().numpy().ravel())) for t in (a, b)]
    first, second = (r - r.mean() for r in ranks)
    size = first.norm() * second.norm()
    return float(first @ second / size) if size > 0 else 0.0
