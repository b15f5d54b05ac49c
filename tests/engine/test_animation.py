"""Films of a timeline, as other programs read them: frames, durations, colours, recipe."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from PIL import Image

from engine.animation import Bytes, durations, places, write_timeline
from engine.errors import BadInput, Cancelled
from engine.export import Export
from engine.finish import Finish
from engine.image import read_recipe
from engine.job import Inputs, Job
from engine.project import read_job
from engine.techniques.deep_dream import DeepDream

SHORT = Export(what="timeline", seconds=0.6, hold=0.4, rate=10, ease="linear", film_size=64)

LOSSLESS = replace(SHORT, lossless=True)


def flat(level: int, height: int = 24, width: int = 32) -> Callable[[], Bytes]:
    return lambda: np.full((height, width, 3), level, np.uint8)


def read(path: Path) -> tuple[list[float], list[int]]:
    """Return the mean of each frame, and how long it stays in milliseconds."""
    levels, shown = [], []
    with Image.open(path) as image:
        assert image.info["loop"] == 0, "for ever"
        for index in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(index)
            image.load()
            shown.append(int(image.info["duration"]))
            levels.append(float(np.asarray(image.convert("RGB")).mean()))
    return levels, shown


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_moving_picture_fades_from_moment_to_moment(tmp_path: Path, suffix: str) -> None:
    recipe = {"technique": "deep-dream"}
    path = write_timeline([flat(0), flat(100), flat(200)], tmp_path / f"a{suffix}", SHORT, recipe)
    levels, shown = read(path)
    assert levels == pytest.approx([0, 40, 80, 120, 160, 200], abs=2)
    assert shown == [100] * 5 + [500]
    assert read_recipe(path) == recipe


def test_a_video_has_every_frame(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = write_timeline([flat(20), flat(220)], tmp_path / "a.mp4", SHORT)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 6 + 4
    means = [float(frame.mean()) for frame in frames]
    assert means == pytest.approx([20, 60, 100, 140, 180, *[220] * 5], abs=4)


def test_grain_never_stands_still_nor_fades(tmp_path: Path) -> None:
    grain = Finish(grain=0.1, recolour="gray")
    path = write_timeline([flat(120), flat(120)], tmp_path / "a.webp", LOSSLESS, grain=grain)
    with Image.open(path) as image:
        frames = []
        for index in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(index)
            frames.append(np.asarray(image.convert("L"), float) - 120)
    assert len(frames) == 6
    spreads = [frame.std() for frame in frames]
    assert min(spreads) > 0.9 * max(spreads) > 10
    for one, other in combinations(frames, 2):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.2


@pytest.mark.skipif(which("ffprobe") is None, reason="ffprobe is not here")
def test_ffprobe_sees_the_length_and_the_rate(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = write_timeline([flat(20), flat(220)], tmp_path / "a.mp4", SHORT)
    command = ["ffprobe", "-v", "error", "-print_format", "json", "-show_streams", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (stream,) = json.loads(done.stdout)["streams"]
    assert (stream["avg_frame_rate"], stream["nb_frames"]) == ("10/1", "10")
    assert float(stream["duration"]) == pytest.approx(1.0)
    assert (stream["width"], stream["height"], stream["pix_fmt"]) == (32, 24, "yuv420p")


def test_ease_is_slow_at_both_ends() -> None:
    """Smoothstep: 3t² - 2t³, of slope 0 at its ends and 1.5 in the middle."""
    eased = places(11, Export(seconds=4.04, rate=25, ease="in and out"))
    t = np.linspace(0, 1, 101)
    np.testing.assert_allclose(eased, 10 * (3 * t**2 - 2 * t**3), atol=1e-12)
    linear = places(11, Export(seconds=4.04, rate=25, ease="linear"))
    np.testing.assert_allclose(linear, 10 * t, atol=1e-12)


@pytest.mark.parametrize("rate", [7, 12, 24, 30, 50])
def test_a_gif_takes_as_long_as_asked_at_any_rate(rate: int) -> None:
    """Its delays are hundredths of a second."""
    shown = durations(Export(seconds=3.0, hold=0.5, rate=rate), 10)
    assert len(shown) == 3 * rate
    assert all(each % 10 == 0 and each >= 20 for each in shown)
    assert sum(shown) == 3500


def test_coarser_moments_grow_and_large_ones_are_reduced(tmp_path: Path) -> None:
    moments = [flat(10, 25, 40), flat(200, 100, 161)]
    path = write_timeline(moments, tmp_path / "a.webp", SHORT)
    with Image.open(path) as image:
        assert image.size == (64, 40), "even sides, which a video needs, and no larger than asked"
    small = write_timeline(moments[:1], tmp_path / "b.gif", SHORT)
    with Image.open(small) as image:
        assert image.size == (40, 24), "never enlarged"


def test_progress_and_giving_up(tmp_path: Path) -> None:
    told: list[int] = []
    write_timeline([flat(1), flat(90)], tmp_path / "a.webp", SHORT, moved=told.append)
    assert told == [1, 2, 3, 4, 5, 6]
    for suffix in (".gif", ".webp"):
        with pytest.raises(Cancelled):
            write_timeline(
                [flat(1), flat(90)], tmp_path / f"b{suffix}", SHORT,
                cancelled=iter([False, False, True]).__next__,
            )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["a.webp"]
    with pytest.raises(BadInput, match="no moment"):
        write_timeline([], tmp_path / "c.gif", SHORT)


def test_the_recipe_of_a_video_is_a_job_again(tmp_path: Path) -> None:
    pytest.importorskip("av")
    Image.new("RGB", (16, 16), "teal").save(tmp_path / "photo.png")
    job = Job(DeepDream(iterations=3), Inputs(str(tmp_path / "photo.png")), size=32, seed=5)
    path = write_timeline([flat(1), flat(9)], tmp_path / "a.mp4", SHORT, job.recipe())
    assert read_job(path).recipe() == job.recipe()
    plain = write_timeline([flat(1), flat(9)], tmp_path / "b.mp4", SHORT)
    with pytest.raises(BadInput, match="carries no recipe"):
        read_job(plain)
    (tmp_path / "c.mp4").write_text("no video")
    with pytest.raises(BadInput, match="cannot be read as a video"):
        read_job(tmp_path / "c.mp4")
