"""Vision and Swin transformers from ONNX files of both of PyTorch's exporters.

The runtime's scores, and the layers of the module that was exported, are what is compared with.
"""

import contextlib
import io
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

from engine.attribution import cam, grad_cam, guided_backprop
from engine.image import open_picture
from engine.networks.fitting import last_map
from engine.networks.loading import load_network
from tests.benchmarks.inputs import ROOT

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnx2pytorch")
ort = pytest.importorskip("onnxruntime")

CLASSES, SIDE = 9, {"vit": 32, "swin": 64}
FILES = [("vit", "old"), ("vit", "new"), ("swin", "old"), ("swin", "new")]
"""The old exporter's take any number of pictures; the new one's, one at a time."""


def made(kind):
    torch.manual_seed(0)
    if kind == "vit":
        module = VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=CLASSES)
        head = module.heads.head
    else:
        module = SwinTransformer([4, 4], 16, [2, 1], [2, 4], [4, 4], num_classes=CLASSES)
        head = module.head
    nn.init.normal_(head.weight)
    for name, parameter in module.named_parameters():
        if "norm" in name or "ln" in name:  # else all are alike, and kept as one
            nn.init.normal_(parameter, float("weight" in name), 0.2)
    return module.eval()


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Every file and the network in it, written and opened once, by kind and exporter."""
    folder, found = tmp_path_factory.mktemp("attention"), {}
    for kind, exporter in FILES:
        path = folder / f"{kind}_{exporter}.onnx"
        free = {"dynamic_axes": {"x": {0: "n"}}} if exporter == "old" else {}
        side = SIDE[kind]
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # of the exporters, about themselves
            torch.onnx.export(
                made(kind), (torch.zeros(1, 3, side, side),), str(path), dynamo=exporter == "new",
                input_names=["x"], **free,
            )  # fmt: skip
        found[kind, exporter] = path, load_network("onnx", path)
    return found


def photos(kind):
    """The photo and its mirror image."""
    side = SIDE[kind]
    photo = open_picture(str(ROOT / "resources/pictures/cat.jpg")).resized(size=(side, side))
    x = photo.tensor()[None]
    return torch.cat([x, x.flip(3)])


def runtime(path, x):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options)
    return np.concatenate([session.run(None, {"x": one[None].numpy()})[0] for one in x])


@pytest.mark.parametrize(("kind", "exporter"), FILES)
def test_scores_are_the_runtimes(opened, kind, exporter):
    path, network = opened[kind, exporter]
    x = photos(kind)
    found = network.logits(x).numpy()
    wanted = runtime(path, network.prepare(x).contiguous())
    assert np.abs(found - wanted).max() < 1e-4
    assert (np.argsort(found)[:, -5:] == np.argsort(wanted)[:, -5:]).all()
    assert np.ptp(wanted) > 1 and np.abs(wanted[0] - wanted[1]).max() > 1e-3
    one_by_one = "is given one at a time" in network.card.notes
    assert one_by_one == (exporter == "new")


LAYERS = {
    ("vit", "old"): "encoder/layers/encoder_layer_0/Add_1",
    ("vit", "new"): "encoder/layers/encoder_layer_0_2",
    ("swin", "old"): "features/3/0/Add_1",
    ("swin", "new"): "features/3/0_2",
}
"""The end of a block in the exporter's words."""


@pytest.mark.parametrize(("kind", "exporter"), FILES)
def test_blocks_are_tapped_as_maps(opened, kind, exporter):
    (_, network), module = opened[kind, exporter], made(kind)
    layer, x = LAYERS[kind, exporter], photos(kind)[:1]
    kept = []
    block = module.encoder.layers.encoder_layer_0 if kind == "vit" else module.features[3][0]
    block.register_forward_hook(lambda _m, _i, output: kept.append(output))
    with torch.no_grad():
        module(network.prepare(x))
        found = network.taps(x, [layer])[layer]
    wanted = (
        kept[0][:, 1:].mT.unflatten(2, (4, 4)) if kind == "vit" else kept[0].permute(0, 3, 1, 2)
    )
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert layer in network.card.layers
    names = [part.name for part in network.layers()]
    assert len(names) == len(set(names)) and layer in names


@pytest.mark.parametrize(("kind", "exporter"), FILES)
def test_grad_cam_and_guided_backprop_are_those_of_the_exported_module(opened, kind, exporter):
    (_, network), module = opened[kind, exporter], made(kind)
    x = network.prepare(photos(kind)[:1])
    block = module.encoder.layers.encoder_layer_1.ln_1 if kind == "vit" else module.norm
    kept = []
    block.register_forward_hook(lambda _m, _i, output: kept.append(output))
    (gradient,) = torch.autograd.grad(module(x.clone().requires_grad_())[0, 3], kept[0])
    if kind == "vit":  # the class token aside
        wanted = torch.einsum("nc,ntc->nt", gradient[:, 1:].mean(1), kept[0][:, 1:])
        wanted = wanted.unflatten(1, (4, 4))
    else:
        wanted = torch.einsum("nc,nhwc->nhw", gradient.mean((1, 2)), kept[0])
    found = grad_cam(network.module, x, 3, last_map(network), relu=False, upsample=False)
    assert wanted.abs().max() > 1e-3
    torch.testing.assert_close(found, wanted.detach(), atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(
        guided_backprop(network.module, x, 3), guided_backprop(module, x, 3), atol=1e-5, rtol=1e-3
    )
    if kind == "vit":
        with pytest.raises(ValueError, match="CAM needs a network that ends in global average"):
            cam(network.module, x, 3)
    else:
        torch.testing.assert_close(
            cam(network.module, x, 3, upsample=False), cam(module, x, 3, upsample=False)
        )
