"""`stylize`: a folder of photos, a sheet of paintings, render, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from cli.commands import run
from engine.errors import PareidoliaError
from engine.stylization.any_style import AnyStyle
from engine.stylization.any_style_file import AnyStyleCard, write_any_style
from tests.cli.conftest import noise

TINY = Path(__file__).parents[1] / "recipes" / "tiny_style.safetensors"
USUAL = ("--size", "40", "--quiet", "--device", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("stylize")
    for where, names in (("photos", "ab"), ("paintings", "xyz")):
        (made / where).mkdir()
        for i, name in enumerate(names):
            noise(30, 40, 3, i).save(made / where / f"{name}.png")
    torch.manual_seed(0)
    write_any_style(AnyStyle(), made / "any.safetensors", AnyStyleCard())
    return made


@pytest.fixture(autouse=True)
def own_home(home: Path) -> None:
    """Nothing of a person's folder."""


def call(*arguments: object) -> int:
    return run([str(argument) for argument in arguments])


def test_a_picture_is_rendered_again(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wanted = ("stylize", folder / "photos" / "a.png", "--style", f"{folder}/paintings/x.png:2")
    more = (
        "--style",
        folder / "paintings" / "y.png",
        "--style-network",
        folder / "any.safetensors",
    )
    assert call(*wanted, *more, *USUAL, "--json", "-o", folder / "one.png") == 0
    figures = json.loads(capfd.readouterr().out)
    assert figures["iterations"] == 1
    assert figures["output"] == str(folder / "one.png")
    assert call("render", folder / "one.png", "-o", folder / "again.png", "--quiet") == 0
    assert (folder / "again.png").read_bytes() == (folder / "one.png").read_bytes()


@pytest.mark.slow  # a folder's pictures are made by a process of their own
def test_several_networks_and_a_folder_of_photos(folder: Path) -> None:
    networks = ("--style-network", f"{TINY}:2", "--style-network", TINY)
    assert call("stylize", folder / "photos", *networks, *USUAL, "-o", folder / "out") == 0
    assert sorted(p.name for p in (folder / "out").glob("*.png")) == ["a.png", "b.png"]
    with Image.open(folder / "out" / "b.png") as image:
        assert image.size == (40, 30)


def test_a_sheet_of_all_paintings(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wanted = ("stylize", folder / "photos" / "a.png", "--styles", folder / "paintings", "--sheet")
    more = ("--style-network", folder / "any.safetensors", "--json", "-o", folder / "sheet.png")
    assert call(*wanted, *more, *USUAL) == 0
    assert json.loads(capfd.readouterr().out)["paintings"] == 3
    with Image.open(folder / "sheet.png") as image:
        assert image.width >= 2 * 40 and image.height >= 2 * 30


def test_a_damaged_painting_does_not_cost_the_sheet(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        noise(30, 40, 3, number).save(tmp_path / f"{number}.png")
    (tmp_path / "0b.png").write_bytes((tmp_path / "0.png").read_bytes()[:60])
    photo, sheet = folder / "photos" / "a.png", folder / "most.png"
    more = ("--style-network", folder / "any.safetensors", "--json", "-o", sheet)
    assert call("stylize", photo, "--styles", tmp_path, "--sheet", *more, *USUAL) == 2
    said = capfd.readouterr()
    assert json.loads(said.out)["paintings"] == 2
    assert "0b.png" in said.err and len(said.err.splitlines()) == 1
    assert sheet.is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["a.png", "--sheet"], "--styles FOLDER and --sheet go together"),
        (["a.png", "--styles", ".", "--sheet", "--style", "b.png"], "leave out --style"),
        (["a.png", "--styles", "a.png", "--sheet"], "must be a folder of paintings"),
        ([".", "--styles", ".", "--sheet"], "--sheet takes one photo"),
        (["a.png", "--style-network", "nothing"], "no style network called nothing"),
    ],
)
def test_what_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    monkeypatch.chdir(folder / "photos")
    with pytest.raises(PareidoliaError, match=words) as found:
        call("stylize", *options, "--quiet", "-o", "x.png")
    assert found.value.exit_code in (2, 3)


def test_a_film_in_place_of_a_photo(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    av = pytest.importorskip("av")
    clip = folder / "clip.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(4):
            image = noise(64, 48, 3, n // 2)
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    wanted = (
        "stylize",
        clip,
        "--style-network",
        TINY,
        "--size",
        "40",
        "--quiet",
        "--device",
        "cpu",
    )
    assert call(*wanted, "--json", "-o", folder / "painted.mp4") == 0
    figures = json.loads(capfd.readouterr().out)
    assert figures["frames"] == 4
    assert figures["size"] == [40, 30]
    with av.open(str(folder / "painted.mp4")) as container:
        comment = json.loads(container.metadata["comment"])
        assert len(list(container.decode(video=0))) == 4
    assert comment["technique"] == "stylize"
    for option, name in (
        ("--forecast", "--forecast"),
        (f"--project={folder}/a.pareidolia", "--project"),
    ):
        with pytest.raises(
            PareidoliaError, match=f"{name} takes a photo, and .*clip.mp4 is a film"
        ):
            call(*wanted, option, "-o", folder / "more.mp4")
    with pytest.raises(PareidoliaError, match="is not a film: end its name in"):
        call(*wanted, "-o", folder / "more.png")
    assert not list(folder.glob("more*"))


def test_a_figure_of_how_long_optimization_takes(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    wanted = ("stylize", folder / "photos" / "a.png", "--style", folder / "paintings" / "x.png")
    own = (*wanted, "--style-network", TINY, *USUAL, "-o", folder / "with_figure.png")
    asked = ("--figure", folder / "speed.svg", "--figure-seconds", "0.2", "--judge", "slim_vgg")
    assert call(*own, *asked, "--json") == 0
    figures = json.loads(capfd.readouterr().out)
    assert figures["speed_figure"] == str(folder / "speed.svg")
    assert figures["speed"].startswith("One pass takes ")
    assert "slim_vgg" in (folder / "speed.svg").read_text()
    for options, sentence in (
        (("--judge", "slim_vgg"), "--judge is for a figure"),
        (("--figure", folder / "speed.gif"), "cannot be a figure"),
        (("--figure", folder / "f.png", "--figure-seconds", "0"), "it must be above 0"),
        (("--figure", folder / "with_figure.png"), "name two files"),
    ):
        with pytest.raises(PareidoliaError, match=sentence):
            call(*own, *options)
