"""What travels: jobs and answers as bytes, networks in parts; nothing damaged or foreign is taken."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import BadInput, Mention, Message, Remedy
from engine.job import Inputs, Job
from engine.networks import weights
from engine.settings import describe
from engine.techniques.deep_dream import DeepDream
from engine.techniques.multifaceted import Multifaceted
from engine.techniques.stylize import Stylize
from engine.work.cluster import networks
from engine.work.cluster.networks import SentNetwork, found_here, network_of
from engine.work.cluster.on_worker import check_style_networks, receive
from engine.work.cluster.parcel import (
    Returned,
    failed,
    pack,
    pack_returned,
    parcel_of,
    unpack,
    unpack_returned,
)
from tests.cli.conftest import noise

TINY = Path(__file__).parents[3] / "recipes" / "tiny_style.safetensors"
NETWORK = SentNetwork("slim_vgg", "0" * 64, "slim_vgg.safetensors", "", "")


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, object]:
    noise(24, 32, 3, 0).save(tmp_path / "a.png")
    return Job(DeepDream(), Inputs(tmp_path / "a.png"), size=32).recipe()


@pytest.fixture
def store(tmp_path: Path, home: Path) -> Iterator[Path]:
    networks.store.cache_clear()
    yield networks.store()
    networks.store.cache_clear()


def test_a_job_arrives_as_it_was(recipe: dict[str, object], tmp_path: Path) -> None:
    network, path = network_of(recipe)
    assert path.parent == weights.SHIPPED
    assert network.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    parcel = parcel_of(recipe, 16, tmp_path / "out.tiff", network, "topic", 2.5)
    assert unpack(pack(parcel)) == parcel
    assert (parcel.suffix, parcel.thumbnails) == (".tiff", 2.5)
    assert parcel.files == {str(tmp_path / "a.png"): (tmp_path / "a.png").read_bytes()}


def test_a_picture_that_has_changed_or_gone_is_not_sent(
    recipe: dict[str, object], tmp_path: Path
) -> None:
    network, _ = network_of(recipe)
    noise(24, 32, 3, 1).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match="is not the picture that the recipe was made with"):
        parcel_of(recipe, 8, tmp_path / "out.png", network, "topic")
    (tmp_path / "a.png").unlink()
    with pytest.raises(BadInput, match=r"a\.png"):
        parcel_of(recipe, 8, tmp_path / "out.png", network, "topic")


def test_a_folder_of_pictures_stays_at_home(tmp_path: Path) -> None:
    recipe = Job(Multifaceted(folder=str(tmp_path))).recipe()
    with pytest.raises(BadInput, match="without a cluster"):
        parcel_of(recipe, 8, tmp_path / "out.png", network_of(recipe)[0], "topic")


def test_a_style_network_of_ones_own_stays_at_home(tmp_path: Path, home: Path) -> None:
    noise(24, 32, 3, 0).save(tmp_path / "a.png")
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(TINY, home / "mine.safetensors")
    for name in ("mine", str(TINY)):
        recipe = Job(Stylize(style_network=name), Inputs(tmp_path / "a.png"), size=32).recipe()
        with pytest.raises(BadInput, match=r"the style network .* is only on this machine"):
            parcel_of(recipe, 8, tmp_path / "out.png", network_of(recipe)[0], "topic")


def test_a_worker_has_to_have_the_same_shipped_style_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    shutil.copy(TINY, tmp_path / "mine.safetensors")
    noise(24, 32, 3, 0).save(tmp_path / "a.png")
    recipe = Job(Stylize(style_network="mine"), Inputs(tmp_path / "a.png"), size=32).recipe()
    parcel = parcel_of(recipe, 8, tmp_path / "out.png", NETWORK, "topic")
    assert parcel.style_networks == {"mine": hashlib.sha256(TINY.read_bytes()).hexdigest()}
    arrived = unpack(pack(parcel))
    assert arrived == parcel
    check_style_networks(arrived)
    with (tmp_path / "mine.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(BadInput, match="a worker has another mine: give all machines the same"):
        check_style_networks(arrived)


def test_sentences_arrive_with_the_settings_that_they_name() -> None:
    octaves = describe(DeepDream)["octaves"]
    error = BadInput(
        "in /here/0.png ", Mention("octaves", octaves, "4"), Remedy("download", "vgg19")
    )
    sent = failed("tcp://w", error, {"/here/0.png": "/there/cat.png"})
    arrived = unpack_returned(pack_returned(sent))
    said = arrived.failure.worded(
        lambda part: part.network if isinstance(part, Remedy) else part.described.option  # type: ignore[union-attr]
    )
    assert said == "in /there/cat.png --octavesvgg19"
    assert arrived.exit_code == BadInput.exit_code
    note = Message("as it is")
    assert unpack_returned(pack_returned(Returned("done", "tcp://w", note=note))).note == note


@pytest.mark.parametrize("cut", [0, 10, -30])
def test_what_arrives_damaged_is_refused(
    recipe: dict[str, object], tmp_path: Path, cut: int
) -> None:
    data = pack(parcel_of(recipe, 8, tmp_path / "o.png", network_of(recipe)[0], "topic"))
    with pytest.raises(BadInput, match="arrived damaged"):
        unpack(data[:cut])
    broken = bytearray(data)
    broken[len(data) // 2] ^= 1
    with pytest.raises(BadInput, match="arrived damaged"):
        unpack(bytes(broken))
    with pytest.raises(BadInput):
        unpack_returned(data)


def sent(data: bytes, **others: str) -> SentNetwork:
    values = {"name": "birds", "file": "birds.safetensors", "given": "/nowhere/x.pth", "card": ""}
    return SentNetwork(sha256=hashlib.sha256(data).hexdigest(), **{**values, **others})


def test_a_network_arrives_in_parts_and_only_if_it_is_the_right_one(store: Path) -> None:
    data = bytes(range(256)) * 10
    network = sent(data)
    assert found_here(network) is None
    for number, part in enumerate((data[:1000], data[1000:], b"")):
        assert receive(network.plain(), number, part) == ""
    found = found_here(network)
    assert found is not None and found.weights is not None
    assert Path(found.weights).read_bytes() == data
    other = sent(data + b"x")
    receive(other.plain(), 0, data)
    assert "damaged" in receive(other.plain(), 1, b"")
    assert found_here(other) is None
    assert "out of order" in receive(other.plain(), 1, data)
    assert [p.name for p in store.rglob("*") if p.is_file()] == ["birds.safetensors"]


@pytest.mark.parametrize("file", ["../birds.pth", ".birds.pth", "birds.py", "a/b.pth"])
def test_a_network_cannot_be_put_elsewhere(store: Path, file: str) -> None:
    assert receive(sent(b"x", file=file).plain(), 0, b"x")
    assert not list(store.rglob("*"))
