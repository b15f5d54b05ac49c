"""What is left after two hundred pictures, some given up or refused: nothing."""

import gc

import psutil
import torch

from engine import attribution
from engine.attribution.gradient import smooth_grad
from engine.attribution.occluding import occlusion_steps
from tests.engine.attribution.conftest import Net
from tests.engine.hooks import hooks_of

PICTURES = 200
MOST_BYTES = 16 * 2**20


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def look(model: Net, x: torch.Tensor) -> None:
    attribution.saliency(model, x, 1)
    smooth_grad(model, x, 1, samples=2)
    attribution.guided_backprop(model, x, 2)
    attribution.deconvnet(model, x, 2)
    attribution.grad_cam(model, x, 3, "conv2")
    attribution.guided_grad_cam(model, x, 3, "conv2")
    attribution.saliency(model, x, attribution.Unit("conv2", 1))
    steps = occlusion_steps(model, x, 0, 8, 4)
    next(steps)
    steps.close()
    for wrong in ("no.such.layer", "fc"):
        try:
            attribution.grad_cam(model, x, 3, wrong)
        except ValueError:
            continue
        raise AssertionError(wrong)


def test_memory_and_model_are_as_before_after_two_hundred_pictures() -> None:
    model = Net("functional in place").eval()
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        look(model, torch.rand(1, 3, 96, 96, generator=generator))
    before, bytes_before = tensors(), psutil.Process().memory_info().rss
    for _ in range(PICTURES):
        look(model, torch.rand(1, 3, 96, 96, generator=generator))
    assert tensors() == before
    assert psutil.Process().memory_info().rss - bytes_before < MOST_BYTES
    assert not hooks_of(model)
    assert all(parameter.grad is None for parameter in model.parameters())
