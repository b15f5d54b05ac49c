"""Stylization in one pass: small first, then whole; recipes, mixtures, colours, what is remembered."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import engine
from engine.errors import BadInput, Mention, WeightsMissing
from engine.image import Picture, from_tensor
from engine.job import Inputs, Job, frames_of, opened, prepare, run
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.stylization.adain import Moments
from engine.stylization.any_style import AnyStyle
from engine.stylization.any_style_file import AnyStyleCard, write_any_style
from engine.stylization.finding import find_style_network, load_style_network
from engine.stylization.running import Brush
from engine.stylization.stylize import stylize
from engine.techniques.stylize import Stylize
from engine.work.checkpoint_file import decode, encode

TINY = Path(__file__).parents[2] / "recipes" / "tiny_style.safetensors"


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def picture(height: int, width: int, seed: int = 0) -> Picture:
    return from_tensor(random(3, height, width, seed=seed))


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("slim_vgg")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a network for any style, with all of its parts at work."""
    path = tmp_path_factory.mktemp("networks") / "mine.safetensors"
    torch.manual_seed(1)
    made = AnyStyle()
    for part in (made.detail, made.affine):
        torch.nn.init.normal_(part.weight, std=0.05)
    write_any_style(made, path, AnyStyleCard())
    return path


def last(technique: Stylize, network: Network, size: int = 48, **inputs: object) -> Tensor:
    given = {"content": picture(40, 60), "styles": ((picture(50, 30, 1), 1.0),), **inputs}
    job = Job(technique, Inputs(**given), size=size, device="cpu", precision="fp32")  # type: ignore[arg-type]
    *_, frame = run(job, network)
    return frame.picture


def test_a_large_picture_is_painted_small_first(network: Network, monkeypatch) -> None:
    monkeypatch.setattr("engine.techniques.stylize.steps.LARGE", 32 * 32)
    monkeypatch.setattr("engine.techniques.stylize.steps.SMALL", 24)
    technique = Stylize(style_network=str(TINY), iterations=2)
    job = Job(technique, Inputs(picture(40, 60)), size=60, device="cpu", precision="fp32")
    frames = []
    for frame in run(job, network):
        frames.append((frame.iteration, frame.total, frame.stage, tuple(frame.picture.shape)))
    assert frames == [
        (1, 3, "24 x 16", (3, 16, 24)),
        (2, 3, "60 x 40", (3, 40, 60)),
        (3, 3, "60 x 40", (3, 40, 60)),
    ]


def test_more_passes_paint_the_result_again(network: Network) -> None:
    once = last(Stylize(style_network=str(TINY)), network)
    twice = last(Stylize(style_network=str(TINY), iterations=2), network)
    again = stylize(once, network=TINY)[0]
    assert (again - twice).abs().max() < 1e-5
    assert (once - twice).abs().mean() > 1e-3


def test_strength_0_is_the_photo(network: Network, untrained: Path) -> None:
    photo = picture(40, 60)
    for path in (TINY, untrained):
        technique = Stylize(style_network=str(path), style_strength=0.0)
        made = last(technique, network, size=60, content=photo)
        assert (made - photo.tensor()).abs().max() < 1e-6


def test_paintings_that_are_no_files_are_told_apart(network: Network, untrained: Path) -> None:
    technique = Stylize(style_network=str(untrained))
    red, blue = (random(3, 50, 30, seed=1) * torch.eye(3)[c].view(3, 1, 1) for c in (0, 2))
    first, second = (last(technique, network, styles=((from_tensor(s), 1.0),)) for s in (red, blue))
    assert (first - second).abs().max() > 1e-3


