"""Whatever the caller and the model do: each method takes it, or explains, and leaves no trace."""

import gc
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.attribution import (
    cam,
    deconvnet,
    grad_cam,
    gradient_times_input,
    guided_backprop,
    guided_grad_cam,
    occlusion,
    saliency,
    smooth_grad,
)
from tests.engine.hooks import hooks_of, hooks_of_all

Method = Callable[..., Tensor]


def smooth(model: nn.Module, x: Tensor, target: object) -> Tensor:
    return smooth_grad(model, x, target, 3, 0.2, torch.Generator().manual_seed(1))


METHODS: dict[str, Method] = {
    "saliency": saliency,
    "grad_cam": lambda model, x, target: grad_cam(model, x, target, "conv1"),
    "guided_backprop": guided_backprop,
    "deconvnet": deconvnet,
    "guided_grad_cam": lambda model, x, target: guided_grad_cam(model, x, target, "conv1"),
    "cam": cam,
    "smooth_grad": smooth,
    "gradient_times_input": gradient_times_input,
    "occlusion": lambda model, x, target: occlusion(model, x, target, 4, 3),
}


@pytest.fixture(params=METHODS.values(), ids=METHODS)
def method(request: pytest.FixtureRequest) -> Method:
    return request.param


@pytest.fixture
def net(make_net: Callable[..., nn.Module]) -> nn.Module:
    return make_net("module in place")


@pytest.fixture(autouse=True)
def no_global_hook_left() -> Iterator[None]:
    yield
    assert not hooks_of_all()


def state_of(model: nn.Module) -> list[object]:
    modules = [(name, id(m), m.training, hooks_of(m)) for name, m in model.named_modules()]
    parameters = [
        (name, id(p), p.requires_grad, p.grad is None, p._version, p.detach().clone().tolist())
        for name, p in model.named_parameters()
    ]
    return [modules, parameters, [(n, b.tolist()) for n, b in model.named_buffers()]]


# -- the model is left as it was found --------------------------------------------------------


def test_modes_gradients_and_hooks_stay(method: Method, net: nn.Module, pictures: Tensor) -> None:
    net.conv1.weight.requires_grad_(False)
    net.fc.train()
    net.register_forward_hook(lambda *_: None)
    before = state_of(net)
    method(net, pictures, 1)
    assert state_of(net) == before


@pytest.mark.parametrize("bad", [{"target": 99}, {"x": torch.rand(1, 4, 8, 8)}])
def test_also_after_an_error(
    method: Method, net: nn.Module, pictures: Tensor, bad: dict[str, object]
) -> None:
    net.conv1.weight.requires_grad_(False)
    net.conv2.train()
    before = state_of(net)
    with pytest.raises((ValueError, RuntimeError)):
        method(net, **({"x": pictures, "target": 1} | bad))
    assert state_of(net) == before


def test_a_model_in_training_mode_runs_in_eval_mode(method: Method, pictures: Tensor) -> None:
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(3, 4, 3))
    model.add_module("norm", nn.BatchNorm2d(4))
    model.add_module("drop", nn.Dropout(0.5))
    rest = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    model.add_module("rest", rest)
    expected = method(model.eval(), pictures, 2)
    before = state_of(model.train())
    assert torch.equal(method(model, pictures, 2), expected)
    assert state_of(model) == before


def test_the_pictures_stay(method: Method, pictures: Tensor) -> None:
    class InPlaceFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.conv1(x.mul_(2)).mean((2, 3)))

    torch.manual_seed(0)
    model = InPlaceFirst().eval()
    for x in (pictures, pictures.clone().requires_grad_()):
        before, needed = x.detach().clone(), x.requires_grad
        result = method(model, x, 0)
        assert torch.equal(x, before)
        assert (x.requires_grad, x.grad) == (needed, None)
        assert not result.requires_grad
        assert result.abs().max() > 0


def test_no_graph_and_no_activation_is_kept(method: Method, pictures: Tensor) -> None:
    seen: list[weakref.ref[Tensor]] = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            maps = F.relu(self.conv1(x))
            seen.extend([weakref.ref(x), weakref.ref(maps)])
            return self.fc(maps.mean((2, 3)))

    model = Watched().eval()
    gc.collect()
    gc.disable()  # freed at once, not when the collector comes by
    try:
        result = method(model, pictures, 0)
        assert seen
        assert all(ref() is None for ref in seen)
    finally:
        gc.enable()
    assert result.grad_fn is None


