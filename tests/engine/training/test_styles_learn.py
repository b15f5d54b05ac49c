"""Learning one painting better: only scales and shifts, begun with the predicted ones."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.errors import BadInput
from engine.stylization.any_style import AFFINE, CODE, AnyStyle
from engine.stylization.finding import load_style_network
from engine.stylization.learned_style import LearnedStyle
from engine.stylization.network import StyleKind
from engine.stylization.opening import open_style_network
from engine.stylization.running import Brush
from engine.stylization.stylize import stylize
from engine.training.any_style_judge import grams, style_error
from engine.training.styles.learn import Learn
from engine.training.styles.lesson import Material, Moment
from engine.training.styles.paintings import Judge, read_painting
from engine.training.styles.photos import Photos, read_photos
from engine.training.styles.train import train
from tests.engine.training.test_styles import QUICK, numbers, order_of


@pytest.fixture
def lesson(album: Path) -> Learn:
    settings, photos = replace(QUICK, photos=str(album / "photos")), Photos()
    list(read_photos(settings, photos))
    painting = read_painting(album / "waves.png", 96)
    return Learn(Material(settings, Judge(torch.device("cpu")), [painting], photos))


def test_gradients_reach_the_scales_and_shifts_alone(lesson: Learn) -> None:
    (learned,) = lesson.learned()
    assert learned.shape == (1, AFFINE)
    before = {name: tensor.clone() for name, tensor in lesson.state_dict().items()}
    judge = {n: t.clone() for n, t in lesson.material.judge.module.state_dict().items()}
    optimizer = torch.optim.Adam(lesson.parameters(), 0.1)
    torch.stack(list(lesson.terms(Moment(0, 64, 1)).values())).sum().backward()
    optimizer.step()
    others = [*lesson.named_parameters(), *lesson.material.judge.module.named_parameters()]
    assert {name for name, p in others if p.grad is not None} == {"change"}
    assert learned.grad is not None and (learned.grad != 0).float().mean() > 0.5
    assert {n for n, t in lesson.state_dict().items() if not t.equal(before[n])} == {"change"}
    after = lesson.material.judge.module.state_dict()
    assert all(tensor.equal(judge[name]) for name, tensor in after.items())


def test_it_begins_as_the_shipped_network_paints(lesson: Learn) -> None:
    shipped, photo = load_style_network("any_style"), numbers(1, 3, 40, 50)
    assert isinstance(shipped, AnyStyle)
    begun, painting = lesson.result(), lesson.material.paintings[0].picture
    for strength in (1.0, 0.6):
        with torch.no_grad():
            wanted = shipped(photo, shipped.encode(painting), strength)
            torch.testing.assert_close(
                begun(photo, begun.style(0), strength), wanted, atol=1e-5, rtol=0
            )


def test_the_style_comes_nearer(album: Path, lesson: Learn) -> None:
    """By whole Gram matrices of whole pictures, in float64, of a photo that it has not seen."""
    from engine.networks.loading import load_network

    judge, photo = load_network("slim_vgg"), numbers(1, 3, 8, 8, seed=5)
    photo = torch.nn.functional.interpolate(photo, size=(96, 96), mode="bicubic").clamp(0, 1)
    wanted = grams(judge, lesson.material.paintings[0].picture)

    def error(network: LearnedStyle) -> float:
        with torch.no_grad():
            return style_error(grams(judge, network(photo, network.style(0))), wanted)

    before = error(lesson.result())
    *_, last = train(order_of(album, replace(QUICK, steps=20, side=96)))
    assert last.network is not None
    network = last.network()
    assert isinstance(network, LearnedStyle)
    assert error(network) < 0.8 * before


def test_a_written_network_is_opened_as_it_was(album: Path) -> None:
    order = order_of(album)
    *_, last = train(order)
    assert last.network is not None
    made, found = last.network(), open_style_network(order.output)
    assert isinstance(found, LearnedStyle)
    assert (found.kind, found.style_names, found.painting_size) == (
        StyleKind.SINGLE, ("waves",), 96,
    )  # fmt: skip
    assert found.style().shape == (1, CODE + AFFINE)
    assert found.change.abs().max() > 1e-3
    photo = numbers(1, 3, 33, 46)
    with torch.no_grad():
        assert torch.equal(found(photo, found.style()), made(photo, made.style()))
        assert torch.equal(found(photo, found.style(), 0.0), photo)
    painted = stylize(photo, network=order.output)
    with torch.no_grad():
        assert torch.equal(painted, Brush(found, found.style())(photo))
    for wrong in (lambda: found.encode(photo), lambda: found.style(1)):
        with pytest.raises(BadInput):
            wrong()


def test_tiles_of_a_learned_network_fit_together(lesson: Learn) -> None:
    network = lesson.result()
    brush, photo = Brush(network, network.style()), numbers(1, 3, 200, 300)
    from engine.stylization.adain import Moments

    moments = Moments()
    with torch.no_grad():
        whole = brush(photo, moments)
    tiled = brush.in_tiles(photo, moments.noted, 128)
    # Outside of the halo nothing is seen, but what the border of a tile mirrors.
    assert (tiled - whole).abs().max() < 0.02
