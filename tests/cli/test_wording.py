"""What the command line makes of the engine's sentences."""

import sys

import pytest

from cli.options import technique_parser
from cli.wording import program, worded
from engine.errors import BadInput, Mention, Remedy
from engine.settings import START_PICTURE, STYLES, mention
from engine.techniques.hierarchy import Hierarchy
from engine.techniques.style_transfer import StyleTransfer


@pytest.mark.parametrize(
    ("started_as", "called"),
    [
        ("main.py", "python main.py"),
        ("/opt/pareidolia/main.py", "python main.py"),
        ("/usr/bin/pareidolia", "pareidolia"),
        ("pareidolia.exe", "pareidolia"),
    ],
)
def test_the_program_is_called_as_it_was_started(
    monkeypatch: pytest.MonkeyPatch, started_as: str, called: str
) -> None:
    monkeypatch.setattr(sys, "argv", [started_as])
    assert program() == called
    missing = BadInput("the weights of x are not here; ", Remedy("download", "x"))
    said = f"the weights of x are not here; get them with: {called} networks download x"
    assert worded(missing) == said
    assert technique_parser(StyleTransfer).format_usage().startswith(f"usage: {called} style-tran")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Mention("size", value="384"), "--size 384"),
        (mention(Hierarchy, "units"), "--units"),
        (mention(Hierarchy, "prior_step"), "--prior-step"),
        (Remedy("list"), "see: python main.py networks list"),
        (Remedy("show", "x"), "see: python main.py networks show x"),
        (Remedy("remove", "x"), "first: python main.py networks remove x"),
    ],
)
def test_each_part_in_the_words_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, part: Mention | Remedy, said: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py"])
    assert worded(BadInput("a--b: ", part)) == f"a--b: {said}"


def test_pictures_are_spoken_of_by_options_that_there_are() -> None:
    parsed = technique_parser(StyleTransfer).parse_args(
        ["photo.png", "-o", "x.png", STYLES.option, "a.png", START_PICTURE.option, "b.png"]
    )
    assert (parsed.style, parsed.start_picture) == (["a.png"], "b.png")
    assert worded(BadInput(STYLES.mention(), " or ", START_PICTURE.mention())) == (
        "--style or --start-picture"
    )
