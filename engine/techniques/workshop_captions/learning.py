"""How the captioning network learns, and what is measured of it on scenes it has not learned from."""

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from engine.optimization.adam import Adam
from engine.task import Task
from engine.techniques.workshop_captions.network import LAYOUT, caption_loss, map_of, written
from engine.techniques.workshop_captions.settings import Captions
from engine.techniques.workshop_captions.word_maps import word_maps
from engine.workshop.parameters import Parts
from engine.workshop.pointing import pointed
from engine.workshop.scenes import Scenes, draw_scenes, pairs_of
from engine.workshop.sentences import COLOUR, COLOURS, SHAPE, SHAPES
from engine.workshop.training import noted_gradient

BATCH = 64
"""Scenes in a step."""
PAIR = (
    (COLOURS.index("red"), SHAPES.index("circle")),
    (COLOURS.index("blue"), SHAPES.index("square")),
)
"""What is never shown together while a pair is withheld."""
FRESH, POINTED = 256, 128
"""How many fresh scenes are described when measuring, and in how many of them words are looked for."""


@dataclass
class Held:
    """What was measured last; in a checkpoint, as it is not measured in every iteration."""

    numbers: dict[str, float] = field(default_factory=dict)


class Learner:
    """The network, and the scenes that it learns from and is measured on."""

    def __init__(self, task: Task[Captions]) -> None:
        """Draw the network's start and the scenes for measuring from the task's generator."""
        self.task, self.held = task, Held()
        of_pair = pairs_of(*PAIR)
        self._of_pair, rest = of_pair.nonzero()[:, 0], (~of_pair).nonzero()[:, 0]
        self.learned = rest if task.technique.withheld else torch.arange(len(of_pair))
        """The numbers of the sentences of scenes that are learned from."""
        self._rest = rest
        start = LAYOUT.start(task.generator).to(task.device)
        self.network = Adam(start, task.technique.learning_rate)
        self.fresh = self._drawn(self._rest, FRESH)
        """Scenes without the pair, none of which is learned from."""
        self.pair = self._drawn(self._of_pair, FRESH)
        """Scenes of the pair."""

    @property
    def parts(self) -> Parts:
        """The network's parameters."""
        return LAYOUT.parts(self.network.variable)

    def step(self) -> float:
        """Learn from a batch of new scenes; return the loss."""
        scenes = self._drawn(self.learned, BATCH)
        pictures = self.pictures(scenes)
        sentences = scenes.sentences.to(self.task.device)
        losses: list[float] = []

        def loss(parameters: Tensor) -> Tensor:
            return caption_loss(LAYOUT.parts(parameters), pictures, sentences)

        self.network.learning_rate = self.task.technique.learning_rate
        self.network.step(partial(noted_gradient, loss, losses))
        return losses[0]

    @torch.no_grad()
    def measure(self) -> None:
        """Measure sentences, words' places and recolouring on fresh scenes."""
        exact = [float(self.right(scenes).float().mean()) for scenes in (self.fresh, self.pair)]
        self.held.numbers = {
            "exact": exact[0], "exact, pair": exact[1],
            "pointing": self.pointing(self.fresh[:POINTED]),
            "recolouring": self.recolouring(self.fresh[:POINTED]),
        }  # fmt: skip

    def right(self, scenes: Scenes) -> Tensor:
        """Return for each of the scenes whether the sentence written is right in every word, (N,)."""
        return (self.written(scenes) == scenes.sentences).all(1)

    def written(self, scenes: Scenes) -> Tensor:
        """Return the sentences that the network writes, (N, `LONGEST`) on the CPU."""
        with torch.no_grad():
            return written(self.parts, self.pictures(scenes)).cpu()

    def pointing(self, scenes: Scenes) -> float:
        """Return the share of colour and shape words whose map is highest on their object.

        Words that both objects share are left out: their evidence may be in either.
        """
        with torch.no_grad():
            maps = map_of(self.parts, self.pictures(scenes))
        sentences, things = scenes.sentences.to(maps.device), scenes.things
        hits = []
        for kind, place in ((1, COLOUR), (2, SHAPE)):
            only = things[:, 0, kind] != things[:, 1, kind]
            for which, masks in enumerate(scenes.masks().unbind(1)):
                places = (scenes.starts[:, which] + place).to(maps.device)
                found = word_maps(self.parts, maps, sentences, places).cpu()
                hits.append(pointed(found, masks)[only])
        return float(torch.cat(hits).float().mean())

    def recolouring(self, scenes: Scenes) -> float:
        """Return how often another colour of an object changes the word for it, rightly, and no other."""
        before, shares = self.written(scenes), []
        for which in (0, 1):
            places = (scenes.starts[:, which] + COLOUR)[:, None]
            colours = (scenes.things[:, which, 1] + 1) % len(COLOURS)
            changed = scenes.recoloured(which, colours)
            expected = before.scatter(1, places, changed.sentences.gather(1, places))
            after = self.written(changed)
            shares.append(((after == expected).all(1) & (after != before).any(1)).float())
        return float(torch.cat(shares).mean())

    def pictures(self, scenes: Scenes) -> Tensor:
        """Return the scenes' pictures on the task's device."""
        return scenes.pictures().to(self.task.device)

    def _drawn(self, pool: Tensor, count: int) -> Scenes:
        chosen = torch.randint(len(pool), (count,), generator=self.task.generator)
        return draw_scenes(pool[chosen], self.task.generator)
