"""Nothing that is read is written over; what cannot be delivered is refused; the rest is kept."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadInput
from engine.image import open_picture, read_recipe
from engine.techniques.deep_dream import DeepDream
from tests.cli.conftest import ROOT, SMALL, Program, environment, noise, one_line

DREAM = ("deep-dream", "photo.png", *SMALL, "--quiet")


@pytest.fixture
def made(folder: Path) -> Path:
    """A folder with pictures of its own, which no other test knows."""
    place = folder / "own"
    shutil.rmtree(place, ignore_errors=True)
    (place / "many" / "below").mkdir(parents=True)
    for seed, name in enumerate(("photo", "cat.partial", "q.figure", "many/a", "many/below/b")):
        noise(30, 40, 3, seed).save(place / f"{name}.png")
    (place / "link.png").symlink_to("photo.png")
    (place / "frames").mkdir()
    noise(30, 40, 3, 9).save(place / "frames" / "frame-00001.png")
    return place


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "line",
    [
        "recolour own/photo.png --content photo.png -o own/photo.png",
        "recolour photo.png --content own/photo.png -o own/link.png",
        "recolour photo.png --content own/link.png -o own/../own/photo.png",
        "deep-dream own/cat.partial.png -o own/cat.png",
        "adversarial own/q.figure.png -o own/q.png",
        "deep-dream photo.png -o own/photo.png --guide own/photo.png",
        "deep-dream own/frames/frame-00001.png -o own/d.png --frames 2 --film own/frames",
        "deep-dream photo.png -o own/d.png --frames 2 --film own/frames",
        "multifaceted --class 0 --folder own/many -o own/many/m.png",
        "attribute photo.png --method gradient -o own/m.png --cut own/m.png",
        "attribute own/photo.png --method gradient -o own/m.png --cut own/link.png",
        "attribute photo.png --method gradient -o own/m.png --raw own/link.npz --weights own/w.npz",
        "inspect own/many --what embedding -o own/many/a.png",
        "inspect own/many --what embedding -o own/many/below/new.png",
        "inspect own/many --what patches -o own/many/new.png",
        "inspect photo.png --what neighbors --among own/many -o own/many/new.png",
        "inspect own/photo.png --what activations -o own/link.png",
    ],
)
def test_what_is_read_is_not_written_over(
    in_process: Program, made: Path, line: str
) -> None:  # fmt: skip
    (made / "w.npz").write_bytes(b"weights")
    (made / "link.npz").symlink_to("w.npz")
    before = contents(made)
    refused = in_process(*line.split())
    assert refused.returncode == 2
    assert "own/" in one_line(refused)
    assert contents(made) == before


def test_a_picture_is_not_rendered_over_itself(in_process: Program, made: Path) -> None:
    assert in_process(*DREAM, "-o", "own/d.png").returncode == 0
    before = (made / "d.png").read_bytes()
    refused = in_process("render", "own/d.png", "-o", "own/d.png", "--quiet")
    assert refused.returncode == 2
    assert "d.png is one of the pictures to work from" in one_line(refused)
    assert (made / "d.png").read_bytes() == before
    recipe = read_recipe(made / "d.png")
    (made / "d.json").write_text(json.dumps(recipe))
    assert in_process("render", "own/d.json", "-o", "own/d2.png", "--quiet").returncode == 0


NO_FILM = [
    (["--film", "own/z.mp4"], "set --frames to 2 or more"),
    (["--frames", "2", "--film", "own/z.avi"], "end its name in .mp4"),
    (["--frames", "2", "--film", "own/no/z.mp4"], "own/no does not exist"),
    (["--frames", "2", "--film", "photo.png/frames"], "photo.png is a file"),
    (["--frames", "2", "--film", "own/frames"], "already holds the frames of a film"),
]


@pytest.mark.parametrize(("options", "sentence"), NO_FILM)
def test_a_film_that_cannot_be_is_refused_before_the_first_step(
    in_process: Program, made: Path, monkeypatch: pytest.MonkeyPatch, options: list[str],
    sentence: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("engine.work.making.prepare", never)
    before = contents(made)
    refused = in_process(*DREAM, "-o", "own/z.png", *options)
    assert refused.returncode == 2
    assert sentence in one_line(refused)
    assert contents(made) == before


def test_a_film_without_its_library(
    in_process: Program, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.work.making.prepare", never)
    monkeypatch.setitem(sys.modules, "av", None)
    refused = in_process(*DREAM, "-o", "own/z.png", "--frames", "2", "--film", "own/z.mp4")
    assert refused.returncode == 2
    assert "needs the package av" in one_line(refused)


def never(*_: Any) -> Any:
    raise AssertionError("the run has begun")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("-o own/a.webp --size 20000", "WebP ends at 16383"),
        ("-o own/a.jpg --size 66000", "JPEG ends at 65500"),
        ("-o own/a.png --size " + "9" * 4000, "--size has 4000 digits"),
        ("-o own/a.png --size " + "9" * 5000, "is not a whole number"),
        ("-o own/a.bmp", "end the name in .png"),
        ("-o own/none/a.png", "does not exist"),
    ],
)
def test_a_picture_that_no_file_can_hold(
    in_process: Program, made: Path, monkeypatch: pytest.MonkeyPatch, line: str, sentence: str
) -> None:
    monkeypatch.setattr("engine.networks.loading.load_network", never)
    refused = in_process("deep-dream", "photo.png", "--quiet", *line.split())
    assert refused.returncode == 2
    assert sentence in one_line(refused)
    assert len(refused.stderr) < 1200


def test_masks_and_numbers_say_their_format(in_process: Program, made: Path) -> None:
    ask = ("attribute", "photo.png", "--method", "gradient", "-o", "own/m.png")
    for option, name in (("--raw", "own/raw.txt"), ("--cut", "own/mask.jpg")):
        refused = in_process(*ask, option, name)
        assert refused.returncode == 2
        assert name in one_line(refused)
    assert not (made / "m.png").exists()


# -- what is finished is kept ----------------------------------------------------------------------


def test_the_picture_is_kept_when_the_film_fails(
    in_process: Program, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full after the first frame, say."""
    from engine import film

    add = film._Folder.add

    def full(self: Any, picture: Any) -> None:
        if self.count:
            raise BadInput("there is no room for the frame")
        add(self, picture)

    monkeypatch.setattr(film._Folder, "add", full)
    failed = in_process(*DREAM, "-o", "own/z.png", "--frames", "3", "--film", "own/new")
    assert failed.returncode == 2
    assert one_line(failed) == "there is no room for the frame (the picture is finished: own/z.png)"
    assert open_picture(made / "z.png").width == 48
    assert [p.name for p in (made / "new").iterdir()] == ["frame-00001.png"]


