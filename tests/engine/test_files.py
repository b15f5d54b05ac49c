"""Files written whole: what is left by programs that were killed goes, what is being written stays."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import files
from engine.errors import BadInput
from engine.files import (
    read_json,
    read_plain,
    replacing,
    sweep,
    unfinished_folder,
    write_json,
)

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import sys
from pathlib import Path
from engine.files import replacing, unfinished_folder

if sys.argv[2] == "file":
    with replacing(Path(sys.argv[1], "picture.png")) as file:
        file.write(b"half of it")
        file.flush()
        print("writing", flush=True)
        sys.stdin.readline()
else:
    with unfinished_folder(Path(sys.argv[1])) as folder:
        (folder / "frame.png").write_bytes(b"a frame")
        print("writing", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def another(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is in the middle of writing."""
    with writer(tmp_path, "file") as process:
        yield process
        process.kill()


def writer(folder: Path, what: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), what],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_another_process_is_writing_stays(
    tmp_path: Path, another: subprocess.Popen[bytes]
) -> None:
    with replacing(tmp_path / "mine.png") as file:
        file.write(b"mine")
    assert len(names(tmp_path)) == 2
    another.communicate(b"\n")
    assert names(tmp_path) == ["mine.png", "picture.png"]
    assert (tmp_path / "picture.png").read_bytes() == b"half of it"


@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_what_a_killed_process_left_goes_with_the_next_save(tmp_path: Path, what: str) -> None:
    with writer(tmp_path, what) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (left,) = names(tmp_path)
    assert left.endswith(".part")
    with replacing(tmp_path / "picture.png") as file:
        file.write(b"whole")
    assert names(tmp_path) == ["picture.png"]


def test_only_ours_is_swept(tmp_path: Path) -> None:
    kept = [".part", ".0123.part", "download.pth.part", ".0123456789abcdef.part.png", "a.png"]
    for name in (*kept, ".0123456789abcdef.part"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".fedcba9876543210.part").symlink_to("a.png")
    sweep(tmp_path)
    assert names(tmp_path) == sorted([*kept, ".fedcba9876543210.part"])


def test_a_new_file_that_is_swept_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, calls = files._locked, []

    def late(descriptor: int) -> bool:
        if not calls:  # another program comes in between
            sweep(tmp_path)
        calls.append(descriptor)
        return lock(descriptor)

    monkeypatch.setattr(files, "_locked", late)
    with replacing(tmp_path / "a.png") as file:
        file.write(b"whole")
    assert len(calls) == 2
    assert names(tmp_path) == ["a.png"]


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(BadInput, match="No space left"), replacing(tmp_path / "a.png") as file:
        file.write(b"new")
        raise OSError(28, os.strerror(28))
    with pytest.raises(ZeroDivisionError), unfinished_folder(tmp_path) as folder:
        (folder / "x").touch()
        raise ZeroDivisionError
    assert names(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"old"


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes among files")
def test_only_plain_files_are_read_and_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull), tmp_path):
        with pytest.raises((BadInput, IsADirectoryError)):
            read_plain(path, 100)
    with pytest.raises(BadInput, match="plain file"), replacing(tmp_path / "pipe"):
        pass
    (tmp_path / "text").write_bytes(b"x" * 101)
    with pytest.raises(BadInput, match="larger"):
        read_plain(tmp_path / "text", 100)
    assert read_plain(tmp_path / "text", 101) == b"x" * 101


def test_the_name_of_a_file_in_another_encoding_is_written_and_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    path = write_json(tmp_path / "values.json", {"recent": [name]})
    assert read_json(path.read_bytes()) == {"recent": [name]}
