"""Class activation maps: where in a layer's maps a class finds its evidence.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization": a layer's channels A_c, weighted with the mean over space of d logit / d A_c. Zhou
et al. 2016, "Learning Deep Features for Discriminative Localization": the class activation map
proper, of networks that average their last maps and have one linear layer behind.
"""

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F

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
from engine.attribution.taps import called, place_of, tapped
from engine.attribution.unit import Unit


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
        target: a class number for all pictures, or one for each; or a `Unit` behind the layer.
        layer: dotted module name of a layer with maps (N, C, h, w). Of a module that is called
            several times the last call counts; `name#1` is its first call, `name#2` its second.
        relu: keep only what speaks for the class.
        upsample: bilinearly to the size of `x`; else on the layer's own grid.

    Returns:
        (N, H, W), or (N, h, w) without `upsample`; in the precision of `x`, without a graph.

    Raises:
        ValueError: `x`, `target`, `layer` or what the model returns has not the form above, or
            the logit or unit does not depend on the layer.
    """
    name, call = place_of(model, layer)
    maps = _Maps()
    with differentiable(model):
        leaf = leaf_of(x)
        with tapped(model.get_submodule(name), call, maps.take) as calls:
            logits = chosen_logits(model, leaf, target)
        called(calls, layer, call)
        values, edge = maps.checked(layer, len(leaf))
        (gradient,) = torch.autograd.grad(logits.sum(), (edge,), allow_unused=True)
        if gradient is None or _is_unit_of(target, model, name, call, calls.count):
            what = "unit" if isinstance(target, Unit) else "logit"
            raise ValueError(
                f"the {what} does not depend on layer {layer!r}; choose a layer on the way to it"
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
    if isinstance(target, Unit):
        raise ValueError(
            "CAM answers for classes only; for a unit use Grad-CAM at a layer before it"
        )
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


def _is_unit_of(target: Target, model: nn.Module, name: str, call: int | None, count: int) -> bool:
    """Return whether the target is a unit of that very call of the layer."""
    if not isinstance(target, Unit):
        return False
    own, number = place_of(model, target.layer)
    same = model.get_submodule(own) is model.get_submodule(name)
    return same and (number or count) == (call or count)


class _Maps:
    """A layer's maps as they are at the call.

    Layers behind may overwrite them (a ReLU in place), therefore values are copied and the gradient
    is asked for at the edge of the graph, not at the tensor, whose history would be the later one.
    """

    def __init__(self) -> None:
        self.output: object = None
        """Type and shape suffice to explain what is wrong with an output that holds no maps."""
        self.values: Tensor | None = None
        self.edge: GradientEdge | None = None

    def take(self, output: object) -> Tensor | None:
        """Keep `output`; return what must take its place in the model, if anything."""
        self.output, self.values, self.edge = type(output).__name__, None, None
        if not isinstance(output, Tensor):
            return None
        self.output = tuple(output.shape)
        if output.dim() != 4 or not output.requires_grad:
            return None
        # Whoever overwrites a view rewrites its history, and the edge would lead nowhere.
        replaced = output.clone() if output._is_view() else None
        seen = output if replaced is None else replaced
        self.values, self.edge = seen.detach().clone(), get_gradient_edge(seen)
        return replaced

    def checked(self, layer: str, n: int) -> tuple[Tensor, GradientEdge]:
        """Return the values of the maps and where the gradient passes them.

        Raises `ValueError` saying why when the layer has no maps of the `n` pictures.
        """
        if not isinstance(self.output, tuple):
            raise ValueError(
                f"layer {layer!r} returns a {self.output}, not one tensor of maps (N, C, H, W); "
                "choose a layer inside it or before it"
            )
        if len(self.output) != 4 or self.output[0] != n:
            kind = {2: "vectors", 3: "tokens"}.get(len(self.output), "a tensor")
            raise ValueError(
                f"layer {layer!r} gives {kind} {self.output}, not maps (N, C, H, W) with N = {n}; "
                "choose a layer before its maps are flattened, such as a convolution"
            )
        if self.values is None or self.edge is None:
            raise ValueError(
                f"layer {layer!r} carries no gradient: it must depend on x, and not under no_grad"
            )
        return self.values, self.edge
