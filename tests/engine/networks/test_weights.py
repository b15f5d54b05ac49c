import json
import pickle
import struct

import pytest
import safetensors.torch
import torch

from engine.errors import BadInput, WeightsMissing
from engine.networks import catalogue, weights
from engine.networks.architectures.slim_vgg import slim_vgg

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}


def same(state):
    return state.keys() == TENSORS.keys() and all(
        torch.equal(state[n], t) and state[n].dtype == t.dtype for n, t in TENSORS.items()
    )


# -- reading ---------------------------------------------------------------------------------------


def test_safetensors_with_metadata(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file(TENSORS, path, {"classes": '["cat"]'})
    state, metadata = weights.load_state(path)
    assert same(state) and metadata == {"classes": '["cat"]'}
    assert weights.shapes(path) == {"a.weight": (2, 3), "b": (4,)}


@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch_formats_new_and_old(tmp_path, zipped):
    path = tmp_path / "x.pth"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
    assert same(weights.load_state(path)[0])
    assert weights.shapes(path) == {"a.weight": (2, 3), "b": (4,)}


@pytest.mark.parametrize(
    "wrapped",
    [
        {"state_dict": TENSORS, "epoch": 3},
        {"model": {"state_dict": TENSORS}},
        {f"module.{n}": t for n, t in TENSORS.items()},
        {"net": {f"_orig_mod.module.{n}": t for n, t in TENSORS.items()}, "acc": 0.5},
    ],
)
def test_wrappers_and_prefixes(tmp_path, wrapped):
    path = tmp_path / "x.pt"
    torch.save(wrapped, path)
    assert same(weights.load_state(path)[0])


def test_a_prefix_that_not_all_names_share_stays(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, path)
    assert set(weights.load_state(path)[0]) == {"module.a", "b"}


class Evil:
    def __reduce__(self):
        import os

        return os.mkdir, ("this-folder-must-not-appear",)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_that_run_code_are_refused(tmp_path, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    torch.save({"a": torch.ones(1), "b": Evil()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadInput, match=r"evil\.pth is a pickle that wants to run code"):
        weights.load_state(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BadInput, match="evil"):
        weights.load_state(path)
    assert not (tmp_path / "this-folder-must-not-appear").exists()


def test_whole_models_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(BadInput, match="save only its state dict"):
        weights.load_state(path)


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "old"])
def test_cut_off_files(tmp_path, kind, keep):
    path = tmp_path / ("x.safetensors" if kind == "safetensors" else "x.pth")
    tensors = {"a": torch.randn(40, 40), "b": torch.randn(40)}
    if kind == "safetensors":
        safetensors.torch.save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BadInput, match=path.name):
        weights.load_state(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><p>404", "neither safetensors nor a PyTorch"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "neither safetensors nor a PyTorch"),
        (pickle.dumps([1, 2]), "damaged|no state dict"),
        (struct.pack("<Q", 2) + b"{}", None),
        (struct.pack("<Q", 1 << 60) + b"{}" + bytes(64), "not a safetensors file"),
    ],
)
def test_other_files(tmp_path, content, says):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    if says is None:
        assert weights.load_state(path) == ({}, {})
    else:
        with pytest.raises(BadInput, match=says):
            weights.load_state(path)


def test_no_tensors(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"epoch": 3}, path)
    with pytest.raises(BadInput, match="holds no state dict"):
        weights.load_state(path)


def test_missing_file(tmp_path):
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        weights.load_state(tmp_path / "none.pth")


# -- finding ---------------------------------------------------------------------------------------


@pytest.fixture
def slim(tmp_path):
    """A folder with SlimVGG under a name that tells nothing."""
    folder = tmp_path / "slim"
    folder.mkdir()
    safetensors.torch.save_file(slim_vgg(3).state_dict(), folder / "some_network.safetensors")
    return folder


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_folders_in_order(home, tmp_path, monkeypatch):
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    monkeypatch.setattr(weights.os, "pathsep", ":")
    assert weights.folders() == [weights.SHIPPED, home, tmp_path / "a", tmp_path / "b"]


