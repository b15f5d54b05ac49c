"""Outputs kept apart from what is read, whatever name either goes by."""

import os
from pathlib import Path

import pytest

from engine.errors import BadInput
from engine.outputs import Output, Sources, keep_apart


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "photo.png"
    path.parent.mkdir()
    path.write_bytes(b"a photo")
    return path


@pytest.mark.parametrize("kind", ["itself", "symbolic", "hard", "spelling", "linked folder"])
def test_one_file_by_another_name(photo: Path, tmp_path: Path, kind: str) -> None:
    other = tmp_path / "other.png"
    if kind == "symbolic":
        other.symlink_to(photo)
    elif kind == "hard":
        os.link(photo, other)
    elif kind == "spelling":
        other = photo.parent / ".." / "folder" / "." / "photo.png"
    elif kind == "linked folder":
        (tmp_path / "also").symlink_to(photo.parent)
        other = tmp_path / "also" / "photo.png"
    else:
        other = photo
    for output, source in ((other, photo), (photo, other)):
        with pytest.raises(BadInput, match="is one of the pictures to work from"):
            keep_apart([output], Sources((source,)))
    keep_apart([tmp_path / "new.png"], Sources((photo,)))


def test_a_role_is_named(photo: Path) -> None:
    with pytest.raises(BadInput, match=r"photo\.png, the figure, is one .*for the output"):
        keep_apart([Output(photo, "the figure")], Sources((photo,)))


@pytest.mark.parametrize(("first", "second"), [("a.png", "./a.png"), ("a.png", "A.PNG")])
def test_two_outputs_are_two_files(tmp_path: Path, first: str, second: str) -> None:
    with pytest.raises(BadInput, match="written twice"):
        keep_apart([tmp_path / first, tmp_path / second], Sources())
    keep_apart([tmp_path / "a.png", tmp_path / "b.png"], Sources())


def test_a_picture_stays_out_of_a_folder_that_is_read(photo: Path, tmp_path: Path) -> None:
    folder = photo.parent
    (folder / "below").mkdir()
    (tmp_path / "link").symlink_to(folder)
    inside = (folder / "new.png", folder / "below" / "new.png", tmp_path / "link" / "new.jpg")
    for path in inside:
        with pytest.raises(BadInput, match="read as one of its pictures"):
            keep_apart([path], Sources(trees=(folder,)))
    for path in (folder / "numbers.npz", tmp_path / "new.png", folder / ".hidden.png"):
        keep_apart([path], Sources(trees=(folder,)))


def test_without_what_is_below(photo: Path) -> None:
    folder = photo.parent
    (folder / "below").mkdir()
    keep_apart([folder / "below" / "new.png"], Sources(folders=(folder,)))
    with pytest.raises(BadInput, match="read as one of its pictures"):
        keep_apart([folder / "new.png"], Sources(folders=(folder,)))


def test_what_a_folder_links_to_is_read_too(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.png").write_bytes(b"a photo")
    (photo.parent / "link.png").symlink_to(tmp_path / "elsewhere.png")
    for sources in (Sources(trees=(photo.parent,)), Sources(folders=(photo.parent,))):
        with pytest.raises(BadInput, match="is one of the pictures in"):
            keep_apart([tmp_path / "elsewhere.png"], sources)
