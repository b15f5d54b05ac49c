"""Weight files that are damaged, hostile or unusable: one sentence each, and no harm done."""

import json
import os
import pickletools
import stat
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torchvision import models

from cli.networks import run
from engine.errors import BadInput
from engine.networks import catalogue, weights
from engine.networks.architectures.googlenet_bvlc import googlenet_bvlc
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.networks.architectures.transformer_net import TransformerNet
from engine.networks.formats import archive, pickled, state_dicts
from engine.networks.importing import import_file, verify
from engine.networks.loading import load_network
from engine.networks.reading import read_file


@pytest.fixture(autouse=True)
def alone(home, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return models.squeezenet1_1(num_classes=2).state_dict()


# -- what a file may hold --------------------------------------------------------------------------


def test_a_dictionary_that_contains_itself(state, tmp_path):
    loop = {"state_dict": state, "list": []}
    loop["self"] = loop
    loop["list"].append(loop)
    torch.save(loop, tmp_path / "loop.pth")
    assert import_file(tmp_path / "loop.pth").architecture == "squeezenet1_1"
    assert all(result.ok for result in verify())


def test_modules_that_contain_themselves(tmp_path):
    module = torch.nn.Linear(2, 2)
    module.__dict__["_modules"]["again"] = module
    module.__dict__["_modules"]["once more"] = module
    torch.save(module, tmp_path / "loop.pt")
    with pytest.raises(BadInput, match=r"loop\.pt is cut off or damaged"):
        read_file(tmp_path / "loop.pt")


def test_nesting_has_an_end(state, tmp_path):
    nested = state
    for _ in range(100):
        nested = {"a": nested}
    torch.save(nested, tmp_path / "deep.pth")
    with pytest.raises(BadInput, match="holds no state dict"):
        read_file(tmp_path / "deep.pth")


def test_a_search_has_an_end(state, tmp_path, monkeypatch):
    monkeypatch.setattr(state_dicts, "MOST_PLACES", 20)
    torch.save({f"k{i}": {"v": i + 1000} for i in range(30)}, tmp_path / "many.pth")
    with pytest.raises(BadInput, match="damaged"):
        read_file(tmp_path / "many.pth")


def test_large_pickles_are_not_parsed(state, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.networks.formats.pytorch.LARGEST", 1000)
    torch.save(state, tmp_path / "x.pth")
    monkeypatch.setattr(pickletools, "genops", lambda *_: pytest.fail("parsed"))
    with pytest.raises(BadInput, match=r"holds \d+ MiB of Python objects; save only"):
        read_file(tmp_path / "x.pth")


def test_pickles_without_an_archive_end_somewhere(tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(b"\x80\x02" + b"N0" * 1000 + b"N.")
    with path.open("rb") as file, pytest.raises(ValueError, match=r"no end|exhausted"):
        bounded = pickled.Bounded(file, 500)
        for _ in pickletools.genops(bounded):
            pass


def test_compressed_archives_are_refused(state, tmp_path):
    torch.save(state, tmp_path / "x.pth")
    with (
        zipfile.ZipFile(tmp_path / "x.pth") as stored,
        zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in stored.namelist():
            packed.writestr(entry, stored.read(entry))
    with pytest.raises(BadInput, match=r"packed\.pth is a compressed archive"):
        read_file(tmp_path / "packed.pth")


def test_long_lists_of_entries_are_not_read(state, tmp_path, monkeypatch):
    torch.save(state, tmp_path / "x.pth")
    monkeypatch.setattr(archive, "MOST_ENTRIES", 10)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("read"))
    with pytest.raises(BadInput, match="damaged"):
        read_file(tmp_path / "x.pth")


def test_a_tensor_larger_than_its_numbers(tmp_path):
    torch.save({"a": torch.ones(1).expand(1000, 1000)}, tmp_path / "x.pth")
    with pytest.raises(BadInput, match="damaged"):
        read_file(tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("name", "holds"),
    [("keras", "a Keras file"), ("numpy", "an archive of NumPy arrays"), ("zip", "a zip archive")],
)
def test_other_archives_are_told(tmp_path, name, holds):
    path = tmp_path / "x.pth"
    if name == "numpy":
        with path.open("wb") as file:
            np.savez(file, a=np.ones(2))
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("config.json", "{}")
            if name == "keras":
                file.writestr("model.weights.h5", b"")
    with pytest.raises(BadInput, match=f"is {holds}, not a PyTorch file"):
        read_file(path)


def header(path, values, data=b""):
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        {"a": 5},
        {"a": {"dtype": "F32", "data_offsets": [0, 4]}},
        {"a": ONE | {"shape": "x"}},
        {"a": ONE | {"shape": [[1]]}},
        {"a": ONE | {"shape": [True]}},
        {"a": ONE | {"shape": [2]}},
        {"a": ONE | {"shape": [-1], "data_offsets": [4, 0]}},
        {"a": ONE | {"data_offsets": [0]}},
        {"a": ONE | {"data_offsets": [0, 4.0]}},
        {"a": ONE | {"dtype": "F7"}},
        {"a": ONE | {"dtype": []}},
        {"a": ONE, "b": ONE},
        {"a": ONE, "__metadata__": {"classes": 5}},
        {"a": ONE, "__metadata__": [1]},
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_safetensors_headers_are_checked_wholly(tmp_path, home, values, capsys):
    home.mkdir(parents=True)
    header(home / "x.safetensors", values, b"\0" * 4)
    with pytest.raises(BadInput, match=r"x\.safetensors is not a safetensors file"):
        read_file(home / "x.safetensors")
    # Nor do they stand in the way of other networks.
    assert run(["list", "--here"]) == 0
    assert run(["verify"]) == 1


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("form", ["zip", "old", "safetensors", "script", "whole"])
def test_any_damage_is_told_in_a_sentence(form, tmp_path):
    path = tmp_path / "x.pth"
    few = {"conv.weight": torch.ones(2, 3, 1, 1), "fc.bias": torch.ones(2)}
    if form == "safetensors":
        safetensors.torch.save_file(few, path)
    elif form == "script":
        torch.jit.script(torch.nn.Linear(2, 2)).save(path)
    elif form == "whole":
        torch.save(torch.nn.Linear(2, 2), path)
    else:
        torch.save({"net": few}, path, _use_new_zipfile_serialization=form == "zip")
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in generator.integers(0, min(len(whole), 1200), 2):
            damaged[place] = generator.integers(0, 256)
        path.write_bytes(damaged)
        with suppress(BadInput):  # and nothing else; what is damaged may be a name
            assert read_file(path).groups


# -- what cannot be used ---------------------------------------------------------------------------


UNUSABLE = {
    "int32": (lambda t: t.to(torch.int32), "features.0.weight holds numbers of type int32"),
    "bool": (lambda t: t.bool(), "holds numbers of type bool; weights are floating-point"),
    "complex": (lambda t: t.to(torch.complex64), "holds numbers of type complex64"),
    "sparse": (lambda t: t.to_sparse(), "features.0.weight is sparse; save it as"),
    "csr": (
        lambda t: t.to_sparse_csr() if t.dim() == 2 else t.to_sparse(),
        "is sparse",
    ),
    "meta": (lambda t: t.to("meta"), "features.0.weight has a shape but no values"),
    "NaN": (lambda t: t * float("nan"), "features.0.weight holds numbers that are not finite"),
    "too large": (lambda t: t.double() * 1e300, "holds numbers that are not finite"),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("kind", UNUSABLE)
def test_tensors_that_are_no_weights(kind, state, tmp_path, home):
    change, says = UNUSABLE[kind]
    torch.save({name: change(tensor) for name, tensor in state.items()}, tmp_path / "x.pth")
    with pytest.raises(BadInput, match=says):
        import_file(tmp_path / "x.pth")
    with pytest.raises(BadInput, match=says):
        load_network("squeezenet1_1", tmp_path / "x.pth")
    assert not home.exists()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_quantized_tensors(state, tmp_path):
    quantized = {
        name: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)
        for name, tensor in state.items()
    }
    torch.save(quantized, tmp_path / "x.pth")
    with pytest.raises(BadInput, match=r"features\.0\.weight is quantized"):
        import_file(tmp_path / "x.pth")


def slim(**changes):
    return {n: t for n, t in (slim_vgg(3).state_dict() | changes).items() if t is not None}


MISSHAPEN = {
    "no bias": (lambda: slim(**{"conv2_1.bias": None}), "lacks conv2_1.bias, which slim_vgg needs"),
    "bias": (lambda: slim(**{"conv2_1.bias": torch.ones(3)}), "conv2_1.bias has the shape 3"),
    "classifier": (
        lambda: slim(**{"classifier.weight": torch.ones(3, 7)}),
        "classifier.weight has the shape 3 x 7, slim_vgg needs 3 x 256",
    ),
    "GoogLeNet": (
        lambda: googlenet_bvlc(4).state_dict() | {"inception_3a.conv_3x3.weight": torch.ones(3, 3)},
        "inception_3a.conv_3x3.weight has the shape 3 x 3, googlenet_bvlc needs 128 x 96 x 3 x 3",
    ),
    "style network": (
        lambda: TransformerNet().state_dict() | {"res1.conv1.conv2d.weight": torch.ones(2)},
        "res1.conv1.conv2d.weight has the shape 2, transformer_net needs",
    ),
}


@pytest.mark.parametrize("kind", MISSHAPEN)
def test_all_shapes_are_compared(kind, tmp_path, home):
    make, says = MISSHAPEN[kind]
    safetensors.torch.save_file(make(), tmp_path / "x.safetensors")
    with pytest.raises(BadInput, match=says):
        import_file(tmp_path / "x.safetensors")
    assert not home.exists()


def blob(shape, count):
    """A Caffe blob of `count` floats that is said to have `shape`."""

    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])

    def field(number, content):
        return varint(number << 3 | 2) + varint(len(content)) + content

    sizes = field(1, b"".join(map(varint, shape)))
    return field(100, field(1, b"x") + field(7, field(7, sizes) + field(5, b"\0" * 4 * count)))


@pytest.mark.parametrize("shape", [(1 << 62, 4), (0, 1 << 40), (3,), (1,) * 40, (1 << 63,)])
def test_absurd_dimensions_in_a_caffemodel(tmp_path, shape):
    (tmp_path / "x.caffemodel").write_bytes(blob(shape, 2))
    with pytest.raises(BadInput, match=r"x\.caffemodel is cut off or damaged"):
        read_file(tmp_path / "x.caffemodel")
    (tmp_path / "y.caffemodel").write_bytes(blob((1, 2), 2))
    assert read_file(tmp_path / "y.caffemodel").groups[0].tensors["x.weight"].shape == (1, 2)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux")
def test_what_was_looked_at_takes_no_memory(tmp_path):
    torch.save({"a": torch.ones(8 << 20)}, tmp_path / "x.pth")
    (group,) = read_file(tmp_path / "x.pth").groups

    def mapped():
        status = Path("/proc/self/status").read_text()
        return int(status.partition("RssFile:")[2].split()[0]) // 1024

    group.release()
    before = mapped()
    assert float(group.tensors["a"].sum()) == 8 << 20
    assert mapped() >= before + 28
    group.release()
    assert mapped() <= before + 4
    assert float(group.tensors["a"].sum()) == 8 << 20


# -- names, classes, cards -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ('["\\ud800", "b"]', ("?", "b")),
        ('{"a": 1}', ("class 0", "class 1")),
        ("5", ("class 0", "class 1")),
        ("[" * 50_000, ("class 0", "class 1")),
        ('[["a"], "b"]', ("class 0", "class 1")),
    ],
)
def test_class_names_of_another_kind(state, tmp_path, home, classes, names):
    safetensors.torch.save_file(state, tmp_path / "x.safetensors", {"classes": classes})
    assert import_file(tmp_path / "x.safetensors").classes == names
    assert catalogue.card("x").classes == names


