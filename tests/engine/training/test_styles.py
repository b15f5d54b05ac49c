"""Training style networks: what is drawn, what is compared, going on after a break, what is refused."""

import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from engine.errors import BadInput, Diverged
from engine.networks.style_cards import read_style_card
from engine.stylization.importing import import_style_network
from engine.stylization.opening import open_style_network
from engine.training.styles.kept import changed, read_kept
from engine.training.styles.paintings import Judge, read_painting, squares_of
from engine.training.styles.photos import Photos, read_photos
from engine.training.styles.schedule import StyleSchedule
from engine.training.styles.settings import Order, StyleTraining
from engine.training.styles.train import Progress, train

ROOT = Path(__file__).parents[3]
QUICK = StyleTraining(steps=3, side=64, batch=1, painting_size=96)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def order_of(album: Path, settings: StyleTraining = QUICK, name: str = "out") -> Order:
    own = replace(settings, photos=str(album / "photos"))
    return Order(album / f"{name}.safetensors", (album / "waves.png",), own, None, "cpu", "fp32")


def trained(order: Order) -> Progress:
    *_, last = train(order)
    return last


# -- what is drawn and compared -----------------------------------------------------------


def test_squares_cover_the_painting_and_are_as_large_as_they_should() -> None:
    height, width, side = 50, 71, 32
    places = torch.arange(height * width, dtype=torch.float32).view(1, 1, height, width)
    squares = squares_of(places.expand(1, 3, -1, -1), side)
    assert squares.shape[1:] == (3, side, side)
    assert len(squares.unique()) == height * width
    assert squares_of(numbers(1, 3, 20, 40), 32).shape == (2, 3, 20, 32)


def test_statistics_are_the_mean_over_the_squares(album: Path) -> None:
    judge = Judge(torch.device("cpu"))
    painting = read_painting(album / "waves.png", 96)
    assert (painting.picture.shape, painting.name) == ((1, 3, 96, 96), "waves")
    found = judge.statistics(painting.picture, 64)
    squares = squares_of(painting.picture, 64)
    assert len(squares) == 4
    maps = judge.features(squares)["relu3_1"].double()
    gram = torch.einsum("nchw,ndhw->ncd", maps, maps) / (maps.shape[2] * maps.shape[3])
    torch.testing.assert_close(found[2].second[0].double(), gram.mean(0), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        found[2].mean[0].double(), maps.mean((0, 2, 3)), rtol=1e-4, atol=1e-6
    )


def test_a_large_painting_is_looked_at_smaller_and_a_small_one_as_it_is(album: Path) -> None:
    assert read_painting(album / "waves.png", 64).picture.shape == (1, 3, 64, 64)
    assert read_painting(album / "waves.png", 512).picture.shape == (1, 3, 96, 96)


def test_what_a_step_draws_depends_on_its_number_alone(album: Path) -> None:
    photos = Photos()
    settings = replace(QUICK, photos=str(album / "photos"))
    assert list(read_photos(settings, photos)) == [(1, 3), (2, 3), (3, 3)]
    first = photos.draw(2, 64, 7, seed=0)
    photos.draw(1, 64, 8, seed=0)
    assert torch.equal(photos.draw(2, 64, 7, seed=0), first)
    assert not torch.equal(photos.draw(2, 64, 8, seed=0), first)
    assert not torch.equal(photos.draw(2, 64, 7, seed=1), first)
    assert first.shape == (2, 3, 64, 64) and first.min() >= 0 and first.max() <= 1


def test_photos_that_cannot_be_used_are_left_out(album: Path) -> None:
    (album / "photos" / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (300, 20)).save(album / "photos" / "thin.png")
    photos = Photos()
    list(read_photos(replace(QUICK, photos=str(album / "photos")), photos))
    assert sorted(photos.digests) == ["a.png", "b.png", "c.png"]
    assert photos.made == 0


def test_without_a_folder_the_programs_own_pictures_serve() -> None:
    photos = Photos()
    list(read_photos(QUICK, photos))
    assert "cat.jpg" in photos.digests and photos.made > 0
    assert photos.draw(4, 64, 0, 0).shape == (4, 3, 64, 64)


