"""--region and --keep: what they mean, in which order, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.options import read_job, technique_parser
from cli.region_options import parse_region
from engine.errors import BadInput
from engine.image import read_recipe
from engine.job import Job
from engine.regions import Region
from engine.techniques import TECHNIQUES
from tests.cli.conftest import SMALL, Program, one_line


def job(command: str, *arguments: str) -> Job:
    kind = TECHNIQUES[command]
    given = ["photo.png", "-o", "out.png", *arguments]
    return read_job(kind, technique_parser(kind).parse_args(given))


@pytest.fixture
def masks(folder: Path) -> Path:
    """Masks of the photo's left half, and of a soft strip below."""
    left = np.zeros((36, 48), np.uint8)
    left[:, :24] = 255
    Image.fromarray(left).save(folder / "left.png")
    strip = np.broadcast_to(np.linspace(0, 255, 18).astype(np.uint8)[:, None], (18, 24))
    Image.fromarray(np.ascontiguousarray(strip)).save(folder / "strip.png")
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sky.png=sea.jpg", ("sky.png", "sea.jpg", 1.0)),
        ("sky.png=sea.jpg:2.5", ("sky.png", "sea.jpg", 2.5)),
        ("sky.png", ("sky.png", None, 1.0)),
        ("C:\\sky.png=C:\\sea.jpg:2", ("C:\\sky.png", "C:\\sea.jpg", 2.0)),
        ("sky.png=a:b.jpg", ("sky.png", "a:b.jpg", 1.0)),
        ("sky.png=sea=calm.jpg", ("sky.png", "sea=calm.jpg", 1.0)),
    ],
)
def test_mask_style_and_weight(text: str, expected: tuple[str, str | None, float]) -> None:
    assert parse_region(text) == expected


def test_names_with_equals_signs_and_colons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a=b.png", "sea:2", "c=d=e.png"):
        Path(name).touch()
    assert parse_region("a=b.png=sea:2:3") == ("a=b.png", "sea:2", 3.0)
    assert parse_region("a=b.png=sea:2") == ("a=b.png", "sea:2", 1.0)
    assert parse_region("a=b.png=c=d=e.png") == ("a=b.png", "c=d=e.png", 1.0)
    assert parse_region("c=d=e.png") == ("c=d=e.png", None, 1.0)
    assert parse_region("a=b.png=missing.jpg:2") == ("a=b.png", "missing.jpg", 2.0)


@pytest.mark.parametrize("text", ["=sea.jpg", "sky.png="])
def test_half_a_region(text: str) -> None:
    with pytest.raises(BadInput, match=r"is not MASK\[=STYLE\[:WEIGHT\]\], such as --region sky"):
        parse_region(text)


def test_both_options_count_in_order() -> None:
    made = job(
        "style-transfer", "--keep", "a.png", "--region", "b.png=sea.jpg:2", "--keep", "c.png",
        "--style", "fire.jpg", "--region", "d.png",
    )  # fmt: skip
    assert made.inputs.regions == (
        Region("a.png", kept=True), Region("b.png", "sea.jpg", 2.0), Region("c.png", kept=True),
        Region("d.png"),
    )  # fmt: skip
    assert job("style-transfer", "--style", "fire.jpg").inputs.regions == ()
    assert job("deep-dream", "--region", "a.png").inputs.regions == (Region("a.png"),)


def test_a_style_may_be_one_of_the_networks_own() -> None:
    made = job("stylize", "--region", "a.png=udnie:0.5", "--region", "b.png=3")
    assert made.inputs.regions == (
        Region("a.png", None, 0.5, network_style="udnie"), Region("b.png", network_style="3"),
    )  # fmt: skip
    for text in ("sea.jpg", "folder/sea"):
        made = job("stylize", "--region", f"a.png={text}")
        assert made.inputs.regions == (Region("a.png", text),)
    assert job("style-transfer", "--region", "a.png=sea").inputs.regions[0].style == "sea"