def test_odd_names_of_files(state, tmp_path, home):
    plain, path = tmp_path / "x.pth", tmp_path / os.fsdecode(b"caf\xe9.pth")
    torch.save(state, plain)
    plain.rename(path)
    with pytest.raises(BadInput, match="cannot be a network's name"):
        import_file(path)
    card = import_file(path, "cafe")
    assert card.notes.startswith("imported from caf?.pth: ")
    assert catalogue.card("cafe") == card


@pytest.mark.parametrize("long", ["x" * 300, "x" * 300 + ".pth", "/".join(["y" * 100] * 60)])
def test_overlong_names(state, tmp_path, home, long):
    with pytest.raises(BadInput, match="does not exist"):
        import_file(tmp_path / long)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(BadInput, match=r"cannot be a network's name; use up to 100 letters"):
        import_file(tmp_path / "x.pth", "x" * 300)
    assert not home.exists()


def test_a_card_that_cannot_be_written_leaves_no_weights(state, tmp_path, home, monkeypatch):
    def fail(path, _values):
        raise BadInput(f"{path} cannot be written (No space left on device)")

    torch.save(state, tmp_path / "x.pth")
    monkeypatch.setattr("engine.networks.importing.files.write_json", fail)
    with pytest.raises(BadInput, match=r"cannot be imported: .*No space left"):
        import_file(tmp_path / "x.pth")
    assert list(home.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_cards_are_as_readable_as_the_weights(state, tmp_path, home):
    torch.save(state, tmp_path / "x.pth")
    before = os.umask(0o027)
    try:
        import_file(tmp_path / "x.pth")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o640}