def test_only_light_and_dark_are_painted_again_where_only_they_count(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    paint = Brush.paint

    def noting(self: Brush, photo: Tensor, moments: Moments | None = None) -> Tensor:
        shown.append(float((photo.amax(1) - photo.amin(1)).max()))
        return paint(self, photo, moments)

    monkeypatch.setattr(Brush, "paint", noting)
    last(Stylize(style_network=str(TINY), iterations=2, colour="luminance"), network)
    assert len(shown) == 2 and max(shown) < 1e-6


def test_networks_are_mixed_by_weight(network: Network, untrained: Path) -> None:
    one = last(Stylize(style_network=str(TINY)), network)
    other = last(Stylize(style_network=str(untrained)), network)
    both = last(Stylize(style_network=f"{TINY}:3, {untrained}"), network)
    torch.testing.assert_close(both, 0.75 * one + 0.25 * other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("colour", ["luminance", "match", "luminance-after"])
def test_the_photos_colours_are_kept(network: Network, untrained: Path, colour: str) -> None:
    gray = random(1, 32, 48).expand(3, -1, -1)
    for path in (TINY, untrained):
        technique = Stylize(style_network=str(path), colour=colour)
        made = last(technique, network, content=from_tensor(gray))
        assert (made.amax(0) - made.amin(0)).max() < 0.02, "a gray photo stays gray"


def test_the_recipe_names_the_file_and_gives_the_same(
    network: Network, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray((random(20, 30, 3) * 255).byte().numpy()).save(tmp_path / "photo.png")
    monkeypatch.chdir(untrained.parent)
    technique = Stylize(style_network=f"{untrained.name}:2")
    photo = tmp_path / "photo.png"
    job = Job(technique, Inputs(photo, ((photo, 1.0),)), size=30, device="cpu", precision="fp32")
    recipe = json.loads(json.dumps(job.recipe()))
    assert recipe["settings"]["style_network"] == f"{untrained}:2.0"
    monkeypatch.chdir(tmp_path)
    *_, frame = run(Job.from_recipe(recipe), network)
    first = frame.picture
    *_, frame = run(Job.from_recipe(recipe), network)
    assert torch.equal(first, frame.picture)
    recipe["settings"]["style_network"] = "//elsewhere/share/mine.pth"
    with pytest.raises(BadInput, match="another machine"):
        Job.from_recipe(recipe)


def test_a_painting_is_looked_at_once(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    encode = AnyStyle.encode

    def counting(self: AnyStyle, painting: Tensor) -> Tensor:
        seen.append(tuple(painting.shape))
        return encode(self, painting)

    monkeypatch.setattr(AnyStyle, "encode", counting)
    painting = random(3, 40, 20, seed=9)
    for seed in (1, 2):
        engine.stylize(random(3, 16, 24, seed=seed), [(painting, 1.0)], untrained)
    assert seen == [(1, 3, 24, 12)]
    engine.stylize(random(3, 16, 24), [(painting, 1.0)], untrained, stroke_size=0.5)
    assert seen[1:] == [(1, 3, 12, 8)]
    engine.stylize(random(3, 16, 24), [(painting, 1.0)], untrained, colours="match")
    assert len(seen) == 3, "the painting has the photo's colours"


def test_several_photos_at_once_and_weights(untrained: Path) -> None:
    photos, styles = random(2, 3, 16, 24), [(random(3, 20, 20, seed=s), 1.0) for s in (1, 2)]
    made = engine.stylize(photos, styles, untrained)
    assert made.shape == (2, 3, 16, 24)
    assert made.min() >= 0 and made.max() <= 1
    one = engine.stylize(photos[1], styles, untrained)
    torch.testing.assert_close(made[1:], one)
    scaled = engine.stylize(photos[1], [(p, 5 * w) for p, w in styles], untrained)
    torch.testing.assert_close(scaled, one, atol=1e-5, rtol=1e-4)


def test_what_cannot_be_is_said(network: Network, untrained: Path, home: Path) -> None:
    photo = random(3, 16, 16)
    with pytest.raises(BadInput, match=r"strength is 2; it must be 0 to 1"):
        engine.stylize(photo, strength=2)
    with pytest.raises(BadInput, match="there are style, luminance"):
        engine.stylize(photo, colours="mauve")
    with pytest.raises(BadInput, match="knows only its own style"):
        engine.stylize(photo, [(photo, 1.0)], TINY)
    with pytest.raises(BadInput, match="needs a painting"):
        engine.stylize(photo, [], untrained)
    with pytest.raises(BadInput, match="above 0"):
        engine.stylize(photo, [(photo, 0.0)], untrained)
    with pytest.raises(BadInput, match="give styles="):
        last(Stylize(style_network=str(untrained)), network, styles=())
    with pytest.raises(BadInput, match="names 7, which the network does not have"):
        last(Stylize(style_network=str(TINY), network_style="7"), network)
    with pytest.raises(BadInput, match="styles of their own; this one takes a painting"):
        last(Stylize(style_network=str(untrained), network_style="0"), network)
    with pytest.raises(WeightsMissing, match="no style network called nothing") as missing:
        find_style_network("nothing")
    assert any(isinstance(part, Mention) for part in missing.value.parts)
    with pytest.raises(BadInput, match="there is no such style network"):
        find_style_network("nothing.pth")


def test_a_network_is_known_by_its_name(untrained: Path, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "sketch.safetensors").write_bytes(untrained.read_bytes())
    assert find_style_network("sketch") == home / "sketch.safetensors"
    assert load_style_network("sketch") is load_style_network("sketch")
    with pytest.raises(WeightsMissing, match=r"there are .*sketch.*: style_network="):
        find_style_network("other")


def test_a_real_network_of_another_program(data_folder: Path, network: Network) -> None:
    """Its stripes of lead are darker and its glass brighter than the photo."""
    technique = Stylize(style_network=str(data_folder / "weights" / "style_mosaic.pth"))
    content = data_folder / "images" / "photos" / "flowers.jpg"
    job = Job(technique, Inputs(content), size=128, device="cpu", precision="fp32")
    *_, frame = run(job, network)
    made = frame.picture
    photo = engine.stylize(content, [], TINY, 0.0, size=128)[0]
    assert made.shape == photo.shape
    steps = [x.diff(dim=2).abs().mean() for x in (made, photo)]
    assert steps[0] > 1.2 * steps[1]


@pytest.fixture
def painted(home: Path, tmp_path: Path) -> Job:
    """A job with a style network of the user's own, called mine."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(TINY, home / "mine.safetensors")
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / "a.png")
    inputs = Inputs(tmp_path / "a.png")
    return Job(Stylize(style_network="mine:2"), inputs, size=30, device="cpu", precision="fp32")


def retrain(path: Path) -> None:
    """Write other weights under the same name."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    changed = {n: t * 1.5 if t.is_floating_point() else t for n, t in tensors.items()}
    save_file(changed, path, metadata)


def test_a_recipe_tells_other_weights_under_the_same_name(
    painted: Job, home: Path, network: Network
) -> None:
    file = home / "mine.safetensors"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    recipe = json.loads(json.dumps(opened(painted).recipe()))
    assert recipe["style_networks"] == [{"name": "mine", "sha256": digest}]
    *_, frame = run(Job.from_recipe(recipe), network)
    assert frame.note == ""
    first = frame.picture

    retrain(file)
    again = Job.from_recipe(recipe)
    *_, frame = run(again, network)
    assert "other weights of mine" in str(frame.note)
    assert not torch.equal(frame.picture, first)
    other = hashlib.sha256(file.read_bytes()).hexdigest()
    assert opened(again).recipe()["style_networks"] == [{"name": "mine", "sha256": other}]
    # Opened twice, as a run does, it is still known what the picture was made with.
    *_, frame = run(opened(again), network)
    assert "other weights of mine" in str(frame.note)


def test_another_network_chosen_is_not_a_changed_one(painted: Job, network: Network) -> None:
    recipe = opened(painted).recipe()
    recipe["style_networks"][0]["sha256"] = "0" * 64
    job = Job.from_recipe(recipe)
    *_, frame = run(replace(job, technique=Stylize(style_network=str(TINY))), network)
    assert frame.note == ""


def test_a_recipe_without_digests_is_taken_as_it_is(painted: Job, network: Network) -> None:
    recipe = opened(painted).recipe()
    del recipe["style_networks"]
    *_, frame = run(Job.from_recipe(recipe), network)
    assert frame.note == ""


@pytest.mark.parametrize("damaged", [5, ["mine"], [{"name": "mine"}], [{"name": 1, "sha256": "a"}]])
def test_damaged_digests_are_refused(painted: Job, damaged: object) -> None:
    with pytest.raises(BadInput, match="recipe is damaged"):
        Job.from_recipe({**opened(painted).recipe(), "style_networks": damaged})


def test_a_checkpoint_of_other_style_weights_is_refused(
    painted: Job, home: Path, network: Network
) -> None:
    job = opened(replace(painted, technique=Stylize(2, "mine")))
    task = prepare(job, network)
    frames = frames_of(job, task)
    frame = next(frames)
    assert frame.checkpoint is not None
    data = encode(frame.checkpoint(), job, task)
    frames.close()
    decode(data).check(job, task)
    retrain(home / "mine.safetensors")
    with pytest.raises(BadInput, match="other weights of mine"):
        decode(data).check(job, task)
