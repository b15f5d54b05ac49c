"""Networks with a single output: what techniques ask of a class works where no second one exists."""

import math

import pytest
import torch
from torch import nn

from engine.errors import BadInput
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.networks.card import Card
from engine.networks.classes import probabilities
from engine.networks.network import Network
from engine.objectives.probability import log_probability
from engine.techniques import TECHNIQUES


@pytest.fixture(scope="module")
def one():
    """A random network with one output."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = slim_vgg(classes=1)
        for layer in module:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return Network(module, Card("one", "One output", "slim_vgg", input_size=32), ("thing",))


def test_a_single_output_is_a_probability_by_the_logistic_function():
    logits = torch.tensor([[2.0], [-1.0]], dtype=torch.float64)
    expected = [[1 / (1 + math.exp(-2))], [1 / (1 + math.exp(1))]]
    assert torch.allclose(probabilities(logits), torch.tensor(expected, dtype=torch.float64))
    assert torch.allclose(
        log_probability(logits, 0).exp(), torch.tensor([row[0] for row in expected]).double()
    )
    several = torch.tensor([1.0, 3.0, 2.0], dtype=torch.float64)
    assert torch.allclose(probabilities(several), several.exp() / several.exp().sum())


@pytest.mark.parametrize(("against", "sign"), [(False, 1), (True, -1)])
def test_class_visualization_moves_the_only_logit_either_way(one, task, pictures_of, against, sign):
    technique = TECHNIQUES["class-visualization"](
        target="0", iterations=12, parameterization="pixels", optimizer="normalised",
        learning_rate=4.0, jitter=0, zoom=0.0, rotation=0.0, closest=1.0, against=against,
    )  # fmt: skip
    frames = pictures_of(task(technique, network=one, size=32, content=None))
    first, last = (one.logits(frames[i][1][None])[0, 0] for i in (0, -1))
    assert sign * float(last - first) > 0.03
    assert list(frames[0][0].losses) == ["logit against" if against else "logit"]


def test_langevin_sampling_has_a_gradient_with_one_output(one, task, pictures_of):
    technique = TECHNIQUES["langevin"](target="thing", iterations=2)
    frames = pictures_of(task(technique, network=one, size=32, content=None))
    assert frames[-1][0].losses["log p(y|x)"] < 0


def test_an_adversarial_example_says_that_it_needs_a_second_class(one, task):
    run = task(TECHNIQUES["adversarial"](target="0"), network=one, size=32)
    with pytest.raises(BadInput, match="one class only; an adversarial example needs a second"):
        next(iter(run.technique.frames(run)))