@pytest.mark.parametrize("suffix", [".bin", ".ckpt", ".tar", ".pth.tar", ".weights", ""])
def test_every_file_with_a_card_is_verified(state, tmp_path, home, suffix):
    path = tmp_path / f"mine{suffix}"
    torch.save(state, path)
    card = import_file(path, "mine")
    assert [(r.name, r.ok) for r in verify()] == [("mine", True)]
    copy = home / card.file
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    assert [(r.name, r.ok) for r in verify()] == [("mine", False)]


BAD_CARDS = {
    "not JSON": lambda _: "{",
    "nested": lambda _: '{"a":' * 100_000,
    "a key too many": lambda card: json.dumps(card | {"colour": 1}),
    "classes": lambda card: json.dumps(card | {"classes": 5}),
    "layers": lambda card: json.dumps(card | {"layers": [1]}),
    "size": lambda card: json.dumps(card | {"input_size": "224"}),
    "absurd size": lambda card: json.dumps(card | {"input_size": 10**9}),
    "no size": lambda card: json.dumps(card | {"input_size": 0}),
    "weights of layers": lambda card: json.dumps(card | {"style_layers": {"a": "b"}}),
    "std": lambda card: json.dumps(card | {"preprocessing": {"std": [0, 1, 1]}}),
    "mean": lambda card: json.dumps(card | {"preprocessing": {"mean": [0, 1]}}),
    "infinite": lambda card: json.dumps(card | {"preprocessing": {"scale": float("inf")}}),
    "order": lambda card: json.dumps(card | {"preprocessing": {"order": "GBR"}}),
    "file": lambda card: json.dumps(card | {"file": "../secret.pth"}),
    "title": lambda card: json.dumps(card | {"title": None}),
    "another name": lambda card: json.dumps(card | {"name": "other"}),
}


@pytest.mark.parametrize("kind", BAD_CARDS)
def test_a_damaged_card_is_left_out_of_lists(kind, home, capsys):
    home.mkdir(parents=True)
    good = replace(catalogue.built_in("squeezenet1_1"), name="mine", file="mine.pth").to_dict()
    (home / "mine.json").write_text(json.dumps(good))
    assert "mine" in catalogue.names() and not catalogue.damaged()
    (home / "mine.json").write_text(BAD_CARDS[kind](good))
    assert run(["list"]) == 0
    said = capsys.readouterr()
    assert "mine" not in said.out
    assert said.err.startswith("left out: ") and "mine.json is not a network's card" in said.err
    with pytest.raises(BadInput, match=r"mine\.json is not a network's card"):
        catalogue.card("mine")
    assert [r.ok for r in verify()] == [False]
