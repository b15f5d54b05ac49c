"""The training for any style: losses against plain formulas in float64, start, styles, going on."""

import argparse
import io
import math
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from engine.errors import BadInput
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.objectives.style import Statistics
from engine.stylization.any_style import AnyStyle
from engine.stylization.opening import open_style_network
from engine.training import any_style_losses as losses
from engine.training.any_style import Trainer, code_of, train
from engine.training.any_style_judge import content_distance, grams, style_error
from engine.training.any_style_pictures import pattern, read_paintings, turned_hue
from engine.training.any_style_schedule import AnyStyleSchedule
from engine.training.any_style_start import least_squares_start, measure_codes


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A tar of photos, and a folder of six paintings."""
    chance = np.random.default_rng(0)
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        for i in range(4):
            data = io.BytesIO()
            small = Image.fromarray(chance.integers(0, 255, (6, 9, 3), dtype=np.uint8))
            small.resize((72, 48), Image.Resampling.BICUBIC).save(data, "JPEG")
            info = tarfile.TarInfo(f"zebra/{i}.jpg")
            info.size = data.tell()
            data.seek(0)
            archive.addfile(info, data)
    (tmp_path / "paintings").mkdir()
    for name in "abcdef":
        pattern(160, random.Random(name)).save(tmp_path / "paintings" / f"{name}.png")
    return tmp_path


def options(pictures: Path, **others: object) -> argparse.Namespace:
    given = {
        "data": pictures / "photos.tar", "paintings": pictures / "paintings", "without": None,
        "weights": None, "minutes": 1.0, "every": 5.0, "out": pictures / "out", "resume": None,
        "precision": "fp32", "ship": False, "batch": 2, "rate": 1e-3, "seed": 0, **others,
    }  # fmt: skip
    return argparse.Namespace(**given)


def plain_gram(maps: Tensor) -> Tensor:
    h, w = maps.shape[2:]
    return torch.einsum("nchw,ndhw->ncd", maps.double(), maps.double()) / (h * w)


def test_losses_are_the_plain_formulas() -> None:
    own, wanted = numbers(2, 4, 6, 5), numbers(2, 4, 6, 5, seed=1) * 2
    statistics = [[Statistics.of(x)] for x in (own, wanted)]
    gram = 0.0
    moments = 0.0
    for k in range(2):
        g, a = plain_gram(own[k : k + 1]), plain_gram(wanted[k : k + 1])
        error = float(((g - a) ** 2).sum() / (a**2).sum())
        gram += 2 * (math.sqrt(1 + error) - 1) / 2
        for how in (lambda x: x.mean((1, 2)), lambda x: x.std((1, 2), correction=0)):
            m, n = how(own[k].double()), how(wanted[k].double())
            error = float(((m - n) ** 2).sum() / (n**2).sum())
            moments += 2 * (math.sqrt(1 + error) - 1) / 2
    assert float(losses.gram_loss(*statistics)) == pytest.approx(gram, rel=1e-4)
    assert float(losses.moment_loss(*statistics)) == pytest.approx(moments, rel=1e-4)

    def normal(x: Tensor) -> Tensor:
        x = x.double()
        return (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), correction=0, keepdim=True)

    wanted_content = float((normal(own) - normal(wanted)).square().mean())
    assert float(losses.content_loss(own, wanted)) == pytest.approx(wanted_content, rel=1e-3)
    outside = torch.tensor([[-0.5, 0.0, 0.5, 1.0, 1.5]])
    assert float(losses.range_loss(outside)) == pytest.approx(2 * 0.25 / 5)


def test_coherence_is_least_where_neighbours_differ_alike() -> None:
    maps = {name: numbers(2, 8, 9, 9) for name in losses.COHERENT_LAYERS}
    other = {name: numbers(2, 8, 9, 9, seed=1) for name in losses.COHERENT_LAYERS}
    drawn = [torch.Generator().manual_seed(0) for _ in range(2)]
    alike = float(losses.coherence_loss(maps, maps, drawn[0]))
    unlike = float(losses.coherence_loss(maps, other, drawn[1]))
    assert alike < 0.5 * unlike


def test_identity_is_nothing_for_the_picture_itself() -> None:
    picture = numbers(1, 3, 32, 32)
    torch.manual_seed(0)
    found = losses.features(slim_vgg().requires_grad_(False), picture)
    assert tuple(found) == losses.STYLE_LAYERS
    assert float(losses.identity_loss(picture, picture, found, found)) == 0
    assert float(losses.identity_loss(picture + 0.1, picture, found, found)) == pytest.approx(0.5)


def test_the_start_gives_pictures_back_better_than_their_mean() -> None:
    torch.manual_seed(0)
    network = AnyStyle()
    smooth = nn.functional.interpolate(numbers(8, 3, 8, 8), size=(64, 64), mode="bicubic")
    batches = [smooth.clamp(0, 1)]
    codes = torch.cat([network.encode(picture[None]) for picture in batches[0]])
    measure_codes(network, codes)
    scores = least_squares_start(network, batches)
    assert len(scores) == 6
    with torch.no_grad():
        made = network.paint(batches[0], codes)
    mean = batches[0].mean((2, 3), keepdim=True)
    assert (made - batches[0]).square().mean() < 0.5 * (mean - batches[0]).square().mean()


def test_a_styles_code_is_that_of_the_network() -> None:
    torch.manual_seed(0)
    judge, network = slim_vgg().requires_grad_(False), AnyStyle()
    network.encoder.load_state_dict(
        {name: judge.state_dict()[name] for name in network.encoder.state_dict()}
    )
    from engine.training.objective import normalise

    picture = numbers(1, 3, 40, 40)
    statistics = losses.statistics(losses.features(judge, normalise(picture)))
    torch.testing.assert_close(code_of(statistics), network.encode(picture), atol=1e-5, rtol=1e-3)


def test_some_paintings_are_kept_out(pictures: Path) -> None:
    folder = pictures / "paintings"
    assert read_paintings(folder, None).kept_out == ("b", "d", "f")
    found = read_paintings(folder, ["c"])
    assert list(found.pictures) == list(found.digests) == ["a", "b", "d", "e", "f"]
    with pytest.raises(BadInput, match="no painting called z"):
        read_paintings(folder, ["z"])


def test_a_hue_is_turned_about_gray() -> None:
    picture = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(
        turned_hue(picture, 1 / 3).flatten().round(), torch.tensor([0, 1.0, 0])
    )
    gray = torch.full((1, 3, 1, 1), 0.4)
    torch.testing.assert_close(turned_hue(gray, 0.2), gray)


def test_the_schedule_ends_with_small_steps_on_larger_pictures() -> None:
    schedule = AnyStyleSchedule(100.0)
    assert schedule.alike and schedule.side == 128
    schedule.spent = 50.0
    assert not schedule.alike and schedule.style == 1.0
    middle = schedule.learning_rate
    schedule.spent = 99.9
    assert (schedule.side, schedule.batch) == (192, 4)
    assert schedule.learning_rate < 0.01 * middle
    schedule.spent = 100.0
    assert schedule.done


def test_a_training_goes_on_and_its_network_paints(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.training.any_style.START_STYLES", 8)
    monkeypatch.setattr("engine.training.any_style.START_PHOTOS", 32)
    monkeypatch.setattr("engine.training.start.ROWS_PER_LAYER", 2000)
    trainer = Trainer(options(pictures))
    trainer.schedule.spent = 20.0
    trainer.step = 1  # with a noisy photo
    terms = trainer.advance()
    assert set(terms) == {"content", "gram", "moments", "coherence", "range", "noise"}
    assert all(math.isfinite(value) for value in terms.values())
    trainer.save()
    network = open_style_network(pictures / "out" / "any_style.safetensors")
    painted = network(numbers(1, 3, 20, 30), network.encode(numbers(1, 3, 20, 30, seed=1)))
    assert painted.shape == (1, 3, 20, 30)
    again = Trainer(options(pictures, resume=pictures / "out" / "any_style.pt"))
    assert (again.step, again.schedule.spent) == (trainer.step, trainer.schedule.spent)
    for one, other in zip(trainer.learned, again.learned, strict=True):
        assert torch.equal(one, other)
    train(options(pictures, resume=pictures / "out" / "any_style.pt", minutes=0.01))


def test_a_step_without_a_finite_gradient_is_not_taken(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.training.any_style.START_STYLES", 8)
    monkeypatch.setattr("engine.training.any_style.START_PHOTOS", 32)
    monkeypatch.setattr("engine.training.start.ROWS_PER_LAYER", 2000)
    trainer = Trainer(options(pictures))
    trainer.schedule.spent = 20.0
    trainer.advance()
    before = [p.detach().clone() for p in trainer.learned]
    with monkeypatch.context() as broken:
        broken.setattr(losses, "range_loss", lambda made: made.sum() * math.nan)
        assert math.isnan(trainer.advance()["range"])
    assert trainer.skipped == 1
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.learned, strict=True))
    trainer.advance()
    assert trainer.skipped == 1
    assert not all(torch.equal(a, b) for a, b in zip(before, trainer.learned, strict=True))


def test_a_judge_finds_no_error_in_the_painting_itself() -> None:
    from engine.networks.loading import load_network

    judge = load_network("slim_vgg")
    painting, photo = numbers(1, 3, 48, 48), numbers(1, 3, 48, 48, seed=1) ** 2
    wanted_grams = grams(judge, painting)
    assert style_error(wanted_grams, grams(judge, painting)) == pytest.approx(0, abs=1e-9)
    wanted = 0.0
    for name in losses.STYLE_LAYERS:
        g, a = (plain_gram(judge.taps(x, [name])[name]) for x in (photo, painting))
        wanted += float(((g - a) ** 2).sum() / (a**2).sum())
    assert style_error(grams(judge, photo), wanted_grams) == pytest.approx(wanted, rel=1e-4)
    assert content_distance(judge, photo, photo) == pytest.approx(0, abs=1e-6)
    assert content_distance(judge, painting, photo) > 1e-4
