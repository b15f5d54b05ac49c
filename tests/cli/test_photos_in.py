"""What the program says of the photos that it is given: their size, and that a file holds more."""

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Program, noise, one_line

DREAM = ("--iterations", "1", "--octaves", "1", "--precision", "fp32", "--device", "cpu")


@pytest.fixture(scope="module")
def animation(folder: Path) -> Path:
    frames = [noise(36, 48, 3, seed) for seed in (1, 2, 3)]
    frames[0].save(folder / "anim.gif", save_all=True, append_images=frames[1:], duration=100)
    return folder / "anim.gif"


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_the_size_is_told_first(program: Program, folder: Path) -> None:
    done = program("deep-dream", "photo.png", "-o", "a.png", "--size", "32", *DREAM)
    assert done.returncode == 0, done.stderr
    first = done.stderr.splitlines()[0]
    assert first.startswith("size 32:") and "48 x 36" in first and "--size photo" in first
    assert size_of(folder / "a.png") == (32, 24)


def test_as_large_as_the_photo_and_rendered_again(program: Program, folder: Path) -> None:
    done = program("deep-dream", "photo.png", "-o", "b.avif", "--size", "photo", *DREAM)
    assert done.returncode == 0 and "as the photo has" in done.stderr.splitlines()[0]
    assert size_of(folder / "b.avif") == (48, 36)
    again = program("render", "b.avif", "-o", "c.avif", "--quiet")
    assert again.returncode == 0 and again.stderr == ""
    assert (folder / "b.avif").read_bytes() == (folder / "c.avif").read_bytes()


def test_a_frame_is_chosen(program: Program, folder: Path, animation: Path) -> None:
    done = program("deep-dream", "anim.gif", "-o", "d.png", "--size", "32", *DREAM)
    assert "anim.gif holds 3 pictures, of which number 1 was taken; anim.gif#2" in done.stderr
    third = program("deep-dream", "anim.gif#3", "-o", "e.jxl", "--size", "32", *DREAM)
    assert "this is number 3" in third.stderr
    again = program("render", "e.jxl", "-o", "f.jxl", "--quiet")
    assert again.returncode == 0
    assert (folder / "e.jxl").read_bytes() == (folder / "f.jxl").read_bytes()
    assert "has no frame 4" in one_line(program("deep-dream", "anim.gif#4", "-o", "g.png"))
    over = program("recolour", "anim.gif#2", "--content", "photo.png", "-o", "anim.gif")
    assert over.returncode == 2


def test_there_has_to_be_a_photo(program: Program) -> None:
    said = program("class-visualization", "--class", "tabby", "-o", "h.png", "--size", "photo")
    assert "--size photo needs a photo" in one_line(said)
