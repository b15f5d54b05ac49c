"""Captions: the network, Grad-CAM of a word, what is measured, steering, going on, the picture."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from engine.attribution.class_activation import grad_cam
from engine.job import Inputs, Job
from engine.networks.network import Network
from engine.task import Task
from engine.techniques.workshop_captions import Captions, learning
from engine.techniques.workshop_captions.learning import PAIR, Learner
from engine.techniques.workshop_captions.network import (
    END,
    LAYOUT,
    caption_loss,
    first_state,
    map_of,
    next_logits,
    written,
)
from engine.techniques.workshop_captions.views import picture
from engine.techniques.workshop_captions.word_maps import word_maps
from engine.workshop.scenes import Scenes, draw_scenes, pairs_of
from engine.workshop.sentences import SCENES, WORDS
from tests.engine.continuing import check_goes_on

TaskMaker = Callable[..., Task[Captions]]


class Modules(nn.Module):
    """The same network of PyTorch's modules: log p of the words at a place of one sentence."""

    def __init__(self, parts: dict[str, Tensor], sentence: Tensor, place: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Conv2d(64, 16, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(),
            nn.Linear(128, 96), nn.LayerNorm(96, elementwise_affine=False), nn.Tanh(),
        )  # fmt: skip
        self.words = nn.Embedding(len(WORDS), 32)
        self.gru = nn.GRU(32, 96, batch_first=True)
        self.out = nn.Linear(96, len(WORDS))
        self.sentence, self.place = sentence, place
        self.double()
        with torch.no_grad():
            for own, given in zip(self.parameters(), parts.values(), strict=True):
                own.copy_(given)

    def forward(self, x: Tensor) -> Tensor:
        state = self.head(self.maps(x - 0.86))
        before = torch.cat([torch.tensor([END]), self.sentence[: self.place]])
        states, _ = self.gru(self.words(before)[None].expand(len(x), -1, -1), state[None])
        return self.out(states[:, -1]).log_softmax(1)


@pytest.fixture(scope="module")
def parts() -> dict[str, Tensor]:
    """Parameters large enough for the network to prefer some words, in double precision."""
    vector = LAYOUT.start(torch.Generator().manual_seed(1)).double()
    return LAYOUT.parts(vector * 1.5)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    generator = torch.Generator().manual_seed(2)
    return draw_scenes(torch.randint(SCENES, (5,), generator=generator), generator)


def test_the_network_is_the_same_as_modules(parts: dict[str, Tensor], scenes: Scenes) -> None:
    pictures, sentences = scenes.pictures().double(), scenes.sentences
    logits = next_logits(parts, first_state(parts, map_of(parts, pictures)), sentences)
    for i, sentence in enumerate(sentences):
        for place in (0, 1, 4, 10):
            wanted = Modules(parts, sentence, place)(pictures[i : i + 1])[0]
            assert torch.allclose(logits[i, place].log_softmax(0), wanted, atol=1e-10)


def test_the_loss_is_the_mean_over_all_words_and_one_end(
    parts: dict[str, Tensor], scenes: Scenes
) -> None:
    pictures, sentences = scenes.pictures().double(), scenes.sentences
    chances = []
    for i, sentence in enumerate(sentences):
        for place in range(sentence.tolist().index(END) + 1):
            logs = Modules(parts, sentence, place)(pictures[i : i + 1])
            chances.append(float(logs[0, sentence[place]].detach()))
    wanted = -sum(chances) / len(chances)
    assert float(caption_loss(parts, pictures, sentences)) == pytest.approx(wanted, abs=1e-10)


def test_the_most_likely_word_is_written_and_nothing_after_the_end(
    parts: dict[str, Tensor], scenes: Scenes
) -> None:
    pictures = scenes.pictures().double()
    found = written(parts, pictures)
    state = first_state(parts, map_of(parts, pictures))
    best = next_logits(parts, state, found).argmax(2)
    for row, wanted in zip(found.tolist(), best.tolist(), strict=True):
        end = row.index(END) + 1 if END in row else len(row)
        assert row[:end] == wanted[:end]
        assert not any(row[end:])
    certain = {**parts, "out.bias": 100.0 * torch.eye(len(WORDS), dtype=torch.double)[END]}
    assert not written(certain, pictures).any()


def test_grad_cam_of_a_word_is_that_of_a_class(parts: dict[str, Tensor], scenes: Scenes) -> None:
    """The attribution method, with log p(word | words before it) as the class's score."""
    pictures, sentences = scenes.pictures().double(), scenes.sentences
    places = torch.tensor([1, 2, 3, 5, 9])
    found = word_maps(parts, map_of(parts, pictures), sentences, places)
    assert found.shape == (5, 8, 8)
    some = 0
    for i, place in enumerate(places.tolist()):
        module, word = Modules(parts, sentences[i], place), int(sentences[i, place])
        one = pictures[i : i + 1]
        wanted = grad_cam(module, one, word, "maps", upsample=False)[0]
        chance = float(module(one)[0, word].detach().exp())
        assert torch.allclose(found[i] * (1 - chance), wanted, atol=1e-9)
        some += bool(wanted.max() > 1e-4)
    assert some >= 3, "most words have a map that is not empty"


def test_a_word_that_is_certain_still_has_its_map(parts: dict[str, Tensor], scenes: Scenes) -> None:
    """In single precision its probability is 1, and the gradient of log p would be 0."""
    sure = {**parts, "out.bias": parts["out.bias"].clone()}
    places = torch.full((5,), 1)
    for word in (2, 3):
        sure["out.bias"][word] += 40
    exact = word_maps(sure, map_of(sure, scenes.pictures().double()), scenes.sentences, places)
    single = {name: part.float() for name, part in sure.items()}
    found = word_maps(single, map_of(single, scenes.pictures()), scenes.sentences, places)
    assert float(exact.amax((1, 2)).min()) > 0
    assert torch.allclose(found.double(), exact, atol=1e-4 * float(exact.max()))


@pytest.fixture
def learner(task: TaskMaker) -> Learner:
    return Learner(task(Captions(), content=None))


class Always(Learner):
    """One that writes what a function says."""

    says: Callable[[Scenes], Tensor]

    def written(self, scenes: Scenes) -> Tensor:
        return self.says(scenes)


def writer(task: TaskMaker, says: Callable[[Scenes], Tensor]) -> Always:
    made = Always(task(Captions(), content=None))
    made.says = says
    return made


def test_a_withheld_pair_is_not_learned_from(task: TaskMaker, learner: Learner) -> None:
    of_pair = pairs_of(*PAIR)
    assert not of_pair[learner.learned].any()
    assert len(learner.learned) == SCENES - 16
    assert of_pair[learner.pair.numbers].all()
    assert not of_pair[learner.fresh.numbers].any()
    open_one = Learner(task(Captions(withheld=False), content=None))
    assert open_one.learned.tolist() == list(range(SCENES))


def test_exactness_and_recolouring_of_writers_that_are_known(task: TaskMaker) -> None:
    perfect = writer(task, lambda scenes: scenes.sentences)
    assert perfect.right(perfect.pair).all()
    assert perfect.recolouring(perfect.fresh) == 1
    stubborn = writer(task, lambda scenes: perfect.fresh.sentences[:1].expand(len(scenes), -1))
    assert stubborn.recolouring(stubborn.fresh) == 0
    assert 0 < float(stubborn.right(stubborn.fresh).float().mean()) < 0.1

    def confused(scenes: Scenes) -> Tensor:
        """Takes a circle for a square if it is red."""
        red, circle, square = (WORDS.index(word) for word in ("red", "circle", "square"))
        sentences = scenes.sentences.clone()
        after_red = sentences.roll(1, 1) == red
        sentences[after_red & (sentences == circle)] = square
        return sentences

    changed = writer(task, confused)
    first, second = changed.fresh.things[:, :, 1:].unbind(1)
    # Wrong where a circle becomes red or was red: a quarter of all colours each, a third of shapes.
    wrong = [
        ((part[:, 1] == 0) & ((part[:, 0] == 3) | (part[:, 0] == 0))) for part in (first, second)
    ]
    assert changed.recolouring(changed.fresh) == pytest.approx(
        1 - float(torch.cat(wrong).float().mean())
    )


def test_pointing_of_maps_that_are_known(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each object's cover as the map of its words: all point to it. The other one's: none does."""
    scenes, masks = learner.fresh, learner.fresh.covers()

    def right(parts: object, maps: Tensor, sentences: Tensor, places: Tensor) -> Tensor:
        second = places > 3
        covers = masks[torch.arange(len(places)), second.long()]
        return nn.functional.avg_pool2d(covers, 7, 8, 0)[:, :8, :8]

    monkeypatch.setattr(learning, "word_maps", right)
    assert learner.pointing(scenes) > 0.95
    masks = masks.flip(1)
    assert learner.pointing(scenes) == 0


@pytest.mark.slow
def test_it_learns(task: TaskMaker) -> None:
    settings = Captions(iterations=80)
    losses = [frame.losses for frame in settings.frames(task(settings, content=None))]
    assert losses[0]["loss"] == pytest.approx(torch.tensor(len(WORDS)).log(), abs=0.15)
    assert losses[-1]["loss"] < 0.9, "articles, relations and ends are known"
    assert set(losses[-1]) == {"loss", "exact", "exact, pair", "pointing", "recolouring"}


@pytest.mark.parametrize("side", [1, 7, 48, 301])
def test_the_picture_has_the_size_that_was_asked_for(learner: Learner, side: int) -> None:
    learner.held.numbers = {"exact": 0.5, "exact, pair": 0.5, "pointing": 0.5}
    shown = picture(learner, side)
    assert shown.shape == (3, side, side)
    assert 0 <= float(shown.min()) <= float(shown.max()) <= 1


def test_the_picture_shows_the_scene_and_the_colour_chosen(task: TaskMaker) -> None:
    perfect = writer(task, lambda scenes: scenes.sentences)
    perfect.held.numbers = {"exact": 1.0, "exact, pair": 1.0, "pointing": 1.0}
    found = {}
    for name, settings in {
        "first": Captions(), "other": Captions(scene=2), "second": Captions(recoloured="second"),
        "red": Captions(colour="red"), "yellow": Captions(colour="yellow"),
    }.items():  # fmt: skip
        perfect.task.technique = settings
        found[name] = picture(perfect, 360)
    left = {name: shown[:, :100, :90] for name, shown in found.items()}
    assert not torch.equal(left["first"], left["other"])
    assert torch.equal(left["first"], left["second"])
    pictures = list(found.values())
    for i, one in enumerate(pictures):
        assert not any(torch.equal(one, other) for other in pictures[:i])


def test_it_goes_on_bit_for_bit_also_when_steered(tiny: Network) -> None:
    technique = Captions(iterations=6)
    wishes = {
        2: lambda s: s.change(replace(technique, scene=7, learning_rate=0.003)),
        4: lambda s: s.change(replace(technique, recoloured="second", colour="green")),
    }
    job = Job(technique, Inputs(), size=96, device="cpu", precision="fp32")
    whole = check_goes_on(job, tiny, (1, 3, 5), wishes)
    assert len(whole) == 6
