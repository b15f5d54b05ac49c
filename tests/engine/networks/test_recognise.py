import json
import subprocess
import sys
from dataclasses import replace
from functools import cache

import pytest
import torch
from torchvision import models

from engine.networks import catalogue
from engine.networks.architectures.names import (
    caffe_vgg_modules,
    slim_vgg_shapes,
    transformer_names,
)
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.networks.assembling import assemble
from engine.networks.building import build
from engine.networks.fingerprints import torchvision_table
from engine.networks.reading import read_file
from engine.networks.recognise import recognise, recognise_shapes

NAMES = models.list_models(module=models)


@cache
def module_of(name, classes=1000):
    return build(name, classes, input_size=catalogue.built_in(name).input_size)


def shapes_of(name, classes=1000):
    return {key: tuple(t.shape) for key, t in module_of(name, classes).state_dict().items()}


def test_table_is_torchvision_s():
    table = torchvision_table()
    assert list(table["models"]) == NAMES
    assert table["categories"] == models.VGG19_Weights.DEFAULT.meta["categories"]
    for name, row in table["models"].items():
        weights = models.get_model_weights(name).DEFAULT
        prepare = weights.transforms()
        assert row["url"] == weights.url
        assert (row["mean"], row["std"]) == (list(prepare.mean), list(prepare.std))
        assert [row["input_size"]] == prepare.crop_size
        assert row["mib"] == weights.meta["_file_size"]
        assert weights.url.endswith(f"-{row['hash']}.pth")


@pytest.mark.parametrize("name", NAMES)
def test_every_torchvision_network_is_recognised(name):
    shapes = shapes_of(name)
    found = recognise_shapes(shapes)
    assert found is not None
    assert (found.architecture, found.part, found.num_classes) == (name, "whole", 1000)
    head = set(torchvision_table()["models"][name]["head"])
    assert head
    without = recognise_shapes({n: s for n, s in shapes.items() if n not in head})
    assert without is not None and without.architecture == name
    assert not without.complete and without.num_classes == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_torchvision_network_takes_its_tensors(name):
    """Strict loading of all names and shapes, with the classifier and without."""
    state = module_of(name).state_dict()
    size = catalogue.built_in(name).input_size
    module = assemble(state, recognise(as_meta(state)), size)
    assert module.state_dict().keys() == state.keys()
    head = set(torchvision_table()["models"][name]["head"])
    rest = {n: t for n, t in state.items() if n not in head}
    assert assemble(rest, recognise(as_meta(rest)), size).state_dict().keys() <= rest.keys()


def as_meta(state):
    """`recognise` looks at the first numbers of VGG, which the meta device has not."""
    return {n: torch.zeros(t.shape) if n.startswith("features.0.") else t for n, t in state.items()}


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "inception_v3", "vgg16"])
def test_other_numbers_of_classes(name):
    found = recognise_shapes(shapes_of(name, 7))
    assert (found.architecture, found.num_classes) == (name, 7)


def test_one_changed_shape_or_name_is_another_network():
    shapes = shapes_of("resnet18")
    assert recognise_shapes(shapes | {"conv1.weight": (64, 3, 5, 5)}) is None
    assert recognise_shapes(shapes | {"layer1.extra.weight": (1,)}) is None
    assert recognise_shapes({n: s for n, s in shapes.items() if n != "bn1.bias"}) is None
    assert recognise_shapes({}) is None


def test_gray_pictures_and_what_stands_beside():
    shapes = shapes_of("resnet18")
    assert recognise_shapes(shapes | {"conv1.weight": (64, 1, 7, 7)}).channels == 1
    found = recognise_shapes(shapes | {"extra.weight": (1,)})
    assert (found.architecture, found.channels) == ("resnet18", 3)
    assert "extra.weight" not in found.mapping


def test_real_files(data_folder):
    expected = {
        "vgg19_features.safetensors": ("vgg19", "features", 0, "caffe-vgg"),
        "googlenet_bvlc.safetensors": ("googlenet_bvlc", "whole", 1000, "caffe-bvlc"),
        "squeezenet1_1.pth": ("squeezenet1_1", "whole", 1000, ""),
        "style_mosaic.pth": ("transformer_net", "whole", 0, "bytes"),
        "slim_vgg_pilot.safetensors": ("slim_vgg", "whole", 101, "imagenet"),
    }
    for file, facts in expected.items():
        found = recognise(read_file(data_folder / "weights" / file).groups[0].tensors)
        assert (found.architecture, found.part, found.num_classes, found.preprocessing) == facts
    assert catalogue.card("squeezenet1_1").preprocessing.mean == (0.485, 0.456, 0.406)


def test_colour_order_of_converted_vgg(data_folder):
    state = read_file(data_folder / "weights" / "vgg19_features.safetensors").groups[0].tensors
    first = state["features.0.weight"]
    assert recognise(state).preprocessing == "caffe-vgg"
    assert recognise(state | {"features.0.weight": first.flip(1)}).preprocessing == "caffe-vgg-rgb"
    # Slightly fine-tuned weights are prepared as the ones they come from.
    tuned = {n: t.float() + 0.002 for n, t in state.items()}
    assert recognise(tuned).preprocessing == "caffe-vgg"


