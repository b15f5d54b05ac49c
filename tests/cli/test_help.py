"""What --help says, and that it says so at once."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from engine.settings import describe
from engine.techniques import TECHNIQUES
from tests.cli.conftest import ROOT, Program

COMMANDS = (
    "style-transfer", "deep-dream", "recolour", "finish", "networks", "render", "demo",
    "attribute", "batch", "worker", "train-style",
)  # fmt: skip

IMPORTED = """
import contextlib, io, sys
import main
for words in sys.stdin.read().splitlines():
    sys.argv = ["main.py", *words.split()]
    with contextlib.redirect_stdout(io.StringIO()) as text:
        code = main.main()
    heavy = {"torch", "torchvision", "numpy", "PIL", "tqdm", "PySide6", "dask"} & set(sys.modules)
    print(f"{words}: {code}, {len(text.getvalue()) > 100}, {sorted(heavy)}")
"""


def test_help_waits_for_no_library() -> None:
    """With torch it would take seconds, with numpy and Pillow still a few tenths."""
    asked = ["--help", "-h", *(f"{command} --help" for command in COMMANDS)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        cwd=ROOT, input="\n".join(asked), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == [f"{words}: 0, True, []" for words in asked], done.stderr


ENGINE_IMPORTED = """
import sys
import main
sys.argv = ["main.py", *sys.argv[1:]]
main.main()
print(*sorted(name for name in sys.modules if name.startswith("engine.")), file=sys.stderr)
"""


def engine_imported(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", ENGINE_IMPORTED, *words],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stderr.split())


def test_help_imports_no_technique_but_its_own() -> None:
    """Each has a class of many fields, which takes milliseconds to make: ten of them are felt."""
    work = {"engine.job", "engine.files", "engine.preset_file", "engine.checkpoint"}
    overview = engine_imported("--help")
    assert overview & {*work, "engine.task"} == set()
    assert {name for name in overview if name.startswith("engine.techniques.")} == set()
    own = engine_imported("deep-dream", "--help")
    assert own & work == set()
    assert {name for name in own if name.startswith("engine.techniques.")} == {
        "engine.techniques.deep_dream",
        "engine.techniques.deep_dream.settings",
    }


def test_the_overview_names_every_command(program: Program) -> None:
    done = program("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\S", done.stdout, re.MULTILINE)


def test_the_version(program: Program) -> None:
    done = program("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)


def described(text: str) -> dict[str, str]:
    """Return option -> what the help says of it, on one line."""
    found: dict[str, str] = {}
    option = ""
    for line in text.splitlines():
        if start := re.match(r"  (?:-\w [^-]*, )?(--[\w-]+)(.*)", line):
            option, rest = start.groups()
            found[option] = rest
        elif option and line.startswith("      "):
            found[option] += " " + line.strip()
        else:
            option = ""
    return {name: re.sub(r"\s+", " ", words) for name, words in found.items()}


def settings_of(kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every setting's name, facts and default, as the dataclass itself has them."""
    for entry in fields(kind):
        if entry.metadata:
            default = entry.default_factory() if callable(entry.default_factory) else entry.default
            yield entry.name, entry.metadata["setting"], default


@pytest.mark.parametrize("command", list(TECHNIQUES))
def test_every_setting_with_range_unit_and_default(program: Program, command: str) -> None:
    done = program(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    options = described(done.stdout)
    count = 0
    for name, facts, default in settings_of(TECHNIQUES[command]):
        words = options[facts.get("flag") or "--" + name.replace("_", "-")]
        spoken = {"True": "on", "False": "off", "None": "auto", "": "empty"}
        shown = spoken.get(str(default), default)
        assert f"default: {shown})" in words, words
        for bound in (facts.get("low"), facts.get("high")):
            if bound is not None:
                number = f"{bound:,.0f}" if abs(bound) >= 1e6 else f"{bound:g}"
                assert re.search(rf"(?<!\d){re.escape(number)}\b", words), words
        assert facts.get("unit", "") in words
        for choice in facts.get("choices", ()):
            assert choice in words
        count += 1
    assert count == len(describe(TECHNIQUES[command]))


def test_some_settings_word_for_word(program: Program) -> None:
    words = described(program("style-transfer", "--help").stdout)
    assert words["--iterations"].startswith(" N Total steps over all scales. (1 to 100000;")
    assert words["--optimizer"].endswith("(one of adam, lbfgs; default: adam)")
    assert words["--smallest-scale"].endswith("(16 to 65536 px; default: 128)")
    assert words["--style"].startswith(" PAINTING[:WEIGHT]")
    words = described(program("deep-dream", "--help").stdout)
    assert words["--step-size"].endswith("(0.01 to 50 of 255; default: 1.5)")
    assert words["--layer"].startswith(" NAME[:WEIGHT]")


def test_common_options(program: Program) -> None:
    for command in ("style-transfer", "deep-dream"):
        words = described(program(command, "--help").stdout)
        for option in ("network", "weights", "size", "iterations", "seed", "device", "precision",
                       "preset", "set", "quiet", "json", "output"):  # fmt: skip
            assert f"--{option}" in words, option
        assert "Presets: " in program(command, "--help").stdout


def test_consoles_without_an_ellipsis(program: Program) -> None:
    """Windows' pipes and old terminals have no code for …."""
    done = program("--help", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\u2026" in done.stdout


def test_a_reader_who_leaves_early() -> None:
    command = [sys.executable, "main.py", "--help"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout
        assert run.stderr
        run.stdout.close()
        assert run.stderr.read() == b""
        assert run.wait(60) == 1
