"""Grad-CAM of a word (Selvaraju et al. 2017, section 8): where in the picture it comes from.

The score is log p(word | the words before it). The authors' published script takes that of a whole
caption, which cannot tell one word's place from another's.
"""

import torch
from torch import Tensor

from engine.techniques.workshop_captions.network import first_state, next_logits
from engine.workshop.log_odds import log_odds
from engine.workshop.parameters import Parts


def word_maps(parts: Parts, maps: Tensor, sentences: Tensor, places: Tensor) -> Tensor:
    """Return Grad-CAM's maps (N, 8, 8), at least 0, of one word of each sentence.

    relu(sum_k a_k A_k), with a_k the mean over the map of the gradient at A_k. The gradient is that of
    the log odds, 1 / (1 - p) times that of log p, so the map is the same but for its scale.

    Args:
        parts: of the network.
        maps: the last with places, A, as `map_of` returns it: (N, `MAP`, 8, 8).
        sentences: in numbers, (N, T).
        places: which word of each, (N,).
    """
    maps = maps.detach().requires_grad_()
    with torch.enable_grad():
        logits = next_logits(parts, first_state(parts, maps), sentences)
        at = logits[torch.arange(len(places)), places]
        odds = log_odds(at, sentences.gather(1, places[:, None])[:, 0])
        (slopes,) = torch.autograd.grad(odds.sum(), maps)
    weights = slopes.mean((2, 3), keepdim=True)
    return (weights * maps.detach()).sum(1).relu()
