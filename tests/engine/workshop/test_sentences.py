"""Sentences: one for each scene, and one scene for each."""

import pytest

from engine.workshop.sentences import (
    COLOURS,
    END,
    LONGEST,
    NOWHERE,
    SCENES,
    WORDS,
    all_sentences,
    all_starts,
    in_words,
    scene,
    understood,
)


def test_sentences_and_scenes_are_a_bijection() -> None:
    """24 kinds of objects, twice, in two relations."""
    assert SCENES == (2 * 4 * 3) ** 2 * 2 == 1152
    found = [scene(number) for number in range(SCENES)]
    assert [each.number for each in found] == list(range(SCENES))
    assert len({each.words for each in found}) == SCENES
    assert all(understood(each.words) == each for each in found)


def test_in_numbers_they_are_the_same() -> None:
    sentences, starts = all_sentences(), all_starts()
    assert sentences.shape == (SCENES, LONGEST)
    assert (sentences[:, -1] == WORDS.index(END)).all()
    for number in range(SCENES):
        words, (first, second) = in_words(sentences[number]), starts[number].tolist()
        wanted = scene(number)
        assert words == wanted.words
        assert words[first : first + 4] == wanted.first.words
        assert words[second : second + 4] == wanted.second.words
    assert {word for row in map(in_words, sentences) for word in row} == {*WORDS} - {END}


def test_a_sentence_reads_as_english() -> None:
    words = ["a", "big", "red", "circle", "left", "of", "a", "small", "blue", "square"]
    found = understood(words)
    assert found is not None
    assert (found.first.words, found.second.words) == (tuple(words[:4]), tuple(words[6:]))
    assert COLOURS[found.second.colour] == "blue"
    assert {*words} >= NOWHERE


@pytest.mark.parametrize(
    "words",
    [
        "", "a big red circle", "a big red circle left a small blue square",
        "a red big circle above a small blue square", "a big red circle above a small blue",
        "a big red circle above a small blue square square",
        "the big red circle above a small blue square",
        "a big red circle above a small blue pentagon",
    ],
)  # fmt: skip
def test_what_is_no_such_sentence_says_nothing(words: str) -> None:
    assert understood(words.split()) is None
