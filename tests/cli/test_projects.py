"""Runs kept in projects: broken off, continued bit for bit, rendered again, made by a batch."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.image import read_recipe
from engine.work.project_file import pack, unpack
from engine.work.project_folder import ProjectFolder
from engine.work.recovery import left_over, new_slot
from tests.cli.conftest import ROOT, Program, environment, noise, one_line

RUN = (
    "style-transfer", "photo.png", "--style", "sea.png", "--size", "40", "--iterations", "12",
    "--precision", "fp32", "--device", "cpu", "--quiet",
)  # fmt: skip
KEEPS_ALWAYS = """
import sys, time
sys.path.insert(0, {root!r})
from engine.work import keep_times, making
keep_times.SECONDS, keep_times.SHARE = 0.0, 1e9
frames_of = making.frames_of

def slow(*arguments, **named):
    for frame in frames_of(*arguments, **named):
        yield frame
        print(frame.iteration, flush=True)
        if frame.iteration >= {after}:
            time.sleep(600)

making.frames_of = slow
from cli.commands import run
from cli.guard import guarded
sys.exit(guarded(lambda: run(sys.argv[1:])))
"""
"""The program, but it keeps a run after each iteration, and waits to be killed."""


@pytest.fixture(scope="module")
def whole(program: Program, folder: Path) -> Path:
    """The picture of the run that nobody breaks off."""
    done = program(*RUN, "-o", "whole.png")
    assert done.returncode == 0, done.stderr
    return folder / "whole.png"


@pytest.fixture(scope="module")
def killed(folder: Path) -> Path:
    """A project whose run was killed after some checkpoints."""
    path = folder / "killed.pareidolia"
    code = KEEPS_ALWAYS.format(root=str(ROOT), after=5)
    with subprocess.Popen(
        [sys.executable, "-c", code, *RUN, "-o", "killed.png", "--project", path.name],
        cwd=folder, env=environment(folder / "home"), stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "5":
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "killed.png").exists()
    return path


@pytest.fixture
def broken_off(killed: Path, folder: Path) -> Iterator[Path]:
    """A copy of that project."""
    path = folder / "mine.pareidolia"
    shutil.copy(killed, path)
    yield path
    path.unlink(missing_ok=True)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def opened(path: Path, into: Path) -> ProjectFolder:
    into.mkdir()
    folder = ProjectFolder(into)
    unpack(path, folder)
    return folder


def test_a_run_that_was_killed_is_continued_bit_for_bit(
    in_process: Program, folder: Path, broken_off: Path, whole: Path, tmp_path: Path
) -> None:
    before = opened(broken_off, tmp_path / "before").read().variants[0]
    assert (before.iteration, before.total, before.complete) == (5, 12, False)
    done = in_process("resume", broken_off.name, "-o", "resumed.png", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert np.array_equal(pixels(folder / "resumed.png"), pixels(whole))
    assert read_recipe(folder / "resumed.png") == read_recipe(whole)
    after = opened(broken_off, tmp_path / "after")
    (variant,) = after.read().variants
    assert (variant.iteration, variant.complete, variant.has_checkpoint) == (12, True, False)
    assert [n for n, _ in after.losses(variant.id).points()] == list(range(1, 13))
    kept = np.asarray(after.result(variant.id).rgb)
    assert np.array_equal(np.rint(kept * 255).astype(np.uint8), pixels(whole))
    assert "all runs in mine.pareidolia are finished" in one_line(
        in_process("resume", broken_off.name)
    )
    assert not list(folder.glob(".*.part"))


def test_without_an_output_the_picture_is_in_the_project(
    in_process: Program, broken_off: Path, whole: Path, tmp_path: Path
) -> None:
    done = in_process("resume", broken_off.name, "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mine.pareidolia: 12 iterations")
    after = opened(broken_off, tmp_path / "after")
    (variant,) = after.read().variants
    kept = np.rint(np.asarray(after.result(variant.id).rgb) * 255).astype(np.uint8)
    assert np.array_equal(kept, pixels(whole))


def test_what_a_killed_window_left_is_listed_and_continued(
    in_process: Program, folder: Path, killed: Path, whole: Path
) -> None:
    assert "there is no unfinished run" in one_line(in_process("resume", "--recovered"))
    slot = new_slot()
    unpack(killed, slot.folder)
    assert "open in another window" in one_line(in_process("resume", str(slot.path)))
    slot.release()
    try:
        listed = in_process("resume", "--list", "--json")
        (said,) = map(json.loads, listed.stdout.splitlines())
        assert (said["path"], said["name"]) == (str(slot.path), "killed")
        assert (said["iteration"], said["total"], said["resumable"]) == (5, 12, True)
        assert "iteration 5 of 12" in in_process("resume", "--list").stdout
        done = in_process("resume", "--recovered", "--quiet")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{slot.path}: 12 iterations")
        (variant,) = slot.folder.read().variants
        assert variant.complete
        kept = np.rint(np.asarray(slot.folder.result(variant.id).rgb) * 255).astype(np.uint8)
        assert np.array_equal(kept, pixels(whole))
        assert sorted(p.name for p in slot.path.glob("*.png")) == []
        assert not list(slot.path.glob(".pareidolia-*"))
        (left,) = left_over()
        assert (left.unsaved, left.crashes) == (True, 0), "the next window offers it"
        assert "nothing to continue" in in_process("resume", "--list").stdout
    finally:
        shutil.rmtree(slot.path)


def test_the_folder_of_a_project_is_continued_in_place(
    in_process: Program, killed: Path, whole: Path, tmp_path: Path
) -> None:
    mine = opened(killed, tmp_path / "mine")
    done = in_process("resume", str(mine.path), "-o", str(tmp_path / "out.png"), "--quiet")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(pixels(tmp_path / "out.png"), pixels(whole))
    assert mine.read().variants[0].complete
    (tmp_path / "none").mkdir()
    refused = in_process("resume", str(tmp_path / "none"))
    assert "holds no project" in one_line(refused)
    assert "--recovered instead" in one_line(in_process("resume"))
    assert "--recovered instead" in one_line(in_process("resume", killed.name, "--recovered"))


def test_a_project_that_moved_without_its_photos_is_continued(
    in_process: Program, folder: Path, broken_off: Path, whole: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.copy(broken_off, moved / "p.pareidolia")
    hidden = {name: folder / f"{name}.hidden" for name in ("photo.png", "sea.png")}
    for name, aside in hidden.items():
        (folder / name).rename(aside)
    try:
        done = in_process(
            "resume", str(moved / "p.pareidolia"), "-o", str(moved / "out.png"), "--quiet"
        )
        assert done.returncode == 0, done.stderr
        again = in_process(
            "render", str(moved / "p.pareidolia"), "-o", str(moved / "again.png"), "--quiet"
        )
        assert again.returncode == 0, again.stderr
    finally:
        for name, aside in hidden.items():
            aside.rename(folder / name)
    for name in ("out.png", "again.png"):
        assert np.array_equal(pixels(moved / name), pixels(whole))
        assert read_recipe(moved / name) == read_recipe(whole)  # it names where the photos were


def test_ctrl_c_keeps_the_run_and_says_how_to_go_on(
    in_process: Program, folder: Path, broken_off: Path, whole: Path, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    from engine.work import making

    real = making.frames_of

    def interrupted(*arguments: object, **named: object) -> Iterator[object]:
        for frame in real(*arguments, **named):  # type: ignore[arg-type]
            if frame.iteration == 8:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
            yield frame

    monkeypatch.setattr(making, "frames_of", interrupted)
    done = in_process("resume", broken_off.name, "-o", "part.png", "--quiet")
    assert done.returncode == 130
    assert "continue it with:" in done.stderr
    assert "resume mine.pareidolia" in done.stderr
    assert (folder / "part.partial.png").exists()
    assert opened(broken_off, tmp_path / "p").read().variants[0].iteration == 8
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    done = in_process("resume", str(broken_off), "-o", str(folder / "part.png"), "--quiet")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(pixels(folder / "part.png"), pixels(whole))


def test_a_second_run_in_the_same_project_is_another_variant(
    in_process: Program, broken_off: Path, tmp_path: Path
) -> None:
    done = in_process(
        "deep-dream", "photo.png", "--size", "32", "--iterations", "2", "--device", "cpu", "--quiet",
        "-o", str(tmp_path / "dream.png"), "--project", broken_off.name,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    project = opened(broken_off, tmp_path / "p").read()
    assert [v.recipe["technique"] for v in project.variants] == ["style-transfer", "deep-dream"]
    assert [v.complete for v in project.variants] == [False, True]
    dream = project.variants[1].id
    wrong = in_process("resume", broken_off.name, "--variant", dream)
    assert "is finished" in one_line(wrong)
    again = in_process(
        "render", broken_off.name, "--variant", dream, "-o", str(tmp_path / "again.png"), "--quiet"
    )
    assert again.returncode == 0, again.stderr
    assert np.array_equal(pixels(tmp_path / "again.png"), pixels(tmp_path / "dream.png"))


def test_a_batch_makes_the_starred_variants(
    in_process: Program, broken_off: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = in_process("batch", broken_off.name, "-o", str(out), "--quiet")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in out.iterdir()) == ["mine.png"]
    assert np.array_equal(pixels(out / "mine.png"), pixels(whole))
    folder = opened(broken_off, tmp_path / "p")
    (first,) = folder.read().variants
    folder.put(replace(first, name="a/b: soft", starred=True))
    folder.put(replace(first, id="two", starred=False))
    folder.put(replace(first, id="three", starred=True, recipe={**first.recipe, "seed": 5}))
    pack(folder, broken_off)
    shutil.rmtree(out)
    done = in_process("batch", broken_off.name, "-o", str(out), "--quiet")
    assert done.returncode == 0, done.stderr
    there = sorted(p.name for p in out.iterdir() if "figure" not in p.name)
    assert there == ["mine_a_b_ soft.png", "mine_three.png"]
    assert np.array_equal(pixels(out / "mine_a_b_ soft.png"), pixels(whole))


def test_a_batch_needs_no_photo_that_only_the_project_has(
    in_process: Program, folder: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "own.png"
    noise(24, 32, 3, 8).save(photo)
    options = (
        "--size",
        "32",
        "--iterations",
        "2",
        "--device",
        "cpu",
        "--precision",
        "fp32",
        "--quiet",
    )
    project, out = tmp_path / "own.pareidolia", tmp_path / "out"
    made = tmp_path / "made.png"
    done = in_process(
        "deep-dream", str(photo), *options, "-o", str(made), "--project", str(project)
    )
    assert done.returncode == 0, done.stderr
    photo.unlink()
    done = in_process("batch", str(project), "-o", str(out), "--quiet")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(pixels(out / "own.png"), pixels(made))
    assert len(list((folder / "home" / "inputs").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("resume", "photo.png"), "is not a project file"),
        (("resume", "nothing.pareidolia"), "does not exist"),
        (("resume", "mine.pareidolia", "--variant", "nobody"), "has no variant 'nobody'"),
        (("resume", "mine.pareidolia", "-o", "mine.pareidolia"), "png"),
        (("render", "photo.png", "--variant", "a", "-o", "x.png"), "--variant is for project files"),
        (("render", "mine.pareidolia", "--variant", "b", "-o", "x.png"), "no variant 'b'"),
        ((*RUN, "-o", "x.png", "--project", "x.json"), "in .pareidolia"),
        ((*RUN, "-o", "x.png", "--project", "no/x.pareidolia"), "does not exist"),
        (("deep-dream", ".", "-o", "x", "--project", "x.pareidolia"), "--project takes one photo"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(
    in_process: Program, broken_off: Path, folder: Path, arguments: tuple[str, ...], wrong: str
) -> None:
    before = broken_off.read_bytes()
    left = set(folder.glob(".*.part"))  # by the killed run
    done = in_process(*arguments)
    assert done.returncode == 2
    assert wrong in one_line(done)
    assert broken_off.read_bytes() == before
    assert set(folder.glob(".*.part")) <= left


def test_a_project_that_cannot_be_written_is_left_as_it_is(
    in_process: Program, folder: Path, broken_off: Path, whole: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As on a share that is only read: root may write everywhere, hence the refusal is made here."""
    from cli import projects
    from engine.errors import BadInput

    def refused(path: Path) -> None:
        raise BadInput(f"{path} is write-protected: choose another path.")

    monkeypatch.setattr(projects, "check_writable", refused)
    before = broken_off.read_bytes()
    done = in_process("resume", broken_off.name, "--quiet")
    assert (done.returncode, "give -o" in one_line(done)) == (2, True)
    done = in_process("resume", broken_off.name, "-o", "shared.png", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "stays as it is" in done.stderr
    assert np.array_equal(pixels(folder / "shared.png"), pixels(whole))
    assert broken_off.read_bytes() == before
