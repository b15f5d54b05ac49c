"""Class activation maps: where in a layer's maps a class finds its evidence.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization": a layer's channels A_c, weighted with the mean over space of d logit / d A_c. Zhou
et al. 2016, "Learning Deep Features for Discriminative Localization": the class activation map
proper, of networks that average their last maps and have one linear layer behind.
"""

import difflib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook

from engine.attribution.head import HeadTrace
from engine.attribution.relu_rules import guided_backprop
from engine.attribution.state import (
    Target,
    chosen_logits,
    chosen_of,
    class_numbers,
    differentiable,
    differentiable_logits,
    leaf_of,
)


def grad_cam(
    model: nn.Module,
    x: Tensor,
    target: Target,
    layer: str,
    relu: bool = True,
    upsample: bool = True,
) -> Tensor:
    """Return the Grad-CAM of `target` at a layer, raw: not scaled to any range.

    Args:
        model: maps `x` to logits (N, classes); is left as it was found, and run in eval mode.
        x: float (N, 3, H, W) as the model takes it; is not changed.
        target: a class number for all pictures, or one for each.
        layer: dotted module name of a layer with maps (N, C, h, w). Of a module that is called
            several times the last call counts; `name#1` is its first call, `name#2` its second.
        relu: keep only what speaks for the class.
        upsample: bilinearly to the size of `x`; else on the layer's own grid.

    Returns:
        (N, H, W), or (N, h, w) without `upsample`; in the precision of `x`, without a graph.

    Raises:
        ValueError: `x`, `target`, `layer` or what the model returns has not the form above, or
            the logit does not depend on the layer.
    """
    name, call = _place(model, layer)
    with differentiable(model):
        leaf = leaf_of(x)
        with _tapped(model.get_submodule(name), call) as tap:
            logits = chosen_logits(model, leaf, target)
        values, edge = _maps(tap, layer, call, len(leaf))
        (gradient,) = torch.autograd.grad(logits.sum(), (edge,), allow_unused=True)
        if gradient is None:
            raise ValueError(
                f"the logit does not depend on layer {layer!r}; choose a layer on the way to it"
            )
        return _weighted(gradient.mean((2, 3)), values, leaf, relu, upsample)


def cam(
    model: nn.Module, x: Tensor, target: Target, relu: bool = True, upsample: bool = True
) -> Tensor:
    """Return the class activation map of `target`, raw: sum over channels of weight * map.

    The weights are those of the linear layer behind the average; its bias is in no place of the
    picture and left out. Grad-CAM at the maps that are averaged, times their number of places.

    Args:
        model: maps `x` to logits (N, classes) by a global average over maps (N, C, h, w) and one
            linear layer; is left as it was found, and run in eval mode.
        x: float (N, 3, H, W) as the model takes it; is not changed.
        target: a class number for all pictures, or one for each.
        relu: keep only what speaks for the class.
        upsample: bilinearly to the size of `x`; else on the maps' own grid.

    Returns:
        (N, H, W), or (N, h, w) without `upsample`; in the precision of `x`, without a graph.

    Raises:
        ValueError: the network ends otherwise, or `x`, `target` or what the model returns has not
            the form above.
    """
    with differentiable(model):
        leaf = leaf_of(x)
        classes = class_numbers(target, len(leaf))
        with HeadTrace() as trace:
            logits = differentiable_logits(model, leaf)
        head = trace.of(logits)
        if head is None or head.linear != 1:
            ends = (
                f"has {head.linear} linear layers behind its average" if head else "ends otherwise"
            )
            raise ValueError(
                "CAM needs a network that ends in global average pooling and one linear layer; this "
                f"one {ends}: use Grad-CAM at the last layer that has maps"
            )
        chosen = chosen_of(logits, classes)
        (gradient,) = torch.autograd.grad(chosen.sum(), (head.edge,))
        return _weighted(gradient.sum((2, 3)), head.maps, leaf, relu, upsample)


def guided_grad_cam(model: nn.Module, x: Tensor, target: Target, layer: str) -> Tensor:
    """Return Grad-CAM at `layer`, upsampled bilinearly, times guided backpropagation.

    Arguments and errors are those of `grad_cam` and `guided_backprop`.

    Returns:
        (N, 3, H, W), signed, in the precision of `x`, without a graph.
    """
    where = grad_cam(model, x, target, layer)
    with torch.inference_mode(False):
        return guided_backprop(model, x, target).mul_(where[:, None])


