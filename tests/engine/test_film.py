"""Films: numbered pictures, or a video whose frames are what went in."""

import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import BadInput, Cancelled
from engine.film import assemble, film
from engine.image import open_picture


def gray(level: float, height: int = 32, width: int = 48) -> torch.Tensor:
    return torch.full((3, height, width), level)


def test_a_folder_gets_numbered_pictures(tmp_path: Path) -> None:
    with film(tmp_path / "new" / "frames") as take:
        for level in (0.0, 0.2, 1.0):
            take(gray(level))
    files = sorted((tmp_path / "new" / "frames").iterdir())
    assert [f.name for f in files] == [f"frame-0000{i}.png" for i in (1, 2, 3)]
    assert [round(float(open_picture(f).rgb.mean()), 2) for f in files] == [0.0, 0.2, 1.0]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_video_holds_the_frames_in_order(tmp_path: Path, suffix: str) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / f"film{suffix}"
    levels = [0.1, 0.5, 0.9]
    with film(path, rate=12.5) as take:
        for level in levels:
            take(gray(level, 33, 49))  # odd sides lose a row and a column
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == 12.5
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [f.shape for f in frames] == [(32, 48, 3)] * 3
    for frame, level in zip(frames, levels, strict=True):
        assert frame.mean() / 255 == pytest.approx(level, abs=0.03)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


# Luma weights of red and blue: Rec. ITU-R BT.601 and BT.709.
MATRICES = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}


def colours_by_tags(frame: Any, matrix: int) -> Any:
    """The RGB of a limited-range frame by its matrix, from the standards' own formula."""
    planes = frame.to_ndarray(format="yuv444p").astype(np.float64)
    red, blue = MATRICES[matrix]
    luma = (planes[0] - 16) / 219
    from_blue, from_red = (planes[1] - 128) / 224, (planes[2] - 128) / 224
    r = luma + 2 * (1 - red) * from_red
    b = luma + 2 * (1 - blue) * from_blue
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.stack([r, g, b], -1) * 255


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize(("lines", "matrix"), [(720, 1), (96, 6)])
def test_a_video_says_its_colours_and_keeps_to_them(
    tmp_path: Path, suffix: str, lines: int, matrix: int
) -> None:
    av = pytest.importorskip("av")
    colours = [(230, 51, 26), (0, 255, 0), (26, 51, 230), (128, 128, 128)]
    stripes = np.repeat(np.uint8(colours), 32, 0)[None].repeat(lines, 0)
    with film(tmp_path / f"film{suffix}") as take:
        take(torch.from_numpy(stripes).permute(2, 0, 1) / 255)
    with av.open(str(tmp_path / f"film{suffix}")) as container:
        codec = container.streams.video[0].codec_context
        frame = next(container.decode(video=0))
        tags = codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range
    assert tags == (matrix, 1, 1, 1)
    seen = colours_by_tags(frame, matrix)
    for index, colour in enumerate(colours):
        middle = seen[lines // 2, 32 * index + 16]
        assert np.abs(middle - colour).max() <= 3, (colour, middle)


def test_a_film_that_broke_off_leaves_the_old_one(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "film.mp4"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), film(path) as take:
        take(gray(0.5))
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert {p.name for p in tmp_path.iterdir()} == {path.name, "film.partial.mp4"}
    assert len(times_of(tmp_path / "film.partial.mp4")) == 1


def times_of(path: Path) -> list[float]:
    """When each picture of a video is shown."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from engine.film import film
with film(Path(sys.argv[1]), rate=25) as take:
    for i in range(200):
        take(torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(i)))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_killed_program_leaves_what_can_be_played(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("av")
    path = tmp_path / f"film{suffix}"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == [f"film.partial{suffix}"]
    times = times_of(tmp_path / f"film.partial{suffix}")
    assert 100 <= len(times) < 200  # an encoder holds some back, and so does a fragment
    assert times == pytest.approx([i / 25 for i in range(len(times))], abs=0.002)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_finished_video_begins_at_once(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("av")
    path = tmp_path / f"film{suffix}"
    with film(path, rate=25) as take:
        for i in range(60):
            take(torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(i)))
    assert times_of(path) == pytest.approx([i / 25 for i in range(60)], abs=0.002)
    if suffix == ".mp4":  # as other programs write them
        assert boxes(path.read_bytes()) == [b"ftyp", b"free", b"mdat", b"moov"]


def boxes(data: bytes) -> list[bytes]:
    """The kinds of the boxes that an MP4 consists of (ISO/IEC 14496-12, 4.2)."""
    kinds, at = [], 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if size == 1:
            (size,) = struct.unpack(">Q", data[at + 8 : at + 16])
        kinds.append(kind)
        at += size or len(data)
    return kinds


def test_what_was_left_earlier_stays_until_there_is_more(tmp_path: Path) -> None:
    """The video of a run that was killed is not overwritten by the next one's first frame."""
    pytest.importorskip("av")
    path, left = tmp_path / "film.mp4", tmp_path / "film.partial.mp4"
    left.write_bytes(b"an evening's work")
    with film(path) as take:
        take(gray(0.5))
        growing = {p.name for p in tmp_path.iterdir()}
        assert growing == {left.name, "film.partial-2.mp4"}
    assert {p.name for p in tmp_path.iterdir()} == {path.name, left.name}
    assert left.read_bytes() == b"an evening's work"


def test_a_run_that_is_stopped_leaves_its_film_under_the_usual_name(tmp_path: Path) -> None:
    pytest.importorskip("av")
    with film(tmp_path / "film.mp4", stopped=lambda: True) as take:
        take(gray(0.5))
    assert [p.name for p in tmp_path.iterdir()] == ["film.partial.mp4"]
    assert len(times_of(tmp_path / "film.partial.mp4")) == 1


def test_nor_is_it_by_a_run_that_is_stopped(tmp_path: Path) -> None:
    pytest.importorskip("av")
    left = tmp_path / "film.partial.mp4"
    left.write_bytes(b"an evening's work")
    with film(tmp_path / "film.mp4", stopped=lambda: True) as take:
        take(gray(0.5))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert len(names) == 2
    assert len(times_of(left)) == 1, "the name that is told is the newest one's"
    (other,) = set(names) - {left.name}
    assert (tmp_path / other).read_bytes() == b"an evening's work"


def test_of_a_film_made_of_pictures_nothing_is_left(tmp_path: Path) -> None:
    pytest.importorskip("av")
    with film(tmp_path / "frames") as take:
        for level in (0.2, 0.4, 0.6):
            take(gray(level))
    pictures, asked = sorted((tmp_path / "frames").iterdir()), iter([False, False, True])
    with pytest.raises(Cancelled):
        assemble(pictures, tmp_path / "film.mp4", cancelled=lambda: next(asked))
    assert [p.name for p in tmp_path.iterdir()] == ["frames"]


def test_what_cannot_be_a_film_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\.mp4"), film(tmp_path / "film.avi"):
        pass
    with pytest.raises(BadInput, match="does not exist"), film(tmp_path / "no" / "film.mp4"):
        pass
    pytest.importorskip("av")
    with pytest.raises(BadInput, match="not a single frame"), film(tmp_path / "film.mp4"):
        pass


def test_nothing_asked_nothing_written(tmp_path: Path) -> None:
    with film(None) as take:
        take(gray(0.5))