def test_vgg_of_another_origin_is_taken_for_torchvision_s():
    shapes = {n: s for n, s in shapes_of("vgg16").items() if n.startswith("features.")}
    generator = torch.Generator().manual_seed(0)
    state = {n: 0.2 * torch.randn(s, generator=generator) for n, s in shapes.items()}
    assert recognise(state).preprocessing == "imagenet"


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_vgg_named_by_caffe(name):
    shapes = shapes_of(name)
    modules = caffe_vgg_modules(name)
    caffe = {
        f"{layer}.{kind}": shapes[f"{module}.{kind}"]
        for layer, module in modules.items()
        for kind in ("weight", "bias")
    }
    found = recognise_shapes(caffe)
    assert (found.architecture, found.part, found.preprocessing) == (name, "whole", "caffe-vgg")
    assert {found.mapping[n]: s for n, s in caffe.items()} == shapes
    convolutions = {n: s for n, s in caffe.items() if n.startswith("conv")}
    assert recognise_shapes(convolutions).part == "features"


def test_vgg_whose_classifier_counts_a_flatten():
    """As in conversions from Caffe by way of Lua Torch."""
    places = {"classifier.0.": "classifier.1.", "classifier.3.": "classifier.4."}
    shapes = {}
    for name, shape in shapes_of("vgg19").items():
        prefix = next((p for p in places if name.startswith(p)), "")
        shapes[places.get(prefix, "") + name.removeprefix(prefix)] = shape
    assert "classifier.4.weight" in shapes and "classifier.0.weight" not in shapes
    found = recognise_shapes(shapes)
    assert (found.architecture, found.part) == ("vgg19", "whole")
    assert found.mapping["classifier.4.weight"] == "classifier.3.weight"
    # AlexNet has these numbers by right.
    assert (
        recognise_shapes(shapes_of("alexnet")).mapping["classifier.4.weight"].endswith("4.weight")
    )


def test_old_names_of_densenet_and_vision_transformers():
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): shape
        for name, shape in shapes_of("densenet121").items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    found = recognise_shapes(old)
    assert found.architecture == "densenet121"
    assert set(found.mapping.values()) <= shapes_of("densenet121").keys()

    old = {
        n.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): s
        for n, s in shapes_of("vit_b_16").items()
    }
    found = recognise_shapes(old)
    assert found.architecture == "vit_b_16"
    assert set(found.mapping.values()) == shapes_of("vit_b_16").keys()


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_training_heads_are_ignored(name):
    module = models.get_model(name, init_weights=False, aux_logits=True)
    shapes = {n: tuple(t.shape) for n, t in module.state_dict().items()}
    assert any("ux" in n for n in shapes)
    found = recognise_shapes(shapes)
    assert found.architecture == name
    assert not any("ux" in n for n in found.mapping)


def test_slim_vgg():
    shapes = {n: tuple(t.shape) for n, t in slim_vgg(12).state_dict().items()}
    assert {f"{n}.weight": s for n, s in slim_vgg_shapes().items()}.items() <= shapes.items()
    assert recognise_shapes(shapes).num_classes == 12
    body = {n: s for n, s in shapes.items() if n.startswith("conv")}
    assert recognise_shapes(body).part == "body"
    assert recognise_shapes(shapes | {"conv5_4.weight": (9, 256, 3, 3)}) is None


def test_style_network_with_running_statistics():
    shapes = dict.fromkeys(transformer_names(), (32,)) | {"deconv3.conv2d.weight": (3, 32, 9, 9)}
    shapes |= {"in1.running_mean": (32,), "in1.running_var": (32,)}
    found = recognise_shapes(shapes)
    assert found.architecture == "transformer_net"
    assert "in1.running_mean" not in found.mapping


def test_recognised_without_importing_torch():
    code = (
        "import json, sys; from engine.networks.recognise import recognise_shapes; "
        "shapes = {n: tuple(s) for n, s in json.load(sys.stdin).items()}; "
        "assert recognise_shapes(shapes).architecture == 'resnet18'; "
        "assert 'torch' not in sys.modules"
    )
    text = json.dumps(shapes_of("resnet18"))
    subprocess.run([sys.executable, "-c", code], input=text, text=True, check=True, timeout=60)


def test_every_torchvision_card_names_layers_that_there_are():
    """Style, content and dream layers resolve on a network without memory."""
    from engine.networks.network import Network

    for name in ("alexnet", "densenet121", "vgg11_bn", "resnet18", "maxvit_t", "swin_t", "vit_b_32",
                 "regnet_x_400mf", "efficientnet_b0", "googlenet", "squeezenet1_0"):  # fmt: skip
        card = replace(catalogue.built_in(name))
        network = Network(module_of(name), card, card.classes)
        for layer in (*card.layers, *card.content_layers, *card.style_layers, *card.dream_layers):
            assert network.resolve(layer)
