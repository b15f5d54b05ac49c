import struct

import pytest
import torch

from engine.errors import BadInput
from engine.networks.architectures.names import caffe_modules
from engine.networks.loading import load_network
from engine.networks.reading import read_file


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def number(field, value):
    return varint(field << 3) + varint(value)


def floats(tensor):
    return tensor.contiguous().float().numpy().tobytes()


def old_layer(name, weight, bias):
    """As V1LayerParameter, with blobs of four dimensions."""

    def blob(tensor):
        sizes = [1] * (4 - tensor.dim()) + list(tensor.shape)
        shape = b"".join(number(i, n) for i, n in enumerate(sizes, 1))
        return shape + message(5, floats(tensor))

    inner = message(4, name.encode()) + message(6, blob(weight)) + message(6, blob(bias))
    return message(2, inner)


def layer(name, *tensors):
    """As LayerParameter, with shapes."""
    blobs = b""
    for tensor in tensors:
        shape = message(1, b"".join(varint(n) for n in tensor.shape))
        blobs += message(7, message(5, floats(tensor)) + message(7, shape))
    return message(100, message(1, name.encode()) + message(2, b"Convolution") + blobs)


def test_both_formats(tmp_path):
    weight, bias = torch.randn(4, 3, 5, 5), torch.randn(300)
    matrix = torch.randn(7, 6)
    head = message(1, b"a net") + number(5, 1) + varint(9 << 3 | 5) + struct.pack("<f", 1.5)
    path = tmp_path / "new.caffemodel"
    path.write_bytes(head + layer("data") + layer("a/1x1", weight, bias) + layer("fc", matrix))
    state = read_file(path).groups[0].tensors
    assert list(state) == ["a/1x1.weight", "a/1x1.bias", "fc.weight"]
    assert torch.equal(state["a/1x1.weight"], weight) and torch.equal(state["a/1x1.bias"], bias)
    assert torch.equal(state["fc.weight"], matrix)

    path = tmp_path / "old.caffemodel"
    path.write_bytes(head + old_layer("conv", weight, bias) + old_layer("fc", matrix, bias))
    state = read_file(path).groups[0].tensors
    assert torch.equal(state["conv.weight"], weight)
    assert torch.equal(state["fc.weight"], matrix)
    assert torch.equal(state["fc.bias"], bias)


def test_unpacked_floats(tmp_path):
    values = (1.0, -2.5, 3.25)
    blob = b"".join(varint(5 << 3 | 5) + struct.pack("<f", v) for v in values)
    blob += message(7, message(1, varint(3)))
    path = tmp_path / "unpacked.caffemodel"
    path.write_bytes(message(100, message(1, b"x") + message(7, blob)))
    assert read_file(path).groups[0].tensors["x.weight"].tolist() == list(values)


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_cut_off(tmp_path, keep):
    content = layer("a", torch.randn(50, 50))
    path = tmp_path / "cut.caffemodel"
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BadInput, match="cut off or damaged"):
        read_file(path)


@pytest.mark.parametrize("content", [b"<html>not found</html>", b"\xff" * 40, b"\x08\x01"])
def test_not_a_caffe_model(tmp_path, content):
    path = tmp_path / "page.caffemodel"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"Caffe model"):
        read_file(path)


def test_googlenet_from_caffe_s_own_file(data_folder, photo, home, tmp_path):
    expected = load_network("googlenet_bvlc", data_folder / "weights")
    state = read_file(data_folder / "weights" / "googlenet_bvlc.safetensors").groups[0].tensors
    path = tmp_path / "bvlc_googlenet.caffemodel"
    layers = (old_layer(n, state[f"{n}.weight"], state[f"{n}.bias"]) for n in caffe_modules())
    path.write_bytes(b"".join(layers))
    network = load_network("googlenet_bvlc", tmp_path)
    picture = photo("photos/parrot.jpg", 96)
    assert torch.allclose(network.logits(picture), expected.logits(picture))
