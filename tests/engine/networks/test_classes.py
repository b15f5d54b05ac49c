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
    [("cougar", "0 cougar body, 1 cougar face;"), ("budha", "Buddha"), ("6", "0 to 5"), ("-1", "0 to 5"),
     ("", "0 to 5"), ("xyzzy", "no class 'xyzzy'")],
)  # fmt: skip
def test_refused_with_what_is_near(text, near):
    with pytest.raises(BadInput) as caught:
        find_class(network(), text)
    assert near in str(caught.value)
    assert "\n" not in str(caught.value)


CLOTHES = ("Cardigan", "crane", "cardigan", "crane", "Corgi, Cardigan", "tabby", "tabby cat")


@pytest.mark.parametrize(
    ("text", "number"), [("cardigan", 2), ("Cardigan", 0), ("tabby", 5), ("TABBY CAT", 6), ("3", 3)]
)
def test_the_exact_spelling_wins(text, number):
    assert find_class(network(CLOTHES), text) == number


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("CARDIGAN", "0 Cardigan, 2 cardigan;"), ("crane", "1 crane, 3 crane;"),
     ("dig", "0 Cardigan, 2 cardigan, 4 Corgi, Cardigan;"), ("bb", "5 tabby, 6 tabby cat;")],
)  # fmt: skip
def test_where_several_fit_their_numbers_are_told_and_none_is_taken(text, numbers):
    with pytest.raises(BadInput) as caught:
        find_class(network(CLOTHES), text)
    assert numbers in str(caught.value)


def test_of_very_many_that_fit_some_are_told():
    with pytest.raises(BadInput, match="5 cat 5 and 14 more"):
        find_class(network(tuple(f"cat {i}" for i in range(20))), "cat")


def test_a_network_without_classes_says_so():
    with pytest.raises(BadInput, match="no classifier"):
        find_class(network(()), "cup")
