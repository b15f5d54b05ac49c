"""One pass in regions: styles mixed place by place, in tiles too, and the photo where it is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import engine
from engine.errors import BadInput
from engine.image import Picture
from engine.regions import Region
from engine.stylization.adain import Moments
from engine.stylization.any_style import AnyStyle
from engine.stylization.finding import load_style_network
from engine.stylization.formats.adain import EPSILON
from engine.stylization.johnson import johnson_plan
from engine.stylization.painter import Painter, Plan, made
from engine.stylization.regions import Places, spread
from engine.stylization.running import Brush
from engine.stylization.steady import SteadyPainter
from engine.stylization.stylize import Manner, Painted, Style


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def mask(values: object, shape: tuple[int, int] = (48, 64)) -> Picture:
    wide = np.broadcast_to(np.asarray(values, np.float32), shape)
    return Picture(np.ascontiguousarray(np.repeat(wide[..., None], 3, -1)))


def plain(*colour: float) -> Picture:
    """A painting of about one colour, with a little structure."""
    return Picture((np.float32(colour) + 0.1 * random(40, 40, 3).numpy() - 0.05).clip(0, 1))


COLUMNS = np.arange(64)
LEFT, RIGHT, WHITE = mask(COLUMNS < 32), mask(COLUMNS >= 32), mask(1.0)
SOFT = mask(np.clip((48 - COLUMNS) / 32, 0, 1))
RED, BLUE = plain(0.9, 0.1, 0.1), plain(0.1, 0.1, 0.9)


@pytest.fixture(scope="module")
def network() -> AnyStyle:
    found = load_style_network("any_style")
    assert isinstance(found, AnyStyle)
    return found


@pytest.fixture(scope="module")
def foreign() -> Painter:
    """A network for any painting as other programs have it: AdaIN in the middle, random numbers."""
    lines = (("conv", 3, 8, 3), ("relu",), ("styled", 8, 0, EPSILON, True), ("conv", 8, 3, 3))
    plan = Plan(lines, encoder=(("moments", EPSILON),), shared=2)
    chance = torch.Generator().manual_seed(5)
    state = Painter(plan).state_dict()
    return made(plan, {n: 0.2 * torch.randn(t.shape, generator=chance) for n, t in state.items()})


@pytest.fixture(scope="module")
def single() -> Painter:
    plan = johnson_plan((4, 6, 8), 2)
    chance = torch.Generator().manual_seed(5)
    state = Painter(plan).state_dict()
    return made(plan, {n: 0.3 * torch.randn(t.shape, generator=chance) for n, t in state.items()})


@pytest.fixture(scope="module")
def many() -> Painter:
    """A network for three styles: scales and shifts in the middle, random numbers."""
    lines = (("conv", 3, 8, 3), ("styled", 8, 0), ("relu",), ("conv", 8, 3, 3), ("sigmoid",))
    plan = Plan(lines, style_names=("calm", "storm", "fog"))
    chance = torch.Generator().manual_seed(6)
    state = Painter(plan).state_dict()
    numbers = {n: 0.3 * torch.randn(t.shape, generator=chance) for n, t in state.items()}
    return made(plan, {**numbers, "styles": 3 * numbers["styles"]})


PHOTO = random(1, 3, 48, 64, seed=9) * 0.5 + 0.25


def painted(network: object, *regions: Region, styles: object = (), **manner: object) -> Tensor:
    given = [Style(picture.tensor()[None]) for picture in styles]  # type: ignore[attr-defined]
    how = Manner(**manner)  # type: ignore[arg-type]
    return Painted([(network, 1.0)], given, PHOTO, how, regions=regions).whole()  # type: ignore[list-item]


def test_each_place_has_its_own_scale_and_shift() -> None:
    """γ(x, y) = Σ shares(x, y) γ, written out."""
    x, shares = random(1, 4, 5, 6, seed=1).double(), random(1, 3, 5, 6, seed=2).double()
    shares = shares / shares.sum(1, keepdim=True)
    gamma, beta = random(3, 4, seed=3).double(), random(3, 4, seed=4).double()
    found = Moments().normalize(x, spread(gamma, shares, x), spread(beta, shares, x))
    for c in range(4):
        mean, deviation = x[0, c].mean(), (x[0, c].var(correction=0) + 1e-5).sqrt()
        for row, column in np.ndindex(5, 6):
            scale = sum(float(shares[0, k, row, column] * gamma[k, c]) for k in range(3))
            shift = sum(float(shares[0, k, row, column] * beta[k, c]) for k in range(3))
            wanted = scale * float((x[0, c, row, column] - mean) / deviation) + shift
            assert float(found[0, c, row, column]) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("palette", ["style", "luminance", "match", "luminance-after"])
@pytest.mark.parametrize("strength", [1.0, 0.7, 0.3])
def test_one_region_everywhere_is_none_at_all(
    network: AnyStyle, palette: str, strength: float
) -> None:
    how = {"strength": strength, "colour": palette}
    none = painted(network, styles=[RED], **how)
    assert torch.equal(painted(network, Region(LEFT, BLUE), Region(WHITE, RED), **how), none)
    assert torch.equal(painted(network, Region(WHITE), styles=[RED], **how), none)
    assert torch.equal(painted(network, Region(WHITE, RED), styles=[BLUE], **how), none)


@pytest.mark.parametrize("kind", ["network", "foreign"])
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_two_regions_with_one_style_are_that_style(
    request: pytest.FixtureRequest, kind: str, strength: float
) -> None:
    """But for rounding, and for variances that are divided by one less or not."""
    network, other = request.getfixturevalue(kind), Picture(RED.rgb)
    both = painted(network, Region(SOFT, RED), styles=[other], strength=strength)
    assert (both - painted(network, styles=[other], strength=strength)).abs().max() < 1e-3


@pytest.mark.parametrize("kind", ["network", "foreign"])
def test_each_region_is_painted_in_its_own_style(request: pytest.FixtureRequest, kind: str) -> None:
    network = request.getfixturevalue(kind)
    found = painted(network, Region(LEFT, RED), styles=[BLUE])
    red, blue = (painted(network, styles=[style]) for style in (RED, BLUE))
    for columns, own, other in ((slice(0, 24), red, blue), (slice(40, 64), blue, red)):
        to_own, to_other = (
            float((found - whole)[..., columns].abs().mean()) for whole in (own, other)
        )
        assert to_own < 0.5 * to_other


def test_from_one_style_to_the_other_there_is_no_halo(network: AnyStyle) -> None:
    """Red goes down across a soft edge, and blue goes up, as far as the photo's noise lets it."""
    found = painted(network, Region(SOFT, RED), styles=[BLUE])[0].mean(1)
    red, blue = (c.unfold(0, 8, 8).mean(1) for c in (found[0], found[2]))
    assert bool((red.diff() < 0.02).all()) and bool((blue.diff() > -0.02).all())
    assert red[0] - red[-1] > 0.3 < blue[-1] - blue[0]


