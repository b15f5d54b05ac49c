"""`train-style`: what is printed and written, Ctrl-C and going on, and what is refused."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from cli.train_style import parser
from engine.image import open_picture
from engine.training.styles.settings import StyleTraining
from tests.cli.conftest import ROOT, Program, environment, noise, one_line

SMALL = ("--side", "64", "--batch", "1", "--painting-size", "64", "--device", "cpu")
MADE = ("train-style", "waves.png", *SMALL, "--photos", "photos", "--precision", "fp32")


@pytest.fixture(scope="module", autouse=True)
def pictures(folder: Path) -> None:
    noise(64, 80, 3, 0).save(folder / "waves.png")
    (folder / "photos").mkdir()
    noise(70, 90, 3, 1).save(folder / "photos" / "a.png")


def test_a_network_is_trained_and_paints(in_process: Program, folder: Path) -> None:
    done = in_process(*MADE, "--steps", "2", "--quiet", "--json", "-o", "made.safetensors")
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert figures["finished"] and figures["iterations"] == 2
    assert figures["output"] == "made.safetensors"
    assert set(figures["losses"]) == {"content", "style", "smoothness", "range"}
    painted = ("stylize", "photo.png", "--style-network", "made.safetensors", "--size", "48")
    assert in_process(*painted, "--device", "cpu", "--quiet", "-o", "a.png").returncode == 0
    assert open_picture(folder / "a.png").width == 48
    assert in_process("networks", "import", "made.safetensors", "--name", "mine").returncode == 0
    listed = in_process("networks", "list", "--json", "--here")
    (row,) = [row for row in json.loads(listed.stdout) if row["name"] == "mine"]
    assert (row["kind"], row["styles"]) == ("single", ["waves"])
    again = in_process("train-style", "--resume", "made.safetensors")
    assert again.returncode == 2 and "it is finished" in one_line(again)


def test_a_texture_is_drawn_without_a_photo(in_process: Program, folder: Path) -> None:
    made = ("train-style", "waves.png", "--kind", "texture", *SMALL, "--steps", "1", "--quiet")
    assert in_process(*made, "-o", "bark.safetensors").returncode == 0
    drawn = ("stylize", "--style-network", "bark.safetensors", "--size", "64", "--device", "cpu")
    for seed in ("1", "2"):
        done = in_process(*drawn, "--seed", seed, "--quiet", "-o", f"bark{seed}.png")
        assert (done.returncode, done.stderr) == (0, "")
    one, other = (open_picture(folder / f"bark{seed}.png") for seed in (1, 2))
    assert one.rgb.shape == (64, 64, 3) and (one.rgb != other.rgb).any()
    assert in_process("render", "bark1.png", "--quiet", "-o", "again.png").returncode == 0
    assert (open_picture(folder / "again.png").rgb == one.rgb).all()
    refused = in_process("stylize", "--style", "waves.png", "-o", "no.png", "--quiet")
    assert refused.returncode == 2 and "needs a photo" in one_line(refused)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
def test_ctrl_c_keeps_what_has_been_learned(folder: Path, in_process: Program) -> None:
    command = [sys.executable, str(ROOT / "main.py"), *MADE, "--steps", "100000"]
    with subprocess.Popen(
        [*command, "-o", "long.safetensors"], cwd=folder, text=True,
        env=environment(folder / "home"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        shown = ""
        while not re.search(r"step \d", shown):
            shown += os.read(process.stderr.fileno(), 4096).decode(errors="replace")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert "to continue: python main.py train-style --resume long.safetensors" in out
    assert (folder / "long.safetensors.training").is_file()
    refused = in_process(*MADE, "-o", "long.safetensors")
    assert refused.returncode == 2 and "was broken off" in one_line(refused)
    for more, said in (
        (("waves.png",), "leave out others"),
        (("--side", "96"), "--side stays as the training was begun"),
        (("-o", "other.safetensors"), "leave out -o"),
    ):
        refused = in_process("train-style", "--resume", "long.safetensors", *more)
        assert refused.returncode == 2 and said in one_line(refused)
    done = in_process("train-style", "--resume", "long.safetensors", "--steps", "3", "--json",
                      "--device", "cpu", "--precision", "fp32")  # fmt: skip
    assert done.returncode == 0 and json.loads(done.stdout)["iterations"] >= 3
    assert (folder / "long.safetensors").is_file()
    assert not (folder / "long.safetensors.training").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("waves.png",), "-o FILE.safetensors is missing"),
        (("-o", "n.safetensors"), "--kind learn takes one painting; none is given"),
        (
            ("waves.png", "--kind", "any", "-o", "n.safetensors"),
            "--kind is 'any'; it must be one of",
        ),
        (("waves.png", "-o", "n.pth"), "has to end in .safetensors"),
        (("notes.txt", "-o", "n.safetensors"), "notes.txt"),
        (("waves.png", "--photos", "home", "-o", "n.safetensors"), "--photos home"),
        (("--resume", "nothing.safetensors"), "nothing.safetensors.training cannot be read"),
    ],
)
def test_bad_input(in_process: Program, arguments: tuple[str, ...], said: str) -> None:
    done = in_process("train-style", *arguments, "--quiet")
    assert done.returncode == 2
    assert said in one_line(done)


def test_every_setting_is_in_the_help() -> None:
    words = parser().format_help()
    for entry in fields(StyleTraining):
        assert f"--{entry.name.replace('_', '-')}" in words
