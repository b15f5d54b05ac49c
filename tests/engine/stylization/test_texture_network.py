"""Networks for a texture: the torus that it lives on, samples, sizes, the file, the technique."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import engine
from engine.errors import BadInput
from engine.image import from_tensor
from engine.job import Inputs, Job, run
from engine.networks.loading import load_network
from engine.stylization.network import StyleKind
from engine.stylization.opening import open_style_network
from engine.stylization.stylize import stylize
from engine.stylization.texture_network import TextureNetwork, draw_texture, write_texture
from engine.task import Frame
from engine.techniques.stylize import Stylize


@pytest.fixture(scope="module")
def network() -> TextureNetwork:
    """Untrained, with colours."""
    torch.manual_seed(2)
    made = TextureNetwork(4).eval().requires_grad_(False)
    made.out.weight *= 20
    return made


@pytest.fixture(scope="module")
def file(network: TextureNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("textures") / "bark.safetensors"
    write_texture(network, path, {})
    return path


def noise_of(network: TextureNetwork, size: tuple[int, int], seed: int = 0) -> list[Tensor]:
    return network.noise(size, torch.Generator().manual_seed(seed))


def test_rolling_the_noise_rolls_the_texture(network: TextureNetwork) -> None:
    noise = noise_of(network, (48, 64))
    made = network.texture(noise)
    assert made.shape == (1, 3, 48, 64) and made.std() > 0.1
    for down, right in ((8, 0), (16, 40)):
        rolled = [z.roll((down >> k, right >> k), (2, 3)) for k, z in enumerate(noise)]
        wanted = made.roll((down, right), (2, 3))
        torch.testing.assert_close(network.texture(rolled), wanted, atol=1e-4, rtol=0)
        assert (made - wanted).abs().max() > 0.1


def test_four_tiles_of_noise_make_four_tiles_without_a_seam(network: TextureNetwork) -> None:
    noise = noise_of(network, (32, 48))
    wanted = network.texture(noise).tile(1, 1, 2, 2)
    four = network.texture([z.tile(1, 1, 2, 2) for z in noise])
    torch.testing.assert_close(four, wanted, atol=1e-4, rtol=0)


def test_it_has_as_few_numbers_as_the_papers() -> None:
    count = sum(p.numel() for p in TextureNetwork(5).parameters())
    assert 60_000 < count < 80_000


def test_samples_and_sizes(network: TextureNetwork) -> None:
    first = draw_texture(network, (24, 40), seed=3)
    assert first.shape == (1, 3, 24, 40) and first.min() >= 0 and first.max() <= 1
    assert torch.equal(draw_texture(network, (24, 40), seed=3), first)
    assert not torch.equal(draw_texture(network, (24, 40), seed=4), first)
    assert draw_texture(network, 5).shape == (1, 3, 5, 5)
    assert torch.equal(draw_texture(network, (20, 37), seed=3), first[:, :, :20, :37])
    for wrong in ((0, 5), (5, -1)):
        with pytest.raises(BadInput, match="must be at least 1"):
            draw_texture(network, wrong)
    with pytest.raises(BadInput, match="this network paints photos"):
        draw_texture("any_style")


def test_of_a_photo_the_shape_alone_counts(network: TextureNetwork) -> None:
    photos = torch.rand(2, 3, 21, 30, generator=torch.Generator().manual_seed(0))
    made = stylize(photos, network=network)
    assert made.shape == photos.shape and torch.equal(made[0], made[1])
    assert torch.equal(made[:1], draw_texture(network, (21, 30), seed=0))
    torch.testing.assert_close(stylize(photos, network=network, strength=0.0), photos)
    assert not torch.equal(network(photos, network.style(1)).clamp(0, 1), made)
    with pytest.raises(BadInput, match="its own style"):
        network.encode(photos[:1])


def test_its_file_is_opened_as_it_was(network: TextureNetwork, file: Path, tmp_path: Path) -> None:
    found = open_style_network(file)
    assert isinstance(found, TextureNetwork)
    assert (found.kind, found.style_names, found.scales) == (StyleKind.TEXTURE, ("texture",), 4)
    assert torch.equal(draw_texture(str(file), 32, 5), draw_texture(network, 32, 5))
    data = file.read_bytes()
    for old, new, said in (
        (b'\\"format\\": 1', b'\\"format\\": 7', "a later version"),
        (b'\\"scales\\": 4', b'\\"scales\\": 5', "is damaged"),
        (b'\\"scales\\": 4', b'\\"scales\\": {', "."),
    ):
        assert old in data
        (tmp_path / "wrong.safetensors").write_bytes(data.replace(old, new))
        with pytest.raises(BadInput, match=said):
            open_style_network(tmp_path / "wrong.safetensors")


# -- the technique ------------------------------------------------------------------------


def last(job: Job) -> Frame:
    *_, frame = run(job, load_network("slim_vgg"))
    return frame


def test_the_technique_draws_it_without_a_photo(network: TextureNetwork, file: Path) -> None:
    job = Job(Stylize(style_network=str(file)), size=48, seed=3, device="cpu", precision="fp32")
    frame = last(job)
    assert torch.equal(frame.picture, draw_texture(network, 48, 3)[0])
    assert (frame.total, frame.note) == (1, "")
    assert not torch.equal(last(replace(job, seed=4)).picture, frame.picture)
    assert "multiples of 8" in str(last(replace(job, size=45)).note)
    again = last(Job.from_recipe(job.recipe()))
    assert torch.equal(again.picture, frame.picture)


def test_with_a_photo_it_has_the_photos_shape(file: Path) -> None:
    photo = from_tensor(torch.rand(3, 40, 60, generator=torch.Generator().manual_seed(1)))
    job = Job(Stylize(style_network=str(file)), Inputs(photo), size=48, device="cpu")
    frame = last(job)
    assert frame.picture.shape == (3, 32, 48)
    assert "it takes only the photo's shape" in str(frame.note)


def test_only_a_network_for_a_texture_needs_no_photo(file: Path, tmp_path: Path) -> None:
    for named, needed in (
        (str(file), False), ("", True), ("any_style", True), ("nothing of that name", True),
        (str(tmp_path / "gone.safetensors"), True), (f"{file}:0", True),
    ):  # fmt: skip
        assert Stylize(style_network=named).needs_content is needed


def test_what_a_texture_does_not_go_with(file: Path) -> None:
    for technique, said in (
        (Stylize(style_network=f"{file}, any_style"), "cannot be mixed with others"),
        (Stylize(), "stylization needs a photo"),
    ):
        with pytest.raises(BadInput, match=said):
            last(Job(technique, size=48, device="cpu"))


def test_it_is_found_in_the_engine_by_name() -> None:
    assert engine.draw_texture is draw_texture
