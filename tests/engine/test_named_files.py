"""What a recipe names: found where everything moved to, refused on other machines and devices."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine import named_files
from engine.errors import BadInput
from engine.job import MOST_CHANGES, Inputs, Job
from engine.named_files import check_local, find_path, nearby
from engine.project import read_job, write_project
from engine.techniques.deep_dream import DeepDream
from engine.techniques.multifaceted import Multifaceted
from engine.techniques.style_transfer import StyleTransfer

ELSEWHERE = (
    r"\\server\share\photo.png", "//server/share/photo.png", r"\\?\C:\photo.png", r"\\.\pipe\x",
    r"\/server/x.png", "https://example.org/photo.png", "file://server/photo.png", "/dev/zero",
    "/dev/../dev/stdin", "/proc/self/environ",
)  # fmt: skip


def noise(path: Path, seed: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of a photo and a painting that lie below it and elsewhere."""
    old = tmp_path / "old"
    inputs = Inputs(noise(old / "in" / "photo.png", 0), ((noise(old / "style.png", 1), 2.0),))
    (old / "out").mkdir()
    return write_project(old / "out" / "job.json", Job(StyleTransfer(), inputs))


def edited(project: Path, **values: Any) -> Path:
    project.write_text(json.dumps(json.loads(project.read_text()) | values))
    return project


def test_a_folder_that_moved_takes_its_pictures_along(project: Path, tmp_path: Path) -> None:
    shutil.move(tmp_path / "old", tmp_path / "new")
    job = read_job(tmp_path / "new" / "out" / "job.json")
    inputs: Any = job.inputs
    assert inputs.content.path == tmp_path / "new" / "in" / "photo.png"
    assert [(p.path, w) for p, w in inputs.styles] == [(tmp_path / "new" / "style.png", 2.0)]


def test_pictures_from_another_system_are_found_beside(project: Path) -> None:
    recipe = json.loads(project.read_text())
    shutil.copy(project.parent.parent / "in" / "photo.png", project.parent / "photo.png")
    for path in (r"D:\Holiday\photo.png", r"\\server\share\photo.png", "/Volumes/Disk/photo.png"):
        recipe["inputs"]["content"]["path"] = path
        content: Any = read_job(edited(project, inputs=recipe["inputs"])).inputs.content
        assert content.path == project.parent / "photo.png"


def test_another_picture_of_that_name_is_not_taken(project: Path, tmp_path: Path) -> None:
    noise(project.parent / "photo.png", 7)
    inputs: Any = read_job(project).inputs
    assert inputs.content.path == tmp_path / "old" / "in" / "photo.png"
    (tmp_path / "old" / "in" / "photo.png").unlink()
    with pytest.raises(BadInput, match="does not hold the same picture"):
        read_job(project)


def test_the_same_picture_beside_comes_first(project: Path) -> None:
    shutil.copy(project.parent.parent / "in" / "photo.png", project.parent / "photo.png")
    inputs: Any = read_job(project).inputs
    assert inputs.content.path == project.parent / "photo.png"


def test_weights_and_folders_move_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "old"
    noise(old / "photos" / "a.png", 0)
    (old / "net.pth").write_bytes(b"weights")
    monkeypatch.chdir(old)
    job = Job(Multifaceted(target="0", folder="photos"), weights="net.pth")
    write_project(old / "job.json", job)
    shutil.move(old, tmp_path / "new")
    found: Any = read_job(tmp_path / "new" / "job.json")
    assert found.technique.folder == str(tmp_path / "new" / "photos")
    assert found.weights == str(tmp_path / "new" / "net.pth")


@pytest.mark.parametrize("path", ELSEWHERE)
def test_nothing_is_opened_elsewhere(
    project: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    for name in ("stat", "lstat", "open"):
        real = getattr(os, name)

        def noted(file: Any, *rest: Any, real: Any = real, **options: Any) -> Any:
            asked.append(os.fspath(file) if not isinstance(file, int) else "")
            return real(file, *rest, **options)

        monkeypatch.setattr(os, name, noted)
    recipe = json.loads(project.read_text())
    for part in ("content", "guide"):
        inputs = recipe["inputs"] | {part: {"path": path, "sha256": "0" * 64}}
        with pytest.raises(BadInput, match="on another machine or a device"):
            Job.from_recipe(recipe | {"inputs": inputs}, project.parent)
    with pytest.raises(BadInput, match="on another machine or a device"):
        Job.from_recipe(recipe | {"weights": path}, project.parent)
    many = {"technique": "multifaceted", "settings": {"folder": path}}
    with pytest.raises(BadInput, match="on another machine or a device"):
        Job.from_recipe(recipe | many, project.parent)
    assert asked
    assert path not in asked


def test_what_is_on_this_machine_may_be_named() -> None:
    for path in (
        "/photos/a.png",
        "a.png",
        r"C:\a.png",
        "C:/a.png",
        "./dev/a.png",
        "/device/a.png",
    ):
        assert check_local(path) == path


def test_where_something_is_looked_for(tmp_path: Path) -> None:
    found = [str(p.relative_to(tmp_path)) for p in nearby("/x/in/a.png", tmp_path / "p" / "out")]
    assert found[:3] == ["p/out/a.png", "p/out/in/a.png", "p/out/x/in/a.png"]
    assert "p/in/a.png" in found
    assert list(nearby("../../etc/passwd", tmp_path)) == []
    assert find_path("gone.pth", tmp_path) == "gone.pth"


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes among files")
def test_a_project_that_would_never_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "zero.json"):
        with pytest.raises(BadInput, match="not a plain file"):
            read_job(tmp_path / name)
    with pytest.raises(BadInput, match=r"end a project's name in \.json"):
        write_project(tmp_path / "job.txt", Job(DeepDream()))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"size": 10**4000}, "must be a whole number from 1 to 65536"),
        ({"changes": [[1, {"tv_weight": 1.0}]] * (MOST_CHANGES + 1)}, "20001 changes"),
        ({"settings": {"x" * 100_000: 1}}, "there is no setting"),
        ({"settings": {"iterations": 10**4000}}, "iterations"),
    ],
)
def test_absurd_recipes_are_refused(project: Path, values: Any, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        read_job(edited(project, **values))
    assert len(str(caught.value)) < 1000


def test_absurdly_many_styles(project: Path) -> None:
    inputs = json.loads(project.read_text())["inputs"]
    with pytest.raises(BadInput, match="100000 styles"):
        read_job(edited(project, inputs=inputs | {"styles": inputs["styles"] * 100_000}))


def test_as_many_changes_as_a_long_run_has(project: Path) -> None:
    changes = [[i, {"tv-weight": float(i)}] for i in range(MOST_CHANGES)]
    job = read_job(edited(project, changes=changes))
    assert job.changes[-1] == (MOST_CHANGES - 1, {"tv_weight": float(MOST_CHANGES - 1)})


def test_a_path_that_no_file_can_have_is_refused_in_a_short_sentence() -> None:
    with pytest.raises(BadInput, match="5000 letters") as caught:
        named_files.check_local("x" * 5000)
    assert len(str(caught.value)) < 200
