"""Traces against hand computation, published receptive fields, gradients and real runs."""

import subprocess
import sys
import threading
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from engine.networks.tracing import Call, _trace, trace, without_memory
from tests.engine.hooks import hooks_of

INCEPTION = {"aux_logits": False, "init_weights": False}


def calls_of(module: nn.Module, size: tuple[int, int] = (224, 224)) -> dict[str, Call]:
    calls, refused = trace(without_memory(module.eval()), size)
    assert refused is None
    return {call.name: call for call in calls}


def torchvision_ghost(name: str) -> nn.Module:
    settings = INCEPTION if name in ("inception_v3", "googlenet") else {}
    with torch.device("meta"):
        module: nn.Module = getattr(models, name)(**settings)
    return without_memory(module.eval())


# -- receptive fields ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "layer", "side"),
    [
        # Araujo, Norris, Sim 2019, table of popular networks
        ("alexnet", "features.12", 195),
        ("vgg16", "features.30", 212),
        ("inception_v3", "Mixed_7c", 1311),
        # VGG-19 layer by layer, as worked out in many lectures: 3, 5, 6, 10, 14, 16, 24, 32, ...
        ("vgg19", "features.1", 3),
        ("vgg19", "features.4", 6),
        ("vgg19", "features.22", 84),
        ("vgg19", "features.29", 156),
        ("vgg19", "features.36", 268),
        ("resnet18", "layer4", 435),
        ("densenet121", "features", 2071),
    ],
)
def test_published_receptive_fields(name: str, layer: str, side: int) -> None:
    calls, refused = trace(torchvision_ghost(name), (224, 224))
    assert refused is None
    assert {c.name: c.receptive_field for c in calls}[layer] == side


@pytest.mark.parametrize(
    ("layers", "sides"),
    [
        ([nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)], [3, 5]),
        ([nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3)], [3, 7]),
        ([nn.Conv2d(3, 4, 3, dilation=2), nn.Conv2d(4, 4, 3, dilation=3)], [5, 11]),
        ([nn.Conv2d(3, 4, (1, 7)), nn.Conv2d(4, 4, (7, 1))], [7, 7]),
        ([nn.Conv2d(3, 4, 1, stride=(1, 2)), nn.Conv2d(4, 4, 3)], [1, 5]),
        ([nn.MaxPool2d(2), nn.AvgPool2d(3, 1), nn.Conv2d(3, 4, 5, stride=3)], [2, 6, 14]),
        ([nn.MaxPool2d(3, 2, dilation=2), nn.Conv2d(3, 4, 1), nn.LPPool2d(2, 3)], [5, 5, 9]),
        ([nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(2), nn.Conv2d(4, 4, 1)], [3, None, None]),
        ([nn.Conv2d(3, 4, 3), nn.LocalResponseNorm(3), nn.InstanceNorm2d(4)], [3, 3, None]),
        ([nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 38 * 38, 2)], [3, 3, None]),
    ],
)
def test_receptive_fields_worked_out_by_hand(
    layers: list[nn.Module], sides: list[int | None]
) -> None:
    calls = calls_of(nn.Sequential(*layers), (40, 40))
    assert [calls[str(i)].receptive_field for i in range(len(layers))] == sides


