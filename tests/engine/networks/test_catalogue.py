import json
import subprocess
import sys

import pytest
import safetensors.torch

from engine.errors import BadInput
from engine.networks import catalogue, weights
from engine.networks.architectures.slim_vgg import RELU_NAMES, slim_vgg
from engine.networks.card import CAFFE_BVLC, IMAGENET
from engine.networks.families import family


def test_names_begin_with_the_default(home):
    names = catalogue.names()
    assert names[:5] == ["slim_vgg", "vgg19", "vgg16", "googlenet_bvlc", "squeezenet1_1"]
    assert len(names) == len(set(names)) == 82
    assert "resnet50" in names


@pytest.mark.parametrize("name", catalogue.built_in_names())
def test_every_card_is_filled_in(name):
    card = catalogue.built_in(name)
    assert card.name == name
    assert card.title and card.licence and card.credit and card.layers
    assert card.content_layers and card.style_layers and card.dream_layers
    assert all(w > 0 for w in (*card.style_layers.values(), *card.dream_layers.values()))
    assert catalogue.Card.from_dict(json.loads(json.dumps(card.to_dict()))) == card
    if name != "slim_vgg":
        assert len(card.classes) == 1000
        assert card.url.endswith("/" + card.file) and card.sha256 and card.bytes > 1e6


def test_recipes_of_the_field():
    vgg = catalogue.built_in("vgg19")
    assert vgg.content_layers == {"relu4_2": 1.0}
    assert list(vgg.style_layers.items()) == [
        ("relu1_1", 256.0), ("relu2_1", 64.0), ("relu3_1", 16.0), ("relu4_1", 4.0), ("relu5_1", 1.0)
    ]  # fmt: skip
    slim = catalogue.built_in("slim_vgg")
    assert set(slim.style_layers.values()) == {1.0}
    assert {*slim.layers, *slim.content_layers, *slim.dream_layers} <= set(RELU_NAMES)
    assert catalogue.built_in("googlenet_bvlc").dream_layers == {"inception_4c/output": 1.0}


def test_preprocessing():
    assert catalogue.built_in("googlenet_bvlc").preprocessing == CAFFE_BVLC
    assert catalogue.built_in("resnet50").preprocessing == IMAGENET
    assert catalogue.built_in("efficientnet_v2_l").preprocessing.mean == (0.5, 0.5, 0.5)
    assert catalogue.built_in("vit_h_14").input_size == 518


def test_classes_are_in_order():
    classes = catalogue.built_in("vgg19").classes
    assert (classes[0], classes[281], classes[934]) == ("tench", "tabby", "hotdog")


@pytest.mark.parametrize(
    ("name", "near"), [("vgg91", "vgg19"), ("resnet_50", "resnet50"), ("slimvgg", "slim_vgg")]
)
def test_unknown_names_get_near_ones(home, name, near):
    with pytest.raises(BadInput, match=rf"no network is called '{name}'; did you mean .*{near}"):
        catalogue.card(name)


@pytest.mark.parametrize("name", ["", "qqqqqqqq", "../vgg19", "/etc/passwd"])
def test_names_that_resemble_nothing(home, name):
    with pytest.raises(BadInput, match="no network is called"):
        catalogue.card(name)


def test_states(home, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")
    assert catalogue.state("vgg16") == "downloadable"
    assert catalogue.state("slim_vgg") == "missing"
    home.mkdir(parents=True)
    (home / "vgg16-397923af.pth").write_bytes(b"")
    assert catalogue.state("vgg16") == "here"
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "slim_vgg.safetensors").write_bytes(b"")
    assert catalogue.state("slim_vgg") == "shipped"


def test_odd_file_names_are_noticed(home, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(tmp_path))
    safetensors.torch.save_file(slim_vgg(3).state_dict(), tmp_path / "odd.safetensors")
    assert catalogue.state("slim_vgg") == "here"
    assert catalogue.located(catalogue.card("slim_vgg")).name == "odd.safetensors"


def test_a_shipped_card_is_read(home, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    card = catalogue.built_in("slim_vgg").to_dict() | {"title": "as shipped", "classes": ["a"]}
    (tmp_path / "slim_vgg.json").write_text(json.dumps(card))
    assert catalogue.card("slim_vgg").title == "as shipped"
    assert catalogue.card("slim_vgg").classes == ("a",)


@pytest.mark.parametrize("text", ["", "[]", '{"name": "x"}', '{"colour": 1}', "\ufffd"])
def test_broken_cards(home, text):
    home.mkdir(parents=True)
    (home / "mine.json").write_text(text, "utf-8")
    with pytest.raises(BadInput, match=r"mine\.json is not a network's card"):
        catalogue.card("mine")


def test_titles():
    assert family("resnext101_32x8d")[0] == "ResNeXt-101 (32x8d)"
    assert family("regnet_y_1_6gf")[0] == "RegNet Y 1.6 GF"
    assert family("vgg19_bn")[0] == "VGG-19 with batch norm"
    assert family("something_new") == ("something_new", "torchvision")
    titles = [catalogue.built_in(n).title for n in catalogue.built_in_names()]
    assert len(set(titles)) == len(titles)
    assert not set(titles) & set(catalogue.built_in_names())


def test_no_torch_is_needed():
    code = (
        "import sys; from engine.networks import catalogue as c; "
        "[(c.card(n), c.state(n)) for n in c.names()]; "
        "assert not {'torch', 'torchvision', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