def test_the_schedule_ends_in_time_whichever_limit_comes_first() -> None:
    schedule = StyleSchedule(100.0, 10, 0.1, 128, 4)
    schedule.step, schedule.spent = 5, 20.0
    assert schedule.progress == 0.5 and schedule.left == pytest.approx(20.0)
    assert schedule.learning_rate == pytest.approx(0.05)
    schedule.spent = 100.0
    assert schedule.done and schedule.learning_rate < 1e-9
    grows = StyleSchedule(None, 10, 0.1, 128, 4, grows=True)
    grows.step = 6
    assert (grows.picture_side, grows.batch) == (128, 4)
    grows.step = 7
    assert (grows.picture_side, grows.batch, grows.larger) == (256, 2, True)
    for settings, limits in (
        (StyleTraining(), (180.0, 300)),
        (StyleTraining(minutes=5.0), (300.0, None)),
        (StyleTraining(steps=7), (None, 7)),
        (StyleTraining("single"), (2400.0, None)),
    ):
        assert Order(Path("o"), (), settings).limits == limits


# -- going on -----------------------------------------------------------------------------


def broken_off(order: Order, after: int) -> None:
    training = train(order)
    for progress in training:
        if progress.step == after:
            break
    training.close()


def test_a_training_goes_on_as_if_it_had_never_been_broken_off(album: Path) -> None:
    whole = order_of(album, name="whole")
    trained(whole)
    parts = order_of(album, name="parts")
    broken_off(parts, 2)
    assert parts.checkpoint.is_file() and not parts.output.exists()
    kept = read_kept(parts.output)
    assert kept.order == parts
    *_, last = train(kept.order, kept)
    assert last.step == 3 and not parts.checkpoint.exists()
    one, other = load_file(whole.output), load_file(parts.output)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_is_kept_on_request_and_names_other_ends(album: Path) -> None:
    order = order_of(album)
    training = train(order)
    progress = next(p for p in training if p.step == 1)
    assert progress.keep is not None
    progress.keep()
    kept = changed(read_kept(order.checkpoint), minutes=7.0)
    assert kept.order.limits == (420.0, None) and kept.state["step"] == 1
    training.close()


KILLED = """
import sys
from pathlib import Path
from tests.engine.training.test_styles import QUICK, order_of, train
from dataclasses import replace
for progress in train(order_of(Path(sys.argv[1]), replace(QUICK, steps=100_000)), every=0):
    if progress.step > 1:
        print(progress.step, flush=True)
"""


def test_a_killed_training_leaves_a_checkpoint_that_goes_on(album: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(album)], cwd=ROOT, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    order = order_of(album)
    kept = changed(read_kept(order.output), steps=read_kept(order.output).state["step"] + 1)
    *_, last = train(kept.order, kept)
    assert last.stage == "done" and order.output.is_file() and not order.checkpoint.exists()


def test_other_pictures_are_noticed_when_it_goes_on(album: Path) -> None:
    order = order_of(album)
    broken_off(order, 1)
    kept = read_kept(order.output)
    with pytest.raises(BadInput, match="is finished"):
        read_kept(album / "waves.png")
    Image.open(album / "fire.png").save(album / "photos" / "d.png")
    with pytest.raises(BadInput, match="holds other photos"):
        list(train(kept.order, kept))
    (album / "photos" / "d.png").unlink()
    (album / "waves.png").write_bytes((album / "fire.png").read_bytes())
    with pytest.raises(BadInput, match=r"waves\.png is another picture"):
        list(train(kept.order, kept))
    data = order.checkpoint.read_bytes()
    order.checkpoint.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BadInput, match=r"out\.safetensors\.training cannot be gone on with"):
        read_kept(order.output)


