"""Scenes of two objects, and a sentence for each: "a big red circle left of a small blue square"."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

SIZES = ("big", "small")
COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("circle", "square", "triangle")
RELATIONS = ("left of", "above")
"""What the first object is to the second one. The one further left, or higher, is named first, so that
there is one sentence for a scene."""
END = "."
WORDS = (END, "a", *SIZES, *COLOURS, *SHAPES, "left", "of", "above")
"""All words; a sentence in numbers holds their places here."""
NOWHERE = frozenset(("a", "of"))
"""Words that stand for nothing in a picture."""
LONGEST = 11
"""Words of the longest sentence, with its end."""
KINDS = len(SIZES) * len(COLOURS) * len(SHAPES)
SCENES = KINDS**2 * len(RELATIONS)
"""How many sentences there are."""
COLOUR, SHAPE = 2, 3
"""The places of these words among those of an object."""
OBJECT_WORDS = 4


@dataclass(frozen=True)
class Thing:
    """An object, by the places of its words."""

    size: int
    colour: int
    shape: int

    @property
    def words(self) -> tuple[str, ...]:
        """The words for it."""
        return "a", SIZES[self.size], COLOURS[self.colour], SHAPES[self.shape]

    @property
    def kind(self) -> int:
        """Its number, from 0 to `KINDS` - 1."""
        return (self.size * len(COLOURS) + self.colour) * len(SHAPES) + self.shape


def thing(kind: int) -> Thing:
    """Return the object with a number."""
    rest, shape = divmod(kind, len(SHAPES))
    size, colour = divmod(rest, len(COLOURS))
    return Thing(size, colour, shape)


@dataclass(frozen=True)
class Scene:
    """What a sentence says."""

    first: Thing
    relation: int
    second: Thing

    @property
    def words(self) -> tuple[str, ...]:
        """The sentence, without its end."""
        return *self.first.words, *RELATIONS[self.relation].split(), *self.second.words

    @property
    def number(self) -> int:
        """Its number, from 0 to `SCENES` - 1."""
        return (self.first.kind * KINDS + self.second.kind) * len(RELATIONS) + self.relation


def scene(number: int) -> Scene:
    """Return the scene with a number."""
    kinds, relation = divmod(number, len(RELATIONS))
    return Scene(thing(kinds // KINDS), relation, thing(kinds % KINDS))


def understood(words: Sequence[str]) -> Scene | None:
    """Return what a sentence without its end says; None if it is not one of these sentences."""
    split = len(words) - OBJECT_WORDS
    relation = " ".join(words[OBJECT_WORDS:split])
    if relation not in RELATIONS:
        return None
    things = []
    for article, size, colour, shape in (words[:OBJECT_WORDS], words[split:]):
        if article != "a" or size not in SIZES or colour not in COLOURS or shape not in SHAPES:
            return None
        things.append(Thing(SIZES.index(size), COLOURS.index(colour), SHAPES.index(shape)))
    return Scene(things[0], RELATIONS.index(relation), things[1])


@cache
def all_sentences() -> Tensor:
    """Return every sentence in numbers (`SCENES`, `LONGEST`), filled up with ends."""
    rows = []
    for number in range(SCENES):
        places = [WORDS.index(word) for word in scene(number).words]
        rows.append(places + [WORDS.index(END)] * (LONGEST - len(places)))
    return torch.tensor(rows)


@cache
def all_starts() -> Tensor:
    """Return where each object's words begin in every sentence (`SCENES`, 2)."""
    ends = [len(scene(number).words) for number in range(SCENES)]
    return torch.tensor([(0, end - OBJECT_WORDS) for end in ends])


def in_words(sentence: Tensor) -> tuple[str, ...]:
    """Return the words of a sentence in numbers (T,), up to its end."""
    words = [WORDS[place] for place in sentence.tolist()]
    return tuple(words[: words.index(END)] if END in words else words)
