"""Semi-supervised learning: what the nets end at, steering, going on, the picture."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from engine.errors import BadInput
from engine.job import Inputs, Job, run
from engine.networks.network import Network
from engine.settings import make
from engine.task import Frame, Task
from engine.techniques.workshop_semi_supervised import SemiSupervised
from engine.techniques.workshop_semi_supervised.game import NETS, TRAINED, Game
from tests.engine.continuing import check_goes_on

TaskMaker = Callable[..., Task[SemiSupervised]]
NETS_OF_THE_CURVES = "error % with GAN", "error % alone"
CONSTANT = "error % SVM", "error % label spreading"


def frames_of(task: TaskMaker, settings: SemiSupervised, seed: int = 0) -> list[Frame]:
    made = task(settings, seed=seed, content=None, size=64)
    return list(settings.frames(made))


@pytest.mark.slow
def test_the_nets_learn_and_label_spreading_is_better(task: TaskMaker) -> None:
    frames = frames_of(task, SemiSupervised(labelled=100, iterations=120))
    first, last = frames[0].losses, frames[-1].losses
    for name in NETS_OF_THE_CURVES:
        assert last[name] < 25 < 60 < first[name]
    for name in CONSTANT:
        assert len({frame.losses[name] for frame in frames}) == 1
    assert last["error % label spreading"] < last["error % SVM"] < 15


def test_the_net_alone_knows_nothing_of_unlabelled_digits(task: TaskMaker) -> None:
    """Its gradient depends on the labelled digits alone."""
    made = task(SemiSupervised(), seed=1, content=None, size=64)
    game = Game(made)
    parameters = game.players[1].variable.detach().requires_grad_()
    found = []
    for _ in range(2):
        made.generator.manual_seed(5)
        (slope,) = torch.autograd.grad(game._alone(game.known[:20], parameters), parameters)
        found.append(slope)
        unknown = torch.ones(len(game.pictures), dtype=torch.bool)
        unknown[game.known] = False
        game.pictures[unknown] = 0.5
    assert torch.equal(*found)


def test_weight_0_leaves_the_labelled_loss_alone(task: TaskMaker) -> None:
    made = task(SemiSupervised(unlabelled_weight=0), seed=1, content=None, size=64)
    game = Game(made)
    parameters = game.players[0].variable.detach().requires_grad_()
    values = []
    for loss in (
        lambda p: game._alone(game.known[:20], p),
        lambda p: game._with_generator(game.known[:20], [], p),
    ):
        made.generator.manual_seed(5)
        values.append(torch.autograd.grad(loss(parameters), parameters)[0])
    assert torch.allclose(*values, atol=1e-7)


def test_errors_are_those_of_averaged_parameters_on_digits_never_trained_on(
    task: TaskMaker,
) -> None:
    game = Game(task(SemiSupervised(), seed=1, content=None, size=64))
    seen = []
    for _ in range(3):
        game.step()
        seen.append(game.players[1].variable.clone())
    weights = torch.tensor([0.01 * 0.99**2, 0.01 * 0.99, 0.01])
    mean = (torch.stack(seen) * weights[:, None]).sum(0) / weights.sum()
    features, classifier = NETS.nets
    sees, classifies = NETS.parts(mean)
    logits = classifier(classifies, features(sees, game.pictures[TRAINED:]))  # type: ignore[operator]
    wrong = (logits.argmax(1) != game.classes[TRAINED:]).float().mean()
    assert game.errors()[1] == pytest.approx(100 * float(wrong), abs=0.2)
    assert len(game.pictures) - TRAINED == 797
    assert int(game.known.max()) < TRAINED


@pytest.mark.parametrize("labels", [10, 200])
def test_as_many_labels_are_known_as_asked_for(task: TaskMaker, labels: int) -> None:
    game = Game(task(SemiSupervised(labelled=labels), seed=1, content=None, size=64))
    assert len(set(game.known.tolist())) == labels
    assert (game.classes[game.known].bincount(minlength=10) == labels // 10).all()


def test_too_few_labels_say_so() -> None:
    with pytest.raises(BadInput, match="10 to 500"):
        make(SemiSupervised, {"labelled": 5})


def test_a_seed_gives_one_run(task: TaskMaker) -> None:
    losses = [frames_of(task, SemiSupervised(iterations=3), s)[-1].losses for s in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("side", [1, 7, 48, 301])
def test_the_picture_has_the_size_that_was_asked_for(task: TaskMaker, side: int) -> None:
    settings = SemiSupervised(iterations=1)
    made = task(settings, content=None, size=side)
    assert settings.stages(made)[-1].size == (side, side)
    *_, frame = settings.frames(made)
    assert frame.picture.shape == (3, side, side)
    assert 0 <= float(frame.picture.min()) <= float(frame.picture.max()) <= 1


def test_it_goes_on_bit_for_bit_also_when_steered(tiny: Network) -> None:
    technique = SemiSupervised(iterations=13)
    wishes = {
        4: lambda s: s.change(replace(technique, unlabelled_weight=3.0, hidden_noise=0.0)),
        9: lambda s: s.change(replace(technique, input_noise=0.5, learning_rate=0.01)),
    }
    job = Job(technique, Inputs(), size=48, device="cpu", precision="fp32")
    whole = check_goes_on(job, tiny, (4, 11), wishes)
    assert len(whole) == 13


def test_the_weight_is_steered_between_two_iterations(tiny: Network) -> None:
    losses = []
    for changes in ((), ((3, {"unlabelled_weight": 10.0}),)):
        job = Job(
            SemiSupervised(iterations=6), size=48, device="cpu", precision="fp32", changes=changes
        )
        losses.append([frame.losses["unlabelled loss"] for frame in run(job, tiny)])
    assert losses[0][:4] == losses[1][:4]
    assert losses[0][4] != losses[1][4]
