"""A packed project opens as it was, anywhere; one that was tampered with is refused, whole."""

import io
import json
import os
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import BadInput
from engine.image import Picture, from_tensor, open_picture, save_picture
from engine.job import Inputs, Job, run
from engine.techniques.deep_dream import DeepDream
from engine.work.losses import LossHistory
from engine.work.project_file import pack, read_thumbnail, unpack
from engine.work.project_folder import ProjectFolder, Variant
from tests.cli.conftest import noise

ROOT = Path(__file__).resolve().parents[3]


def jpeg(side: int = 16) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (90, 20, 20)).save(file, "JPEG")
    return file.getvalue()


def job(photo: Path) -> Job:
    return Job(DeepDream(iterations=2), Inputs(str(photo)), size=32, device="cpu", precision="fp32")


def empty(path: Path) -> ProjectFolder:
    path.mkdir()
    return ProjectFolder(path)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "cat.png"
    path.parent.mkdir()
    noise(24, 32, 3, 1).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, photo: Path) -> ProjectFolder:
    """A project with a job and two variants."""
    made = empty(tmp_path / "in use")
    made.write_job(job(photo))
    picture = Picture(np.full((24, 32, 3), 0.5, np.float32))
    recipe = made.recipe_of(job(photo))
    losses = LossHistory()
    losses.add([(1, {"total": 2.0})])
    made.put(
        Variant("a", recipe, name="first", total=2, iteration=1, when=1000.0),
        picture, jpeg(), {1: jpeg(8)}, b"checkpoint of a" * 1000, losses,
    )  # fmt: skip
    made.put(Variant("b", recipe, "a", 1, starred=True, complete=True, when=2000.0), None, jpeg(17))
    made.write_window({"zoom": 2})
    return made


def tree(path: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(path)): p.read_bytes()
        for p in path.rglob("*") if p.is_file() and p.name != "project.json"
    }  # fmt: skip


def test_a_project_opens_as_it_was(tmp_path: Path, folder: ProjectFolder) -> None:
    path = pack(folder, tmp_path / "cat.pareidolia")
    again = empty(tmp_path / "again")
    project = unpack(path, again)
    before = folder.read()
    assert project == before
    assert (project.file, project.unsaved) == (str(path), False)
    assert [v.moments for v in project.variants] == [(1,), ()]
    assert tree(again.path) == tree(folder.path)
    assert again.job() == folder.job()
    assert read_thumbnail(path) == jpeg(17)


def test_the_same_project_gives_the_same_file(tmp_path: Path, folder: ProjectFolder) -> None:
    one, two = (pack(folder, tmp_path / f"{n}.pareidolia") for n in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_a_project_renders_the_same_on_another_machine(
    tmp_path: Path, folder: ProjectFolder, photo: Path
) -> None:
    def rendered(job: Job) -> np.ndarray:
        *_, last = run(job)
        return from_tensor(last.picture).rgb

    wanted = rendered(job(photo))
    path = pack(folder, tmp_path / "cat.pareidolia")
    photo.unlink()
    again = empty(tmp_path / "again")
    unpack(path, again)
    assert np.array_equal(rendered(again.job()), wanted)
    assert np.array_equal(rendered(Job.from_recipe(again.recipe("b"))), wanted)


def test_pictures_can_stay_outside_and_are_found_beside_the_file(
    tmp_path: Path, folder: ProjectFolder, photo: Path
) -> None:
    path = pack(folder, tmp_path / "cat.pareidolia", inputs_inside=False)
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if name.startswith("inputs/")]
    assert unpack(path, again := empty(tmp_path / "again")).job == folder.read().job
    assert again.job() == job(photo)
    there = tmp_path / "moved"
    there.mkdir()
    path.rename(there / path.name)
    photo.rename(there / photo.name)
    unpack(there / path.name, moved := empty(tmp_path / "third"))
    assert moved.job().inputs.content == str(there / photo.name)


