"""Activations without a rule are found in every form, and named; ReLUs are not."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from engine.attribution import deconvnet, plain_activations, saliency
from tests.engine.hooks import hooks_of_all

MODULES = (
    nn.CELU(), nn.ELU(), nn.GELU(), nn.GELU("tanh"), nn.Hardshrink(), nn.Hardsigmoid(),
    nn.Hardswish(), nn.Hardtanh(), nn.LeakyReLU(), nn.LogSigmoid(), nn.Mish(), nn.PReLU(),
    nn.RReLU(), nn.SELU(), nn.Sigmoid(), nn.SiLU(), nn.Softplus(), nn.Softshrink(), nn.Softsign(),
    nn.Tanh(), nn.Tanhshrink(), nn.ELU(inplace=True), nn.Hardswish(inplace=True),
    nn.LeakyReLU(inplace=True), nn.SiLU(inplace=True), nn.Mish(inplace=True),
)  # fmt: skip
FUNCTIONS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "F.gelu": ("GELU", F.gelu),
    "F.silu in place": ("SiLU", lambda x: F.silu(x, inplace=True)),
    "F.leaky_relu": ("LeakyReLU", lambda x: F.leaky_relu(x, 0.1)),
    "F.leaky_relu_": ("LeakyReLU", lambda x: F.leaky_relu_(x, 0.1)),
    "F.elu_": ("ELU", F.elu_),
    "F.hardtanh": ("Hardtanh", F.hardtanh),
    "F.softplus by name": ("Softplus", lambda x: F.softplus(input=x)),
    "torch.tanh": ("Tanh", torch.tanh),
    "Tensor.tanh_": ("Tanh", Tensor.tanh_),
    "Tensor.sigmoid": ("Sigmoid", Tensor.sigmoid),
    "torch.sigmoid_": ("Sigmoid", torch.sigmoid_),
    "swish by hand": ("Sigmoid", lambda x: x * torch.sigmoid(x)),
    "F.threshold at 1": ("Threshold", lambda x: F.threshold(x, 1, 0)),
    "F.glu": ("GLU", lambda x: F.glu(torch.cat([x, x], 1), 1)),
    "F.logsigmoid": ("LogSigmoid", F.logsigmoid),
    "torch.prelu": ("PReLU", lambda x: torch.prelu(x, torch.tensor([0.2]))),
}
RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU6": nn.ReLU6(inplace=True),
    "F.relu": F.relu,
    "Tensor.relu_": Tensor.relu_,
    "F.hardtanh(0, 6)": lambda x: F.hardtanh(x, 0, 6),
    "F.threshold(0, 0)": lambda x: F.threshold(x, 0, 0),
    "clamp": lambda x: x.clamp(min=0),
    "softmax": lambda x: x.softmax(1),
}


class Around(nn.Module):
    """A convolution, the activation, and a ReLU."""

    def __init__(self, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.activation(self.conv(x))).mean((2, 3))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_modules(module: nn.Module, pictures: Tensor) -> None:
    assert plain_activations(Around(module).eval(), pictures) == (type(module).__name__,)


@pytest.mark.parametrize(("name", "function"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions(name: str, function: Callable[[Tensor], Tensor], pictures: Tensor) -> None:
    assert plain_activations(Around(function).eval(), pictures) == (name,)


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS)
def test_relus_have_a_rule(relu: Callable[[Tensor], Tensor], pictures: Tensor) -> None:
    assert plain_activations(Around(relu).eval(), pictures) == ()


def test_nets_with_nothing_but_relus(
    make_net: Callable[..., nn.Module], pictures: Tensor, way: str
) -> None:
    assert plain_activations(make_net(way), pictures) == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("googlenet", ()),
        ("densenet121", ()),
        ("mobilenet_v2", ()),
        ("mobilenet_v3_small", ("Hardswish", "Hardsigmoid")),
        ("efficientnet_b0", ("SiLU", "Sigmoid")),
        ("convnext_tiny", ("GELU",)),
        ("vit_b_32", ("GELU",)),
    ],
)
def test_known_architectures(name: str, expected: tuple[str, ...]) -> None:
    settings = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = getattr(models, name)(weights=None, num_classes=3, **settings)
    size = 224 if name == "vit_b_32" else 64
    found = plain_activations(model, torch.rand(1, 3, size, size))
    assert sorted(found) == sorted(expected)


def test_transformer_layers_do_not_hide_theirs() -> None:
    """In eval mode torch would compute such a layer in one piece."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True)

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.layer = nn.Conv2d(3, 8, 4, 4), layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.patch(x).flatten(2).mT).mean(1)

    model = Tokens().eval().requires_grad_(False)
    with torch.no_grad():
        assert plain_activations(model, torch.rand(1, 3, 16, 16)) == ("GELU",)


def test_each_once_in_the_order_of_the_run(pictures: Tensor) -> None:
    def several(x: Tensor) -> Tensor:
        return torch.tanh(F.silu(F.gelu(F.silu(x))))

    assert plain_activations(Around(several).eval(), pictures) == ("SiLU", "GELU", "Tanh")


def test_what_is_named_is_what_is_plain(pictures: Tensor) -> None:
    """A net without a name has a deconvnet other than its gradient, and with one alone the same."""

    class Alone(Around):
        def forward(self, x: Tensor) -> Tensor:
            return self.activation(self.conv(x)).mean((2, 3))

    for activation, plain in [(F.elu, ("ELU",)), (F.relu, ())]:
        torch.manual_seed(0)
        model = Alone(activation).eval()
        assert plain_activations(model, pictures) == plain
        same = torch.equal(deconvnet(model, pictures, 0), saliency(model, pictures, 0, signed=True))
        assert same == bool(plain)


def test_what_does_not_come_from_the_picture_does_not_count(pictures: Tensor) -> None:
    class Aside(Around):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                gate = torch.sigmoid(x.mean())
            return super().forward(x) * gate * torch.tanh(torch.ones(()))

    assert plain_activations(Aside(F.relu).eval(), pictures) == ()


def test_the_model_is_left_as_it_was(pictures: Tensor) -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.GELU()).train()
    with torch.inference_mode():
        assert plain_activations(model, pictures) == ("GELU",)
    assert model[0].num_batches_tracked == 0
    assert all(m.training for m in model.modules())
    assert not hooks_of_all()


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_scripted_models_are_refused(pictures: Tensor) -> None:
    scripted = torch.jit.trace(nn.GELU(), pictures)
    with pytest.raises(ValueError, match="out of reach"):
        plain_activations(nn.Sequential(scripted), pictures)
