"""The program as a person starts it: `python main.py …` in a folder with a few small pictures."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
Done = subprocess.CompletedProcess[str]
Program = Callable[..., Done]

SMALL = ("--size", "48", "--iterations", "3", "--precision", "fp32", "--device", "cpu")


def noise(height: int, width: int, channels: int, seed: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Image.fromarray(generator.integers(0, 256, shape, np.uint8))


def draw_pictures(folder: Path) -> None:
    noise(36, 48, 3, 0).save(folder / "photo.png")
    noise(40, 40, 3, 1).save(folder / "sea.png")
    noise(40, 30, 3, 2).save(folder / "fire.png")
    noise(33, 44, 1, 3).save(folder / "gray.png")
    noise(1, 1, 3, 4).save(folder / "pixel.png")
    noise(3, 1000, 3, 5).save(folder / "long.png")
    noise(1000, 3, 3, 6).save(folder / "tall.png")
    noise(36, 48, 4, 7).save(folder / "cutout.png")
    (folder / "notes.txt").write_text("no picture at all")


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PAREIDOLIA")}
    # One thread: pictures are tiny, and threads on shared cores mostly wait for each other.
    return {**kept, "PAREIDOLIA_HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures that one file of tests works in."""
    made = tmp_path_factory.mktemp("work")
    draw_pictures(made)
    return made


@pytest.fixture(scope="module")
def program(folder: Path) -> Program:
    """Runs the program in `folder`; answers with its exit code and what it printed."""

    def start(*arguments: str, **variables: str) -> Done:
        return subprocess.run(
            [sys.executable, str(ROOT / "main.py"), *arguments],
            cwd=folder,
            env=environment(folder / "home") | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return start


@pytest.fixture
def in_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Program]:
    """The same without a new process: for many runs of the engine."""
    from cli.commands import run
    from cli.guard import guarded

    monkeypatch.chdir(folder)
    monkeypatch.setenv("PAREIDOLIA_HOME", str(folder / "home"))
    monkeypatch.delenv("PAREIDOLIA_NETWORKS", raising=False)

    def start(*arguments: str) -> Done:
        capfd.readouterr()
        code = guarded(lambda: run(arguments))
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, err)

    yield start


def one_line(done: Done) -> str:
    """The one line that a refusal says, on standard error and nowhere else."""
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("pareidolia: ")
    return lines[0].removeprefix("pareidolia: ")