# -- what the caller may do -------------------------------------------------------------------


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_inside_modes_without_gradients(
    method: Method, net: nn.Module, pictures: Tensor, mode: Callable[[], object]
) -> None:
    expected = method(net, pictures, [1, 2])
    with mode():
        x, target = pictures.clone(), torch.tensor([1, 2])
        assert torch.equal(method(net, x, target), expected)
    assert torch.equal(method(net, x, target), expected)


def test_a_model_made_in_inference_mode(
    method: Method, make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    with torch.inference_mode():
        net = make_net()
        net.register_buffer("unused", torch.zeros(1))
    before = state_of_inference(net)
    assert torch.equal(method(net, pictures, 1), method(make_net(), pictures, 1))
    assert state_of_inference(net) == before


def state_of_inference(model: nn.Module) -> list[tuple[str, int]]:
    return [(n, id(t)) for n, t in [*model.named_parameters(), *model.named_buffers()]]


def test_weights_without_gradients(method: Method, net: nn.Module, pictures: Tensor) -> None:
    expected = method(net, pictures, 1)
    assert torch.equal(method(net.requires_grad_(False), pictures, 1), expected)


def test_float64_in_float64_out(
    method: Method, make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    precise = method(make_net(dtype=torch.float64), pictures.double(), 1)
    assert precise.dtype == torch.float64
    plain = method(make_net(), pictures, 1)
    assert plain.dtype == torch.float32
    assert torch.allclose(plain.double(), precise, atol=1e-5)


def test_rows_of_a_batch_do_not_influence_each_other(
    method: Method, make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    net, x = make_net(dtype=torch.float64), pictures.double()
    together = method(net, x, [4, 0])
    for row, target in enumerate([4, 0]):
        alone = method(net, x[row : row + 1], target)[0]
        assert (together[row] - alone).abs().max() <= 1e-12 * alone.abs().max()
    assert (method(net, x, 4)[1] - together[1]).abs().max() > 0


@pytest.mark.parametrize(
    "target", [np.int64(3), torch.tensor(3), [3, 3], (3, 3), np.array([3, 3]), torch.tensor([3, 3])]
)
def test_targets_of_every_kind(
    method: Method, net: nn.Module, pictures: Tensor, target: object
) -> None:
    assert torch.equal(method(net, pictures, target), method(net, pictures, 3))


# -- what cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (torch.rand(3, 8, 8), r"\(N, C, H, W\) .* not float32 \(3, 8, 8\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "not uint8"),
        (torch.zeros(0, 3, 8, 8), "at least one picture"),
        (np.zeros((1, 3, 8, 8)), r"must be a float tensor .* not ndarray \(1, 3, 8, 8\)"),
    ],
)
def test_pictures_that_are_none(method: Method, net: nn.Module, x: Tensor, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        method(net, x, 0)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (5, "no class 5: the model has classes 0 to 4"),
        ([1, -1], "no class -1"),
        ([1], r"one for each picture \(2 here\), not \(1,\)"),
        (torch.tensor([[1], [1]]), r"not \(2, 1\)"),
        (1.0, "whole class numbers, not float32"),
        ([True, False], "whole class numbers, not bool"),
        ("cat", "target must be class numbers, not str"),
        (None, "target must be class numbers, not NoneType"),
    ],
)
def test_targets_that_are_none(
    method: Method, net: nn.Module, pictures: Tensor, target: object, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        method(net, pictures, target)


class Returning(nn.Module):
    """A convolution, and of its maps what `make` makes."""

    def __init__(self, make: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.make = make

    def forward(self, x: Tensor) -> object:
        return self.make(self.conv1(x))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda maps: maps, r"logits \(2, classes\), not Tensor \(2, 4, 10, 8\)"),
        (lambda maps: (maps.mean((2, 3)),), r"logits \(2, classes\), not tuple"),
        (lambda maps: maps.mean((0, 2, 3))[None], r"not Tensor \(1, 4\)"),
        (lambda maps: maps.mean((2, 3)).detach(), "carry no gradient"),
    ],
)
def test_models_that_give_no_logits(
    method: Method, pictures: Tensor, make: Callable[[Tensor], object], says: str
) -> None:
    if method is METHODS["occlusion"] and "gradient" in says:
        pytest.skip("occlusion needs no gradient")
    with pytest.raises(ValueError, match=says):
        method(Returning(make).eval(), pictures, 0)
