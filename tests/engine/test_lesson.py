"""Lessons in files: they come back as they were; what is none is refused in one sentence."""

import base64
import io
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import BadInput
from engine.lesson import (
    MAX_STEPS,
    Figure,
    Lesson,
    Step,
    media_type,
    picture_bytes,
    read_lesson,
    write_lesson,
)

STATE = {"job": {"size": 512, "styles": [["a.jpg", 1.5]]}, "sight": {"target": None, "on": True}}


def picture(seed: int = 0, exact: bool = True) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return picture_bytes(noise, exact)


def a_lesson() -> Lesson:
    figure = Figure("Grad-CAM, „Katze“ 猫 \U0001f408", picture(1, exact=False))
    return Lesson(
        "Was ein Netz sieht",
        (
            Step("One", "first\nsecond </script> \"'&", False, picture(2), (), STATE),
            Step("", "", True, picture(3, exact=False), (figure, figure), {}),
        ),
    )


def header_only(width: int, height: int) -> bytes:
    """A PNG that says it is that large and then ends."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IEND", b"")


def test_a_lesson_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a lesson.pareidolia-lesson"
    assert write_lesson(a_lesson(), path) == path
    assert read_lesson(path) == a_lesson()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_lesson_without_steps_is_one(tmp_path: Path) -> None:
    write_lesson(Lesson("empty"), tmp_path / "x")
    assert read_lesson(tmp_path / "x") == Lesson("empty")


def test_the_file_is_plain_json_with_a_version(tmp_path: Path) -> None:
    values = json.loads(write_lesson(a_lesson(), tmp_path / "x").read_text("utf-8"))
    assert (values["format"], values["version"]) == ("pareidolia lesson", 1)
    assert base64.b64decode(values["steps"][0]["picture"]) == a_lesson().steps[0].picture
    assert values["steps"][0]["state"] == STATE


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_lesson(a_lesson(), tmp_path / "x")
    before = path.read_bytes()
    for wrong in (b"GIF89a", picture()[:-30], picture(exact=False)[:200], b"", header_only(8, 8)):
        bad = replace(a_lesson().steps[0], picture=wrong)
        with pytest.raises(BadInput, match="step 2"):
            write_lesson(Lesson("", (a_lesson().steps[0], bad)), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(BadInput, match="does not exist"):
        write_lesson(a_lesson(), tmp_path / "none" / "x")


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    for width, height in ((8000, 8000), (12_000, 12_000), (60_000, 60_000)):
        step = replace(a_lesson().steps[0], picture=header_only(width, height))
        with pytest.raises(BadInput, match="more than 40 megapixels"):
            write_lesson(Lesson("", (step,)), tmp_path / "x")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"a": float("nan")}, "nan"),
        ({"a": float("inf")}, "inf"),
        ({"a": Path("x")}, "Path"),
        ({"a": {"b": {1}}}, "set"),
        ({1: 2}, "text"),
        ({"a": "\ud800"}, "invalid character"),
    ],
)
def test_a_state_of_other_than_plain_values_is_refused(
    tmp_path: Path, state: Any, says: str
) -> None:
    step = replace(a_lesson().steps[0], state=state)
    with pytest.raises(BadInput, match=says):
        write_lesson(Lesson("", (step,)), tmp_path / "x")
    assert not list(tmp_path.iterdir())


def changed(values: dict[str, Any], place: tuple[str | int, ...], new: Any) -> Any:
    inner: Any = values
    for key in place[:-1]:
        inner = inner[key]
    if new is KeyError:
        del inner[place[-1]]
    else:
        inner[place[-1]] = new
    return values


def deep() -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(40):
        inner = {"in": inner}
    return inner


@pytest.mark.parametrize(
    ("place", "new", "says"),
    [
        (("format",), "another", "is not a lesson"),
        (("format",), KeyError, "is not a lesson"),
        (("version",), 2, "update Pareidolia"),
        (("version",), "1", "version"),
        (("version",), True, "version"),
        (("version",), 0, "version"),
        (("title",), 5, "title"),
        (("title",), KeyError, "damaged"),
        (("title",), "\ud800", "invalid character"),
        (("steps",), "no list", "damaged"),
        (("steps",), None, "damaged"),
        (("steps", 1), [], "damaged"),
        (("steps", 1, "hidden"), 1, "hidden"),
        (("steps", 1, "text"), None, "text of step 2"),
        (("steps", 1, "text"), "x" * 100_001, "text of step 2"),
        (("steps", 1, "state"), [], "state of step 2"),
        (("steps", 1, "state"), deep(), "nested"),
        (("steps", 1, "state"), {"a": float("nan")}, "nan"),
        (("steps", 1, "picture"), 5, "damaged"),
        (("steps", 1, "picture"), "no base64!", "damaged"),
        (("steps", 1, "picture"), "é", "damaged"),
        (("steps", 1, "picture"), base64.b64encode(b"<svg/>").decode(), "neither PNG nor JPEG"),
        (("steps", 1, "figures", 0, "caption"), None, "caption of step 2"),
        (("steps", 1, "figures", 0), "x", "damaged"),
        (("steps", 1, "figures"), KeyError, "damaged"),
    ],
)
def test_damaged_and_foreign_files_are_refused_in_one_sentence(
    tmp_path: Path, place: tuple[str | int, ...], new: Any, says: str
) -> None:
    path = write_lesson(a_lesson(), tmp_path / "x.pareidolia-lesson")
    values = changed(json.loads(path.read_text("utf-8")), place, new)
    path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(BadInput, match=says) as caught:
        read_lesson(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"[]", b"7", b"\xff\xfe", b'{"a": ', b"[" * 100_000, b"9" * 5000]
)
def test_files_of_another_kind_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(BadInput, match="is not a lesson"):
        read_lesson(tmp_path / "x")


def test_no_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(BadInput, match=r"cannot be read|is a folder"):
            read_lesson(path)


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    data = write_lesson(a_lesson(), tmp_path / "x").read_bytes()
    for end in range(0, len(data) - 1, 97):
        (tmp_path / "y").write_bytes(data[:end])
        with pytest.raises(BadInput):
            read_lesson(tmp_path / "y")


def test_more_steps_than_a_lesson_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"at most {MAX_STEPS}"):
        write_lesson(Lesson("", a_lesson().steps[:1] * (MAX_STEPS + 1)), tmp_path / "x")


def test_a_lesson_that_could_not_be_opened_again_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lesson(a_lesson(), tmp_path / "a.pareidolia-lesson")
    kept = path.read_bytes()
    monkeypatch.setattr("engine.lesson.MAX_FILE_BYTES", len(kept) - 1)
    monkeypatch.setattr("engine.lesson.SPARE_BYTES", 0)
    heavy = replace(a_lesson(), steps=a_lesson().steps * 3)
    with pytest.raises(BadInput, match="more than could be opened again"):
        write_lesson(heavy, path)
    assert path.read_bytes() == kept


def test_a_file_larger_than_any_lesson_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lesson(a_lesson(), tmp_path / "x")
    monkeypatch.setattr("engine.lesson.MAX_FILE_BYTES", path.stat().st_size - 1)
    with pytest.raises(BadInput, match="larger than"):
        read_lesson(path)


@pytest.mark.parametrize(
    ("channels", "alpha", "exact", "kind"),
    [
        (3, 255, False, "image/jpeg"),
        (3, 255, True, "image/png"),
        (4, 255, False, "image/jpeg"),
        (4, 255, True, "image/png"),
        (4, 128, False, "image/png"),
    ],
)
def test_pictures_are_png_where_jpeg_would_lose(
    channels: int, alpha: int, exact: bool, kind: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, channels), np.uint8)
    pixels[..., 3:] = alpha
    data = picture_bytes(pixels, exact)
    assert media_type(data) == kind
    back = np.asarray(Image.open(io.BytesIO(data)))
    if kind == "image/png":
        expected = pixels if alpha < 255 else pixels[..., :3]
        assert np.array_equal(back, expected)
    else:
        assert back.shape == (20, 30, 3)


def test_jpeg_keeps_the_edges_between_colours() -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, :7] = 255, 0, 0
    pixels[:, 7:] = 0, 0, 255
    back = np.asarray(Image.open(io.BytesIO(picture_bytes(pixels)))).astype(int)
    assert np.abs(back - pixels).max() < 40, "half the resolution would mix columns 6 and 7"


@pytest.mark.parametrize("wrong", [(4, 4), (4, 4, 1), (4, 4, 5)])
def test_other_arrays_are_no_picture(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not"):
        picture_bytes(np.zeros(wrong, np.uint8))


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP"])
def test_other_kinds_of_pictures_are_refused(kind: str) -> None:
    data = io.BytesIO()
    Image.new("RGB", (4, 4)).save(data, kind)
    with pytest.raises(BadInput, match="neither PNG nor JPEG"):
        media_type(data.getvalue())
