import hashlib
import json

import pytest
import safetensors.torch
import torch

from engine.errors import BadInput
from engine.networks import catalogue, weights
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.networks.card import BYTES, CAFFE_VGG, IMAGENET
from engine.networks.importing import import_file, remove, verify
from engine.networks.loading import load_module, load_network


@pytest.fixture
def slim(tmp_path, home, monkeypatch):
    """A file of a small network with names for its classes; nothing is shipped."""
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")
    torch.manual_seed(0)
    path = tmp_path / "birds.safetensors"
    metadata = {"classes": json.dumps(["robin", "wren", "owl"])}
    safetensors.torch.save_file(slim_vgg(3).state_dict(), path, metadata)
    return path


def test_import(slim, home):
    card = import_file(slim)
    assert (card.name, card.architecture, card.file) == ("birds", "slim_vgg", "birds.safetensors")
    assert card.classes == ("robin", "wren", "owl")
    assert card.preprocessing == IMAGENET
    assert (home / "birds.safetensors").read_bytes() == slim.read_bytes()
    assert card.sha256 == hashlib.sha256(slim.read_bytes()).hexdigest()
    assert card.bytes == slim.stat().st_size
    assert card.style_layers == catalogue.built_in("slim_vgg").style_layers
    assert sorted(p.name for p in home.iterdir()) == ["birds.json", "birds.safetensors"]
    assert catalogue.names()[-1] == "birds"
    assert catalogue.card("birds") == card
    assert catalogue.state("birds") == "imported"
    assert load_network("birds").classes == card.classes


def test_importing_twice_changes_nothing(slim, home):
    first = import_file(slim)
    stamp = (home / "birds.json").stat().st_mtime_ns
    assert import_file(slim) == first
    assert (home / "birds.json").stat().st_mtime_ns == stamp


def test_importing_again_restores_a_damaged_copy(slim, home):
    import_file(slim)
    (home / "birds.safetensors").write_bytes(b"")
    import_file(slim)
    assert (home / "birds.safetensors").read_bytes() == slim.read_bytes()


def test_importing_again_with_other_preprocessing(slim):
    import_file(slim)
    assert import_file(slim, preprocessing="caffe-vgg").preprocessing == CAFFE_VGG
    assert load_network("birds").card.preprocessing == CAFFE_VGG
    with pytest.raises(BadInput, match="no preprocessing is called 'zero'"):
        import_file(slim, "other", preprocessing="zero")


def test_names_that_are_taken(slim, tmp_path):
    import_file(slim)
    other = tmp_path / "new" / "birds.safetensors"
    other.parent.mkdir()
    safetensors.torch.save_file(slim_vgg(4).state_dict(), other)
    with pytest.raises(BadInput, match=r"already called birds; choose a name with name="):
        import_file(other)
    with pytest.raises(BadInput, match="vgg19 is the name of another network"):
        import_file(other, "vgg19")
    assert import_file(other, "birds2").name == "birds2"
    assert load_network("birds").classes == ("robin", "wren", "owl")


@pytest.mark.parametrize("name", ["../birds", "a/b", ".hidden", "a b", "ä"])
def test_names_that_cannot_be(slim, name):
    with pytest.raises(BadInput, match="cannot be a network's name"):
        import_file(slim, name)


def test_shipped_names_cannot_be_taken(slim, tmp_path):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    card = catalogue.built_in("slim_vgg").to_dict()
    (shipped / "slim_vgg.json").write_text(json.dumps(card))
    with pytest.raises(BadInput, match="slim_vgg is the name of another network"):
        import_file(slim, "slim_vgg")


def test_real_files(data_folder, home):
    folder = data_folder / "weights"
    card = import_file(folder / "vgg19_features.safetensors", "oxford")
    assert (card.preprocessing, card.classes, card.licence) == (CAFFE_VGG, (), "CC BY 4.0")
    assert "without a classifier" in card.notes
    assert load_network("oxford").card == card
    # Under the network's own name: then that name means this file.
    card = import_file(folder / "squeezenet1_1.pth")
    assert (card.name, card.file, len(card.classes)) == ("squeezenet1_1", "squeezenet1_1.pth", 1000)
    assert catalogue.state("squeezenet1_1") == "imported"
    assert catalogue.names().count("squeezenet1_1") == 1
    card = import_file(folder / "style_mosaic.pth")
    assert (card.architecture, card.preprocessing) == ("transformer_net", BYTES)
    module = load_module(home / "style_mosaic.pth")
    assert module(torch.rand(1, 3, 32, 32) * 255).shape == (1, 3, 32, 32)


