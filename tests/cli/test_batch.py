"""Many pictures from one command: folders, lists, failures, and what a broken-off batch goes on from."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.image import open_picture, read_recipe
from tests.cli.conftest import ROOT, SMALL, Program, environment, noise, one_line

DREAM = ("deep-dream", *SMALL, "--quiet")


@pytest.fixture
def photos(folder: Path) -> Path:
    made = folder / "photos"
    shutil.rmtree(made, ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    shutil.rmtree(folder / "home" / "queues", ignore_errors=True)
    made.mkdir()
    for seed, name in enumerate(("a.jpg", "a.png", "b.png")):
        noise(36, 48, 3, seed).save(made / name)
    return made


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def made_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


def stores(folder: Path) -> list[str]:
    queues = folder / "home" / "queues"
    return [path.name for path in queues.iterdir()] if queues.is_dir() else []


def test_a_folder_gives_what_the_photos_give_one_by_one(
    program: Program, folder: Path, photos: Path
) -> None:
    how = ("--quality", "60", "--subsampling", "4:2:0")
    many = ("--format", "jpeg", "--workers", "2", "--json")
    done = program(*DREAM, "photos", "-o", "out", *how, *many)
    assert (done.returncode, done.stderr) == (0, "")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert {s["state"] for s in said} == {"done"}
    assert sorted(s["output"] for s in said) == ["out/a_jpg.jpg", "out/a_png.jpg", "out/b.jpg"]
    assert all(s["iterations"] == 3 and s["network"] == "slim_vgg" for s in said)
    assert made_in(folder) == ["a_jpg.jpg", "a_png.jpg", "b.jpg"]
    assert stores(folder) == []
    for photo, output in (("a.jpg", "a_jpg"), ("b.png", "b")):
        assert program(*DREAM, f"photos/{photo}", "-o", "alone.jpg", *how).returncode == 0
        among = folder / f"out/{output}.jpg"
        assert (folder / "alone.jpg").read_bytes() == among.read_bytes()
        assert read_recipe(among) is not None
    again = program("render", "out/b.jpg", "-o", "again.jpg", "--quiet", *how)
    assert again.returncode == 0
    assert (pixels(folder / "again.jpg") == pixels(folder / "out/b.jpg")).all()


def test_what_is_there_is_skipped_and_nothing_is_written_over(
    program: Program, folder: Path, photos: Path
) -> None:
    (folder / "out").mkdir()
    shutil.copy(photos / "b.png", folder / "out" / "b.png")
    first = program(*DREAM, "photos", "-o", "out")
    assert first.returncode == 0
    assert made_in(folder) == ["a_jpg.png", "a_png.png", "b-2.png", "b.png"]
    before = {name: (folder / "out" / name).stat().st_mtime_ns for name in made_in(folder)}
    (folder / "out" / "a_png.png").unlink()
    second = program(*DREAM, "photos", "-o", "out", "--json")
    said = [json.loads(line) for line in second.stdout.splitlines()]
    assert [s["state"] for s in said] == ["skipped", "skipped", "done"]
    other = program(*DREAM, "photos", "-o", "out", "--seed", "3", "--json")
    said = [json.loads(line) for line in other.stdout.splitlines()]
    assert sorted(s["output"] for s in said) == [
        "out/a_jpg-2.png", "out/a_png-2.png", "out/b-3.png",
    ]  # fmt: skip
    after = {name: (folder / "out" / name).stat().st_mtime_ns for name in before}
    assert {n for n in before if before[n] != after[n]} == {"a_png.png"}


def test_one_failed_job_does_not_stop_the_rest(
    program: Program, folder: Path, photos: Path
) -> None:
    (photos / "bad.png").write_text("no picture")
    done = program(*DREAM, "photos", "-o", "out", "--retry", "1", "--json")
    assert done.returncode == 2
    bad, summary = done.stderr.splitlines()
    assert re.fullmatch(r"pareidolia: \S*bad\.png cannot be read as a picture.*", bad)
    assert summary == "pareidolia: 1 of 4 failed"
    said = {s["output"]: s for s in map(json.loads, done.stdout.splitlines())}
    assert said["out/bad.png"]["state"] == "failed"
    assert "cannot be read as a picture" in said["out/bad.png"]["error"]
    assert made_in(folder) == ["a_jpg.png", "a_png.png", "b.png"]
    noise(36, 48, 3, 9).save(photos / "bad.png")
    again = program("batch", "-o", "out", "--quiet")  # what was left over
    assert again.returncode == 2  # another picture has taken its place
    assert "is not the picture that" in again.stderr
    assert program(*DREAM, "photos", "-o", "out").returncode == 0
    assert "bad.png" in made_in(folder)
    assert stores(folder) == []


def test_a_list_of_jobs(program: Program, folder: Path, photos: Path) -> None:
    entry = {"technique": "deep-dream", "settings": {"iterations": 2}, "size": 48, "device": "cpu"}
    content = {"inputs": {"content": "photos/b.png"}}
    style = {"content": "photos/b.png", "styles": ["sea.png"]}
    entries = [
        {**entry, **content},
        {**entry, "technique": "style-transfer", "inputs": style, "output": "painted.webp"},
        {**entry, "inputs": {"content": "photos/gone.png"}},
    ]
    (folder / "jobs.json").write_text(json.dumps(entries))
    done = program("batch", "jobs.json", "-o", "out", "--quiet")
    assert done.returncode == 2
    assert made_in(folder) == ["b_deep-dream.png", "painted.webp"]
    assert "gone.png" in done.stderr.splitlines()[0]
    assert open_picture(folder / "out" / "painted.webp").width == 48
    assert read_recipe(folder / "out" / "painted.webp")["technique"] == "style-transfer"  # type: ignore[index]
    whole = program("render", "out", "-o", "again", "--quiet", "--json")
    assert whole.returncode == 0, whole.stderr
    assert (pixels(folder / "again" / "b_deep-dream.png")
            == pixels(folder / "out" / "b_deep-dream.png")).all()  # fmt: skip


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("deep-dream photos -o a.png", "-o takes a folder"),
        ("deep-dream photos -o notes.txt", "notes.txt is a file"),
        ("deep-dream photos -o photos", "read as one of its pictures"),
        ("deep-dream photos -o out --forecast", "--forecast takes one photo"),
        ("deep-dream photos -o out --frames 2 --film f", "--film takes one photo"),
        ("deep-dream photos -o out --guide gone.png", "gone.png"),
        ("deep-dream photos -o out --workers 0", "must be 1 or more"),
        ("deep-dream photos -o out --format bmp", "--format is 'bmp'"),
        ("deep-dream photos -o out --quality 0", "--quality is 0"),
        ("deep-dream photos -o out --format jpeg --bits 16", ".jpg cannot hold 16 bits"),
        ("deep-dream photo.png -o a.png --format jpeg", "--format is for many pictures"),
        ("batch -o out --checkpoint-every soon", "not a number of seconds"),
        ("batch photos -o out", "holds no jobs"),
        ("batch photos/b.png -o out", "carries no recipe"),
        ("batch notes.txt -o out", "cannot be read as a list of jobs"),
        ("batch gone.json -o out", "gone.json cannot be read"),
        ("batch -o out", "nothing is left to do"),
        ("render photos -o out", "holds no jobs"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    in_process: Program, photos: Path, line: str, sentence: str
) -> None:
    refused = in_process(*line.split(), "--quiet")
    assert refused.returncode == 2
    assert sentence in one_line(refused)


def started(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), *arguments], cwd=folder, text=True,
        env=environment(folder / "home"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until(condition: object) -> None:
    assert callable(condition)
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("nothing happened for a minute")


LONG = (
    "deep-dream",
    "photos",
    "-o",
    "out",
    "--size",
    "48",
    "--precision",
    "fp32",
    "--device",
    "cpu",
)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_keeps_what_there_is_and_the_same_command_goes_on(
    folder: Path, photos: Path, program: Program, number: signal.Signals
) -> None:
    wide = ("--iterations", "400", "--workers", "2")
    with started(folder, *LONG, *wide) as process:
        assert process.stderr
        shown = ""
        while not re.search(r"\|[^|]*[1-9]\d? %", shown):  # some iterations are done
            shown += os.read(process.stderr.fileno(), 4096).decode(errors="replace")
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert "run the same command again to continue" in err
    left = made_in(folder)
    assert any(name.endswith(".partial.png") for name in left), left
    assert not list((folder / "out").glob(".*"))
    shutil.rmtree(photos)
    photos.mkdir()
    noise(36, 48, 3, 2).save(photos / "b.png")
    # With less to do, the same photo is another job; what was stopped keeps its picture so far.
    assert program(*LONG, "--iterations", "3", "--quiet").returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
def test_what_a_killed_program_leaves_is_taken_up(
    folder: Path, photos: Path, program: Program
) -> None:
    work = (*LONG, "--iterations", "60")
    with started(folder, *work) as process:
        until(lambda: (folder / "out").is_dir() and "a_jpg.png" in made_in(folder))
        process.kill()
        process.communicate(timeout=60)
    first = (folder / "out" / "a_jpg.png").stat().st_mtime_ns
    done = program(*work, "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    said = {s["output"]: s["state"] for s in map(json.loads, done.stdout.splitlines())}
    assert said["out/a_jpg.png"] == "skipped", (done.stdout, done.stderr)
    assert (folder / "out" / "a_jpg.png").stat().st_mtime_ns == first
    assert made_in(folder) == ["a_jpg.png", "a_png.png", "b.png"]
    assert stores(folder) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
def test_a_job_that_was_killed_goes_on_from_its_checkpoint_to_the_same_bytes(
    folder: Path, photos: Path, program: Program
) -> None:
    for name in ("a.jpg", "a.png"):
        (photos / name).unlink()
    work = (*LONG, "--iterations", "120", "--checkpoint-every", "0.01", "--quiet", "--json")
    with subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), *work], cwd=folder,
        env=environment(folder / "home"), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        until(lambda: list((folder / "home" / "queues").glob("*.checkpoints/*.safetensors")))
        os.killpg(process.pid, signal.SIGKILL)  # the worker, too
    assert made_in(folder) == []
    done = program(*work)
    assert done.returncode == 0, done.stderr
    (said,) = map(json.loads, done.stdout.splitlines())
    assert 0 < said["resumed_at"] < said["iterations"] == 120
    assert stores(folder) == []
    whole = program(*("whole" if word == "out" else word for word in work))
    assert "resumed_at" not in whole.stdout
    assert (folder / "out" / "b.png").read_bytes() == (folder / "whole" / "b.png").read_bytes()


def test_a_spoilt_queue_is_set_aside_in_a_sentence(
    program: Program, folder: Path, photos: Path
) -> None:
    (photos / "bad.png").write_text("no picture")
    assert program(*DREAM, "photos", "-o", "out").returncode == 2
    (store,) = stores(folder)
    (folder / "home" / "queues" / store).write_text("something else " * 100)
    done = program(*DREAM, "photos", "-o", "out")
    assert done.returncode == 2
    assert f"was set aside as {store}.set-aside-" in done.stderr.splitlines()[0]
    (kept,) = (folder / "home" / "queues").glob("*.set-aside-*")
    assert kept.read_text() == "something else " * 100


def test_maps_and_recoloured_pictures_of_a_folder(
    in_process: Program, folder: Path, photos: Path
) -> None:
    (photos / "bad.png").write_text("no picture")
    maps = ("attribute", "photos", "--method", "gradient", "--class", "3", "--size", "48")
    first = in_process(*maps, "-o", "out", "--json")
    assert first.returncode == 2
    assert "bad.png" in first.stderr.splitlines()[0]
    assert made_in(folder) == ["a_jpg.png", "a_png.png", "b.png"]
    assert len(first.stdout.splitlines()) == 3
    in_process(*maps[:1], "photos/b.png", *maps[2:], "-o", "alone.png")
    assert (pixels(folder / "alone.png") == pixels(folder / "out" / "b.png")).all()
    (photos / "bad.png").unlink()
    (folder / "out" / "b.png").write_bytes(b"changed by somebody")
    again = in_process(*maps, "-o", "out", "--json")
    assert again.returncode == 0
    states = [json.loads(line).get("state") for line in again.stdout.splitlines()]
    assert states == ["skipped", "skipped", None]
    assert (folder / "out" / "b.png").read_bytes() == b"changed by somebody"
    assert made_in(folder) == ["a_jpg.png", "a_png.png", "b-2.png", "b.png"]
    refused = in_process(*maps, "-o", "out", "--raw", "raw.npz")
    assert "--raw takes one photo" in one_line(refused)
    refused = in_process(*maps, "-o", "photos")
    assert "read as one of its pictures" in one_line(refused)
    painted = folder / "painted"
    shutil.rmtree(painted, ignore_errors=True)
    painted.mkdir()
    noise(36, 48, 3, 8).save(painted / "b.png")
    noise(36, 48, 3, 8).save(painted / "other.png")
    done = in_process("recolour", "painted", "--content", "photos", "-o", "out")
    assert done.returncode == 2
    assert "holds 0 photos called other" in done.stderr
    assert done.stdout.splitlines() == ["out/b-3.png"]
    in_process("recolour", "painted/b.png", "--content", "photos/b.png", "-o", "alone.png")
    assert (pixels(folder / "alone.png") == pixels(folder / "out" / "b-3.png")).all()