def test_a_training_that_blows_up_keeps_its_last_checkpoint(
    album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of(album)
    training = train(order)
    progress = next(p for p in training if p.step == 1)
    assert progress.keep is not None
    progress.keep()
    before = order.checkpoint.read_bytes()
    monkeypatch.setattr(
        "engine.training.any_style_losses.range_loss", lambda made: made.sum() * math.nan
    )
    with pytest.raises(Diverged, match="at step 2"):
        list(training)
    assert order.checkpoint.read_bytes() == before


# -- what is written ----------------------------------------------------------------------


def test_the_card_tells_what_it_was_learned_from(album: Path, home: Path) -> None:
    order = order_of(album, replace(QUICK, licence="CC0"))
    last = trained(order)
    card = read_style_card(order.output)
    assert card is not None and (card.kind, card.styles, card.licence) == (
        "single", ("waves",), "CC0",
    )  # fmt: skip
    import hashlib
    import json

    from safetensors import safe_open

    with safe_open(order.output, "pt") as file:
        facts = json.loads(file.metadata()["style_network"])
    digest = hashlib.sha256((album / "waves.png").read_bytes()).hexdigest()
    assert facts["paintings"] == {"waves.png": digest}
    assert set(facts["photos"]) == {"a.png", "b.png", "c.png"}
    assert facts["judge"]["name"] == "slim_vgg" and len(facts["judge"]["sha256"]) == 64
    from engine.stylization.finding import find_style_network

    shipped = find_style_network("any_style").read_bytes()
    assert facts["base"] == hashlib.sha256(shipped).hexdigest()
    assert facts["steps"] == 3 and facts["losses"].keys() == last.losses.keys()
    assert str(album) not in json.dumps(facts)
    assert open_style_network(order.output).training_minutes == facts["minutes"] > 0
    imported = import_style_network(order.output, "mine")
    assert imported is not None and imported.path.read_bytes() == order.output.read_bytes()


def test_a_file_of_a_later_version_says_so(album: Path) -> None:
    order = order_of(album)
    trained(order)
    data = order.output.read_bytes()
    for old, new in ((b'"format\\": 1', b'"format\\": 9'), (b"learned_style", b"learned_stylo")):
        assert old in data
        order.output.write_bytes(data.replace(old, new))
        with pytest.raises(BadInput, match="was written by a later version of this program"):
            open_style_network(order.output)


# -- what is refused ----------------------------------------------------------------------


def _nothing(album: Path) -> Order:
    return order_of(album)


def _tiny_painting(album: Path) -> Order:
    Image.new("RGB", (200, 20)).save(album / "waves.png")
    return order_of(album)


def _no_photos(album: Path) -> Order:
    for photo in (album / "photos").iterdir():
        photo.unlink()
    return order_of(album)


def _tiny_photos(album: Path) -> Order:
    for photo in (album / "photos").iterdir():
        Image.new("RGB", (50, 50)).save(photo)
    return order_of(album)


def _photos(album: Path, where: str) -> Order:
    order = order_of(album)
    return replace(order, settings=replace(order.settings, photos=str(album / where)))


REFUSED: dict[str, Callable[[Path], Order]] = {
    "ends? in .safetensors": lambda a: replace(_nothing(a), output=a / "out.pth"),
    "takes one painting; 2 are given": lambda a: replace(
        _nothing(a), paintings=(a / "waves.png", a / "fire.png")
    ),
    "takes one painting; none is given": lambda a: replace(_nothing(a), paintings=()),
    "200 x 20 pixels; .* at least 32 on each side": _tiny_painting,
    "holds no pictures; give a folder of photos": _no_photos,
    "no photo to practise on: .* has 50 x 50 pixels": _tiny_photos,
    "is a file; give the folder": lambda a: _photos(a, "fire.png"),
    "cannot be read .* give a folder of photos": lambda a: _photos(a, "nowhere"),
    "the folder .* does not exist": lambda a: replace(
        _nothing(a), output=a / "no" / "o.safetensors"
    ),
    "absent.png": lambda a: replace(_nothing(a), paintings=(a / "absent.png",)),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence(album: Path, sentence: str) -> None:
    order = REFUSED[sentence](album)
    with pytest.raises(BadInput, match=sentence):
        list(train(order))
    assert not order.output.exists() and not order.checkpoint.exists()


def test_an_unfinished_training_is_not_written_over(album: Path) -> None:
    order = order_of(album)
    order.checkpoint.write_bytes(b"hours of work")
    with pytest.raises(BadInput, match="was broken off: go on with it, or delete it"):
        list(train(order))
    assert order.checkpoint.read_bytes() == b"hours of work"
