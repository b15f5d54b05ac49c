import json

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import BadInput
from engine.networks.card import HALF, IMAGENET, Preprocessing
from engine.networks.foreign.timm import TWINS
from engine.networks.importing import import_file
from engine.networks.loading import load_network

timm = pytest.importorskip("timm")


def network(name, **settings):
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, **settings).eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.rand(parameter.shape, generator=generator)
    return model


def saved(model, path, **config):
    path.parent.mkdir(exist_ok=True)
    save_file({n: t.contiguous() for n, t in model.state_dict().items()}, path)
    if config:
        (path.parent / "config.json").write_text(json.dumps(config))
    return path


def prepared(x, p):
    return (x - torch.tensor(p.mean).view(1, 3, 1, 1)) / torch.tensor(p.std).view(1, 3, 1, 1)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def x():
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))


def close(found, wanted):
    return bool((found - wanted).abs().max() < 1e-4 * max(1, wanted.abs().max()))


def test_twins_are_told_apart_by_the_configuration_beside(tmp_path, x):
    model = network("resnetblur18", num_classes=7)
    config = {
        "architecture": "resnetblur18",
        "num_classes": 7,
        "label_names": list("abcdefg"),
        "pretrained_cfg": {
            "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.1], "interpolation": "bicubic",
            "crop_pct": 0.9, "input_size": [3, 96, 96],
        },
    }  # fmt: skip
    path = saved(model, tmp_path / "net" / "model.safetensors", **config)
    card = import_file(path, "blur")
    assert (card.architecture, card.input_size, card.crop) == ("timm/resnetblur18", 96, 0.9)
    assert (card.interpolation, card.classes) == ("bicubic", tuple("abcdefg"))
    own = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.1))
    assert card.preprocessing == own
    assert "config.json beside it says so" in card.notes
    with torch.no_grad():
        wanted = model(prepared(x, own))
        assert close(load_network("blur").logits(x), wanted)
        # The same names and shapes as ResNet-18, other arithmetic: a sentence, or the person's word.
        (path.parent / "config.json").unlink()
        plain = import_file(path, "plain")
        assert plain.architecture == "resnet18"
        assert "resnetblur18 cannot be told from it" in plain.notes
        assert not close(load_network("plain", preprocessing="imagenet").logits(x), wanted)
        asked = import_file(path, "asked", architecture="resnetblur18")
        assert asked.architecture == "timm/resnetblur18"
        assert close(load_network("asked").logits(x), model(prepared(x, IMAGENET)))
    assert "cannot be told" not in import_file(path, "sure", architecture="resnet18").notes


@pytest.mark.parametrize(("name", "twin"), [(n, t) for n, twins in TWINS.items() for t in twins])
def test_twins_have_the_names_and_shapes_of_torchvisions(name, twin):
    from torchvision import models

    assert timm.is_model(twin)
    with torch.device("meta"):
        theirs, ours = timm.create_model(twin, pretrained=False), models.get_model(name)
    shapes = [{n: t.shape for n, t in m.state_dict().items()} for m in (theirs, ours)]
    assert shapes[0] == shapes[1]


def test_preprocessing_belongs_to_the_weights(tmp_path, x):
    from torchvision import models

    model = models.inception_v3(weights=None, init_weights=False, aux_logits=True).eval()
    state = {n: t.contiguous() for n, t in model.state_dict().items()}
    save_file(state, path := tmp_path / "inception_v3.gluon_in1k.safetensors")
    save_file(state, other := tmp_path / "some.safetensors")
    big = torch.nn.functional.interpolate(x, size=(96, 96))
    model.transform_input = False
    with torch.no_grad():
        gluon = load_network("timm/inception_v3.gluon_in1k", path)
        assert gluon.card.preprocessing == IMAGENET
        assert "inception_v3.gluon_in1k" in gluon.card.preprocessing_source
        assert close(gluon.logits(big), model(prepared(big, IMAGENET)))
        usual = load_network("inception_v3", other)
        assert usual.card.preprocessing == HALF
        model.transform_input = True
        assert close(usual.logits(big), model(prepared(big, IMAGENET)))
        model.transform_input = False
        asked = load_network("inception_v3", other, preprocessing="torchvision")
        assert close(asked.logits(big), model(prepared(big, IMAGENET)))


def test_cards_from_when_the_network_converted_its_pictures_itself(tmp_path):
    from engine.networks import catalogue

    old = catalogue.built_in("inception_v3").to_dict() | {
        "preprocessing": {"order": "RGB", "scale": 1.0, "mean": IMAGENET.mean, "std": IMAGENET.std}
    }
    (file := tmp_path / "inception_v3.json").write_text(json.dumps(old))
    assert catalogue.read_card(file).preprocessing == HALF
    file.write_text(json.dumps(old | {"preprocessing_source": "as asked"}))
    assert catalogue.read_card(file).preprocessing == IMAGENET


@pytest.mark.parametrize("name", ["repghostnet_050", "test_efficientnet", "test_byobnet"])
def test_small_networks_of_timms_by_name(tmp_path, x, name):
    model = network(name, num_classes=5)
    path = saved(model, tmp_path / "weights.safetensors")
    loaded = load_network(f"timm/{name}", path)
    config = model.pretrained_cfg
    assert loaded.card.preprocessing.mean == pytest.approx(config["mean"])
    assert loaded.card.input_size == config["input_size"][-1]
    with torch.no_grad():
        assert close(loaded.logits(x), model(prepared(x, loaded.card.preprocessing)))
    assert loaded.card.style_layers


def test_what_does_not_fit_is_said(tmp_path):
    path = saved(network("test_efficientnet"), tmp_path / "a.safetensors")
    with pytest.raises(BadInput, match=r"is not timm's resnet18: it lacks conv1\.weight and"):
        load_network("timm/resnet18", path)
    with pytest.raises(BadInput, match="timm has no network called 'resnetblurr18'; did you mean"):
        import_file(path, architecture="resnetblurr18")
    (tmp_path / "config.json").write_text('{"architecture": "test_vit", "pretrained_cfg": {}}')
    with pytest.raises(BadInput, match=r"config\.json beside it says test_vit, not resnet18"):
        load_network("timm/resnet18", path)
