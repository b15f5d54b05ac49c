"""What a person gets wrong: exit code 2 (or 3), and one line that says what would be right."""

import json
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Program, one_line

STYLE = ("style-transfer", "photo.png", "--style", "sea.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        # commands and options
        (["style"], "there is no command 'style'; did you mean style-transfer?"),
        (["dream", "photo.png"], "there is no command 'dream'; did you mean deep-dream?"),
        (["paint"], "there is no command 'paint'; there are style-transfer, texture"),
        ([*STYLE], "the following arguments are required: -o/--output (see python main.py"),
        ([*STYLE, "-o", "x.png", "--iterations", "none"], "--iterations is"),
        ([*STYLE, "-o", "x.png", "--wibble"], "unrecognized arguments: --wibble"),
        (["render", "photo.png"], "required: -o/--output"),
        (["networks", "show", "vgg91"], "no network is called 'vgg91'; did you mean vgg19"),
        (["networks"], "required: COMMAND"),
        (["recolour", "photo.png", "--content", "sea.png", "-o", "x.png", "--strength", "2"],
         "--strength is 2; it must be 0 to 1"),
        # the output, before the work
        ([*STYLE, "-o", "x.gif"], "x.gif has no known suffix"),
        ([*STYLE, "-o", "x"], "x has no known suffix"),
        ([*STYLE, "-o", "nowhere/x.png"], "does not exist"),
        ([*STYLE, "-o", "notes.txt/x.png"], "notes.txt/x.png cannot be written"),
        ([*STYLE, "-o", "x.jpg", "--bits", "16"], "x.jpg cannot hold 16 bits per channel"),
        ([*STYLE, "-o", "a" * 300 + ".png"], "File name too long"),
        (["recolour", "photo.png", "--content", "sea.png", "-o", "nowhere/x.png"], "not exist"),
        # pictures
        (["deep-dream", "missing.png", "-o", "x.png"], "missing.png"),
        (["deep-dream", "notes.txt", "-o", "x.png"], "notes.txt"),
        (["deep-dream", ".", "-o", "x.png"], "."),
        (["render", "photo.png", "-o", "x.png"], "photo.png carries no recipe"),
        (["render", "missing.json", "-o", "x.png"], "missing.json does not exist: give the path of a"),
    ],
)  # fmt: skip
def test_refused_in_one_line(program: Program, arguments: list[str], words: str) -> None:
    done = program(*arguments)
    assert done.returncode == 2
    assert words in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*STYLE, "-o", "photo.png"], "photo.png is one of the pictures to work from"),
        ([*STYLE, "-o", "./sea.png"], "sea.png is one of the pictures to work from"),
        (["style-transfer", "photo.png", "--style", "sea.png:0", "-o", "x.png"],
         "sea.png has the weight 0; it must be above 0"),
        (["style-transfer", "photo.png", "--style", "sea.png:nan", "-o", "x.png"],
         "sea.png has the weight nan"),
        (["style-transfer", "photo.png", "--style", "sea.png:x", "-o", "x.png"], "sea.png:x"),
        ([*STYLE, "-o", "x.png", "--size", "0"], "--size is 0; it must be at least 1 pixel"),
        ([*STYLE, "-o", "x.png", "--device", "gpu"], "--device is 'gpu'; it must be auto, cpu"),
        ([*STYLE, "-o", "x.png", "--precision", "fp8"], "--precision is 'fp8'; it must be auto, fp32"),
        ([*STYLE, "-o", "x.png", "--network", "vgg91"], "no network is called 'vgg91'; did you m"),
        ([*STYLE, "-o", "x.png", "--weights", "nothing.pth"], "nothing.pth: no such weight"),
        ([*STYLE, "-o", "x.png", "--weights", "notes.txt"], "notes.txt is neither safetensors nor"),
        ([*STYLE, "-o", "x.png", "--start", "picture", "--size", "40"], "give it with --start-pict"),
        ([*STYLE, "-o", "x.png", "--style-layers", "relu9_1", "--size", "40"], "has no layer 'relu9"),
        (["deep-dream", "photo.png", "-o", "x.png", "--layer", "relu4_9", "--size", "40"],
         "slim_vgg has no layer 'relu4_9'; similar names are relu4_"),
        (["deep-dream", "photo.png", "-o", "x.png", "--channels", "a", "--size", "40"],
         "--channels is 'a'; use numbers"),
        (["deep-dream", "photo.png", "-o", "x.png", "--size", "8"],
         "slim_vgg cannot take a picture of 8x6 pixels; use a larger one"),
    ],
)  # fmt: skip
def test_refused_when_the_work_begins(
    in_process: Program, folder: Path, arguments: list[str], words: str
) -> None:
    before = {p.name: p.read_bytes() for p in folder.glob("*.png")}
    done = in_process(*arguments)
    assert done.returncode == 2
    assert words in one_line(done)
    assert {p.name: p.read_bytes() for p in folder.glob("*.png")} == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux's /proc takes no files")
