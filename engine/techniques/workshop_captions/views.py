"""The picture of the captions: what is written of four scenes, and where each word of one comes from."""

from itertools import pairwise

import torch
from torch import Tensor

from engine.techniques.workshop_captions.learning import Learner
from engine.techniques.workshop_captions.network import first_state, map_of, next_logits
from engine.techniques.workshop_captions.word_maps import word_maps
from engine.workshop.plot import BLUE, INK, ORANGE, Canvas, Colour
from engine.workshop.pointing import enlarged
from engine.workshop.scenes import SIDE, Scenes
from engine.workshop.sentences import COLOURS, NOWHERE, OBJECT_WORDS, in_words

HEAT = (0.80, 0.10, 0.0)
"""RGB of a map where it is highest."""
ACROSS = 5
"""Words side by side."""
FAINT: Colour = (150, 150, 150)
"""Of what is said of words with no place."""


def picture(learner: Learner, side: int) -> Tensor:
    """Return the figure (3, side, side), float32 in [0, 1] on the CPU."""
    canvas = Canvas(side, side)
    unit = canvas.type_size or max(side // 40, 1)
    shown, names = _chosen(learner)
    written = learner.written(shown)
    canvas.text(_measured(learner), unit, 1.2 * unit, (0, 0.5))
    top = 4.1 * unit
    below = _scenes(canvas, shown, names, written, top, unit)
    _words(canvas, learner, shown[:1], written[:1], below, unit)
    return canvas.picture()


def _chosen(learner: Learner) -> tuple[Scenes, tuple[str, ...]]:
    """Return the scene shown, the same recoloured, the next one, and one of the pair."""
    settings = learner.task.technique
    index = settings.scene - 1
    scene, after, pair = (
        scenes[i : i + 1]
        for scenes, i in ((learner.fresh, index), (learner.fresh, index + 1), (learner.pair, index))
    )
    which = ("first", "second").index(settings.recoloured)
    own = int(scene.things[0, which, 1])
    next_one = settings.colour == "next"
    colour = (own + 1) % len(COLOURS) if next_one else COLOURS.index(settings.colour)
    other = scene.recoloured(which, torch.tensor([colour]))
    withheld = "withheld pair" if settings.withheld else "red circle, blue square"
    names = f"scene {settings.scene}", f"now {COLOURS[colour]}", "another scene", withheld
    return Scenes.joined([scene, other, after, pair]), names


def _measured(learner: Learner) -> str:
    numbers = learner.held.numbers
    return (
        f"exact: {numbers['exact']:.0%} of scenes, {numbers['exact, pair']:.0%} of the pair; "
        f"words that point right: {numbers['pointing']:.0%}"
    )


def _scenes(
    canvas: Canvas, shown: Scenes, names: tuple[str, ...], written: Tensor, top: float, unit: float
) -> float:
    """Draw the scenes with what is written of them; return where the space below begins."""
    pitch = (canvas.width - unit) / len(shown)
    side = max(round(pitch - unit), 1)
    truth, pictures = shown.sentences, shown.pictures()
    for i, name in enumerate(names):
        left = unit + i * pitch
        canvas.text(name, left, top - 0.8 * unit, (0, 0.5))
        canvas.tile(pictures[i], round(left), round(top), side)
        compared = written[0] if i == 1 else None
        words = [
            (word, _ink(place, written[i], truth[i], compared))
            for place, word in enumerate(in_words(written[i]))
        ]
        y = top + side + 0.9 * unit
        for line in _lines(words):
            x = left
            for word, colour in line:
                x += canvas.text(word, x, y, (0, 0.5), colour) + 0.3 * unit
            y += 1.15 * unit
    return top + side + 7.2 * unit


def _ink(place: int, written: Tensor, truth: Tensor, compared: Tensor | None) -> Colour:
    """Return a word's colour: wrong, changed by recolouring, or neither."""
    if written[place] != truth[place]:
        return ORANGE
    return BLUE if compared is not None and compared[place] != written[place] else INK


def _lines(words: list[tuple[str, Colour]]) -> list[list[tuple[str, Colour]]]:
    """Return a sentence in lines: two words of each object, and what is between them."""
    split = max(len(words) - OBJECT_WORDS, OBJECT_WORDS)
    cuts = [0, 2, OBJECT_WORDS, split, split + 2, len(words)]
    return [line for a, b in pairwise(cuts) if (line := words[a:b])]


def _words(
    canvas: Canvas, learner: Learner, shown: Scenes, written: Tensor, top: float, unit: float
) -> None:
    """Draw Grad-CAM of each word that is written of a scene."""
    words = in_words(written[0])
    canvas.text("Grad-CAM of each word", unit, top, (0, 0.5))
    if not words:
        return
    maps, chances = _maps(learner, shown, written, len(words))
    pitch, top = (canvas.width - unit) / ACROSS, top + 1.1 * unit
    room = (canvas.height - top) / 2 - 1.6 * unit
    side = max(round(min(pitch - unit, room)), 1)
    # Pale and grey, so that the map's colour is not taken for the scene's.
    grey = shown.pictures().mean(1).expand(3, -1, -1)
    ground = 0.45 + 0.5 * grey
    hot = torch.tensor(HEAT)[:, None, None]
    for i, word in enumerate(words[: 2 * ACROSS]):
        left = unit + i % ACROSS * pitch
        y = top + i // ACROSS * (side + 1.7 * unit)
        nowhere = word in NOWHERE
        tile = ground if nowhere else torch.lerp(ground, hot.expand_as(ground), 0.85 * maps[i])
        canvas.tile(tile, round(left), round(y), side)
        place = y + side + 0.75 * unit
        wide = canvas.text(word, left, place, (0, 0.5))
        note = "no place" if nowhere else _share(float(chances[i]))
        canvas.text(note, left + wide + 0.5 * unit, place, (0, 0.5), FAINT)


def _maps(learner: Learner, shown: Scenes, written: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the maps of the first words (`count`, 64, 64) in [0, 1], and their probabilities."""
    parts, device = learner.parts, learner.task.device
    sentences, places = written.to(device).expand(count, -1), torch.arange(count, device=device)
    with torch.no_grad():
        maps = map_of(parts, learner.pictures(shown))
        logits = next_logits(parts, first_state(parts, maps), sentences[:1])[0, :count]
        chances = logits.softmax(1).gather(1, sentences[0, :count, None])[:, 0]
    found = word_maps(parts, maps.expand(count, -1, -1, -1), sentences, places)
    large = enlarged(found, SIDE)
    highest = large.amax((1, 2), keepdim=True).clamp_min(torch.finfo(large.dtype).tiny)
    return (large / highest).cpu(), chances.cpu()


def _share(chance: float) -> str:
    """Return a probability in words; 100 % is left to what is certain."""
    return f"{100 * chance:.0f} %" if chance < 0.995 else "> 99 %"