def _weighted(weights: Tensor, maps: Tensor, x: Tensor, relu: bool, upsample: bool) -> Tensor:
    """Return the sum over channels of `weights` (N, C) times `maps` (N, C, h, w)."""
    summed = torch.einsum("nc,nchw->nhw", weights, maps).to(x.dtype)
    if relu:
        summed = summed.relu()
    if not upsample:
        return summed
    size = (x.shape[2], x.shape[3])
    return F.interpolate(summed[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def _place(model: nn.Module, layer: str) -> tuple[str, int | None]:
    """Return the module's name and which of its calls is meant (None: the last).

    Raises `ValueError` with the nearest names when there is no such module.
    """
    known = [name for name, _ in model.named_modules(remove_duplicate=False) if name]
    if layer in known:
        return layer, None
    name, _, number = layer.rpartition("#")
    if name in known and number.isdecimal() and int(number) > 0:
        return name, int(number)
    near = difflib.get_close_matches(layer, known, n=3, cutoff=0.4) or known[-3:]
    hint = f"near it are {', '.join(near)}" if near else "it has no layers"
    raise ValueError(f"the model has no layer {layer!r}; {hint}")


@dataclass
class _Tap:
    """What was seen of a layer."""

    calls: int = 0
    output: object = None
    """Type and shape suffice to explain what is wrong with an output that holds no maps."""
    values: Tensor | None = None
    edge: GradientEdge | None = None


@contextmanager
def _tapped(layer: nn.Module, call: int | None) -> Iterator[_Tap]:
    """Keep the output of `layer` at its n-th (None: last) call as it is at that moment.

    Layers behind may overwrite it (a ReLU in place), therefore values are copied and the gradient
    is asked for at the edge of the graph, not at the tensor, whose history would be the later one.

    The hook is not the module's but torch's for all modules: the model itself stays untouched,
    which another thread may be copying or running.
    """
    tap = _Tap()
    owner = threading.get_ident()

    # Any: torch declares None, and uses what a forward hook returns in place of the output.
    def hook(module: nn.Module, _inputs: object, output: object) -> Any:
        if module is not layer or threading.get_ident() != owner:
            return None
        tap.calls += 1
        if call not in (None, tap.calls):
            return None
        replaced = None
        tap.output, tap.values, tap.edge = type(output).__name__, None, None
        if isinstance(output, Tensor):
            tap.output = tuple(output.shape)
            if output.dim() == 4 and output.requires_grad:
                # Whoever overwrites a view rewrites its history, and the edge would lead nowhere.
                if output._is_view():
                    output = replaced = output.clone()
                tap.values, tap.edge = output.detach().clone(), get_gradient_edge(output)
        return replaced

    handle = register_module_forward_hook(hook)
    try:
        yield tap
    finally:
        handle.remove()


def _maps(tap: _Tap, layer: str, call: int | None, n: int) -> tuple[Tensor, GradientEdge]:
    """Return the values of the tapped maps and where the gradient passes them.

    Raises `ValueError` saying why when the layer has no maps of the `n` pictures.
    """
    if not tap.calls:
        raise ValueError(f"the model does not call layer {layer!r}; choose a layer that it uses")
    if tap.calls < (call or 1):
        raise ValueError(f"there is no {layer!r}: the model's calls of that layer are {tap.calls}")
    if not isinstance(tap.output, tuple):
        raise ValueError(
            f"layer {layer!r} returns a {tap.output}, not one tensor of maps (N, C, H, W); "
            "choose a layer inside it or before it"
        )
    if len(tap.output) != 4 or tap.output[0] != n:
        kind = {2: "vectors", 3: "tokens"}.get(len(tap.output), "a tensor")
        raise ValueError(
            f"layer {layer!r} gives {kind} {tap.output}, not maps (N, C, H, W) with N = {n}; "
            "choose a layer before its maps are flattened, such as a convolution"
        )
    if tap.values is None or tap.edge is None:
        raise ValueError(
            f"layer {layer!r} carries no gradient: it must depend on x, and not under no_grad"
        )
    return tap.values, tap.edge
