"""A project's folder keeps what it is given, and names nothing that is not there."""

import hashlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import BadInput
from engine.image import Picture, open_picture, read_recipe
from engine.job import Inputs, Job, prepare, run
from engine.job import opened as with_open_pictures
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from engine.work.checkpoint_file import decode, encode
from engine.work.project_folder import ProjectFolder, Variant
from tests.cli.conftest import noise


def jpeg(side: int = 16, shade: int = 90) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 20, 20)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "cat.png"
    path.parent.mkdir()
    noise(24, 32, 3, 1).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    path = tmp_path / "project"
    path.mkdir()
    return ProjectFolder(path)


def job(photo: Path | str, **others: object) -> Job:
    return Job(DeepDream(iterations=3), Inputs(str(photo)), size=32, device="cpu", **others)  # type: ignore[arg-type]


def files(folder: ProjectFolder) -> list[str]:
    return sorted(str(p.relative_to(folder.path)) for p in folder.path.rglob("*") if p.is_file())


def test_an_empty_folder_is_an_empty_project(folder: ProjectFolder) -> None:
    project = folder.read()
    assert (project.job, project.variants, project.unsaved) == (None, (), False)
    with pytest.raises(BadInput, match="has no job yet"):
        folder.job()


def test_a_job_comes_back_as_it_was(folder: ProjectFolder, photo: Path) -> None:
    style = photo.with_name("wave.png")
    noise(20, 20, 3, 2).save(style)
    kept = Job(
        StyleTransfer(iterations=5), Inputs(str(photo), ((str(style), 0.5),)), size=None, seed=7,
        device="cpu", changes=((2, {"content_weight": 2.0}),), stop_after=4,
    )  # fmt: skip
    folder.write_job(kept)
    assert folder.job() == kept
    assert folder.read().unsaved
    digests = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (photo, style)}
    assert set(files(folder)) == {"project.json", *(f"inputs/{d}.png" for d in digests)}


def test_what_is_kept_twice_is_written_once(folder: ProjectFolder, photo: Path) -> None:
    folder.write_job(job(photo))
    before = (folder.path / "project.json").stat().st_ino
    folder.write_job(job(photo))
    assert (folder.path / "project.json").stat().st_ino == before
    folder.write_job(job(photo, seed=3))
    assert folder.job().seed == 3


@pytest.mark.parametrize("fate", ["deleted", "replaced by another"])
def test_a_picture_that_is_gone_is_taken_from_the_project(
    folder: ProjectFolder, photo: Path, fate: str
) -> None:
    pixels = open_picture(photo).rgb.copy()
    folder.write_job(job(photo))
    folder.put(Variant("a", folder.recipe_of(job(photo))))
    if fate == "deleted":
        photo.unlink()
    else:
        noise(24, 32, 3, 9).save(photo)
    for opened in (folder.job(), Job.from_recipe(folder.recipe("a"))):
        content = opened.inputs.content
        picture = content if isinstance(content, Picture) else open_picture(str(content))
        assert np.array_equal(picture.rgb, pixels)
    folder.write_job(folder.job())  # from the copy: the project still says where it was
    folder.put(Variant("b", folder.recipe("a")))
    project = folder.read()
    assert project.job is not None
    for recipe in (project.job, project.variants[1].recipe):
        assert recipe["inputs"]["content"]["path"] == str(photo)
    assert len(list((folder.path / "inputs").iterdir())) == 1


def test_a_page_of_a_file_is_the_same_page_inside(folder: ProjectFolder, tmp_path: Path) -> None:
    pages = [noise(24, 32, 3, seed) for seed in (1, 2)]
    path = tmp_path / "pages.tiff"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    second = open_picture(f"{path}#2").rgb.copy()
    folder.write_job(job(f"{path}#2"))
    path.unlink()
    assert np.array_equal(open_picture(str(folder.job().inputs.content)).rgb, second)


def test_a_picture_that_never_was_a_file_is_in_the_project(folder: ProjectFolder) -> None:
    made = Picture(np.full((8, 8, 3), 0.25, np.float32))
    folder.write_job(replace(job(""), inputs=Inputs(made)))
    again = open_picture(str(folder.job().inputs.content)).rgb
    assert np.abs(again - made.rgb).max() <= 0.5 / 65535