def test_a_folder_that_takes_no_files(in_process: Program) -> None:
    done = in_process(*STYLE, "-o", "/proc/x.png")
    assert done.returncode == 2
    assert re.search(r"/proc/x\.png cannot be written \(.+\): choose another path", one_line(done))


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_write_protected_folder(in_process: Program, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = in_process(*STYLE, "-o", str(tmp_path / "x.png"))
    tmp_path.chmod(0o700)
    assert done.returncode == 2
    assert "cannot be written" in one_line(done)


def test_missing_weights_name_the_command(program: Program) -> None:
    done = program(*STYLE, "-o", "x.png", "--network", "vgg16")
    assert done.returncode == 3
    assert "get them with: python main.py networks download vgg16" in one_line(done)


@pytest.mark.parametrize(
    "command",
    [
        ("attribute", "photo.png", "--method", "gradient"),
        ("attribute", "photo.png", "--method", "gradient", "--method", "occlusion"),
        ("inspect", "photo.png", "--what", "activations"),
        ("inspect", "many", "--what", "patches"),
        ("inspect", "many", "--what", "embedding"),
        ("inspect", "photo.png", "--what", "neighbors", "--among", "many"),
    ],
)
def test_no_look_begins_that_never_fits(
    in_process: Program, folder: Path, command: tuple[str, ...]
) -> None:
    (folder / "many").mkdir(exist_ok=True)
    (folder / "many" / "1.png").write_bytes((folder / "photo.png").read_bytes())
    done = in_process(*command, "-o", "x.png", "--size", "500000", "--precision", "fp32"
                      ) if command[0] == "inspect" else in_process(
                          *command, "-o", "x.png", "--size", "500000")  # fmt: skip
    assert done.returncode == 1
    assert re.search(r"needs more memory than is free on cpu; --size \d+ would fit", one_line(done))
    assert not (folder / "x.png").exists()


@pytest.mark.parametrize("size", ["0", "-1", "some"])
@pytest.mark.parametrize("command", ["attribute", "inspect"])
def test_a_look_takes_a_size_from_1(in_process: Program, command: str, size: str) -> None:
    what = {"attribute": ["--method", "gradient"], "inspect": ["--what", "activations"]}[command]
    done = in_process(command, "photo.png", *what, "-o", "x.png", f"--size={size}")
    assert done.returncode == 2
    assert "--size: " in one_line(done)


def test_too_little_memory_for_the_network_is_a_sentence(
    in_process: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.networks import assembling

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] can't allocate memory")

    monkeypatch.setattr(assembling, "assemble", full)
    for command in (
        ["deep-dream", "photo.png"],
        ["attribute", "photo.png", "--method", "gradient"],
    ):
        done = in_process(*command, "-o", "x.png")
        assert done.returncode == 1
        assert "not enough free memory to load slim_vgg" in one_line(done)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
)
def test_memory_that_ran_out_anywhere_is_a_sentence(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    from cli.guard import guarded

    def fail() -> int:
        raise error

    assert guarded(fail) == 1
    assert capsys.readouterr().err.startswith("pareidolia: there is not enough free memory")


def test_a_size_that_never_fits(in_process: Program) -> None:
    done = in_process(*STYLE, "-o", "x.png", "--size", "1000000")
    assert done.returncode == 1
    assert re.search(r"needs more memory than is free on cpu; --size \d+ would fit", one_line(done))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read as a project"),
        ("[]", "is not a project; a project is one JSON object"),
        ("\udcff", "cannot be read as a project"),
        ("[" * 100_000, "cannot be read as a project"),
        ("{}", "the recipe is damaged"),
        (json.dumps({"format": 99}), "update Pareidolia"),
        (json.dumps({"format": 1, "technique": "deep-dream"}), "the recipe is damaged"),
    ],
)
def test_projects_that_are_none(in_process: Program, folder: Path, text: str, words: str) -> None:
    (folder / "project.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    done = in_process("render", "project.json", "-o", "x.png")
    assert done.returncode == 2
    assert words in one_line(done)


def test_a_name_of_two_lines_stays_one_line(in_process: Program) -> None:
    done = in_process("deep-dream", "two\nlines.png", "-o", "x.png")
    assert done.returncode == 2
    assert "two lines.png" in one_line(done)


ODD = ("gray", "pixel", "long", "tall", "cutout")


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("command", ["style-transfer", "deep-dream"])
def test_odd_pictures_give_a_picture_or_a_sentence(
    in_process: Program, folder: Path, command: str, name: str
) -> None:
    output = folder / f"odd {command} {name}.png"
    arguments = [f"{name}.png", "-o", output.name, "--size", "48", "--iterations", "2"]
    if command == "style-transfer":
        arguments += ["--style", f"{name}.png"]
    done = in_process(command, *arguments, "--device", "cpu", "--precision", "fp32")
    if name in ("long", "tall"):
        assert done.returncode == 2
        sentence = r"slim_vgg cannot take a picture of \d+x\d+ pixels.*; use a larger one"
        assert re.match(sentence, one_line(done))
        assert not output.exists()
        return
    assert done.returncode == 0, done.stderr
    with Image.open(output) as picture:
        assert max(picture.size) == 48


@pytest.mark.parametrize("name", ["long", "tall", "pixel", "gray"])
def test_odd_paintings(in_process: Program, folder: Path, name: str) -> None:
    arguments = ("--style", f"{name}.png", "-o", "odd.png", "--size", "48", "--iterations", "2")
    done = in_process("style-transfer", "photo.png", *arguments, "--precision", "fp32")
    assert done.returncode == 0, done.stderr
