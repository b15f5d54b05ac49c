"""Units that stay at 0 for a whole run are named, with what may help."""

import copy

import pytest
import torch
from torch import nn

from engine.networks.network import Network
from engine.techniques import TECHNIQUES
from engine.techniques.dead_units import DeadUnits, silence


@pytest.fixture(scope="module")
def mute(tiny):
    """The tiny network, whose channels 0 and 2 of relu2_1 can never be above 0; nor can relu3_1."""
    module = copy.deepcopy(tiny.module)
    network = Network(module, tiny.card, ("a", "b", "c", "d", "e"))
    names = list(dict(module.named_modules()))
    for relu, channels in (("relu2_1", [0, 2]), ("relu3_1", slice(None))):
        before = module.get_submodule(names[names.index(network.resolve(relu)) - 1])
        assert isinstance(before, nn.Conv2d)
        before.weight[channels] = 0
        before.bias[channels] = -1
    return network


DREAM = {"iterations": 3, "octaves": 1}


@pytest.mark.parametrize(
    ("command", "settings", "told"),
    [
        ("deep-dream", {**DREAM, "layers": {"relu2_1": 1.0}, "channels": "0"},
         "step to the last: channel 0 of relu2_1. What"),
        ("deep-dream", {**DREAM, "layers": {"relu2_1": 1.0}, "channels": "1,2,0"},
         "channels 2, 0 of relu2_1."),
        ("deep-dream", {**DREAM, "layers": {"relu2_1": 1.0, "relu3_1": 1.0}}, "last: relu3_1."),
        ("deep-dream", {**DREAM, "layers": {"relu2_1": 1.0}}, ""),
        ("deep-dream", {**DREAM, "layers": {"relu2_1": 1.0}, "channels": "1"}, ""),
        ("activation-maximization", {"layer": "relu2_1", "channel": "0,1,2"},
         "channels 0, 2 of relu2_1. Nothing"),
        ("activation-maximization", {"layer": "relu2_1", "channel": "0", "position": "3,3"},
         "channel 0 of relu2_1."),
        ("activation-maximization", {"layer": "relu2_1", "channel": "2", "copies": 2},
         "channel 2 of relu2_1."),
        ("activation-maximization", {"layer": "relu3_1"}, "last: relu3_1."),
        ("activation-maximization", {"layer": "relu2_1", "channel": "1,3"}, ""),
        ("hierarchy", {"layer": "relu2_1,relu3_1", "units": "0,1", "resume": False},
         "channel 0 of relu2_1; channels 0, 1 of relu3_1."),
        ("class-visualization", {"target": "a, c", "parameterization": "pixels",
                                 "start": "gray", "start_noise": 0.0},
         "No step led towards a, c: the logit's gradient was 0"),
    ],
)  # fmt: skip
def test_what_was_silent_all_the_way_is_said(task, mute, pictures_of, command, settings, told):
    settings = {"iterations": 3, **settings}
    if command == "class-visualization":
        # No ReLU passes anything on, nor is helped to: what follows relu3_1 is constant.
        settings["steady"] = True
    technique = TECHNIQUES[command](**settings)
    changes = {} if command == "deep-dream" else {"content": None}
    frames = pictures_of(task(technique, network=mute, size=64, **changes))
    note = frames[-1][0].note
    assert (told in note and note.endswith("may help.")) if told else note == ""


def test_a_unit_that_answered_once_was_not_silent():
    watch = DeadUnits(3, torch.device("cpu"))
    watch.see(torch.tensor([True, False, False]))
    assert watch.silent() == [1, 2]
    watch.see(torch.tensor([False, True, False]))
    assert (watch.silent(), watch.done) == ([2], False)
    watch.see(torch.tensor([False, False, True]))
    assert (watch.silent(), watch.done) == ([], True)


def test_of_very_many_some_are_named():
    assert "channels 0, 1, 2, 3, 4, 5 and 4 more of relu1_1." in silence(
        {"relu1_1": range(10)}, "Wait."
    )
    assert ", and of 2 more layers. Wait." in silence({f"l{i}": [] for i in range(8)}, "Wait.")
    assert silence({}, "Wait.") == ""
