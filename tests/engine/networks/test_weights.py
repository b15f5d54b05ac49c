import pytest
import safetensors.torch
import torch

from engine.errors import BadInput, WeightsMissing
from engine.networks import catalogue, weights
from engine.networks.architectures.slim_vgg import slim_vgg

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
    with pytest.raises(
        WeightsMissing, match=r"engine\.networks\.catalogue\.card\('vgg16'\)\)$"
    ) as error:
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
        f"s = weights.architecture(Path({str(slim / 'some_network.safetensors')!r})); "
        "assert s == 'slim_vgg'; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