def test_linear_layers_on_channels_join_no_positions() -> None:
    class ChannelsLast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.mix = nn.Linear(4, 5)
            self.again = nn.Conv2d(5, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.mix(self.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            out: Tensor = self.again(x)
            return out

    calls = calls_of(ChannelsLast(), (9, 9))
    assert (calls["mix"].receptive_field, calls["again"].receptive_field) == (3, 5)


class Branches(nn.Module):
    """Strides, dilation, one flat and one tall window, a sum and a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 5, stride=2)
        self.flat = nn.Conv2d(4, 4, (1, 5), padding=(0, 2))
        self.tall = nn.Conv2d(4, 4, (7, 1), padding=(3, 0))
        self.pool = nn.AvgPool2d(3, 2)
        self.wide = nn.Conv2d(8, 4, 3, dilation=2)
        self.cut = nn.Conv2d(8, 4, 1, stride=1)
        self.last = nn.Conv2d(4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.pool(torch.cat([self.flat(x), self.tall(x)], 1))
        out: Tensor = self.last(self.wide(x) + self.cut(x)[..., 2:-2, 2:-2])
        return out


def test_receptive_field_is_where_gradients_come_from() -> None:
    """With positive weights nothing cancels: a unit's gradient shows what it sees."""
    module = Branches()
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    calls = calls_of(module, (81, 81))
    for name in ("stem", "flat", "tall", "pool", "wide", "last"):
        kept: list[Tensor] = []
        handle = module.get_submodule(name).register_forward_hook(lambda *a, k=kept: k.append(a[2]))
        x = torch.ones(1, 3, 81, 81, requires_grad=True)
        module(x)
        handle.remove()
        middle = kept[0].shape[-1] // 2
        (gradient,) = torch.autograd.grad(kept[0][0, :, middle, middle].sum(), x)
        rows, columns = (gradient[0].sum(0) > 0).nonzero().T
        height, width = (int(n.max() - n.min()) + 1 for n in (rows, columns))
        assert calls[name].receptive_field == max(height, width), name


# -- shapes, order, repeated calls -----------------------------------------------------------------


def real_calls(module: nn.Module, size: tuple[int, int]) -> list[tuple[str, tuple[int, ...]]]:
    """Every call with its output shape, noted by hooks of our own while the network really runs."""
    noted: list[tuple[str, tuple[int, ...]]] = []
    handles = [
        inner.register_forward_hook(lambda _m, _i, o, n=name: noted.append((n, tuple(o.shape))))
        for name, inner in module.named_modules()
        if name
    ]
    with torch.no_grad():
        module(torch.zeros(1, 3, *size))
    for handle in handles:
        handle.remove()
    return noted


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "densenet121", "googlenet"])
@pytest.mark.parametrize("size", [(64, 64), (65, 97), (50, 37)])
def test_shapes_and_order_are_those_of_a_real_run(name: str, size: tuple[int, int]) -> None:
    settings = INCEPTION if name == "googlenet" else {}
    torch.manual_seed(0)
    module = getattr(models, name)(num_classes=7, **settings).eval()
    traced = [(c.name.split("#")[0], c.shape) for c in calls_of(module, size).values()]
    assert traced == real_calls(module, size)


def test_second_and_third_calls_have_numbers() -> None:
    calls = calls_of(models.resnet50(weights=None), (64, 64))
    names = [n for n in calls if n.startswith("layer1.0.relu")]
    assert names == ["layer1.0.relu", "layer1.0.relu#2", "layer1.0.relu#3"]
    assert [calls[n].shape[1] for n in names] == [64, 64, 256]
    assert calls["layer1.0.relu#2"].kind == "ReLU"
    assert calls["layer1.0.relu"].receptive_field == 11  # 7x7/2, 3x3/2, 1x1
    assert calls["layer1.0.relu#2"].receptive_field == 19


def test_what_is_overwritten_later_is_marked() -> None:
    calls = calls_of(models.resnet18(weights=None), (64, 64))
    overwritten = {n for n, c in calls.items() if c.changed_later}
    assert {"bn1", "layer1.0.bn1", "layer1.0.bn2", "layer4.1.bn2"} <= overwritten
    assert not {"conv1", "relu", "layer1.0.relu#2", "layer1.0.conv2", "fc"} & overwritten
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Dropout(), nn.ReLU(inplace=True))
    marks = [c.changed_later for c in calls_of(plain, (8, 8)).values()]
    # In eval mode, dropout hands its input on: the last ReLU overwrites that too.
    assert marks == [False, True, True, False]


