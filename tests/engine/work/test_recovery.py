"""Work that a crash left is found again, and no two programs have the same."""

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import BadInput
from engine.job import Inputs, Job
from engine.techniques.deep_dream import DeepDream
from engine.work import recovery
from engine.work.project_folder import Variant
from engine.work.recovery import claim, discard, left_over, new_slot, slots_folder
from tests.cli.conftest import noise

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
from engine.work import recovery
from engine.work.project_schema import Project

what = sys.argv[1]
if what == "new":
    slot = recovery.new_slot()
    slot.folder.write(Project(file=f"/disk/{sys.argv[2]}.pareidolia", unsaved=True))
    print(slot.path, flush=True)
else:
    print(len(found := recovery.left_over()), flush=True)
    sys.stdin.readline()
    try:
        slot = recovery.claim(found[0])
        print(slot.path, flush=True)
    except recovery.BadInput as error:
        print(error, flush=True)
sys.stdin.readline()
"""


class Program:
    """Another process on the same home."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def programs(home: Path) -> Iterator[list[Program]]:
    started: list[Program] = []
    yield started
    for program in started:
        program.kill()


def test_what_a_kill_left_is_offered_and_what_is_in_use_is_not(programs: list[Program]) -> None:
    programs += [Program("new", name) for name in ("cat", "dog")]
    paths = [program.line() for program in programs]
    assert len(set(paths)) == 2
    assert left_over() == []
    programs[0].kill()
    (found,) = left_over()
    assert (str(found.path), found.name, found.problem, found.crashes) == (paths[0], "cat", "", 0)
    assert found.unsaved
    programs[1].kill()
    assert {each.name for each in left_over()} == {"cat", "dog"}


def test_two_programs_that_want_the_same_work_do_not_both_get_it(
    programs: list[Program],
) -> None:
    first = Program("new", "cat")
    path = first.line()
    first.kill()
    programs += [Program("claim"), Program("claim")]
    assert [program.line() for program in programs] == ["1", "1"]
    for program in programs:
        program.go_on()
    lines = sorted(program.line() for program in programs)
    assert path in lines
    assert any("open in another window" in line for line in lines)
    assert left_over() == []
    for program in programs:
        program.kill()
    (found,) = left_over()
    assert found.crashes == 1


def test_work_that_crashed_the_program_twice_says_so(home: Path) -> None:
    slot = new_slot()
    slot.folder.write(replace(slot.folder.read(), unsaved=True))
    slot.release()
    for crashes in range(2):
        (found,) = left_over()
        assert (found.crashes, found.suspect) == (crashes, False)
        claim(found).release()  # it ended before it was shown
    (found,) = left_over()
    assert (found.crashes, found.suspect) == (2, True)
    slot = claim(found)
    slot.shown()
    slot.release()
    (found,) = left_over()
    assert (found.crashes, found.suspect) == (0, False)


def test_a_slot_that_is_discarded_is_gone(home: Path) -> None:
    slot = new_slot()
    slot.folder.write(slot.folder.read())
    slot.discard()
    assert left_over() == []
    assert not slot.path.exists()
    left = new_slot()
    left.folder.write(left.folder.read())
    left.release()
    (found,) = left_over()
    discard(found)
    assert left_over() == []
    assert not left.path.exists()
    with pytest.raises(BadInput, match="is gone"):
        claim(found)


def test_an_empty_slot_of_a_program_that_ended_is_deleted(home: Path) -> None:
    held, left = new_slot(), new_slot()
    left.release()
    assert left_over() == []
    assert held.path.is_dir()
    assert not left.path.exists()
    held.discard()


@pytest.mark.parametrize("text", ["", "{", json.dumps({"schema": 9}), "[" * 100_000])
def test_damaged_work_is_listed_with_a_sentence_and_can_be_discarded(home: Path, text: str) -> None:
    slot = new_slot()
    (slot.path / "project.json").write_text(text)
    slot.release()
    (found,) = left_over()
    assert "project" in found.problem
    assert found.when > time.time() - 1000
    discard(found)
    assert left_over() == []


def test_a_name_and_a_small_picture_are_told(home: Path, tmp_path: Path) -> None:
    photo = tmp_path / "cat.png"
    noise(24, 32, 3, 1).save(photo)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    slot = new_slot()
    job = Job(DeepDream(), Inputs(str(photo)))
    slot.folder.put(Variant("a", slot.folder.recipe_of(job)), thumbnail=file.getvalue())
    slot.release()
    (found,) = left_over()
    assert found.name == "cat.png · DeepDream"
    assert found.thumbnail == file.getvalue()


def test_many_slots_are_listed_without_reading_what_is_large(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        slot = new_slot()
        slot.folder.put(Variant("a", {}), checkpoint=bytes(2**16))
        slot.release()
    read: list[str] = []
    whole = recovery.ProjectFolder.checkpoint
    monkeypatch.setattr(
        recovery.ProjectFolder, "checkpoint", lambda *a: read.append("") or whole(*a)
    )
    assert len(left_over()) == 20
    assert read == []


def test_files_and_links_among_the_slots_are_left_alone(home: Path, tmp_path: Path) -> None:
    new_slot().discard()
    outside = tmp_path / "mine"
    outside.mkdir()
    (outside / "precious.txt").write_text("keep")
    (slots_folder() / "link").symlink_to(outside)
    (slots_folder() / "notes.txt").write_text("keep")
    assert left_over() == []
    assert (outside / "precious.txt").read_text() == "keep"
    assert (slots_folder() / "notes.txt").exists()


def test_a_home_that_cannot_be_written_gets_a_sentence(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path / "file"))
    assert left_over() == []
    with pytest.raises(BadInput, match="against a crash"):
        new_slot()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