def test_pictures_that_nothing_names_any_more_stay_behind(
    tmp_path: Path, folder: ProjectFolder, photo: Path
) -> None:
    other = photo.with_name("dog.png")
    noise(24, 32, 3, 5).save(other)
    folder.write_job(job(other))
    folder.write_job(job(photo))
    assert len(list((folder.path / "inputs").iterdir())) == 2
    unpack(pack(folder, tmp_path / "cat.pareidolia"), again := empty(tmp_path / "again"))
    assert len(list((again.path / "inputs").iterdir())) == 1


def test_a_json_project_becomes_one_with_its_pictures_inside(tmp_path: Path, photo: Path) -> None:
    recipe = {**job(photo).recipe(), "changes": [[1, {"octave_scale": 1.3}]], "stop_after": 2}
    recipe["changes"] = []
    old = photo.with_name("old.json")
    old.write_text(json.dumps(recipe))
    project = unpack(old, again := empty(tmp_path / "again"))
    assert (project.variants, project.file) == ((), None)
    photo.unlink()
    assert Job.from_recipe(again.recipe()).stop_after == 2
    with pytest.raises(BadInput, match="newer version"):
        old.write_text(json.dumps({**recipe, "format": 99}))
        unpack(old, empty(tmp_path / "newer"))


def test_an_exported_picture_opens_as_a_project(tmp_path: Path, photo: Path) -> None:
    made = save_picture(open_picture(photo), tmp_path / "made.png", recipe=job(photo).recipe())
    unpack(made, again := empty(tmp_path / "again"))
    assert again.job() == job(photo)
    with pytest.raises(BadInput, match="carries no recipe"):
        unpack(photo, empty(tmp_path / "other"))


def test_a_folder_in_use_is_not_opened_into(tmp_path: Path, folder: ProjectFolder) -> None:
    path = pack(folder, tmp_path / "cat.pareidolia")
    before = tree(folder.path)
    with pytest.raises(BadInput, match="holds a project already"):
        unpack(path, folder)
    assert tree(folder.path) == before


# -- tampered with -------------------------------------------------------------------------

Members = dict[str, tuple[bytes, dict[str, Any]]]


