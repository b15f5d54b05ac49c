"""Classes by name, number or a part of the name."""

import pytest
from torch import nn

from engine.errors import BadInput
from engine.networks.card import Card
from engine.networks.classes import find_class
from engine.networks.network import Network

NAMES = ("cougar body", "cougar face", "Buddha", "cup", "7", "cupboard")


def network(classes=NAMES):
    return Network(nn.Conv2d(3, 2, 1), Card("tiny", "Tiny", "none"), classes)


@pytest.mark.parametrize(
    ("text", "number"),
    [("cup", 3), (" BUDDHA ", 2), ("0", 0), ("5", 5), ("7", 4), ("board", 5), ("face", 1)],
)
def test_found(text, number):
    assert find_class(network(), text) == number


@pytest.mark.parametrize(
    ("text", "near"),
    [("cougar", "cougar body, cougar face"), ("budha", "Buddha"), ("6", "0 to 5"), ("-1", "0 to 5"),
     ("", "0 to 5"), ("xyzzy", "no class 'xyzzy'")],
)  # fmt: skip
def test_refused_with_what_is_near(text, near):
    with pytest.raises(BadInput) as caught:
        find_class(network(), text)
    assert near in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_without_classes_says_so():
    with pytest.raises(BadInput, match="no classifier"):
        find_class(network(()), "cup")
