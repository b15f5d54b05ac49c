"""Runs from beginning to end: the picture, the figures, Ctrl-C, and the same picture again."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import png
import pytest
from PIL import Image

from cli.running import run_job
from engine.errors import Diverged, OutOfMemory
from engine.image import open_picture, read_recipe
from engine.job import frames_of
from tests.cli.conftest import ROOT, SMALL, Done, Program, environment, noise, one_line

STYLE = ("style-transfer", "photo.png", "--style", "sea.png")
KEYS = {
    "iterations", "seconds", "seconds_per_iteration", "losses", "peak_memory_mib",
    "network", "device", "precision", "seed", "output",
}  # fmt: skip


def pixels(path: Path) -> npt.NDArray[Any]:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def done(program: Program) -> Done:
    """One style transfer of a picture with transparent places, as JSON, with a progress bar."""
    start = ("style-transfer", "cutout.png", "--style", "sea.png:2", "--style", "fire.png")
    return program(*start, "-o", "out.png", "--seed", "5", "--start", "blend", *SMALL, "--json")


# -- what comes out --------------------------------------------------------------------------------


def test_figures_as_one_line_of_json(done: Done) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    figures = json.loads(done.stdout)
    assert figures.keys() == KEYS
    assert (figures["iterations"], figures["seed"], figures["output"]) == (3, 5, "out.png")
    assert (figures["network"], figures["device"], figures["precision"]) == (
        "slim_vgg", "cpu", "fp32",
    )  # fmt: skip
    assert figures["seconds"] > 0
    assert figures["seconds_per_iteration"] == pytest.approx(figures["seconds"] / 3, abs=1e-3)
    assert 50 < figures["peak_memory_mib"] < 100_000
    assert figures["losses"].keys() >= {"content", "style", "total"}
    assert all(isinstance(value, float) for value in figures["losses"].values())


def test_the_bar_is_on_standard_error(done: Done) -> None:
    assert "Style transfer: 100%" in done.stderr
    assert "3/3" in done.stderr
    assert "48 x 36" in done.stderr


def test_alpha_is_that_of_the_content(done: Done, folder: Path) -> None:
    before, after = pixels(folder / "cutout.png"), pixels(folder / "out.png")
    assert after.shape == (36, 48, 4)
    assert np.array_equal(after[..., 3], before[..., 3])
    assert not np.array_equal(after[..., :3], before[..., :3])


def test_the_picture_carries_its_job(done: Done, folder: Path) -> None:
    recipe = read_recipe(folder / "out.png")
    assert recipe is not None
    assert recipe["technique"] == "style-transfer"
    assert recipe["settings"]["iterations"] == 3
    assert recipe["settings"]["start"] == "blend"
    assert (recipe["seed"], recipe["size"], recipe["precision"]) == (5, 48, "fp32")
    content, styles = recipe["inputs"]["content"], recipe["inputs"]["styles"]
    assert content["sha256"] == open_picture(folder / "cutout.png").sha256
    assert [(Path(s["path"]).name, s["weight"]) for s in styles] == [
        ("sea.png", 2.0),
        ("fire.png", 1.0),
    ]


def test_render_gives_the_same_picture_bit_for_bit(
    done: Done, program: Program, folder: Path
) -> None:
    again = program("render", str(folder / "out.png"), "-o", "again.png", "--json", "--quiet")
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout).keys() == KEYS
    assert np.array_equal(pixels(folder / "again.png"), pixels(folder / "out.png"))
    assert read_recipe(folder / "again.png") == read_recipe(folder / "out.png")


def test_render_of_a_project_on_a_given_device(
    done: Done, in_process: Program, folder: Path
) -> None:
    recipe = read_recipe(folder / "out.png")
    assert recipe is not None
    (folder / "job.json").write_text(json.dumps(recipe | {"device": "cuda:7"}), "utf-8")
    assert "--device is 'cuda:7'" in one_line(in_process("render", "job.json", "-o", "r.png"))
    again = in_process("render", "job.json", "-o", "r.png", "--device", "cpu", "--quiet")
    assert again.returncode == 0
    assert np.array_equal(pixels(folder / "r.png"), pixels(folder / "out.png"))


def test_render_refuses_when_a_picture_changed(in_process: Program, folder: Path) -> None:
    noise(30, 30, 3, 20).save(folder / "own.png")
    dream = ("deep-dream", "own.png", "-o", "dream.png", *SMALL, "--quiet")
    assert in_process(*dream).returncode == 0
    noise(30, 30, 3, 21).save(folder / "own.png")
    refused = in_process("render", "dream.png", "-o", "x.png")
    assert refused.returncode == 2
    assert "own.png is not the picture that the recipe was made with" in one_line(refused)
    (folder / "own.png").unlink()
    refused = in_process("render", "dream.png", "-o", "x.png")
    assert refused.returncode == 2
    assert "own.png" in one_line(refused)


def test_quiet_is_silent_and_seeds_matter(in_process: Program, folder: Path) -> None:
    made = {}
    for name, seed in [("a", "1"), ("b", "1"), ("c", "2")]:
        run = ("deep-dream", "photo.png", "-o", f"{name}.png", "--seed", seed, *SMALL, "--quiet")
        quiet = in_process(*run)
        assert (quiet.returncode, quiet.stderr) == (0, "")
        assert re.fullmatch(rf"{name}\.png: 3 iterations in .* s \(.*\)\n", quiet.stdout)
        made[name] = pixels(folder / f"{name}.png")
    assert np.array_equal(made["a"], made["b"])
    assert not np.array_equal(made["a"], made["c"])


def test_presets_set_layers_and_guides(in_process: Program, folder: Path) -> None:
    preset = ("--preset", "gatys 2015", "--set", "iterations=2", "--size", "40", "--quiet")
    assert in_process(*STYLE, "-o", "gatys.png", *preset).returncode == 0
    recipe = read_recipe(folder / "gatys.png")
    assert recipe is not None
    assert recipe["settings"]["iterations"] == 2
    assert recipe["settings"]["optimizer"] == "lbfgs"
    layers = ("--layer", "relu3_1:2", "--layer", "relu4_1", "--guide", "fire.png")
    dream = ("deep-dream", "photo.png", "-o", "guided.png", *layers, *SMALL, "--quiet")
    assert in_process(*dream).returncode == 0
    recipe = read_recipe(folder / "guided.png")
    assert recipe is not None
    assert recipe["settings"]["layers"] == {"relu3_1": 2.0, "relu4_1": 1.0}
    assert Path(recipe["inputs"]["guide"]["path"]).name == "fire.png"


def test_paintings_with_colons_in_their_names(in_process: Program, folder: Path) -> None:
    noise(40, 40, 3, 9).save(folder / "12:30.png")
    noise(40, 40, 3, 9).save(folder / "12:45", format="PNG")
    for text, expected in [("12:30.png:3", ("12:30.png", 3.0)), ("12:45", ("12:45", 1.0))]:
        start = ("style-transfer", "photo.png", "--style", text, "-o", "colon.png", *SMALL)
        assert in_process(*start, "--quiet").returncode == 0
        recipe = read_recipe(folder / "colon.png")
        assert recipe is not None
        (style,) = recipe["inputs"]["styles"]
        assert (Path(style["path"]).name, style["weight"]) == expected


def test_sixteen_bits(in_process: Program, folder: Path) -> None:
    assert in_process(*STYLE, "-o", "deep.png", "--bits", "16", *SMALL, "--quiet").returncode == 0
    assert in_process(*STYLE, "-o", "flat.png", *SMALL, "--quiet").returncode == 0
    with (folder / "deep.png").open("rb") as file:
        width, height, rows, facts = png.Reader(file=file).read()
        deep = np.array([list(row) for row in rows]).reshape(height, width, 3)
    assert (width, height, facts["bitdepth"]) == (48, 36, 16)
    assert len(np.unique(deep % 257)) > 100, "more than eight bits are used"
    assert np.abs(deep / 257 - pixels(folder / "flat.png")).max() <= 0.51


@pytest.mark.parametrize(("suffix", "mode"), [("jpg", "RGB"), ("webp", "RGB"), ("tiff", "RGB")])
def test_other_formats_carry_the_job_too(
    in_process: Program, folder: Path, suffix: str, mode: str
) -> None:
    run = ("deep-dream", "gray.png", "-o", f"form.{suffix}", *SMALL, "--quiet")
    assert in_process(*run).returncode == 0
    with Image.open(folder / f"form.{suffix}") as picture:
        assert (picture.mode, picture.size) == (mode, (48, 36))
    recipe = read_recipe(folder / f"form.{suffix}")
    assert recipe is not None
    assert recipe["technique"] == "deep-dream"


# -- recolour --------------------------------------------------------------------------------------

YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def test_recolour_by_luminance(in_process: Program, folder: Path) -> None:
    """Light and dark of the picture, colours of the photo, but where that leaves the range."""
    middle = pixels(folder / "photo.png") // 4 + 96
    Image.fromarray(middle.astype(np.uint8)).save(folder / "middle.png")
    flat = (middle[::-1].mean(-1, keepdims=True) // 4 + 96).repeat(3, -1).astype(np.uint8)
    Image.fromarray(flat).save(folder / "flat gray.png")
    run = ("recolour", "flat gray.png", "--content", "middle.png", "-o", "coloured.png")
    recoloured = in_process(*run)
    assert (recoloured.returncode, recoloured.stdout) == (0, "coloured.png\n")
    result = pixels(folder / "coloured.png")
    inside = ((result > 0) & (result < 255)).all(-1)
    assert inside.mean() > 0.9
    luminance = result[inside] @ YIQ[0]
    assert np.abs(luminance - flat[inside] @ YIQ[0]).max() <= 1.0
    assert np.abs((result[inside] - middle[inside].astype(float)) @ YIQ[1:].T).max() <= 1.5


def test_recolour_by_matching_and_not_at_all(in_process: Program, folder: Path) -> None:
    run = ("recolour", "sea.png", "--content", "photo.png", "-o", "matched.png")
    assert in_process(*run, "--method", "match").returncode == 0
    assert in_process(*run[:-1], "same.png", "--strength", "0").returncode == 0
    assert np.array_equal(pixels(folder / "same.png"), pixels(folder / "sea.png"))
    means = pixels(folder / "matched.png").mean((0, 1)) - pixels(folder / "photo.png").mean((0, 1))
    assert np.abs(means).max() < 3


def test_a_recoloured_picture_claims_no_recipe(
    done: Done, in_process: Program, folder: Path
) -> None:
    """`render` would give the picture that it was before."""
    run = ("recolour", "out.png", "--content", "photo.png", "-o", "recoloured.png")
    assert in_process(*run).returncode == 0
    assert read_recipe(folder / "recoloured.png") is None
    refused = in_process("render", "recoloured.png", "-o", "x.png")
    assert refused.returncode == 2


# -- finish ----------------------------------------------------------------------------------------


def test_a_finished_picture_is_finished_anew(in_process: Program, folder: Path) -> None:
    run = ("finish", "sea.png", "-o", "final.png")
    made = in_process(*run, "--sharpen", "1", "--recolour", "gray")
    assert (made.returncode, made.stdout) == (0, "final.png\n")
    final, before = pixels(folder / "final.png"), pixels(folder / "sea.png")
    assert np.ptp(final, axis=2).max() <= 1
    assert final.std() > (before @ YIQ[0]).std(), "sharper"
    noise(36, 48, 3, 8).save(folder / "alike.png")
    run = ("finish", "alike.png", "--content", "photo.png", "--strength", "0", "-o", "final.png")
    assert in_process(*run).returncode == 0
    assert np.array_equal(pixels(folder / "final.png"), pixels(folder / "photo.png"))
    assert read_recipe(folder / "final.png") is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "nothing to do"),
        (("--strength", "0.5"), "--content"),
        (("--recolour", "match"), "--content"),
        (("--recolour", "match", "--content", "photo.png"), "of the same shape"),
        (("--grain", "2"), "--grain is"),
        (("--grain", "0.1", "-o", "sea.png"), "one of the pictures to work from"),
    ],
)
def test_what_cannot_be_finished_is_said(
    in_process: Program, folder: Path, words: tuple[str, ...], sentence: str
) -> None:
    refused = in_process("finish", "sea.png", "-o", "never.png", *words)
    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert not (folder / "never.png").exists()


# -- when it does not come to its end --------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process")
def test_ctrl_c_keeps_what_there_is(folder: Path) -> None:
    output = folder / "long work.png"
    output.write_bytes(b"what was here before")
    run = ("--size", "64", "--iterations", "100000", "--precision", "fp32", "--json")
    command = [sys.executable, str(ROOT / "main.py"), *STYLE, "-o", output.name, *run]
    with subprocess.Popen(
        command, cwd=folder, env=environment(folder / "home"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr
        shown = ""
        while not re.search(r"\d/100000", shown):
            shown += os.read(process.stderr.fileno(), 4096).decode()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - began < 30
    assert process.returncode == 130
    assert "stopping after this iteration" in err
    assert "Traceback" not in err
    partial = folder / "long work.partial.png"
    figures = json.loads(out)
    assert figures["output"] == partial.name
    assert 0 < figures["iterations"] < 100_000
    assert pixels(partial).shape == (48, 64, 3)
    assert output.read_bytes() == b"what was here before"
    recipe = read_recipe(partial)
    assert recipe is not None
    assert recipe["settings"]["iterations"] == 100_000
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("error", [Diverged, OutOfMemory])
def test_a_run_that_fails_keeps_what_there_is(
    in_process: Program, folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def breaking(*arguments: Any) -> Any:
        frames = frames_of(*arguments)
        yield next(frames)
        yield next(frames)
        raise error("something came in the way")

    monkeypatch.setattr("engine.work.making.frames_of", breaking)
    output = folder / "broken.png"
    failed = in_process("deep-dream", "photo.png", "-o", output.name, *SMALL, "--quiet", "--json")
    assert failed.returncode == 1
    expected = "something came in the way (the picture so far: broken.partial.png)"
    assert one_line(failed) == expected
    assert pixels(folder / "broken.partial.png").shape == (36, 48, 3)
    assert not output.exists()
    (folder / "broken.partial.png").unlink()


def test_numbers_that_are_none(in_process: Program, folder: Path) -> None:
    absurd = {
        "optimizer": "lbfgs", "learning-rate": "100", "clamp": "off", "averaging": "0",
        "style_statistic": "gram", "loss_scaling": "raw", "iterations": "60",
    }  # fmt: skip
    pairs = [part for key, value in absurd.items() for part in ("--set", f"{key}={value}")]
    failed = in_process(*STYLE, "-o", "nan.png", "--size", "48", *pairs, "--quiet")
    assert failed.returncode == 1
    assert re.search(
        r"became (inf|nan|-inf) at iteration \d+; .*nan\.partial\.png", one_line(failed)
    )
    assert pixels(folder / "nan.partial.png").shape == (36, 48, 3)
    assert not (folder / "nan.png").exists()


def test_the_demo(in_process: Program, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jobs, made small."""

    def small(job: Any, *arguments: Any, **options: Any) -> Any:
        technique = replace(job.technique, iterations=2)
        return run_job(replace(job, technique=technique, size=48), *arguments, **options)

    monkeypatch.setattr("cli.demo.run_job", small)
    shown = in_process("demo", "--folder", "deep/demo", "--quiet")
    assert (shown.returncode, shown.stderr) == (0, "")
    paths = [Path(line) for line in shown.stdout.splitlines()]
    assert [p.name for p in paths] == ["style.png", "dream.png"]
    assert all(max(pixels(folder / p).shape) == 48 for p in paths)
    refused = in_process("demo", "--folder", "photo.png/demo")
    assert refused.returncode == 2
    assert "photo.png/demo cannot be created" in one_line(refused)


def test_forecast_says_what_a_run_takes_and_makes_no_picture(
    program: Program, folder: Path
) -> None:
    done = program(*STYLE, "-o", "never.png", *SMALL, "--forecast", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.keys() == {"seconds", "memory_mib", "available_mib", "fits"}
    assert said["seconds"] > 0
    assert 100 < said["memory_mib"] < said["available_mib"]
    assert said["fits"] is True
    assert not (folder / "never.png").exists()
    words = program(*STYLE, "-o", "never.png", *SMALL, "--forecast").stdout
    assert re.fullmatch(r"about \d+ s and \d+ MiB of memory \(\d+ MiB are available\)\n", words)
