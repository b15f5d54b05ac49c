"""Regions as inputs: what a mask says, what is refused, and everything that keeps a job's pictures."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import BadInput
from engine.image import Picture, open_picture, save_picture
from engine.job import Inputs, Job, opened
from engine.outputs import keep_apart
from engine.project import check_apart, sources
from engine.regions import MOST_REGIONS, Region, mask_values
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.texture_synthesis import TextureSynthesis
from engine.work.checkpoint_file import digest_of_job
from engine.work.cluster.networks import SentNetwork
from engine.work.cluster.parcel import pack, parcel_of, unpack
from engine.work.job_files import wanted_of_file, wanted_of_job, wanted_of_photos
from engine.work.project_file import pack as pack_project
from engine.work.project_file import unpack as unpack_project
from engine.work.project_folder import ProjectFolder
from tests.cli.conftest import noise


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    """A photo, two paintings, and masks of its left half, of its sky and of nothing."""
    found = {name: str(tmp_path / f"{name}.png") for name in ("photo", "sea", "fire")}
    for seed, path in enumerate(found.values()):
        noise(24, 32, 3, seed).save(path)
    left = np.zeros((24, 32), np.uint8)
    left[:, :16] = 255
    sky = np.broadcast_to(np.linspace(255, 0, 12).astype(np.uint8)[:, None], (12, 16))
    for name, mask in (("left", left), ("sky", sky), ("black", 0 * left)):
        found[name] = str(tmp_path / f"{name}.png")
        Image.fromarray(np.ascontiguousarray(mask)).save(found[name])
    return found


@pytest.fixture
def job(paths: dict[str, str]) -> Job:
    regions = (
        Region(paths["left"], paths["fire"], 2.5),
        Region(paths["sky"], network_style="udnie:2"),
        Region(paths["left"], kept=True),
    )
    inputs = Inputs(paths["photo"], ((paths["sea"], 1.0),), regions=regions)
    return Job(StyleTransfer(iterations=2), inputs, size=32, device="cpu", precision="fp32")


def with_regions(job: Job, *regions: Region) -> Job:
    return replace(job, inputs=replace(job.inputs, regions=regions))


# -- masks -----------------------------------------------------------------------------------------


def saved(tmp_path: Path, pixels: Any, mode: str) -> Picture:
    path = tmp_path / "mask.png"
    Image.fromarray(np.asarray(pixels, np.uint8), mode).save(path)
    return open_picture(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Pillow's, of the mode
@pytest.mark.parametrize(
    ("mode", "pixels", "wanted"),
    [
        ("L", [[255, 128, 0]], [1, 128 / 255, 0]),
        ("RGB", [[[255] * 3, [0] * 3, [30, 60, 90]]], [1, 0, 60 / 255]),
        # Black paint on a transparent layer: where the paint is.
        ("RGBA", [[[0, 0, 0, 255], [0, 0, 0, 51], [9, 9, 9, 0]]], [1, 51 / 255, 0]),
        # Black and white, more or less transparent: both count.
        ("RGBA", [[[255] * 4, [0, 0, 0, 255], [255, 255, 255, 51]]], [1, 0, 51 / 255]),
        # Opaque everywhere, of one colour: grey as usual.
        ("RGBA", [[[102, 102, 102, 255]] * 3], [0.4, 0.4, 0.4]),
    ],
)
def test_what_is_inside(tmp_path: Path, mode: str, pixels: Any, wanted: list[float]) -> None:
    values = mask_values(saved(tmp_path, pixels, mode))
    assert np.allclose(values, [wanted], atol=1e-5)
    assert set(np.unique(values)) >= {1.0} or max(wanted) < 1, "white is inside entirely"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda p: [Region(p["black"])], "black.png is black everywhere"),
        (
            lambda p: [Region(p["left"], weight=0.0)],
            r"left.png has the weight 0; it must be above 0",
        ),
        (lambda p: [Region(p["left"], weight=float("nan"))], "must be above 0"),
        (lambda p: [Region(p["left"])] * 9, f"there are 9 regions; {MOST_REGIONS} are possible"),
        (lambda p: [Region(p["tall"])], r"tall.png has 24 x 32 pixels and the photo 32 x 24"),
        (lambda p: [Region(p["none"])], "none.png"),
    ],
)
def test_a_wrong_region_is_refused_in_a_sentence(
    job: Job, paths: dict[str, str], tmp_path: Path,
    change: Callable[[dict[str, str]], list[Region]], sentence: str,
) -> None:  # fmt: skip
    paths["tall"], paths["none"] = str(tmp_path / "tall.png"), str(tmp_path / "none.png")
    Image.new("L", (24, 32), 255).save(paths["tall"])
    with pytest.raises(BadInput, match=sentence):
        opened(with_regions(job, *change(paths)))


@pytest.mark.parametrize(
    ("photo", "mask", "fits"),
    [
        ((1024, 683), (96, 64), True),  # 2 to 3, rounded
        ((1024, 683), (3, 2), True),
        ((1024, 683), (1000, 683), False),
        ((1024, 683), (1034, 683), True),
    ],
)
def test_a_mask_has_about_the_photos_proportions(
    job: Job, tmp_path: Path, photo: tuple[int, int], mask: tuple[int, int], fits: bool
) -> None:
    Image.new("RGB", photo, "gray").save(tmp_path / "a.png")
    Image.new("L", mask, 255).save(tmp_path / "b.png")
    inputs = replace(job.inputs, content=tmp_path / "a.png", regions=(Region(tmp_path / "b.png"),))
    if fits:
        assert len(opened(replace(job, inputs=inputs)).inputs.regions) == 1
    else:
        with pytest.raises(BadInput, match="needs the photo's proportions"):
            opened(replace(job, inputs=inputs))


def test_a_technique_without_regions_does_not_look_at_them(job: Job, paths: dict[str, str]) -> None:
    damaged = replace(with_regions(job, Region(paths["black"])), technique=TextureSynthesis())
    assert opened(damaged).inputs.regions == ()


# -- recipes, projects, lists, clusters ------------------------------------------------------------


def through_json(recipe: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(recipe, allow_nan=False))
    return value


def test_a_recipe_gives_the_same_regions(job: Job, paths: dict[str, str]) -> None:
    recipe = through_json(job.recipe())
    again = Job.from_recipe(recipe)
    assert again.recipe() == recipe
    assert recipe["format"] == 4, "an older version would make another picture of it"
    first, second, third = again.inputs.regions
    assert isinstance(first.mask, Picture) and isinstance(first.style, Picture)
    assert (str(first.mask.path), str(first.style.path)) == (paths["left"], paths["fire"])
    assert (first.weight, second.style, second.kept, third.kept) == (2.5, None, False, True)
    assert (first.network_style, second.network_style) == ("", "udnie:2")
    assert "network_style" not in recipe["inputs"]["regions"][0]
    assert with_regions(job).recipe()["format"] == 1
    assert "regions" not in with_regions(job).recipe()["inputs"]


def test_a_mask_that_has_changed_is_not_taken(job: Job, paths: dict[str, str]) -> None:
    recipe = through_json(job.recipe())
    Image.new("L", (32, 24), 255).save(paths["sky"])
    with pytest.raises(BadInput, match=r"sky.png is not the picture that the recipe was made with"):
        Job.from_recipe(recipe)


@pytest.mark.parametrize("damage", ["mask", "weight", "kept", "count"])
def test_a_damaged_recipe_is_refused(job: Job, damage: str) -> None:
    recipe = through_json(job.recipe())
    regions = recipe["inputs"]["regions"]
    if damage == "count":
        recipe["inputs"]["regions"] = regions * 3
    else:
        regions[0][damage] = {"mask": None, "weight": "much", "kept": 1}[damage]
    with pytest.raises(BadInput, match=r"the recipe (is damaged|has 9 regions)"):
        Job.from_recipe(recipe)


def test_a_picture_of_a_region_is_never_overwritten(job: Job, paths: dict[str, str]) -> None:
    for name in ("left", "sky", "fire"):
        with pytest.raises(BadInput, match=f"{name}.png"):
            check_apart(Path(paths[name]), job.inputs)
        with pytest.raises(BadInput, match=f"{name}.png"):
            keep_apart([Path(paths[name])], sources(job))


def test_a_project_keeps_masks_and_styles_of_regions(
    job: Job, paths: dict[str, str], tmp_path: Path
) -> None:
    first, second = (tmp_path / name for name in ("first", "second"))
    first.mkdir(), second.mkdir()
    folder = ProjectFolder(first)
    folder.write_job(job)
    assert folder.job() == job
    assert len(list((first / "inputs").iterdir())) == 5, "photo, two paintings, two masks"
    file = pack_project(folder, tmp_path / "work.pareidolia", True)
    for name in ("left", "sky", "fire"):
        Path(paths[name]).unlink()
    unpack_project(file, ProjectFolder(second))
    found = ProjectFolder(second).opened_job()
    assert [r.weight for r in found.inputs.regions] == [2.5, 1.0, 1.0]
    mask = found.inputs.regions[1].mask
    assert isinstance(mask, Picture) and mask.rgb.shape == (12, 16, 3)


def test_a_mask_that_was_never_a_file_is_written_into_the_project(job: Job, tmp_path: Path) -> None:
    drawn = Picture(np.full((24, 32, 3), 0.3, np.float32))
    folder = ProjectFolder(tmp_path)
    folder.write_job(with_regions(job, Region(drawn)))
    mask = folder.opened_job().inputs.regions[0].mask
    assert isinstance(mask, Picture)
    assert np.array_equal(mask_values(mask), mask_values(drawn)), "to the last bit"
    with pytest.raises(BadInput, match="was never saved"):
        wanted_of_job(with_regions(job, Region(drawn)))


def test_a_list_of_jobs_takes_regions(job: Job, paths: dict[str, str], tmp_path: Path) -> None:
    entry = {
        "technique": "style-transfer",
        "inputs": {
            "content": "photo.png",
            "regions": [
                {"mask": "sky.png", "style": "sea.png"},
                {"mask": "left.png", "kept": True},
                {"mask": "sky.png", "network_style": "fog"},
            ],
        },
    }
    (tmp_path / "jobs.json").write_text(json.dumps([entry]))
    (wanted,) = wanted_of_file(tmp_path / "jobs.json")
    assert wanted.recipe["format"] == 4
    first, second, third = Job.from_recipe(wanted.recipe).inputs.regions
    assert isinstance(first.mask, Picture) and str(first.mask.path) == paths["sky"]
    assert (first.weight, second.kept, third.network_style) == (1.0, True, "fog")

    (each,) = [w for w in wanted_of_photos(job, tmp_path) if w.title == "photo.png"]
    assert each.recipe == {**job.recipe(), "precision": "fp32"}


@pytest.mark.parametrize(
    "region",
    [
        {"style": "sea.png"},
        {"mask": "sky.png", "weight": 0},
        {"mask": "sky.png", "x": 1},
        3,
        {"mask": "sky.png", "network_style": 3},
    ],
)
def test_a_list_with_a_wrong_region_is_refused(
    paths: dict[str, str], tmp_path: Path, region: Any
) -> None:
    inputs = {"content": "photo.png", "styles": ["sea.png"], "regions": [region]}
    text = json.dumps([{"technique": "style-transfer", "inputs": inputs}])
    (tmp_path / "jobs.json").write_text(text)
    with pytest.raises(BadInput, match=r"jobs.json, job 1: a region (is|has the weight)"):
        wanted_of_file(tmp_path / "jobs.json")


def test_a_parcel_for_another_machine_holds_the_pictures_of_regions(
    job: Job, paths: dict[str, str]
) -> None:
    network = SentNetwork("slim_vgg", "0" * 64, "slim_vgg.safetensors", "", "")
    parcel = unpack(pack(parcel_of(job.recipe(), 8, Path("out.png"), network, "topic")))
    assert set(parcel.files) == {paths[n] for n in ("photo", "sea", "fire", "left", "sky")}


def test_a_checkpoint_knows_its_regions(job: Job, paths: dict[str, str]) -> None:
    first, second, third = job.inputs.regions
    others = [
        with_regions(job, first, second),
        with_regions(job, second, first, third),
        with_regions(job, replace(first, weight=1.0), second, third),
        with_regions(job, replace(first, style=paths["sea"]), second, third),
        with_regions(job, first, second, replace(third, kept=False)),
        with_regions(job, first, replace(second, network_style=""), third),
        with_regions(job, first, replace(second, mask=paths["left"]), third),
    ]
    assert len({digest_of_job(each) for each in (job, *others)}) == 8


def test_a_project_opens_its_own_masks_as_it_would_the_files(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((96, 1000, 1), dtype=np.float32).repeat(3, -1)
    photo, sky = str(tmp_path / "photo.png"), tmp_path / "sky.png"
    save_picture(Picture(values), Path(photo))
    save_picture(Picture(values[:, ::-1].copy()), sky)
    job = Job(DeepDream(), Inputs(photo, regions=(Region(str(sky)),)), size=64)
    folder = ProjectFolder(tmp_path / "project")
    folder.path.mkdir()
    folder.write_job(job)
    masks = []
    for _ in range(2):
        (region,) = opened(folder.opened_job()).inputs.regions
        assert isinstance(region.mask, Picture)
        masks.append(region.mask.rgb)
        sky.unlink(missing_ok=True)
    np.testing.assert_array_equal(*masks)


def test_what_is_needed_of_a_region_is_opened(job: Job) -> None:
    found = opened(replace(job, technique=DeepDream()))
    assert all(isinstance(r.mask, Picture) for r in found.inputs.regions)
    assert isinstance(found.inputs.regions[0].style, Picture)
