"""Lessons: pictures and what a network saw in them, step by step, in one file.

The file is JSON with the pictures in base64. Reading it runs no code: it holds only texts, plain
values, and pictures, which are decoded once as a check.
"""

import base64
import binascii
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.errors import BadInput
from engine.files import read_json, read_plain, write_json

SUFFIX = ".pareidolia-lesson"
FORMAT = "pareidolia lesson"
VERSION = 1
MAX_FILE_BYTES = 512 * 2**20
SPARE_BYTES = 8 * 2**20
"""Bytes of a file for everything but pictures."""
MAX_STEPS = 500
MAX_FIGURES = 64
MAX_MEGAPIXELS = 40
"""Most megapixels of each picture."""
MAX_LETTERS = 100_000
"""Most letters of each text."""
MAX_DEPTH = 32
"""How deep the values of a step's state may nest."""
QUALITY = 92
"""JPEG quality; colours are kept at full resolution, since heat maps are all colour."""


@dataclass(frozen=True)
class Figure:
    """A picture that explains another: a heat map over it, say."""

    caption: str
    picture: bytes
    """A whole PNG or JPEG file."""


@dataclass(frozen=True)
class Step:
    """One screen of a lesson."""

    title: str
    text: str
    hidden: bool
    """Whether the figures stay hidden until somebody asks for them: predict, then reveal."""
    picture: bytes
    """A whole PNG or JPEG file."""
    figures: tuple[Figure, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values with which a program can return to what is shown."""


@dataclass(frozen=True)
class Lesson:
    """A title and steps in their order."""

    title: str
    steps: tuple[Step, ...] = ()


def picture_bytes(pixels: npt.NDArray[np.uint8], exact: bool = False) -> bytes:
    """Return a picture as a file for a step: PNG if it is exact or transparent, JPEG otherwise.

    Args:
        pixels: (H, W, 3) sRGB, or (H, W, 4) with alpha.
        exact: whether every value matters, as with an adversarial picture, whose few levels of
            difference JPEG would wipe out.

    Raises:
        ValueError: `pixels` has another shape.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise ValueError(f"pixels are {pixels.shape}, not (H, W, 3) or (H, W, 4)")
    if pixels.shape[2] == 4 and bool((pixels[..., 3] == 255).all()):
        pixels = pixels[..., :3]
    image = Image.fromarray(np.ascontiguousarray(pixels))
    written = io.BytesIO()
    if exact or image.mode == "RGBA":
        image.save(written, "PNG")
    else:
        image.save(written, "JPEG", quality=QUALITY, subsampling=0)
    return written.getvalue()


def media_type(picture: bytes, what: str = "a picture") -> str:
    """Return `image/png` or `image/jpeg`, depending on how the bytes begin.

    Raises:
        BadInput: they begin like neither; the sentence calls them `what`.
    """
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if picture.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    raise BadInput(f"{what} is neither PNG nor JPEG; a lesson can hold only those.")


def check(lesson: Lesson) -> None:
    """Check that a lesson can be kept and shown. Raises `BadInput`, naming the step."""
    if len(lesson.steps) > MAX_STEPS:
        raise BadInput(
            f"the lesson has {len(lesson.steps)} steps; at most {MAX_STEPS} are allowed."
        )
    _check_text(lesson.title, "the lesson's title")
    for number, step in enumerate(lesson.steps, 1):
        where = f"step {number}"
        _check_text(step.title, f"the title of {where}")
        _check_text(step.text, f"the text of {where}")
        if not isinstance(step.hidden, bool):
            raise BadInput(f"{where} says {step.hidden!r} for hidden; it must be true or false.")
        if len(step.figures) > MAX_FIGURES:
            raise BadInput(
                f"{where} has {len(step.figures)} figures; at most {MAX_FIGURES} are allowed."
            )
        _check_picture(step.picture, f"the picture of {where}")
        for figure in step.figures:
            _check_text(figure.caption, f"a caption of {where}")
            _check_picture(figure.picture, f"a figure of {where}")
        if not isinstance(step.state, Mapping):
            raise BadInput(f"the state of {where} is not a table of named values.")
        _check_values(step.state, f"the state of {where}")


def write_lesson(lesson: Lesson, path: str | Path) -> Path:
    """Write a lesson whole or not at all; return the path.

    Raises:
        BadInput: the lesson holds something that no lesson can, or nothing can be written there.
    """
    check(lesson)
    pictures = [p for s in lesson.steps for p in (s.picture, *(f.picture for f in s.figures))]
    size = sum(4 * len(picture) // 3 for picture in pictures)  # as base64
    if size > MAX_FILE_BYTES - SPARE_BYTES:
        raise BadInput(
            f"the lesson would take {size >> 20} MiB, more than could be opened again "
            f"({MAX_FILE_BYTES >> 20} MiB): remove steps, or make two lessons of it."
        )
    steps = [
        {
            "title": step.title,
            "text": step.text,
            "hidden": step.hidden,
            "picture": _as_text(step.picture),
            "figures": [
                {"caption": figure.caption, "picture": _as_text(figure.picture)}
                for figure in step.figures
            ],
            "state": step.state,
        }
        for step in lesson.steps
    ]
    values = {"format": FORMAT, "version": VERSION, "title": lesson.title, "steps": steps}
    return write_json(Path(path), values)


def read_lesson(path: str | Path) -> Lesson:
    """Read a lesson that `write_lesson` wrote.

    Raises:
        BadInput: there is no such file, it is not a lesson, damaged, too large, or from a newer
            version; in one sentence that says which.
    """
    path = Path(path)
    values = _read_values(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise BadInput(f"{path} is not a lesson saved by this program.")
    version = values.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadInput(f"{path} is damaged: its version is {version!r}, not a number.")
    if version > VERSION:
        raise BadInput(
            f"{path} is a lesson of version {version}, but this program "
            "reads only up to {VERSION}: update Pareidolia."
        )
    try:
        lesson = Lesson(values["title"], tuple(_step(each) for each in values["steps"]))
        check(lesson)
    except BadInput as error:
        raise BadInput(f"{path} cannot be used: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"{path} is damaged ({error!r}): a whole lesson is needed.") from error
    return lesson


def _read_values(path: Path) -> Any:
    try:
        if path.is_dir():
            raise BadInput(f"{path} is a folder: give the path of a lesson.")
        data = read_plain(path, MAX_FILE_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadInput(f"{path} cannot be read ({reason}): check its path.") from error
    try:
        return read_json(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{path} is not a lesson, or is damaged: it cannot be read as JSON."
        ) from error


def _step(values: Any) -> Step:
    figures = tuple(Figure(f["caption"], _as_bytes(f["picture"])) for f in values["figures"])
    return Step(
        values["title"], values["text"], values["hidden"], _as_bytes(values["picture"]), figures,
        values["state"],
    )  # fmt: skip


def _as_text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _as_bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError("a picture is not text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("a picture in it is damaged; use an intact lesson.") from error


def _check_text(text: Any, what: str) -> None:
    if not isinstance(text, str) or len(text) > MAX_LETTERS:
        raise BadInput(f"{what} should be a text of up to {MAX_LETTERS} letters.")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # a half of a surrogate pair, which JSON can spell
        raise BadInput(f"{what} holds an invalid character; remove it.") from error


def _check_picture(data: Any, what: str) -> None:
    if not isinstance(data, bytes):
        raise BadInput(f"{what} is missing; a PNG or JPEG file is needed.")
    kind = media_type(data, what).removeprefix("image/").upper()
    large = BadInput(f"{what} has more than {MAX_MEGAPIXELS} megapixels; make it smaller.")
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as image:
            if image.width * image.height > MAX_MEGAPIXELS * 1e6:
                raise large
            image.load()  # the header alone does not vouch for the rest
    except (BadInput, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise large from error
    except Exception as error:  # what decoders raise on damaged files has no common type
        raise BadInput(f"{what} is damaged; use an intact PNG or JPEG file.") from error


def _check_values(value: Any, what: str, depth: int = 0) -> None:
    """Check that JSON has a notation for a value."""
    if depth > MAX_DEPTH:
        raise BadInput(f"{what} is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _check_text(name, what)
            _check_values(inner, what, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_values(inner, what, depth + 1)
    elif isinstance(value, str):
        _check_text(value, what)
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"{what} holds {value}, which is not a number.")
    elif value is not None and not isinstance(value, (bool, int, float)):
        raise BadInput(f"{what} holds a {type(value).__name__}; plain values are needed.")
