"""One pass against optimization: the loss in closed form, what crosses what, and the figure."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.errors import BadInput
from engine.image import from_tensor, save_picture
from engine.job import Inputs, Job
from engine.networks.loading import load_network
from engine.techniques.stylize import Stylize
from engine.work.speed_comparison import STYLE_LAYERS, Curve, Loss, SpeedComparison, compare
from engine.work.speed_figure import check_figure, draw, in_words

TINY = str(Path(__file__).parents[2] / "recipes" / "tiny_style.safetensors")


def noise(seed: int, height: int = 48, width: int = 64) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_the_formula_in_float64() -> None:
    judge = load_network("slim_vgg")
    photo, painting, picture = noise(0), noise(1, 40, 40), noise(2)
    found = float(Loss(judge, photo, painting)(picture))

    def seen(x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: a.double() for name, a in judge.taps(x, STYLE_LAYERS).items()}

    def gram(a: torch.Tensor) -> torch.Tensor:
        flat = a.flatten(2)[0]
        return flat @ flat.T / flat.shape[1]

    own, of_photo, of_painting = seen(picture), seen(photo), seen(painting)
    normal = [torch.nn.functional.instance_norm(s["relu4_1"]) for s in (own, of_photo)]
    wanted = float((normal[0] - normal[1]).square().mean())
    for name in STYLE_LAYERS:
        g, a = gram(own[name]), gram(of_painting[name])
        wanted += 5 * float((g - a).square().sum() / a.square().sum())
    assert found == pytest.approx(wanted, rel=1e-4)
    assert float(Loss(judge, photo, photo)(photo)) == pytest.approx(0, abs=1e-6)


@pytest.fixture(scope="module")
def measured() -> SpeedComparison:
    inputs = Inputs(from_tensor(noise(0)[0]), ((from_tensor(noise(1)[0]), 1.0),))
    job = Job(Stylize(style_network=TINY), inputs, size=48, device="cpu", precision="fp32")
    return compare(job, [load_network("slim_vgg")], 0.6, training_minutes=3.0)


def test_optimization_gets_ahead_of_the_photo(measured: SpeedComparison) -> None:
    assert [curve.name for curve in measured.curves] == ["Adam", "L-BFGS"]
    for curve in measured.curves:
        assert list(curve.seconds) == sorted(curve.seconds)
        assert curve.losses["slim_vgg"][-1] < measured.start_losses["slim_vgg"]
    assert 0 < measured.pass_seconds < 60
    assert measured.size == (36, 48)


def comparison(line: float) -> SpeedComparison:
    curve = Curve("Adam", (1.0, 2.0, 4.0), {"a": (9.0, 5.0, 1.0)})
    return SpeedComparison((3, 4), 0.5, {"a": line}, {"a": 10.0}, (curve,), 7.0, "cpu", ("a",))


def test_what_has_crossed_is_known_and_when_training_pays() -> None:
    found = comparison(5.0)
    assert found.curves[0].reaches("a", 5.0) == 2.0
    assert found.curves[0].reaches("a", 0.5) is None
    assert found.pays_after("a") == pytest.approx(7 * 60 / 1.5)
    assert comparison(0.5).pays_after("a") is None
    words = in_words(found)
    assert words == (
        "One pass takes 0.5 s. Judged by a, Adam gets as far in 2 s. "
        "Training took 7 minutes: that pays after 280 pictures."
    )
    assert "does not get as far in the time given" in in_words(comparison(0.5))


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_the_figure_is_a_whole_file(measured: SpeedComparison, tmp_path: Path, ending: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"figure{ending}"
    check_figure(path)
    draw(measured, path)
    if ending == ".png":
        with Image.open(path) as image:
            assert image.width > 700
            red = (214, 39, 40)
            assert red in {colour for _, colour in image.convert("RGB").getcolors(10**6) or []}
    else:
        assert path.stat().st_size > 3000
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"end its name in \.png"):
        check_figure(tmp_path / "figure.gif")
    inputs = Inputs(from_tensor(noise(0)[0]))
    job = Job(Stylize(style_network=TINY), inputs, size=48, device="cpu", precision="fp32")
    with pytest.raises(BadInput, match="needs one painting, and there are 0"):
        compare(job, [load_network("slim_vgg")], 0.1)


def test_photos_from_files_larger_than_the_comparison(tmp_path: Path) -> None:
    paths = []
    for seed in (0, 1):
        paths.append(tmp_path / f"{seed}.png")
        save_picture(from_tensor(noise(seed, 1200, 1600)[0]), paths[-1])
    inputs = Inputs(str(paths[0]), ((str(paths[1]), 1.0),))
    job = Job(Stylize(style_network=TINY), inputs, size=48, device="cpu", precision="fp32")
    found = compare(job, [load_network("slim_vgg")], 0.2)
    assert found.size == (36, 48)
    assert 0 < found.pass_losses["slim_vgg"] < 1e6