def test_tiles_are_the_whole(network: AnyStyle, foreign: Painter) -> None:
    photo, shares = random(1, 3, 172, 301), random(1, 2, 172, 301, seed=3)
    shares = shares / shares.sum(1, keepdim=True)
    for each in (network, foreign):
        codes = torch.cat([each.encode(random(1, 3, 32, 32, seed=s)) for s in (1, 2)])
        brush, moments = Brush(each, codes, shares=shares), Moments()
        whole = brush(photo, moments, shares)
        tiled = brush.in_tiles(photo, moments.noted, side=96)
        assert (whole - tiled).abs().max() < 1e-3


@pytest.mark.parametrize("palette", ["style", "luminance", "match", "luminance-after"])
def test_what_is_kept_is_the_photo(network: AnyStyle, single: Painter, palette: str) -> None:
    for each, styles in ((network, [RED]), (single, [])):
        found = painted(each, Region(LEFT, kept=True), styles=styles, colour=palette)
        assert torch.equal(found[..., :32], PHOTO[..., :32])
        assert (found - PHOTO)[..., 32:].abs().mean() > 0.01


def test_a_weight_below_one_lets_the_photo_show_through(network: AnyStyle) -> None:
    full, half = (painted(network, Region(WHITE, RED, weight)) for weight in (3.0, 0.5))
    assert torch.equal(full, painted(network, styles=[RED]))
    torch.testing.assert_close(half, (full + PHOTO) / 2)


def test_without_a_usual_style_the_rest_is_the_photo(network: AnyStyle) -> None:
    found = painted(network, Region(LEFT, RED))
    assert torch.equal(found[..., 32:], PHOTO[..., 32:])
    assert (found - PHOTO)[..., :32].abs().mean() > 0.1


def test_a_network_of_one_style_paints_in_its_regions_only(single: Painter) -> None:
    everywhere = painted(single)
    found = painted(single, Region(LEFT, RED))
    assert torch.equal(found[..., :32], everywhere[..., :32])
    assert torch.equal(found[..., 32:], PHOTO[..., 32:])


def test_a_network_of_many_styles_mixes_its_own_place_by_place(many: Painter) -> None:
    """x → conv → γ(x, y) (x - μ) / σ + β(x, y) → relu → conv → sigmoid, written out in float64."""
    found = painted(many, Region(WHITE), Region(SOFT, network_style="storm"))
    state = {name: tensor.double() for name, tensor in many.state_dict().items()}
    convs = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    share = np.clip((48 - COLUMNS) / 32, 0, 1)
    shares = torch.from_numpy(np.stack([1 - share, share]))  # calm, storm

    def conv(x: Tensor, name: str) -> Tensor:
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
        return torch.conv2d(padded, state[f"{name}.weight"], state[f"{name}.bias"])

    x = conv(PHOTO.double(), convs[0])
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
    gamma, beta = (shares.T @ part for part in state["styles"][:2].split(8, 1))  # (columns, C)
    x = (x - mean) / (variance + 1e-5).sqrt() * gamma.T[:, None] + beta.T[:, None]
    wanted = conv(x.relu(), convs[1]).sigmoid()
    assert (found - wanted).abs().max() < 1e-4
    assert (found - painted(many)).abs().max() > 0.05