def repacked(path: Path, change: Callable[[Members], None]) -> Path:
    """Pack a project again with other members; what zipfile would refuse to write is written."""
    with zipfile.ZipFile(path) as archive:
        members: Members = {i.filename: (archive.read(i), {}) for i in archive.infolist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, (data, others) in members.items():
            info = zipfile.ZipInfo(others.pop("name", name))
            for key, value in others.items():
                setattr(info, key, value)
            archive.writestr(info, data)
    return path


def added(member: str, data: bytes = b"x", **others: Any) -> Callable[[Members], None]:
    return lambda members: members.update({member: (data, dict(others))})


def said(change: Callable[[dict[str, Any]], None]) -> Callable[[Members], None]:
    """Change what project.json says."""

    def changed(members: Members) -> None:
        values = json.loads(members["project.json"][0])
        change(values)
        members["project.json"] = json.dumps(values).encode(), {}

    return changed


def without(name: str) -> Callable[[Members], None]:
    return lambda members: members.pop(name) and None


CHANGES = {
    "climbs out": (added("../evil.txt"), "holds '../evil.txt'"),
    "climbs out of a part": (added("inputs/../../evil.txt"), "as no project does"),
    "absolute": (added("/evil.txt"), "as no project does"),
    "on a drive": (added("C:\\evil.txt"), "as no project does"),
    "unknown": (added("inputs/script.py"), "as no project does"),
    "link": (
        added("thumbnails/c.jpg", b"/etc/passwd", external_attr=(stat.S_IFLNK | 0o777) << 16),
        "holds a link",
    ),
    "twice": (added("again", jpeg(), name="thumbnails/a.jpg"), "holds thumbnails/a.jpg twice"),
    "bomb": (
        added("checkpoints/a.safetensors", bytes(2**28), compress_type=zipfile.ZIP_DEFLATED),
        "would unpack to 256 MiB",
    ),
    "packed otherwise": (
        added("thumbnails/a.jpg", jpeg(), compress_type=zipfile.ZIP_BZIP2),
        "packed in a way",
    ),
    "no project": (without("project.json"), "holds no project.json"),
    "newer": (said(lambda values: values.update(schema=7)), "newer version.*update"),
    "no schema": (said(lambda values: values.pop("schema")), "its schema is None"),
    "deep": (
        added("project.json", b'{"schema": 1, "job": ' + b"[" * 200_000), "nested too deep"
    ),
    "no json": (added("project.json", b"\xff\xfe not json"), "cannot be read as a project"),
    "absurd": (
        said(lambda values: values["variants"][0].update(iteration=10**30)),
        "iteration is 1000",
    ),
    "huge number": (added("project.json", b'{"schema": 1' + b"0" * 10_000 + b"}"), "read as a project"),
    "twins": (
        said(lambda values: values["variants"].append(values["variants"][0])), "have the id a"
    ),
    "no picture": (added("thumbnails/a.jpg", b"not a picture"), "a.jpg is not a picture"),
    "no result": (added("results/a.png", jpeg()), "a.png is not a picture"),
    "vast moment": (
        lambda members: members.update({"moments/a/1.jpg": (vast(members), {})}),
        "1.jpg is not a picture",
    ),
}  # fmt: skip


def vast(members: Members) -> bytes:
    """A small picture that says it is 60,000 pixels wide and high."""
    data = bytearray(members["moments/a/1.jpg"][0])
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = b"\xea\x60\xea\x60"
    return bytes(data)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_was_tampered_with_is_refused_whole(
    tmp_path: Path, folder: ProjectFolder, name: str
) -> None:
    change, wrong = CHANGES[name]
    path = repacked(pack(folder, tmp_path / "cat.pareidolia"), change)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(BadInput, match=wrong) as caught:
        unpack(path, ProjectFolder(tmp_path / "photos"))
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 400
    assert set(tmp_path.rglob("*")) == before
    assert read_thumbnail(path) in (None, jpeg(17))


def test_another_input_than_its_name_says_is_refused(tmp_path: Path, folder: ProjectFolder) -> None:
    def exchanged(members: Members) -> None:
        (name,) = (name for name in members if name.startswith("inputs/"))
        members[name] = b"another picture", {}

    path = repacked(pack(folder, tmp_path / "cat.pareidolia"), exchanged)
    with pytest.raises(BadInput, match="is not the picture that it was"):
        unpack(path, empty(tmp_path / "again"))


def test_a_name_with_a_null_is_refused(tmp_path: Path, folder: ProjectFolder) -> None:
    path = repacked(pack(folder, tmp_path / "cat.pareidolia"), added("thumbnails/a.jpgX.exe"))
    path.write_bytes(path.read_bytes().replace(b"a.jpgX.exe", b"a.jpg\0.exe"))
    with pytest.raises(BadInput, match=r"as no project does|damaged"):
        unpack(path, empty(tmp_path / "again"))


def test_an_encrypted_member_is_refused(tmp_path: Path, folder: ProjectFolder) -> None:
    path = pack(folder, tmp_path / "cat.pareidolia")
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match="is encrypted"):
        unpack(path, empty(tmp_path / "again"))


