"""Films: numbered pictures, or a video whose frames are what went in."""

from pathlib import Path

import pytest
import torch

from engine.errors import BadInput
from engine.film import film
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


def test_a_film_that_broke_off_leaves_the_old_one(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "film.mp4"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), film(path) as take:
        take(gray(0.5))
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


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
