"""Every command on a card that is pretended: its tensors stay together there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cli.commands import run
from engine.device import has_avx512
from engine.stylization.finding import _loaded
from engine.techniques import TECHNIQUES
from tests.card import PretendCard, pretended
from tests.cli.conftest import draw_pictures

STYLE = ("photo.png", "--style", "sea.png")
CLASS = ("--class", "pizza")
TINY_STYLE = Path(__file__).parents[1] / "recipes" / "tiny_style.safetensors"
NEEDS = {
    "style-transfer": STYLE,
    "stylize": ("photo.png", "--style-network", str(TINY_STYLE)),
    "texture-synthesis": ("sea.png",),
    "deep-dream": ("photo.png",),
    "class-visualization": CLASS,
    "activation-maximization": ("--layer", "relu3_1", "--channel", "3"),
    "feature-inversion": ("photo.png",),
    "langevin": CLASS,
    "adversarial": ("photo.png", *CLASS),
    "hierarchy": ("--units", "2", "--size", "80", "--layer", "relu1_1,relu2_1"),
    "adversaries": (),
    "black-box": ("--victim-steps", "10"),
    "adversarial-training": ("--restarts", "1", "--test-steps", "2"),
    "domain-adaptation": ("--data", "digits"),
    "semi-supervised": (),
    "chairs": ("--chairs", "3", "--side", "32", "--width", "8"),
    "captions": (),
    "sequences": (),
    "multifaceted": (*CLASS, "--folder", "small", "--nearest", "1", "--facets", "2"),
}
MORE = (
    ("style-transfer", "--style-statistic", "gram", "--optimizer", "lbfgs", "--start", "noise"),
    ("style-transfer", "--padding", "zeros", "--start", "blend", "--pooling", "average"),
    ("style-transfer", "--style", "fire.png:0.3", "--colour", "luminance", "--start", "gray"),
    ("style-transfer", "--colour", "match", "--style-scale", "0.5"),
    ("deep-dream", "--guide", "sea.png"),
    ("texture-synthesis", "--seamless", "on"),
    ("activation-maximization", "--guide", "sea.png", "--channel", ""),
    ("langevin", "--sampler", "MALA"),
    ("adversarial", "--norm", "L2"),
)
MORE_OF = {
    "A chain in time": ("--samples", "1"),
    "Depth by depth": ("--size", "100"),
    "Layer by layer": ("--size", "200"),
}
PRESETS = tuple(
    (n, "--preset", p, *MORE_OF.get(p, ())) for n, kind in TECHNIQUES.items() for p in kind.presets
)
SHORT = ("--size", "48", "--iterations", "2", "--quiet", "--json")
MAPS = tuple(
    ("--method", method)
    for method in (
        "gradient", "signed-gradient", "gradient-x-input", "smoothgrad", "guided-backprop",
        "deconvnet", "occlusion", "cam", "grad-cam", "guided-grad-cam",
    )
)  # fmt: skip
WIDE = ("--window", "64", "--stride", "64", "--fill", "blur")
LOOKS = (
    *(("attribute", "photo.png", *CLASS, *WIDE, *method) for method in MAPS),
    ("attribute", "photo.png", "--method", "grad-cam", "--unit", "relu4_2:5"),
    ("attribute", "photo.png", *CLASS, *WIDE, *MAPS[6], "--companions"),
    ("attribute", "photo.png", *CLASS, *MAPS[0], *MAPS[8], "--layer", "relu4_2"),
    ("attribute", "photo.png", *CLASS, *MAPS[0], "--sanity"),
    ("attribute", "photo.png", *CLASS, *MAPS[0], "--cut", "mask.png"),
    ("inspect", "--what", "filters"),
    ("inspect", "--what", "filters", "--layer", "conv2_1"),
    ("inspect", "photo.png", "--what", "activations"),
    ("inspect", "small", "--what", "patches", "--channel", "3"),
    ("inspect", "photo.png", "--what", "neighbors", "--among", "small"),
    ("inspect", "small", "--what", "embedding", "--method", "pca"),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("work")
    draw_pictures(made)
    for odd in ("pixel.png", "long.png", "tall.png", "notes.txt"):
        (made / odd).unlink()
    (made / "small").mkdir()
    for name in ("photo.png", "sea.png", "fire.png"):
        (made / "small" / name).write_bytes((made / name).read_bytes())
    return made


@pytest.fixture(params=["cuda", "mps"])
def card(request: pytest.FixtureRequest, folder: Path) -> Iterator[PretendCard]:
    with pytest.MonkeyPatch.context() as patch, pretended(request.param, patch) as one:
        patch.chdir(folder)
        patch.setenv("PAREIDOLIA_HOME", str(folder / "home"))
        _loaded.cache_clear()  # networks on the card of another test
        yield one
        _loaded.cache_clear()


@pytest.mark.parametrize("wanted", [*((name,) for name in NEEDS), *MORE], ids=" ".join)
def test_pictures(card: PretendCard, folder: Path, wanted: tuple[str, ...], capfd) -> None:
    makes_a_picture(card, folder, wanted, capfd)


@pytest.mark.parametrize("card", ["cuda"], indirect=True)
@pytest.mark.slow
@pytest.mark.parametrize("wanted", PRESETS, ids=" ".join)
def test_presets(card: PretendCard, folder: Path, wanted: tuple[str, ...], capfd) -> None:
    # The processor behind the card may need ten times as long in bf16; techniques run in it above.
    whole = () if has_avx512() else ("--precision", "fp32")
    makes_a_picture(card, folder, (*wanted, *whole), capfd)


def makes_a_picture(card: PretendCard, folder: Path, wanted: tuple[str, ...], capfd) -> None:
    name, *options = wanted
    out = str(folder / f"{card.kind}.png")
    assert run((name, *SHORT, *NEEDS[name], *options, "-o", out)) == 0, capfd.readouterr().err
    said = json.loads(capfd.readouterr().out.splitlines()[-1])
    exact = getattr(TECHNIQUES[name], "exact", False) or "fp32" in options
    half = card.kind == "cuda" and not exact
    assert (said["device"], said["precision"]) == (card.kind, "bf16" if half else "fp32")
    assert card.moved > 20, "weights and pictures lie on the card"


def test_a_picture_is_the_processors(card: PretendCard, folder: Path, capfd) -> None:
    found = []
    for device in ("cpu", "auto"):
        wanted = ("style-transfer", *STYLE, *SHORT, "--precision", "fp32", "--device", device)
        assert run((*wanted, "-o", "same.png")) == 0, capfd.readouterr().err
        with Image.open(folder / "same.png") as image:
            found.append(image.tobytes())
    assert found[0] == found[1]
    assert card.moved > 20


def test_a_forecast(card: PretendCard, capfd) -> None:
    assert run(("style-transfer", *STYLE, *SHORT, "--forecast", "-o", "out.png")) == 0, (
        capfd.readouterr().err
    )
    assert json.loads(capfd.readouterr().out)["fits"]
    assert card.moved > 20


@pytest.mark.parametrize("wanted", LOOKS, ids=" ".join)
def test_looks(card: PretendCard, folder: Path, wanted: tuple[str, ...], capfd) -> None:
    assert run((*wanted, "-o", str(folder / f"{card.kind}.png"))) == 0, capfd.readouterr().err
    assert card.moved > 20
