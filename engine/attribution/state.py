"""What every attribution method shares: checked input, the chosen logits, the model left as found.

Gradients are asked for with `torch.autograd.grad`, so no parameter gets a `.grad`, and whether
parameters require gradients does not matter and is not touched: another thread may be running the
same model.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from engine.attribution.unit import Located, Unit, unit_values

Target = int | Sequence[int] | Tensor | Unit
"""A class number for all pictures, or one for each; or a unit inside the network."""


@contextmanager
def differentiable(model: nn.Module) -> Iterator[None]:
    """Make gradients possible, whatever the caller switched off, with `model` in eval mode."""
    with _in_eval_mode(model), torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def without_gradients(model: nn.Module) -> Iterator[None]:
    """Run `model` in eval mode and without a graph.

    Not in inference mode: what a model kept of such a run could never be differentiated again.
    """
    with _in_eval_mode(model), torch.inference_mode(False), torch.no_grad():
        yield


@contextmanager
def _in_eval_mode(model: nn.Module) -> Iterator[None]:
    """Put every module in eval mode; each gets its own mode back, also after an error.

    In training mode the pictures of a batch would influence each other through batch normalization,
    and dropout would draw.
    """
    training = [module for module in model.modules() if module.training]
    try:
        for module in training:  # not model.eval(): some models override it or freeze parts
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


def copy_of(x: Tensor) -> Tensor:
    """Return a copy of the pictures `x` (N, C, H, W), without a graph.

    Raises `ValueError` for anything but a float batch.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"x must be a float tensor (N, C, H, W), not {_kind(x)}")
    if x.dim() != 4 or not x.is_floating_point() or not x.numel():
        raise ValueError(
            "x must be a float tensor (N, C, H, W) with at least one picture, "
            f"not {str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"
        )
    return x.detach().clone()


def leaf_of(x: Tensor) -> Tensor:
    """Return a copy of the pictures `x` (N, C, H, W) to take gradients with respect to.

    Raises `ValueError` for anything but a float batch.
    """
    return copy_of(x).requires_grad_()


def chosen_logits(model: nn.Module, leaf: Tensor, target: Target | Located) -> Tensor:
    """Return the logit (N,) of each picture's `target`, or its unit's activation.

    To be called inside `differentiable`.

    Raises `ValueError` when there is no such class or unit, or the model returns something other
    than logits where a class is asked for.
    """
    if isinstance(target, (Unit, Located)):
        values, _ = values_of_unit(model, leaf.clone(), target)
        if not values.requires_grad:
            unit = target if isinstance(target, Unit) else target.unit
            raise ValueError(
                f"layer {unit.layer!r} carries no gradient: it must depend on x, and not under "
                "no_grad"
            )
        return values
    classes = class_numbers(target, len(leaf))
    return chosen_of(differentiable_logits(model, leaf), classes)


def differentiable_logits(model: nn.Module, leaf: Tensor) -> Tensor:
    """Return the logits (N, classes) with their graph; to be called inside `differentiable`.

    Raises `ValueError` when the model returns something else.
    """
    # A copy, because a model may begin with an in-place operation, which a leaf refuses.
    logits = logits_of(model, leaf.clone())
    if not logits.requires_grad:
        raise ValueError(
            "the model's logits carry no gradient: its forward must not detach or use no_grad"
        )
    return logits


def values_of_unit(model: nn.Module, x: Tensor, unit: Unit | Located) -> tuple[Tensor, Located]:
    """Return the unit's activation (N,) in the pictures `x`, which the model may change, and its places.

    Raises `ValueError` when there is no such unit.
    """
    return unit_values(lambda: run(model, x), model, unit, x)


def logits_of(model: nn.Module, x: Tensor) -> Tensor:
    """Return the logits (N, classes) of `x`, which the model may change.

    Raises `ValueError` when the model returns something else.
    """
    logits = run(model, x)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(x):
        raise ValueError(f"the model must return logits ({len(x)}, classes), not {_kind(logits)}")
    return logits


def chosen_of(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the logit (N,) of each row's class.

    Raises `ValueError` when there is no such class.
    """
    count = logits.shape[1]
    for wrong in classes[(classes < 0) | (classes >= count)].tolist():
        raise ValueError(f"there is no class {wrong}: the model has classes 0 to {count - 1}")
    return logits.gather(1, classes.to(logits.device)[:, None])[:, 0]


def class_numbers(target: Target, n: int) -> Tensor:
    """Return `target` as n class numbers, on the CPU.

    Raises `ValueError` for anything but one number or n of them.
    """
    if isinstance(target, Unit):
        raise ValueError("target must be class numbers here, not a unit inside the network")
    try:
        classes = torch.as_tensor(target, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"target must be class numbers, not {_kind(target)}") from None
    if classes.is_floating_point() or classes.is_complex() or classes.dtype == torch.bool:
        kind = str(classes.dtype).removeprefix("torch.")
        raise ValueError(f"target must be whole class numbers, not {kind}")
    if classes.dim() > 1 or (classes.dim() == 1 and len(classes) != n):
        raise ValueError(
            "target must be one class number, or one for each picture "
            f"({n} here), not {tuple(classes.shape)}"
        )
    # Cloned, because gather keeps it for the way back, which inference tensors forbid.
    return classes.long().expand(n).clone()


def run(model: nn.Module, x: Tensor) -> object:
    """Return what `model` makes of `x`, even if it was built or loaded in inference mode."""
    state = chain(model.named_parameters(), model.named_buffers())
    # Autograd refuses to keep inference tensors for the way back; copies are ordinary tensors.
    copies = {name: tensor.detach().clone() for name, tensor in state if tensor.is_inference()}
    return functional_call(model, copies, (x,)) if copies else model(x)


def _kind(value: object) -> str:
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{type(value).__name__} {tuple(value.shape)}"
    return type(value).__name__
