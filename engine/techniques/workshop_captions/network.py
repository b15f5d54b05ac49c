"""The network that writes captions: a CNN's embedding of the picture is a GRU's first state.

O. Vinyals et al., "Show and Tell", 2015, made small.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.workshop.parameters import RELU, Layout, Parts, convolution_shapes, linear_shapes
from engine.workshop.recurrent import gru, gru_shapes, gru_step, inputs_of
from engine.workshop.scenes import GROUND
from engine.workshop.sentences import LONGEST, WORDS

STRIDED = (16, 32, 64)
"""Channels of the convolutions of 4 x 4 that halve the picture: 64 pixels become 8."""
MAP, MAP_SIDE = 64, 8
"""Channels and side of the last map with places, at which Grad-CAM looks."""
SQUEEZED, EMBEDDED = 16, 128
"""Channels after the convolution of 1 x 1, and numbers of the picture's embedding."""
STATE, WORD = 96, 32
"""Width of the GRU, and of a word's embedding."""
GREY = sum(GROUND) / 2
"""What is taken from the pictures, so that the ground is about 0 and objects stand out."""
END = 0
"""The sentence's end in `WORDS`; it is also what comes before the first word."""

LAYOUT = Layout({
    **convolution_shapes("conv1", 3, STRIDED[0], 4, RELU),
    **convolution_shapes("conv2", STRIDED[0], STRIDED[1], 4, RELU),
    **convolution_shapes("conv3", STRIDED[1], STRIDED[2], 4, RELU),
    **convolution_shapes("conv4", STRIDED[2], MAP, 3, RELU),
    **convolution_shapes("squeeze", MAP, SQUEEZED, 1, RELU),
    **linear_shapes("embed", SQUEEZED * MAP_SIDE**2, EMBEDDED, RELU),
    **linear_shapes("first", EMBEDDED, STATE),
    "words": ((len(WORDS), WORD), 1),
    **gru_shapes("gru", WORD, STATE),
    **linear_shapes("out", STATE, len(WORDS)),
})  # fmt: skip


def map_of(parts: Parts, pictures: Tensor) -> Tensor:
    """Return the last map with places (N, `MAP`, 8, 8) of pictures (N, 3, 64, 64) in [0, 1]."""
    x = pictures - GREY
    for name in ("conv1", "conv2", "conv3"):
        x = F.conv2d(x, parts[f"{name}.weight"], parts[f"{name}.bias"], stride=2, padding=1).relu()
    return F.conv2d(x, parts["conv4.weight"], parts["conv4.bias"], padding=1).relu()


def first_state(parts: Parts, maps: Tensor) -> Tensor:
    """Return the GRU's first state (N, `STATE`), from maps (N, `MAP`, 8, 8)."""
    x = F.conv2d(maps, parts["squeeze.weight"], parts["squeeze.bias"]).relu().flatten(1)
    x = F.linear(x, parts["embed.weight"], parts["embed.bias"]).relu()
    x = F.linear(x, parts["first.weight"], parts["first.bias"])
    # Without this, the first steps, which are about grammar, push all of it to where tanh is flat, and
    # the picture is never seen.
    return torch.tanh(F.layer_norm(x, (STATE,)))


def next_logits(parts: Parts, state: Tensor, sentences: Tensor) -> Tensor:
    """Return logits (N, T, words) of each word of sentences (N, T), given those before it."""
    before = F.pad(sentences[:, :-1], (1, 0), value=END)
    states = gru(parts, "gru", parts["words"][before], state)
    return F.linear(states, parts["out.weight"], parts["out.bias"])


def written(parts: Parts, pictures: Tensor) -> Tensor:
    """Return the most likely words one by one, sentences in numbers (N, `LONGEST`), after an end ends."""
    state = first_state(parts, map_of(parts, pictures))
    word = torch.full((len(pictures),), END, device=pictures.device)
    over, words = torch.zeros_like(word, dtype=torch.bool), []
    for _ in range(LONGEST):
        seen = inputs_of(parts, "gru", parts["words"][word])
        state = gru_step(parts, "gru", seen, state)
        word = F.linear(state, parts["out.weight"], parts["out.bias"]).argmax(1)
        word = word.masked_fill(over, END)
        over = over | (word == END)
        words.append(word)
    return torch.stack(words, 1)


def caption_loss(parts: Parts, pictures: Tensor, sentences: Tensor) -> Tensor:
    """Return the mean of -log p(word | picture, words before it), a scalar, with the sentence's end.

    `sentences` (N, `LONGEST`) are filled up with ends, of which only the first counts.
    """
    logits = next_logits(parts, first_state(parts, map_of(parts, pictures)), sentences)
    ended = (sentences == END).cumsum(1)
    wanted = sentences.masked_fill(ended > 1, -100)
    return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100)