def test_numbers_that_a_run_computes() -> None:
    layers = OrderedDict(
        conv=nn.Conv2d(3, 8, 3, padding=1),
        relu=nn.ReLU(inplace=True),
        pool=nn.MaxPool2d(2),
        dense=nn.Conv2d(8, 5, 1),
        flat=nn.Flatten(),
    )
    found = {n: c.numbers for n, c in calls_of(nn.Sequential(layers), (10, 6)).items()}
    conv = 8 * 10 * 6
    pool = 8 * 5 * 3 * 3  # each maximum and, in twice the room, its place
    assert found == {
        "conv": conv,
        "relu": conv,
        "pool": conv + pool,
        "dense": conv + pool + 5 * 5 * 3,
        "flat": conv + pool + 5 * 5 * 3,
    }


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "swin_t", "swin_v2_t", "vit_b_32"])
def test_no_picture_is_traced_as_a_real_one(name: str) -> None:
    """Windows, heads and shuffled channels: shapes, copies and numbers as with a picture in it."""
    torch.manual_seed(0)
    module = getattr(models, name)(num_classes=7).eval()
    with torch.no_grad():
        real, _ = _trace(module, torch.zeros(1, 3, 224, 224))
    assert list(calls_of(module).values()) == real


def test_a_network_that_needs_a_picture_gets_one() -> None:
    """Reshaping to (1, rest) is impossible for no picture, and instance norm refuses none."""

    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(-1, 4 * 6 * 6)

    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), Fixed(), nn.Linear(144, 2))
    calls = calls_of(module, (8, 8))
    assert [c.shape for c in calls.values()] == [(1, 4, 6, 6), (1, 4, 6, 6), (1, 144), (1, 2)]


# -- what a trace leaves behind --------------------------------------------------------------------


def test_the_network_itself_is_left_alone() -> None:
    module = models.resnet18(weights=None).eval()
    before = {n: t.clone() for n, t in module.state_dict().items()}
    ghost = without_memory(module)
    tensors = (*ghost.parameters(), *ghost.buffers())
    assert all(t.untyped_storage().nbytes() <= 8 for t in tensors)
    trace(ghost, (64, 64))
    trace(ghost, (1, 1))
    assert not hooks_of(ghost) + hooks_of(module)
    after = module.state_dict()
    assert all(torch.equal(after[n], t) for n, t in before.items())


def test_a_trace_takes_no_memory_for_weights() -> None:
    """Neither where it succeeds nor where the network refuses and is asked again."""
    code = """
import resource, torch
from torch import nn
from engine.networks.tracing import trace, without_memory
module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
with torch.device('meta'):
    module.append(nn.Linear(8, 2**26))  # 2 GiB
    heavy = nn.Conv2d(512, 2**14, 7)  # 1.5 GiB
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert trace(without_memory(module), (8, 8))[1] is None
assert trace(without_memory(module), (1, 1))[1] is not None
assert trace(without_memory(heavy), (8, 8), 512)[1] is None
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 500


def test_a_refused_picture_gives_the_calls_before() -> None:
    calls, refused = trace(torchvision_ghost("vgg11"), (7, 90))
    assert isinstance(refused, RuntimeError)
    names = [c.name for c in calls]
    assert names[-1] == "features.9"  # pool3 would need two rows
    assert "features" not in names
    assert calls[-1].shape == (1, 256, 1, 22)


@pytest.mark.parametrize("name", ["vit_b_32", "maxvit_t"])
def test_networks_of_fixed_sizes_refuse_others(name: str) -> None:
    ghost = torchvision_ghost(name)
    assert trace(ghost, (224, 224))[1] is None
    assert trace(ghost, (225, 200))[1] is not None
    assert trace(ghost, (448, 448))[1] is not None


def test_two_threads_trace_at_once() -> None:
    entered = threading.Barrier(2, timeout=20)

    class Meeting(nn.Module):
        """Both threads wait here for each other: their runs overlap for sure."""

        def forward(self, x: Tensor) -> Tensor:
            entered.wait()
            return F.relu(x)

    ghost = nn.Sequential(nn.Conv2d(3, 2, 3), Meeting(), nn.Conv2d(2, 2, 3))
    found: dict[int, list[tuple[str, tuple[int, ...]]]] = {}

    def work(side: int) -> None:
        found[side] = [(c.name, c.shape) for c in trace(ghost, (side, side))[0]]

    threads = [threading.Thread(target=work, args=(side,)) for side in (8, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for side in (8, 12):
        sides = (side - 2, side - 2, side - 4)
        assert found[side] == [(str(i), (1, 2, s, s)) for i, s in enumerate(sides)]
