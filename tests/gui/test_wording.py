"""What the window makes of the engine's sentences, and that each front door has its own words."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QTranslator
from pytestqt.qtbot import QtBot

import engine
from cli.commands import run as command_line
from cli.guard import guarded
from engine.errors import BadInput, Mention, PareidoliaError, Remedy
from engine.job import Job
from engine.settings import START_PICTURE, make, mention
from engine.techniques import TECHNIQUES
from engine.techniques.hierarchy import Hierarchy
from engine.techniques.multifaceted import Multifaceted
from gui.main_window import MainWindow
from gui.wording import worded
from tests.gui.stories import click, until_idle


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Mention("size", value="384"), "Size 384"),
        (Mention("recolour", value="gray"), "Recolour gray"),
        (Mention("network", value="vgg19"), "Network vgg19"),
        (mention(Hierarchy, "units"), "Channels"),
        (mention(Hierarchy, "copies"), "Copies"),
        (mention(Multifaceted, "copies"), "Facets"),
        (START_PICTURE.mention(), "Start picture"),
        (Remedy("download", "x"), "Network › Networks… gets them"),
        (Remedy("remove", "x"), "remove x in Network › Networks… first"),
    ],
)
def test_each_part_in_the_words_of_the_window(part: Mention | Remedy, said: str) -> None:
    assert worded(BadInput("a--b: ", part)) == f"a--b: {said}"


def test_errors_of_others_and_sentences_stay_as_they_are() -> None:
    assert worded(OSError("size= is --size")) == worded("size= is --size") == "size= is --size"


class _German(QTranslator):
    def translate(
        self, context: str, source: str, disambiguation: str | None = None, n: int = -1
    ) -> str:
        return {"Size": "Größe"}.get(source, "") if context == "Settings" else ""

    def isEmpty(self) -> bool:  # noqa: N802
        return False


def test_settings_are_called_what_a_translated_form_calls_them(qapp: QCoreApplication) -> None:
    error = BadInput(Mention("size"), " is 0")
    german = _German()
    qapp.installTranslator(german)
    try:
        assert worded(error) == "Größe is 0"
    finally:
        qapp.removeTranslator(german)
    assert worded(error) == "Size is 0"


@pytest.mark.parametrize(
    ("command", "values", "options", "named"),
    [
        ("hierarchy", {"units": "x"}, ["--units", "x"], ("units=", "Channels", "--units")),
        (
            "activation-maximization",
            {"channel": "x"},
            ["--channel", "x"],
            ("channel=", "Channel", "--channel"),
        ),
    ],
)
def test_three_front_doors_name_one_setting_in_three_ways(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    command: str, values: dict[str, object], options: Sequence[str], named: tuple[str, str, str],
) -> None:  # fmt: skip
    job = Job(make(TECHNIQUES[command], values), size=96, device="cpu")
    with pytest.raises(PareidoliaError) as raised:
        list(engine.run(job))
    in_notebook, in_window, on_command_line = named
    said = str(raised.value)
    assert in_notebook in said

    capsys.readouterr()
    argv = [command, *options, "-o", str(tmp_path / "x.png"), "--quiet", "--device", "cpu"]
    assert guarded(lambda: command_line(argv)) == raised.value.exit_code
    printed = capsys.readouterr().err.strip()
    assert printed == "pareidolia: " + said.replace(in_notebook, on_command_line)

    window.studio.load(job)
    click(qtbot, window, "runButton")
    until_idle(qtbot, window)
    assert window.run_bar.eta.text() == said.replace(in_notebook, in_window)