def test_the_picture_is_kept_when_the_figure_fails(
    in_process: Program, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Any:
        raise BadInput("the figure has no room")

    monkeypatch.setattr(DeepDream, "has_figure", True)
    monkeypatch.setattr(DeepDream, "figure", failing)
    failed = in_process(*DREAM, "-o", "own/z.png")
    assert (failed.returncode, one_line(failed)) == (
        2, "the figure has no room (the picture is finished: own/z.png)",
    )  # fmt: skip
    assert open_picture(made / "z.png").width == 48


def test_a_map_is_kept_when_its_numbers_fail(
    in_process: Program, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(path: Path, _arrays: Any) -> Any:
        raise BadInput(f"{path} has no room")

    monkeypatch.setattr("engine.files.write_npz", failing)
    ask = ("attribute", "photo.png", "--method", "gradient", "-o", "own/m.png")
    failed = in_process(*ask, "--raw", "own/m.npz")
    assert (failed.returncode, one_line(failed)) == (2, "own/m.npz has no room")
    assert (made / "m.png").is_file()


def gone(made: Path) -> None:
    made.rename(made.with_name("unplugged"))


def replaced(made: Path) -> None:
    gone(made)
    made.write_text("in the way")


def full(_made: Path) -> None:
    sync, calls = os.fsync, []

    def full_at_first(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    os.fsync = full_at_first


@pytest.mark.parametrize("befalls", [gone, replaced, full])
def test_a_picture_whose_place_is_gone_or_full_is_written_elsewhere(
    in_process: Program, made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch,
    befalls: Callable[[Path], None],
) -> None:  # fmt: skip
    from engine.job import frames_of

    for left in (folder / "unplugged", folder / "home" / "rescued"):
        shutil.rmtree(left, ignore_errors=True)
    assert in_process(*DREAM, "-o", "whole.png").returncode == 0
    sync = os.fsync

    def befallen(*arguments: Any) -> Any:
        for frame in frames_of(*arguments):
            yield frame
            if frame.iteration == 2:
                befalls(made)

    monkeypatch.setattr("engine.work.making.frames_of", befallen)
    try:
        failed = in_process(*DREAM, "-o", "own/z.png")
    finally:
        os.fsync = sync
        if made.is_file():
            made.unlink()
    rescued = folder / "home" / "rescued" / "z.png"
    assert failed.returncode == 2
    said = one_line(failed)
    assert said.startswith("own/z.png cannot be written")
    assert said.endswith(f"(the picture is finished: {rescued})")
    assert rescued.read_bytes() == (folder / "whole.png").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_a_full_disk_behind_standard_output_is_said(folder: Path) -> None:
    with Path("/dev/full").open("wb") as nowhere:
        done = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), "--help"], stdout=nowhere,
            stderr=subprocess.PIPE, env=environment(folder / "home"), text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("pareidolia: what there is to print cannot be written (")
    assert len(done.stderr.splitlines()) == 1


def test_what_a_broken_run_has_of_a_film_is_kept(
    in_process: Program, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av")
    from engine.errors import Diverged
    from engine.job import frames_of

    def breaking(*arguments: Any) -> Any:
        for frame in frames_of(*arguments):
            yield frame
            if frame.film == 2:
                raise Diverged("something came in the way")

    monkeypatch.setattr("engine.work.making.frames_of", breaking)
    (made / "z.mp4").write_bytes(b"the old film")
    failed = in_process(*DREAM, "-o", "own/z.png", "--frames", "3", "--film", "own/z.mp4")
    assert failed.returncode == 1
    assert "the picture so far: own/z.partial.png" in one_line(failed)
    assert (made / "z.mp4").read_bytes() == b"the old film"
    with av.open(str(made / "z.partial.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 2
    assert not list(made.glob(".*"))