def test_check_sums_in_file_names_are_no_part_of_the_name(slim, tmp_path):
    path = slim.rename(tmp_path / "my_net-0123abcd.safetensors")
    assert import_file(path).name == "my_net"


def test_files_that_cannot_be_imported(slim, tmp_path, home):
    with pytest.raises(BadInput, match="does not exist"):
        import_file(tmp_path / "none.pth")
    safetensors.torch.save_file({"x": torch.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(BadInput, match="no known network"):
        import_file(tmp_path / "x.safetensors")
    state = slim_vgg(3).state_dict()
    state["conv3_2.bias"][5] = float("nan")
    safetensors.torch.save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(BadInput, match="not finite"):
        import_file(tmp_path / "nan.safetensors")
    assert not home.exists()


def test_a_failed_copy_leaves_nothing(slim, home, monkeypatch):
    from engine.errors import PareidoliaError
    from engine.networks import importing

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importing.shutil, "copyfileobj", fail)
    with pytest.raises(PareidoliaError, match="No space left"):
        import_file(slim)
    assert list(home.iterdir()) == []


def test_remove(slim, home):
    import_file(slim)
    assert sorted(p.name for p in remove("birds")) == ["birds.json", "birds.safetensors"]
    assert list(home.iterdir()) == []
    assert "birds" not in catalogue.names()
    assert slim.is_file()
    with pytest.raises(BadInput, match="no network is called 'birds'"):
        remove("birds")


def test_remove_a_download_but_not_what_is_elsewhere(slim, home, tmp_path, monkeypatch):
    home.mkdir(parents=True)
    (home / "vgg16-397923af.pth").write_bytes(b"")
    assert remove("vgg16") == [home / "vgg16-397923af.pth"]
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(tmp_path))
    (tmp_path / "vgg16.pth").write_bytes(b"")
    with pytest.raises(BadInput, match="neither imported nor downloaded"):
        remove("vgg16")
    assert (tmp_path / "vgg16.pth").is_file()


def facts(results):
    return {(r.name, r.path.name): (r.ok, r.reason) for r in results}


def test_verify(slim, home, tmp_path):
    assert verify() == []
    import_file(slim)
    assert facts(verify()) == {("birds", "birds.safetensors"): (True, "as its card says")}
    content = bytearray((home / "birds.safetensors").read_bytes())
    content[-1] ^= 1
    (home / "birds.safetensors").write_bytes(content)
    ((ok, reason),) = facts(verify()).values()
    assert not ok and reason == "changed: the checksum differs from its card's"
    (home / "birds.safetensors").unlink()
    assert facts(verify()) == {("birds", "birds.safetensors"): (False, "its weights are missing")}


def test_verify_downloads_by_their_published_check_sum(slim, home):
    home.mkdir(parents=True)
    (home / "alexnet-owt-7be5be79.pth").write_bytes(b"not these")
    ((ok, reason),) = facts(verify()).values()
    assert not ok and "checksum" in reason


def test_verify_files_without_check_sum(slim, home, tmp_path, monkeypatch):
    folder = tmp_path / "more"
    folder.mkdir()
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(folder))
    slim.rename(folder / "birds.safetensors")
    (folder / "cut.pth").write_bytes(b"PK\3\4")
    safetensors.torch.save_file({"x": torch.ones(2)}, folder / "x.safetensors")
    state = slim_vgg(3).state_dict()
    state["conv1_1.bias"][0] = float("inf")
    torch.save(state, folder / "inf.pt")
    found = facts(verify())
    assert found[("slim_vgg", "birds.safetensors")][0]
    assert "cut off or damaged" in found[("cut", "cut.pth")][1]
    ok, reason = found[("x", "x.safetensors")]
    assert not ok and "holds the weights of no known network" in reason
    ok, reason = found[("inf", "inf.pt")]
    assert not ok and "conv1_1.bias holds numbers that are not finite" in reason