def test_a_style_may_be_that_of_a_region() -> None:
    assert job("style-transfer", "--region", "b.png=sea.jpg").inputs.styles == ()
    for arguments in ((), ("--region", "b.png"), ("--keep", "b.png")):
        with pytest.raises(BadInput, match=r"required: --style \(see"):
            job("style-transfer", *arguments)
    with pytest.raises(BadInput, match="names a style, and deep-dream takes none"):
        job("deep-dream", "--region", "b.png=sea.jpg")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--region", "black.png=sea.png"], "the mask black.png is black everywhere"),
        (["--region", "tall.png=sea.png"], "tall.png has 3 x 1000 pixels and the photo 48 x 36"),
        (["--region", "left.png=sea.png:0"], "left.png has the weight 0; it must be above 0"),
        (["--region", "left.png=nowhere.png"], "nowhere.png"),
        (["--keep", "nowhere.png", "--style", "sea.png"], "nowhere.png"),
        (["--keep", "notes.txt", "--style", "sea.png"], "notes.txt"),
        (
            ["--keep", "left.png"] * 9 + ["--style", "sea.png"],
            "there are 9 regions; 8 are possible",
        ),
        (["--region", "left.png=sea.png", "-o", "left.png"], "left.png is one of the pictures to"),
        (["--region", "left.png=fire.png", "-o", "fire.png"], "fire.png is one of the pictures to"),
    ],
)
def test_what_is_refused(
    in_process: Program, masks: Path, arguments: list[str], words: str
) -> None:
    Image.new("L", (48, 36)).save(masks / "black.png")
    done = in_process("style-transfer", "photo.png", "-o", "refused.png", *SMALL, *arguments)
    assert done.returncode == 2
    assert words in one_line(done)
    assert not (masks / "refused.png").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("style-transfer", "photo.png", "--region", "strip.png=sea.png:2", "--keep", "left.png",
         "--style", "fire.png", "--region-edges", "inside", *SMALL),
        ("deep-dream", "photo.png", "--region", "strip.png", "--keep", "left.png", *SMALL),
        ("stylize", "photo.png", "--region", "strip.png=sea.png", "--keep", "left.png",
         "--style", "fire.png", "--size", "48", "--precision", "fp32", "--device", "cpu"),
    ],
)  # fmt: skip
def test_a_picture_is_made_and_rendered_again(
    in_process: Program, masks: Path, arguments: tuple[str, ...]
) -> None:
    done = in_process(*arguments, "-o", "made.png", "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["output"] == "made.png"
    made, photo = (np.asarray(Image.open(masks / name)) for name in ("made.png", "photo.png"))
    assert np.array_equal(made[:, :24], photo[:, :24]), "kept"
    assert not np.array_equal(made[18:, 24:], photo[18:, 24:])
    recipe = read_recipe(masks / "made.png")
    assert recipe is not None and recipe["format"] == 4
    assert [region["kept"] for region in recipe["inputs"]["regions"]] == [False, True]
    again = in_process("render", "made.png", "-o", "again.png", "--quiet")
    assert again.returncode == 0, again.stderr
    assert (masks / "again.png").read_bytes() == (masks / "made.png").read_bytes()


def test_one_mask_for_a_folder_of_photos(in_process: Program, masks: Path) -> None:
    photos = masks / "photos"
    photos.mkdir()
    for name, size in (("a", (48, 36)), ("b", (24, 18)), ("c", (36, 48))):
        Image.effect_noise(size, 90).convert("RGB").save(photos / f"{name}.png")
    done = in_process(
        "deep-dream", "photos", "-o", "dreams", "--keep", "left.png", "--quiet", *SMALL
    )
    assert done.returncode == 2
    assert "left.png has 48 x 36 pixels and the photo 36 x 48" in done.stderr
    assert sorted(path.name for path in (masks / "dreams").iterdir()) == ["a.png", "b.png"]
    made, photo = (np.asarray(Image.open(masks / f / "a.png")) for f in ("dreams", "photos"))
    assert np.array_equal(made[:, :24], photo[:, :24])


def test_a_project_keeps_regions(in_process: Program, masks: Path) -> None:
    arguments = ("deep-dream", "photo.png", "--keep", "left.png", "--quiet", *SMALL)
    done = in_process(*arguments, "-o", "kept.png", "--project", "work.pareidolia")
    assert done.returncode == 0, done.stderr
    again = in_process("render", "work.pareidolia", "-o", "rendered.png", "--quiet")
    assert again.returncode == 0, again.stderr
    made, other = (np.asarray(Image.open(masks / n)) for n in ("kept.png", "rendered.png"))
    assert np.array_equal(made, other)
