"""The same weights in every form that people save them in give the same logits on a photograph."""

from argparse import Namespace
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchvision import models

from engine.errors import BadInput
from engine.networks.card import IMAGENET
from engine.networks.importing import import_file
from engine.networks.loading import load_network

MEAN = torch.tensor(IMAGENET.mean).view(3, 1, 1)
STD = torch.tensor(IMAGENET.std).view(3, 1, 1)
FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)


@pytest.fixture(scope="module")
def squeezenet(data_folder):
    """Torchvision's module with real weights."""
    module = models.squeezenet1_1(weights=None)
    module.load_state_dict(torch.load(data_folder / "weights" / "squeezenet1_1.pth"))
    return module.eval()


@pytest.fixture
def cat(photo):
    return photo("attribution/cat.jpg", 128)


def lively(module, seed=0):
    """A network of random weights whose logits depend on the picture."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
    return module.eval()


def same(module, network, picture, tolerance=1e-3):
    """Compare logits with those of the module itself, and their five largest."""
    with torch.no_grad():
        expected = module(((picture - MEAN) / STD)[None])
        logits = network.logits(picture)
    assert logits.shape == expected.shape
    scale = max(1.0, float(expected.abs().max()))
    assert (logits - expected).abs().max() <= tolerance * scale
    most = min(5, expected.shape[1])
    assert logits.topk(most).indices.tolist() == expected.topk(most).indices.tolist()
    return True


def imported(path, tensors, **options):
    torch.save(tensors, path, **options)
    card = import_file(path, "mine")
    return card, load_network("mine")


def with_prefix(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


FORMS = {
    "Lightning": lambda s: {"state_dict": with_prefix("net.", s), "epoch": 3},
    "Lightning with a weighted loss": lambda s: {
        "state_dict": with_prefix("model.", s) | {"criterion.weight": torch.ones(2)}
    },
    "any prefix": lambda s: with_prefix("encoder.trunk.body.", s),
    "DataParallel": lambda s: {"model": with_prefix("module.", s)},
    "compiled within another": lambda s: with_prefix("model._orig_mod.", s),
    "only its features parallel": lambda s: {
        n.replace("features.", "features.module."): t for n, t in s.items()
    },
    "EMA alone": lambda s: {"state_dict_ema": s, "epoch": 1},
    "a counter beside": lambda s: with_prefix("module.", s) | {"n_averaged": torch.tensor(7)},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_training(form, squeezenet, cat, tmp_path, home):
    card, network = imported(tmp_path / "x.ckpt", FORMS[form](squeezenet.state_dict()))
    assert card.architecture == "squeezenet1_1" and len(card.classes) == 1000
    assert same(squeezenet, network, cat)


def test_what_was_found_is_said(squeezenet, tmp_path, home):
    state = squeezenet.state_dict()
    form = FORMS["Lightning with a weighted loss"](state)
    card, _ = imported(tmp_path / "run.ckpt", form)
    assert card.notes == (
        "imported from run.ckpt: a PyTorch file with 1000 classes; "
        "the weights stand under state_dict.model; left out: criterion.weight; "
        "pictures are prepared as RGB with ImageNet's mean and deviation "
        "(torchvision trains this network this way; the file does not say)"
    )


@pytest.mark.parametrize(
    ("form", "raw"),
    [
        (lambda raw, ema: {"state_dict": raw, "state_dict_ema": ema}, "state_dict"),
        (lambda raw, ema: {"model": raw, "optimizer": {}, "model_ema": {"module": ema}}, "model"),
        (lambda raw, ema: with_prefix("net.", raw) | with_prefix("ema_net.", ema), "net"),
        (
            lambda raw, ema: {
                "state_dict": ema, "current_model_state": raw, "averaging_state": {"n": 3},
            },
            "current_model_state",
        ),
    ],
)  # fmt: skip
def test_averaged_weights_go_first(form, raw, squeezenet, cat, tmp_path, home):
    state = squeezenet.state_dict()
    wrong = {name: tensor * 0.5 for name, tensor in state.items()}
    card, network = imported(tmp_path / "x.pth", form(wrong, state))
    assert same(squeezenet, network, cat)
    assert (
        "averaged weights (" in card.notes and f"were taken, not the raw ones ({raw})" in card.notes
    )


def test_averaged_model(squeezenet, cat, tmp_path, home):
    card, network = imported(tmp_path / "x.pth", AveragedModel(squeezenet).state_dict())
    assert "averaged weights were taken" in card.notes
    assert same(squeezenet, network, cat)


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [(torch.float64, 1e-3), (torch.float16, 2e-2), (torch.bfloat16, 5e-2)],
)
def test_precisions(kind, tolerance, squeezenet, cat, tmp_path, home):
    state = {name: tensor.to(kind) for name, tensor in squeezenet.state_dict().items()}
    _, network = imported(tmp_path / "x.pth", state)
    with torch.no_grad():
        expected = squeezenet(((cat - MEAN) / STD)[None])
    assert network.dtype == torch.float32
    assert (network.logits(cat) - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("kind", FP8)
@pytest.mark.parametrize("form", ["safetensors", "pth"])
def test_float8(kind, form, squeezenet, cat, tmp_path, home):
    state = {name: tensor.to(kind) for name, tensor in squeezenet.state_dict().items()}
    path = tmp_path / f"x.{form}"
    (safetensors.torch.save_file if form == "safetensors" else torch.save)(state, path)
    import_file(path)
    rounded = models.squeezenet1_1(weights=None).eval()
    rounded.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    assert same(rounded, load_network("x"), cat)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("form", ["scripted", "traced", "exported", "whole", "whole before 1.6"])
def test_archives_and_whole_modules(form, squeezenet, cat, tmp_path, home):
    path = tmp_path / ("x.pt2" if form == "exported" else "x.pt")
    given = (torch.rand(1, 3, 64, 64),)
    if form == "scripted":
        torch.jit.script(squeezenet).save(path)
    elif form == "traced":
        torch.jit.trace(squeezenet, given).save(path)
    elif form == "exported":
        torch.export.save(torch.export.export(squeezenet, given), path)
    else:
        torch.save(squeezenet, path, _use_new_zipfile_serialization=form == "whole")
    card = import_file(path)
    assert same(squeezenet, load_network("x"), cat)
    said = "only the tensors were read" if form.startswith("whole") else "the program in it was not"
    assert said in card.notes


HEADS = {
    "dropout and linear": lambda n: nn.Sequential(nn.Dropout(), nn.Linear(n, 6)),
    "linear without bias": lambda n: nn.Linear(n, 6, bias=False),
    "two linear layers": lambda n: nn.Sequential(
        nn.Linear(n, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 6)
    ),
    "by names": lambda n: nn.Sequential(
        OrderedDict(fc1=nn.Linear(n, 32), relu=nn.ReLU(), drop=nn.Dropout(), fc2=nn.Linear(32, 6))
    ),
    "norm before": lambda n: nn.Sequential(
        nn.BatchNorm1d(n), nn.Dropout(), nn.Linear(n, 32), nn.ReLU(), nn.BatchNorm1d(32),
        nn.Dropout(), nn.Linear(32, 6),
    ),
    "norm between": lambda n: nn.Sequential(
        nn.Linear(n, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 6)
    ),
    "nothing between": lambda n: nn.Sequential(nn.Linear(n, 32), nn.Linear(32, 6)),
    "layer norm": lambda n: nn.Sequential(nn.LayerNorm(n), nn.Linear(n, 1)),
}  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_heads_of_one_s_own(head, cat, tmp_path, home):
    torch.manual_seed(1)
    module = models.shufflenet_v2_x0_5(weights=None)
    module.fc = HEADS[head](1024)
    lively(module)
    card, network = imported(tmp_path / "x.pth", module.state_dict())
    assert same(module, network, cat)
    assert "instead of fc it has its own head" in card.notes
    guess = head in ("two linear layers", "by names", "norm before", "norm between")
    assert ("ReLU taken to stand" in card.notes) is guess


@pytest.mark.parametrize(
    ("name", "slot", "width"),
    [
        ("mobilenet_v3_small", "classifier", 576),
        ("mobilenet_v2", "classifier.1", 1280),
        ("efficientnet_b0", "classifier", 1280),
        ("densenet121", "classifier", 1024),
    ],
)
def test_heads_in_other_places(name, slot, width, cat, tmp_path, home):
    torch.manual_seed(1)
    module = models.get_model(name, weights=None)
    parent, _, leaf = slot.rpartition(".")
    setattr(module.get_submodule(parent), leaf, nn.Sequential(nn.Dropout(), nn.Linear(width, 4)))
    lively(module)
    _, network = imported(tmp_path / "x.pth", module.state_dict())
    assert same(module, network, cat)


def test_a_head_that_nothing_explains_is_left_out(cat, tmp_path, home):
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate, self.value = nn.Linear(1024, 4), nn.Linear(1024, 4)

    module = models.shufflenet_v2_x0_5(weights=None)
    module.fc = Gated()
    card, network = imported(tmp_path / "x.pth", module.state_dict())
    assert card.classes == ()
    assert (
        "its own head (fc.* (4 tensors)) was left out, since names and shapes do not" in card.notes
    )
    with pytest.raises(BadInput, match="no classifier"):
        network.logits(cat)
    assert network.taps(cat, ["conv5"])["conv5"].shape[1] == 1024


def test_gray_pictures(cat, tmp_path, home):
    torch.manual_seed(0)
    module = models.squeezenet1_1(num_classes=3)
    module.features[0] = nn.Conv2d(1, 64, 3, 2)
    module.eval()
    card, network = imported(tmp_path / "x.pth", module.state_dict())
    assert "it takes grey pictures; pictures are prepared as gray, (x - 0.449)" in card.notes
    gray = (cat * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    with torch.no_grad():
        expected = module(((gray - 0.449) / 0.226)[None, None])
    assert torch.allclose(network.logits(cat), expected, atol=1e-5)
    assert next(iter(network.calls((64, 64)).values())).shape[1] == 64


def test_four_channels_are_refused(tmp_path, home):
    module = models.squeezenet1_1(num_classes=3)
    module.features[0] = nn.Conv2d(4, 64, 3, 2)
    torch.save(module.state_dict(), tmp_path / "x.pth")
    with pytest.raises(BadInput, match="takes pictures of 4 channels; only networks for colour"):
        import_file(tmp_path / "x.pth")


def test_one_output(cat, tmp_path, home):
    module = models.squeezenet1_1(num_classes=1).eval()
    card, network = imported(tmp_path / "x.pth", module.state_dict())
    assert card.classes == ("class 0",) and "with 1 output;" in card.notes
    assert same(module, network, cat)


def test_vision_transformers_for_other_sizes(photo, tmp_path, home):
    """As the weights that Meta trained on pictures from the web have them: more positions."""
    torch.manual_seed(0)
    module = models.vit_b_32(weights=None, image_size=256)
    module.heads = nn.Sequential(nn.Dropout(), nn.Linear(768, 4))
    nn.init.normal_(module.encoder.pos_embedding)
    module.eval()
    card, network = imported(tmp_path / "x.pth", module.state_dict())
    assert card.input_size == 256 and "for pictures of 256 x 256 pixels" in card.notes
    assert same(module, network, photo("attribution/cat.jpg", 256))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_frozen_script_has_no_names(tmp_path):
    module = torch.jit.freeze(torch.jit.script(models.squeezenet1_1(num_classes=2).eval()))
    module.save(tmp_path / "x.pt")
    with pytest.raises(BadInput, match=r"save it before torch\.jit\.freeze"):
        import_file(tmp_path / "x.pt")


def test_other_objects_are_named(squeezenet, tmp_path, home):
    training = {
        "state_dict": squeezenet.state_dict(),
        "args": Namespace(lr=0.1),
        "best": np.float32(1),
    }
    card, _ = imported(tmp_path / "x.pth", training)
    assert "(argparse.Namespace, numpy._core.multiarray.scalar) were left out" in card.notes
    torch.save(nn.Sequential(nn.Linear(2, 2)), tmp_path / "other.pt")
    said = "no known network .* whole object of the class torch.nn.modules.container.Sequential"
    with pytest.raises(BadInput, match=said):
        import_file(tmp_path / "other.pt")
    torch.save({"a": np.ones(3)}, tmp_path / "arrays.pt")
    with pytest.raises(BadInput, match="save its NumPy arrays as PyTorch tensors"):
        import_file(tmp_path / "arrays.pt")


def test_bare_features(cat, tmp_path, home):
    torch.manual_seed(0)
    module = models.vgg11(weights=None).features.eval()
    card, network = imported(tmp_path / "x.pth", module.state_dict())
    assert (card.architecture, card.classes) == ("vgg11", ())
    with torch.no_grad():
        expected = module(((cat - MEAN) / STD)[None])
    found = network.taps(cat, ["features.20"])["features.20"]
    assert torch.allclose(found, expected, atol=1e-5)