def test_user_folder_without_override(monkeypatch):
    monkeypatch.delenv("PAREIDOLIA_HOME", raising=False)
    assert weights.user_folder().parts[-2:] == ("pareidolia", "networks")


@pytest.mark.parametrize(
    "file",
    [
        "vgg19-dcbb9e9d.pth",
        "vgg19.safetensors",
        "vgg19.pth",
        "vgg19.pt",
        "vgg19_features.safetensors",
        "vgg19-d01eb7cb.pth",
        "vgg19.caffemodel",
    ],
)
def test_usual_names(home, tmp_path, file):
    folder = touch(tmp_path / "nets", file, "vgg19_bn-c79401a0.pth", "vgg16-397923af.pth", "notes")
    assert weights.find(catalogue.card("vgg19"), folder) == folder / file


def test_published_name_goes_first(home, tmp_path):
    folder = touch(tmp_path / "nets", "vgg19.pth", "vgg19-dcbb9e9d.pth", "vgg19.safetensors")
    assert weights.find(catalogue.card("vgg19"), folder).name == "vgg19-dcbb9e9d.pth"


def test_other_names_are_known_by_their_tensors(home, slim, tmp_path, monkeypatch):
    (slim / "broken.safetensors").write_bytes(b"\0" * 20)
    assert weights.find(catalogue.built_in("slim_vgg"), slim).name == "some_network.safetensors"
    state = safetensors.torch.load_file(slim / "some_network.safetensors")
    other = touch(tmp_path / "pth")
    torch.save(state, other / "checkpoint.pth")
    assert weights.find(catalogue.built_in("slim_vgg"), other).name == "checkpoint.pth"
    with pytest.raises(WeightsMissing):
        weights.find(catalogue.card("vgg16"), slim)


def test_networks_with_cards_of_their_own_are_not_taken_for_others(home, slim):
    (slim / "some_network.json").write_text("{}")
    with pytest.raises(WeightsMissing):
        weights.find(catalogue.built_in("slim_vgg"), slim)


def test_environment_folder(home, tmp_path, monkeypatch):
    folder = touch(tmp_path / "nets", "vgg16-397923af.pth")
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(folder))
    assert weights.find(catalogue.card("vgg16")) == folder / "vgg16-397923af.pth"


def test_an_explicit_file_is_taken_whatever_its_name(home, tmp_path):
    folder = touch(tmp_path / "nets", "anything.bin")
    assert weights.find(catalogue.card("vgg16"), folder / "anything.bin").name == "anything.bin"
    with pytest.raises(BadInput, match="no such weight file or folder"):
        weights.find(catalogue.card("vgg16"), tmp_path / "nowhere")


def test_missing_weights_name_the_command(home, tmp_path):
    with pytest.raises(WeightsMissing, match=r"python main\.py networks download vgg16$") as error:
        weights.find(catalogue.card("vgg16"))
    assert error.value.exit_code == 3
    with pytest.raises(WeightsMissing, match="not in "):
        weights.find(catalogue.card("vgg16"), tmp_path)


def test_a_card_cannot_lead_out_of_its_folder(home, tmp_path):
    from dataclasses import replace

    touch(tmp_path, "secret.pth")
    folder = touch(tmp_path / "nets")
    card = replace(catalogue.card("vgg16"), file="../secret.pth")
    assert weights.named(card, [folder]) is None


def test_header_is_read_without_torch(tmp_path, slim):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from engine.networks import weights; "
        f"s = weights.shapes(Path({str(slim / 'some_network.safetensors')!r})); "
        "assert s['conv1_1.weight'] == (32, 3, 3, 3); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_header_that_disagrees_with_the_file(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 3)
    with pytest.raises(BadInput, match="cut off or damaged"):
        weights.shapes(path)
