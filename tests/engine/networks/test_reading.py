import json
import pickle
import struct

import pytest
import safetensors.torch
import torch

from engine.errors import BadInput
from engine.networks.reading import read_file, shapes

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}


def same(state):
    return state.keys() == TENSORS.keys() and all(
        torch.equal(state[n], t) and state[n].dtype == t.dtype for n, t in TENSORS.items()
    )


def tensors(path):
    """The tensors of a file that holds one group of them."""
    (group,) = read_file(path).groups
    return group.tensors


def test_safetensors_with_metadata(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file(TENSORS, path, {"classes": '["cat"]'})
    assert same(tensors(path)) and read_file(path).metadata == {"classes": '["cat"]'}
    assert shapes(path) == [{"a.weight": (2, 3), "b": (4,)}]


@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch_formats_new_and_old(tmp_path, zipped):
    path = tmp_path / "x.pth"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
    assert same(tensors(path))
    assert shapes(path) == [{"a.weight": (2, 3), "b": (4,)}]


@pytest.mark.parametrize(
    ("wrapped", "name"),
    [
        ({"state_dict": TENSORS, "epoch": 3}, "state_dict"),
        ({"model": {"state_dict": TENSORS}}, "model.state_dict"),
        ({"net": TENSORS, "acc": 0.5, "optimizer": {"state": {"a": torch.ones(2)}}}, "net"),
    ],
)
def test_wrappers(tmp_path, wrapped, name):
    path = tmp_path / "x.pt"
    torch.save(wrapped, path)
    assert same(tensors(path)) and read_file(path).groups[0].name == name


class Evil:
    def __reduce__(self):
        import os

        return os.mkdir, ("this-folder-must-not-appear",)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_that_run_code_are_refused(tmp_path, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    torch.save({"a": torch.ones(1), "b": Evil()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        BadInput, match=r"evil\.pth is a pickle that wants to run code \(\w+\.mkdir"
    ):
        read_file(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BadInput, match="evil"):
        read_file(path)
    assert not (tmp_path / "this-folder-must-not-appear").exists()


@pytest.mark.parametrize("name", ["eval", "exec", "getattr", "__import__", "open"])
def test_functions_of_python_itself_are_refused_or_left_alone(tmp_path, name):
    path = tmp_path / "x.pt"
    path.write_bytes(f"\x80\x02cbuiltins\n{name}\n(X\x01\0\0\0xtR.".encode("latin-1"))
    with pytest.raises(BadInput, match=rf"wants to run code \(builtins\.{name}\)"):
        read_file(path)


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "old"])
def test_cut_off_files(tmp_path, kind, keep):
    path = tmp_path / ("x.safetensors" if kind == "safetensors" else "x.pth")
    stored = {"a": torch.randn(40, 40), "b": torch.randn(40)}
    if kind == "safetensors":
        safetensors.torch.save_file(stored, path)
    else:
        torch.save(stored, path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BadInput, match=path.name):
        read_file(path)


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
        assert tensors(path) == {}
    else:
        with pytest.raises(BadInput, match=says):
            read_file(path)


def test_no_tensors(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"epoch": 3}, path)
    with pytest.raises(BadInput, match="holds no state dict"):
        read_file(path)


def test_missing_file(tmp_path):
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_file(tmp_path / "none.pth")


def test_header_that_disagrees_with_the_file(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 3)
    with pytest.raises(BadInput, match="cut off or damaged"):
        shapes(path)