def test_files_that_lie_one_over_the_other_are_refused(
    tmp_path: Path, folder: ProjectFolder
) -> None:
    """The bomb of D. Fifield (2019): many names for the same packed bytes."""
    path = pack(folder, tmp_path / "cat.pareidolia")
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("checkpoints/a.safetensors")
    entry = data[data.index(b"PK\x01\x02", data.index(info.filename.encode(), start) - 60) :]
    entry = entry[: 46 + len(info.filename)]
    copies = b"".join(
        entry.replace(b"checkpoints/a.", f"checkpoints/{n}.".encode()) for n in range(10)
    )
    end = data.rindex(b"PK\x05\x06")
    directory = data[start:end] + copies
    count = 10 + int.from_bytes(data[end + 10 : end + 12], "little")
    tail = bytearray(data[end:])
    tail[8:12] = count.to_bytes(2, "little") * 2
    tail[12:16] = len(directory).to_bytes(4, "little")
    path.write_bytes(data[:start] + directory + bytes(tail))
    with pytest.raises(BadInput, match=r"overlap|damaged"):
        unpack(path, empty(tmp_path / "again"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_file_that_was_cut_off_is_refused(
    tmp_path: Path, folder: ProjectFolder, share: float
) -> None:
    path = pack(folder, tmp_path / "cat.pareidolia")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    again = empty(tmp_path / "again")
    with pytest.raises(BadInput, match=r"damaged|empty"):
        unpack(path, again)
    assert list(again.path.iterdir()) == []


def test_a_table_of_contents_without_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "vast.pareidolia"
    size = 2**26
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff" * 2 + size.to_bytes(4, "little") + bytes(6)
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(end)
    with pytest.raises(BadInput, match="damaged or not a project"):
        unpack(path, empty(tmp_path / "again"))


@pytest.mark.parametrize("kind", ["folder", "pipe", "nothing", "text"])
def test_what_is_no_project_gets_a_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.pareidolia"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "text":
        path.write_text("hello")
    with pytest.raises(BadInput, match=r"x\.pareidolia"):
        unpack(path, empty(tmp_path / "again"))


def test_a_disk_without_room_is_left_alone(
    tmp_path: Path, folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(folder, tmp_path / "cat.pareidolia")
    usage = type("Usage", (), {"free": 2**20})
    monkeypatch.setattr("engine.work.project_file.shutil.disk_usage", lambda _path: usage)
    again = empty(tmp_path / "again")
    with pytest.raises(BadInput, match="1 MiB are free"):
        unpack(path, again)
    assert list(again.path.iterdir()) == []


# -- trouble while it is written -----------------------------------------------------------


def test_a_full_disk_leaves_the_old_file_and_the_folder(
    tmp_path: Path, folder: ProjectFolder, request: pytest.FixtureRequest
) -> None:
    path = pack(folder, tmp_path / "cat.pareidolia")
    before, there = path.read_bytes(), tree(folder.path)
    folder.put(
        replace(folder.read().variants[0], iteration=2),
        checkpoint=np.random.default_rng(0).bytes(2**18),
    )
    kept = tree(folder.path)
    request.getfixturevalue("limited_files")
    with pytest.raises(BadInput, match="cannot be written"):
        pack(folder, path)
    assert path.read_bytes() == before
    assert tree(folder.path) == kept != there
    assert folder.read().unsaved
    assert not list(tmp_path.glob(".*.part"))


def test_another_ending_or_a_missing_folder_is_refused(
    tmp_path: Path, folder: ProjectFolder
) -> None:
    with pytest.raises(BadInput, match=r"end a project's name in \.pareidolia"):
        pack(folder, tmp_path / "cat.png")
    with pytest.raises(BadInput, match="does not exist"):
        pack(folder, tmp_path / "nowhere" / "cat.pareidolia")


KILLED = """
import os, signal, sys
from pathlib import Path
from engine.work import project_file
from engine.work.project_folder import ProjectFolder

copy = project_file.shutil.copyfileobj

def killed(source, target, length):
    if "checkpoints" in source.name:
        target.write(source.read(100))
        os.kill(os.getpid(), signal.SIGKILL)
    copy(source, target, length)

project_file.shutil.copyfileobj = killed
project_file.pack(ProjectFolder(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_kill_in_the_middle_leaves_the_old_file_and_nothing_that_stays(
    tmp_path: Path, folder: ProjectFolder
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    path = pack(folder, kept / "cat.pareidolia")
    before = path.read_bytes()
    folder.put(replace(folder.read().variants[0], iteration=2))
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder.path), str(path)], cwd=ROOT, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert len(list(kept.iterdir())) == 2  # what was begun
    another = kept / "next.pareidolia"
    code = (
        "import sys; from pathlib import Path; from engine.work.project_file import pack;"
        "from engine.work.project_folder import ProjectFolder;"
        "pack(ProjectFolder(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(folder.path), str(another)], cwd=ROOT, check=True
    )
    assert sorted(p.name for p in kept.iterdir()) == ["cat.pareidolia", "next.pareidolia"]
