"""The network for any style: moments that match, sizes, strength, mixtures, tiles, its file."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import BadInput
from engine.stylization.adain import Moments, adain, mean_and_variance
from engine.stylization.any_style import CODE, AnyStyle, split_code
from engine.stylization.any_style_file import AnyStyleCard, write_any_style
from engine.stylization.framing import framed, mirrored, unframed
from engine.stylization.johnson import johnson_plan
from engine.stylization.network import StyleKind
from engine.stylization.opening import open_style_network
from engine.stylization.painter import Painter, made
from engine.stylization.running import Brush


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> AnyStyle:
    """Untrained, but with all of its parts at work."""
    torch.manual_seed(3)
    made = AnyStyle().eval().requires_grad_(False)
    for part in (made.detail, made.affine):
        torch.nn.init.normal_(part.weight, std=0.05)
    return made


@pytest.fixture(scope="module")
def painter() -> Painter:
    plan = johnson_plan((4, 6, 8), 2)
    chance = torch.Generator().manual_seed(5)
    numbers = {
        name: 0.3 * torch.randn(tensor.shape, generator=chance)
        for name, tensor in Painter(plan).state_dict().items()
    }
    numbers["layers.19.weight"] = numbers["layers.19.weight"] * 30
    return made(plan, numbers)


def test_moments_become_the_styles() -> None:
    x = random(2, 3, 9, 7).double() * 5
    mean, deviation = random(1, 3, seed=1).double() * 4, random(1, 3, seed=2).double() + 0.5
    made = adain(x, mean, deviation)
    assert made.dtype == torch.float64
    found = made.mean((2, 3)), made.std((2, 3), correction=0)
    assert (found[0] - mean).abs().max() < 1e-4
    assert (found[1] - deviation).abs().max() < 1e-4


def test_no_frame_is_painted_around_a_flat_picture(network: AnyStyle) -> None:
    with torch.no_grad():
        made = network(torch.full((1, 3, 40, 56), 0.4), network.encode(random(1, 3, 40, 40)))
    assert (made - made[:, :, 20:21, 28:29]).abs().max() < 1e-4


def test_moments_of_half_precision_do_not_overflow() -> None:
    large = (random(1, 2, 8, 8) * 5000).half()
    mean, variance = mean_and_variance(large)
    assert mean.dtype == variance.dtype == torch.float32
    assert torch.isfinite(variance).all()
    torch.testing.assert_close(
        variance.flatten(), large.double().var((2, 3), correction=0)[0].float()
    )


def test_moments_can_be_given() -> None:
    whole = random(1, 2, 6, 6)
    noting = Moments()
    wanted = noting.normalize(whole)
    part = Moments(noting.noted).normalize(whole[:, :, :3])
    assert torch.equal(part, wanted[:, :, :3])


def test_a_border_is_mirrored_around_any_picture() -> None:
    assert mirrored(4, 2, 5).tolist() == [2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert mirrored(1, 3, 2).tolist() == [0] * 6
    picture = random(1, 3, 5, 11)
    made = framed(picture, 16, 8)
    assert (made.shape[2] % 8, made.shape[3] % 8) == (0, 0)
    assert torch.equal(unframed(made, (5, 11), 16), picture)


@pytest.mark.parametrize("size", [(1, 1), (250, 333), (3, 40)])
def test_any_size_is_painted(network: AnyStyle, size: tuple[int, int]) -> None:
    code = network.encode(random(1, 3, *size))
    assert code.shape == (1, CODE)
    made = network(random(1, 3, *size, seed=1), code)
    assert made.shape == (1, 3, *size)
    assert made.min() >= 0 and made.max() <= 1


def test_a_code_holds_the_moments_of_the_levels(network: AnyStyle) -> None:
    painting = random(1, 3, 32, 48)
    means, deviations = split_code(network.encode(painting))
    for level, mean, deviation in zip(
        network.levels(painting, "zeros"), means, deviations, strict=True
    ):
        torch.testing.assert_close(mean, level.mean((2, 3)), atol=1e-4, rtol=1e-4)
        wanted = level.double().std((2, 3), correction=0).float().clamp_min(1e-4)
        torch.testing.assert_close(deviation, wanted, atol=1e-3, rtol=1e-3)


def test_strength_reaches_from_the_photo_to_the_style(network: AnyStyle) -> None:
    photo, code = random(1, 3, 24, 40), network.encode(random(1, 3, 32, 32, seed=1) ** 3)
    assert torch.equal(network(photo, code, strength=0.0), photo)
    full, half = network(photo, code), network(photo, code, 0.5)
    assert (full - photo).abs().mean() > 1e-2
    assert (full - half).abs().mean() > 1e-4
    moments = Moments()
    network.decode(network.levels(framed(photo, 16, 8)), code, 1.0, 1.0, moments)
    own = network.paint(framed(photo, 16, 8), _code(moments), 1.0)
    alike = network.paint(framed(photo, 16, 8), code, 0.0)
    torch.testing.assert_close(own, alike, atol=1e-4, rtol=1e-4)


def _code(moments: Moments) -> Tensor:
    from engine.stylization.any_style import code_of

    return code_of(moments.noted[:4])


def test_detail_changes_what_comes_through(network: AnyStyle) -> None:
    photo, code = random(1, 3, 24, 24), network.encode(random(1, 3, 32, 32, seed=1))
    made = [network(photo, code, detail=detail) for detail in (0.0, 1.0, 2.0)]
    assert (made[0] - made[1]).abs().mean() > 1e-4
    assert (made[1] - made[2]).abs().mean() > 1e-4


def test_styles_mix_as_their_raw_moments(network: AnyStyle) -> None:
    pictures = random(1, 3, 16, 24, seed=1), random(1, 3, 16, 24, seed=2) ** 2
    codes = [network.encode(picture) for picture in pictures]
    mixed = network.blend(codes, (3, 1))
    torch.testing.assert_close(mixed, 0.75 * codes[0] + 0.25 * codes[1])
    with pytest.raises(BadInput, match="sum to 0"):
        network.blend(codes, (0, 0))
    with pytest.raises(BadInput, match="no styles of its own"):
        network.style(0)


def test_a_code_for_each_photo_is_the_same_as_one_by_one(network: AnyStyle) -> None:
    photos = random(2, 3, 16, 16)
    codes = torch.cat([network.encode(random(1, 3, 16, 16, seed=s)) for s in (1, 2)])
    together = network(photos, codes)
    apart = torch.cat([network(photos[k : k + 1], codes[k : k + 1]) for k in range(2)])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-4)


def test_tiles_are_the_whole(network: AnyStyle, painter: Painter) -> None:
    """Also of imported networks, whose normalizations are given their moments by hooks."""
    photo = random(1, 3, 172, 301)
    for brush in (
        Brush(network, network.encode(random(1, 3, 32, 32, seed=1)), 0.7),
        Brush(painter, painter.style(0)),
    ):
        moments = Moments()
        whole = brush(photo, moments)
        assert whole.std() > 0.02, "there is something to see"
        tiled = brush.in_tiles(photo, moments.noted, side=96)
        assert (whole - tiled).abs().max() < 1e-4
        hooks = [m._forward_hooks for m in brush.network.modules()]
        assert not any(hooks)


def test_a_large_picture_takes_its_moments_from_a_small_one(
    network: AnyStyle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.stylization.running.WHOLE", 100 * 100)
    monkeypatch.setattr("engine.stylization.running.SMALL", 96)
    smooth = torch.nn.functional.interpolate(random(1, 3, 8, 12), size=(128, 192), mode="bicubic")
    brush = Brush(network, network.encode(random(1, 3, 32, 32, seed=1)))
    assert brush.needs_tiles((128, 192))
    made, whole = brush.paint(smooth.clamp(0, 1)), brush(smooth.clamp(0, 1))
    assert (made - whole).abs().mean() < 0.05
    assert (made - whole).abs().max() > 0


def test_its_file_gives_it_back(network: AnyStyle, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    card = AnyStyleCard(licence="mine", paintings={"sea": "00"}, kept_out=("sky",))
    write_any_style(network, path, card)
    assert path.stat().st_size < 5e6
    found = open_style_network(path)
    assert isinstance(found, AnyStyle)
    assert (found.kind, found.licence) == (StyleKind.ANY, "mine")
    assert "1 painting" in found.found
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)
    photo = random(1, 3, 16, 16)
    code = network.encode(photo)
    assert (found(photo, code) - network(photo, code)).abs().max() < 0.02


def test_half_a_file_is_refused(network: AnyStyle, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = tmp_path / "mine.safetensors"
    write_any_style(network, path, AnyStyleCard())
    tensors = load_file(path)
    del tensors["conv3.weight"]
    save_file(tensors, path, {"style_network": '{"architecture": "any_style", "format": 1}'})
    with pytest.raises(BadInput, match=r"conv3\.weight"):
        open_style_network(path)
    save_file(tensors, path, {"style_network": '{"architecture": "any_style", "format": 2}'})
    with pytest.raises(BadInput, match="later version"):
        open_style_network(path)


def test_half_precision_keeps_styles_exact(network: AnyStyle) -> None:
    import copy

    half = copy.deepcopy(network).in_precision(torch.bfloat16)
    code = network.encode(random(1, 3, 16, 16))
    for own, wanted in zip(half.affines(code), network.affines(code), strict=True):
        torch.testing.assert_close(own, wanted)
    photo = random(1, 3, 16, 16, seed=2)
    assert (half(photo, code) - network(photo, code)).abs().mean() < 0.05