@pytest.mark.parametrize("side", [32, 1100])
def test_a_run_of_a_picture_that_never_was_a_file_is_continued(
    folder: ProjectFolder, side: int
) -> None:
    """Also where such a file would be opened smaller than it is: 1100 pixels for a result of 32."""
    pixels = np.asarray(noise(side * 3 // 4, side, 3, 4), np.float32) / np.float32(255)
    begun = with_open_pictures(replace(job(""), inputs=Inputs(Picture(pixels)), precision="fp32"))
    task = prepare(begun)
    frames = run(begun)
    checkpoint = encode(next(frames).checkpoint(), begun, task)  # type: ignore[misc]
    *_, whole = frames
    folder.put(Variant("v1", folder.recipe_of(begun)), checkpoint=checkpoint)
    again = with_open_pictures(folder.opened_job("v1"))
    kept = decode(folder.checkpoint("v1") or b"")
    assert kept.check(again, prepare(again)) == ""
    *_, last = run(again, checkpoint=kept.checkpoint)
    assert torch.equal(last.picture, whole.picture)
    other = replace(again, inputs=Inputs(Picture(1 - pixels)))
    with pytest.raises(BadInput, match="another job"):
        kept.check(other, prepare(other))


def test_a_missing_picture_keeps_no_job_from_being_kept(
    folder: ProjectFolder, tmp_path: Path
) -> None:
    lost = tmp_path / "lost.png"
    folder.write_job(job(lost))
    assert folder.job() == job(lost)
    with pytest.raises(BadInput, match=r"lost\.png"):
        Job.from_recipe(folder.recipe())


def test_a_variant_comes_back_with_all_that_belongs_to_it(
    folder: ProjectFolder, photo: Path
) -> None:
    *_, last = run(job(photo))
    variant = Variant(
        "v1", folder.recipe_of(job(photo)), name="first", note="too dark", starred=True,
        iteration=2, total=3, seconds=1.5,
    )  # fmt: skip
    picture = Picture(last.picture.permute(1, 2, 0).numpy().copy())
    folder.put(variant, picture, jpeg(), {1: jpeg(8, 1), 2: jpeg(8, 2)}, b"tensors")
    (there,) = folder.read().variants
    assert replace(there, when=0.0) == variant
    assert (there.has_result, there.has_checkpoint, there.moments) == (True, True, (1, 2))
    assert there.when > 1.7e9
    result = folder.result("v1")
    assert np.abs(result.rgb - picture.rgb).max() <= 0.5 / 65535
    assert read_recipe(folder.path / "results" / "v1.png") == there.recipe
    assert folder.thumbnail("v1") == jpeg()
    assert {n: path.read_bytes() for n, path in folder.moments("v1").items()} == {
        1: jpeg(8, 1),
        2: jpeg(8, 2),
    }
    assert folder.checkpoint("v1") == b"tensors"


def test_what_is_not_given_stays_and_moments_are_thinned_out(
    folder: ProjectFolder, photo: Path
) -> None:
    variant = Variant("v1", folder.recipe_of(job(photo)), total=9)
    folder.put(variant, thumbnail=jpeg(), moments={1: jpeg(), 2: jpeg()}, checkpoint=b"one")
    folder.put(replace(variant, iteration=4), moments={2: None, 4: jpeg(8)})
    (there,) = folder.read().variants
    assert (there.iteration, there.moments, there.has_checkpoint) == (4, (2, 4), True)
    folder.put(replace(variant, iteration=9, complete=True))
    assert folder.checkpoint("v1") is None
    assert folder.thumbnail("v1") == jpeg()


def test_a_branch_hangs_on_its_grandparent_when_its_parent_goes(
    folder: ProjectFolder, photo: Path
) -> None:
    recipe = folder.recipe_of(job(photo))
    folder.put(Variant("a", recipe), thumbnail=jpeg())
    folder.put(Variant("b", recipe, "a", 10), thumbnail=jpeg(), moments={1: jpeg()})
    folder.put(Variant("c", recipe, "b", 20))
    folder.remove("b")
    assert [(v.id, v.parent, v.branched_at) for v in folder.read().variants] == [
        ("a", None, 0),
        ("c", "a", 10),
    ]
    assert not [name for name in files(folder) if "b." in name or "/b/" in name]


@pytest.mark.parametrize(
    ("variant", "wrong"),
    [
        (Variant("../evil", {}), "not the id"),
        (Variant("", {}), "not the id"),
        (Variant("a", {}, parent="nobody"), "no variant 'nobody'"),
        (Variant("a", {}, parent="a"), "no variant 'a'"),
    ],
)
def test_an_impossible_variant_is_refused(
    folder: ProjectFolder, variant: Variant, wrong: str
) -> None:
    with pytest.raises(BadInput, match=wrong):
        folder.put(variant, thumbnail=jpeg())
    assert files(folder) == []


def test_project_json_is_written_last(
    folder: ProjectFolder, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    whole = Path.replace

    def noted(self: Path, target: Path) -> Path:
        written.append(Path(target).relative_to(folder.path).parts[0])
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    picture = Picture(np.zeros((8, 8, 3), np.float32))
    folder.put(
        Variant("a", folder.recipe_of(job(photo))), picture, jpeg(), {1: jpeg()}, b"checkpoint"
    )
    assert written == ["inputs", "checkpoints", "results", "thumbnails", "moments", "project.json"]


def test_a_full_disk_leaves_what_was_there(
    folder: ProjectFolder, photo: Path, limited_files: None
) -> None:
    variant = Variant("a", folder.recipe_of(job(photo)))
    folder.put(variant, checkpoint=b"small")
    with pytest.raises(BadInput, match="cannot be written"):
        folder.put(replace(variant, iteration=5), checkpoint=b"x" * 2**20)
    assert folder.checkpoint("a") == b"small"
    assert folder.read().variants[0].iteration == 0
    assert not [name for name in files(folder) if name.endswith(".part")]


def test_a_folder_that_vanished_gets_a_sentence(folder: ProjectFolder, photo: Path) -> None:
    recipe = folder.recipe_of(job(photo))
    moved = folder.path.rename(folder.path.with_name("elsewhere"))
    for act in (
        lambda: folder.read(),
        lambda: folder.write_job(job(photo)),
        lambda: folder.put(Variant("a", recipe), thumbnail=jpeg()),
        lambda: folder.result("a"),
    ):
        with pytest.raises(BadInput):
            act()
    assert not folder.path.exists()
    assert moved.is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_gets_a_sentence(folder: ProjectFolder, photo: Path) -> None:
    folder.write_job(job(photo))
    folder.path.chmod(0o500)
    try:
        with pytest.raises(BadInput, match="cannot be written"):
            folder.write_job(job(photo, seed=2))
        assert folder.job() == job(photo)
    finally:
        folder.path.chmod(0o700)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"schema": 1}',
        '{"schema": 1, "job": 3, "variants": []}',
        '{"schema": "1", "job": null, "variants": []}',
        "[" * 100_000,
        '{"schema": 1, "job": null, "variants": [{"id": "a", "recipe": {}, "iteration": 1e999}]}',
        '{"schema": 1, "job": null, "variants": [{"id": "a", "recipe": {}, "iteration": -1}]}',
        '{"schema": 1, "job": null, "variants": [{"id": "a", "recipe": {}, "seconds": NaN}]}',
        '{"schema": 1, "job": null, "variants": [{"id": "a/b", "recipe": {}}]}',
        '{"schema": 1, "job": null, "variants": [{"id": "a", "recipe": {}, "parent": "b"}]}',
        '{"schema": 1, "job": {"inputs": {"content": {"path": 4, "sha256": ""}}}, "variants": []}',
        '{"schema": 1, "job": {"inputs": {"styles": "many"}}, "variants": []}',
        '{"schema": 1, "job": null, "variants": [], "file": "a\\u0000b"}',
    ],
)
def test_a_damaged_project_json_gets_one_sentence(folder: ProjectFolder, text: str) -> None:
    (folder.path / "project.json").write_text(text)
    with pytest.raises(BadInput, match=r"project\.json") as caught:
        folder.read()
    assert len(str(caught.value)) < 500


def test_a_newer_schema_asks_for_an_update(folder: ProjectFolder) -> None:
    (folder.path / "project.json").write_text(json.dumps({"schema": 2, "other": "things"}))
    with pytest.raises(BadInput, match=r"newer version.*update Pareidolia"):
        folder.read()
