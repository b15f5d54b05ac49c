"""Networks for one style and for many: normalizations against torch's own, going on, added styles."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from engine.errors import BadInput
from engine.stylization.johnson import johnson_plan, light_plan
from engine.stylization.layers import Batch, Convolution, StyledNorm
from engine.stylization.network import StyleKind
from engine.stylization.opening import open_style_network
from engine.stylization.painter import Painter
from engine.stylization.painter_file import write_painter
from engine.training.any_style_judge import grams, style_error
from engine.training.styles.johnson import Added, Many, begun
from engine.training.styles.kept import read_kept
from engine.training.styles.lesson import Material, Moment
from engine.training.styles.paintings import Judge, read_painting
from engine.training.styles.photos import Photos, read_photos
from engine.training.styles.settings import Order, StyleTraining
from engine.training.styles.train import train
from tests.engine.training.test_styles import broken_off, numbers, order_of, trained

SINGLE = StyleTraining("single", steps=3, side=64, batch=2, painting_size=96)
MANY = replace(SINGLE, kind="many")


def many(album: Path, name: str = "many", **others: object) -> Order:
    order = order_of(album, replace(MANY, **others), name)  # type: ignore[arg-type]
    return replace(order, paintings=(album / "waves.png", album / "fire.png"))


# -- layers -------------------------------------------------------------------------------


def test_conditional_instance_normalization_is_torchs_own_picture_by_picture() -> None:
    x, code = numbers(3, 4, 7, 5), numbers(3, 11, seed=1)
    layer = StyledNorm(4, 2)
    found = layer(x, code)
    for k in range(3):
        wanted = F.instance_norm(x[k : k + 1], weight=code[k, 2:6], bias=code[k, 6:10])
        torch.testing.assert_close(found[k : k + 1], wanted, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(layer(x[k : k + 1], code[k : k + 1]), wanted)


def test_batch_normalization_is_torchs_own_in_training_and_after() -> None:
    own, wanted = Batch(4), nn.BatchNorm2d(4)
    own.load_state_dict(
        {n: t for n, t in wanted.state_dict().items() if n != "num_batches_tracked"}
    )
    with torch.no_grad():
        for one in (own, wanted):
            one.weight.copy_(numbers(4, seed=1))
            one.bias.copy_(numbers(4, seed=2))
    for step in range(3):
        x = numbers(2, 4, 6, 5, seed=3 + step) * 3
        torch.testing.assert_close(own(x, x), wanted(x))
    assert own.running_var.equal(wanted.running_var)
    own.eval(), wanted.eval()
    torch.testing.assert_close(own(x[:1], x), wanted(x[:1]))


def test_the_light_network_is_a_quarter_of_the_usual_one() -> None:
    """22 GFLOP at 512 pixels; counted by the multiplications of the convolutions, twice."""

    def operations(network: Painter) -> float:
        total = 0

        def count(layer: Convolution, _: object, made: torch.Tensor) -> None:
            nonlocal total
            total += 2 * layer.weight[0].numel() * made.numel()

        for module in network.modules():
            if isinstance(module, Convolution):
                module.register_forward_hook(count)
        with torch.no_grad():
            assert network(numbers(1, 3, 64, 64), network.style()).shape == (1, 3, 64, 64)
        return total * 64 / 1e9

    light = operations(begun(light_plan("norm")))
    assert light == pytest.approx(21.8, abs=0.2)
    assert operations(begun(johnson_plan((32, 64, 128)))) > 3.5 * light


@pytest.mark.parametrize("norm", ["norm", "batch", "styled"])
def test_it_begins_with_gray_and_without_its_branches(norm: str) -> None:
    torch.manual_seed(0)
    plan = light_plan(norm, ("a",))
    network, short = begun(plan).eval(), begun(light_plan(norm, ("a",), blocks=0)).eval()
    photo = numbers(1, 3, 32, 40)
    names = [name for name in network.state_dict() if not name.startswith(tuple(
        f"layers.{k}." for k, line in enumerate(plan.lines) if line[0] == "residual"
    ))]  # fmt: skip
    kept = dict(zip(short.state_dict(), (network.state_dict()[n] for n in names), strict=True))
    if norm == "styled":
        ends = [2 * (16 + 32 + 64), -2 * 32]
        kept["styles"] = torch.cat([network.styles[:, : ends[0]], network.styles[:, ends[1] :]], 1)
    short.load_state_dict(kept)
    with torch.no_grad():
        made = network(photo, network.style())
        torch.testing.assert_close(made, short(photo, short.style()), atol=1e-5, rtol=0)
    gray = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    assert (made - gray).abs().mean() < 0.15


# -- training -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["instance", "batch", "many"])
def test_trainings_go_on_as_if_never_broken_off(album: Path, kind: str) -> None:
    def order(name: str) -> Order:
        if kind == "many":
            return many(album, name)
        return order_of(album, replace(SINGLE, norm=kind), name)

    trained(order("whole"))
    broken_off(order("parts"), 2)
    kept = read_kept(order("parts").output)
    assert kept.order == order("parts")
    list(train(kept.order, kept))
    one, other = (load_file(order(name).output) for name in ("whole", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_network_for_one_style_is_opened_as_it_was(album: Path, norm: str) -> None:
    order = order_of(album, replace(SINGLE, norm=norm))
    last = trained(order)
    assert last.network is not None
    made, found = last.network(), open_style_network(order.output)
    assert (found.kind, found.style_names) == (StyleKind.SINGLE, ("waves",))
    assert found.painting_size == 96 and not found.training
    photo = numbers(1, 3, 35, 50)
    with torch.no_grad():
        # Weights that lie otherwise in memory are rounded otherwise.
        wanted = made(photo, made.style())
        torch.testing.assert_close(found(photo, found.style()), wanted, atol=1e-5, rtol=0)
    own = found.state_dict()
    assert all(tensor.equal(own[name]) for name, tensor in made.state_dict().items())


def test_the_style_comes_nearer(album: Path) -> None:
    """By whole Gram matrices, in float64, of a photo that was not practised on."""
    from engine.networks.loading import load_network

    judge, photo = load_network("slim_vgg"), numbers(1, 3, 64, 64, seed=5)
    wanted = grams(judge, read_painting(album / "waves.png", 96).picture)
    errors = []
    for progress in train(order_of(album, replace(SINGLE, steps=14, batch=1, rate=5e-3))):
        if progress.network is not None and progress.step in (1, 14):
            network = progress.network()
            with torch.no_grad():
                errors.append(style_error(grams(judge, network(photo, network.style())), wanted))
    assert errors[-1] < 0.9 * errors[0]


def test_all_of_a_network_is_trained_and_its_styles_differ(album: Path) -> None:
    order = many(album, steps=8, rate=0.01)
    last = trained(order)
    assert last.network is not None
    network = last.network()
    assert (network.kind, network.style_names) == (StyleKind.MANY, ("waves", "fire"))
    photo = numbers(1, 3, 48, 48)
    with torch.no_grad():
        codes = [network.style(0), network.style(1)]
        one, other, both = (
            network(photo, code) for code in (*codes, network.blend(codes, [1.0, 1.0]))
        )
    assert (one - other).abs().mean() > 1e-3
    assert (both - one).abs().mean() > 1e-4 and (both - other).abs().mean() > 1e-4


# -- added styles -------------------------------------------------------------------------


def material(album: Path, base: Painter, *names: str) -> Material:
    settings, photos = replace(MANY, photos=str(album / "photos")), Photos()
    list(read_photos(settings, photos))
    paintings = [read_painting(album / f"{name}.png", 96) for name in names]
    return Material(settings, Judge(torch.device("cpu")), paintings, photos, base)


def base_of(album: Path) -> Painter:
    """A network that has something in its branches, with two styles that are not alike."""
    torch.manual_seed(1)
    network = begun(light_plan("styled", ("first", "waves"), 96)).eval().requires_grad_(False)
    network.styles += 0.3 * torch.randn(network.styles.shape)
    network.licence = "CC0"
    write_painter(network, album / "base.safetensors")
    return network


def test_gradients_reach_the_added_numbers_alone(album: Path) -> None:
    lesson = Added(material(album, base_of(album), "fire"))
    (learned,) = lesson.learned()
    assert learned.shape == (1, light_plan("styled").code_size)
    torch.stack(list(lesson.terms(Moment(0, 64, 2)).values())).sum().backward()
    assert {n for n, p in lesson.named_parameters() if p.grad is not None} == {"added"}


def test_an_added_style_begins_with_the_nearest_one(album: Path) -> None:
    base, wanted = base_of(album), []
    own = material(album, base, "waves", "fire")
    lesson = Added(own)
    from engine.networks.loading import load_network

    judge = load_network("slim_vgg")
    for painting in own.paintings:
        errors = []
        target = grams(judge, painting.picture)
        for number in range(2):
            made = [
                base(photo[None], base.style(number)).clamp(0, 1)
                for photo in own.photos.draw(4, 64, 0, 0)
            ]
            errors.append(sum(style_error(grams(judge, x), target) for x in made))
        wanted.append(min(range(2), key=errors.__getitem__))
    assert torch.equal(lesson.added.detach(), base.styles[wanted])


def test_what_a_network_knew_stays_as_it_was(album: Path) -> None:
    base = base_of(album)
    order = replace(
        many(album, "more"), paintings=(album / "waves.png",), add_to=album / "base.safetensors"
    )
    broken_off(order, 1)
    kept = read_kept(order.output)
    list(train(kept.order, kept))
    found = open_style_network(order.output)
    assert isinstance(found, Painter)
    assert found.style_names == ("first", "waves", "waves_2")
    assert found.licence.startswith("CC0; ")
    assert torch.equal(found.styles[:2], base.styles)
    assert (found.styles[2] - base.styles).abs().amax(1).min() > 1e-3
    after = found.state_dict()
    assert all(tensor.equal(after[n]) for n, tensor in base.state_dict().items() if n != "styles")


def test_what_does_not_go_together_is_refused(album: Path) -> None:
    base_of(album)
    waves, base = (album / "waves.png",), album / "base.safetensors"
    one = begun(light_plan("norm"))
    write_painter(one, album / "one.safetensors")
    for order, sentence in (
        (replace(many(album), paintings=waves), "takes several paintings; 1 is given"),
        (replace(many(album), paintings=(), add_to=base), "takes several paintings; none is given"),
        (many(album, norm="batch"), "norm=batch is for kind=single, not for kind=many"),
        (order_of(album, replace(SINGLE, kind="learn", norm="batch")), "not for kind=learn"),
        (replace(order_of(album, SINGLE), add_to=base), "add_to= is for kind=many"),
        (replace(many(album), add_to=album / "one.safetensors"), "is a network for one style"),
        (replace(many(album), add_to=album / "none.safetensors"), "there is no such network"),
    ):
        with pytest.raises(BadInput, match=sentence):
            list(train(order))
        assert not order.output.exists()


def test_a_network_for_many_begins_with_one_row_of_numbers_a_style(album: Path) -> None:
    torch.manual_seed(0)
    lesson = Many(material(album, base_of(album), "waves", "fire"))
    assert lesson.network.styles.shape == (2, light_plan("styled").code_size)
    assert light_plan("styled").code_size == 2 * (16 + 32 + 64 + 10 * 64 + 32)