def test_what_a_network_of_many_styles_paints_around_its_regions(many: Painter) -> None:
    region = Region(LEFT, network_style="2")
    alone = painted(many, region)
    assert torch.equal(alone[..., 32:], PHOTO[..., 32:])
    around = Painted([(many, 1.0)], [], PHOTO, Manner(), [(1, 1.0)], [region], True).whole()
    assert (around - PHOTO)[..., 32:].abs().mean() > 0.05
    with pytest.raises(BadInput, match="a region names rain, which the network does not have; it"):
        painted(many, Region(LEFT, network_style="rain"))


def test_colours_are_matched_to_the_region(network: AnyStyle) -> None:
    """A photo dark on the left, light on the right: so is the painting that each part is shown."""
    photo = torch.cat([PHOTO[..., :32] * 0.3, PHOTO[..., 32:] * 0.3 + 0.6], 3)
    regions = [Region(LEFT, RED), Region(RIGHT, BLUE)]
    both = Painted([(network, 1.0)], [], photo, Manner(colour="match"), regions=regions)
    codes = both.brushes[0][0].code
    for code, picture, part in zip(codes, (RED, BLUE), (slice(0, 32), slice(32, 64)), strict=True):
        part_alone = Painted(
            [(network, 1.0)], [Style(picture.tensor()[None])], photo[..., part],
            Manner(colour="match", stroke_size=64 / 48),
        )  # fmt: skip
        torch.testing.assert_close(code[None], part_alone.brushes[0][0].code, rtol=0.02, atol=0.02)


def test_every_frame_of_a_film_is_kept_where_it_is_to_be(network: AnyStyle) -> None:
    """Also where the previous picture shows through, as nothing has moved."""
    regions = [Region(LEFT, kept=True)]

    def begin(frame: Tensor) -> Painted:
        styles = [Style(RED.tensor()[None])]
        return Painted([(network, 1.0)], styles, frame, Manner(), regions=regions)

    painter = SteadyPainter(begin)
    for number in range(3):
        frame = (PHOTO + 0.004 * random(1, 3, 48, 64, seed=number)).clamp(0, 1)
        found = painter.paint(frame)
        assert found.cut == (number == 0)
        assert torch.equal(found.picture[..., :32], frame[..., :32])
        assert (found.picture - frame)[..., 32:].abs().mean() > 0.05


def test_small_for_the_screen_it_is_about_the_same(network: AnyStyle) -> None:
    regions = [Region(SOFT, RED), Region(mask(COLUMNS < 16), kept=True)]
    both = Painted([(network, 1.0)], [Style(BLUE.tensor()[None])], PHOTO, Manner(), regions=regions)
    small = torch.nn.functional.interpolate(both.whole(), (24, 32), mode="area")
    assert (both.at((24, 32)) - small).abs().mean() < 0.1


def test_from_a_notebook(network: AnyStyle, tmp_path: Path) -> None:
    regions = [Region(LEFT, RED, 1.0), Region(RIGHT, kept=True)]
    found = engine.stylize(PHOTO, regions=regions, network=network)
    assert torch.equal(found[..., 32:], PHOTO[..., 32:])
    torch.testing.assert_close(found[..., :32], painted(network, styles=[RED])[..., :32])
    with pytest.raises(BadInput, match="the mask of region 1 is black everywhere"):
        engine.stylize(PHOTO, [(BLUE, 1.0)], network, regions=[Region(mask(0.0), RED)])
    with pytest.raises(BadInput, match="the mask of region 1 has 64 x 48 pixels"):
        engine.stylize(PHOTO[..., :40], [(BLUE, 1.0)], network, regions=[Region(LEFT)])
    with pytest.raises(BadInput, match="needs a painting"):
        engine.stylize(PHOTO, network=network, regions=[Region(LEFT)])


def test_shares_sum_to_one_where_something_is_painted() -> None:
    regions = [Region(SOFT, RED), Region(LEFT, BLUE), Region(mask(COLUMNS > 56), kept=True)]
    places = Places.of(regions, PHOTO, True, True, lambda text: ())
    assert places.styles == (None, RED, BLUE)
    torch.testing.assert_close(places.shares.sum(1), torch.ones(1, 48, 64))
    assert places.cover is not None
    assert bool((places.cover[..., 57:] == 0).all()) and bool((places.cover[..., :57] == 1).all())
