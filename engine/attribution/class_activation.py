"""Class activation maps: where in a layer's maps a class finds its evidence.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization": a layer's channels A_c, weighted by the mean over space of d logit / d A_c. Zhou et
al. 2016, "Learning Deep Features for Discriminative Localization": the original class activation
map, for networks that average their last maps and end in one linear layer.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F

from engine.attribution.asked import Asked
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
        model: maps `x` to logits (N, classes); run in eval mode and left as it was found.
        x: float (N, 3, H, W) as the model takes it; not changed.
        target: a class number for all pictures, or one for each; or a `Unit` in a later layer.
        layer: dotted module name of a layer with maps (N, C, h, w). If a module is called several
            times, the last call counts; `name#1` is its first call, `name#2` its second.
        relu: keep only evidence for the class.
        upsample: interpolate bilinearly to the size of `x`; otherwise keep the layer's own grid.

    Returns:
        (N, H, W), or (N, h, w) without `upsample`; in the precision of `x`, without a graph.

    Raises:
        ValueError: `x`, `target`, `layer` or what the model returns does not have the form above,
            or the logit or unit does not depend on the layer.
    """
    maps = _Maps(model, layer)
    with differentiable(model):
        leaf = leaf_of(x)
        with maps.watched(leaf):
            answers = chosen_logits(model, leaf, target)
        return maps.cam(answers, target, leaf, relu, upsample)


class GradCamPass:
    """A forward pass that keeps a layer's maps, so that Grad-CAM of any class needs no other pass."""

    def __init__(self, model: nn.Module, x: Tensor, layer: str) -> None:
        """Run `model` on `x`; arguments and errors are those of `grad_cam`."""
        self._maps = _Maps(model, layer)
        with differentiable(model):
            self._leaf = leaf_of(x)
            with self._maps.watched(self._leaf):
                self._logits = differentiable_logits(model, self._leaf)

    @property
    def logits(self) -> Tensor:
        """(N, classes), without a graph."""
        return self._logits.detach()

    def grad_cam(self, target: Target, relu: bool = True, upsample: bool = True) -> Tensor:
        """Return what `grad_cam` returns for classes, and raise as it does."""
        with torch.inference_mode(False), torch.enable_grad():
            answers = chosen_of(self._logits, class_numbers(target, len(self._leaf)))
            return self._maps.cam(answers, target, self._leaf, relu, upsample, again=True)


def cam(
    model: nn.Module, x: Tensor, target: Target, relu: bool = True, upsample: bool = True
) -> Tensor:
    """Return the class activation map of `target`, raw: sum over channels of weight * map.

    The weights are those of the linear layer after the average; its bias belongs to no place and is
    left out. The result is Grad-CAM at the averaged maps, times their number of places.

    If the layer is a 1x1 convolution before the average, as in SqueezeNet and Network in Network,
    every class has a map of its own, which is returned just as it is averaged: its mean is the
    logit. Places that SqueezeNet's ReLU after the convolution sets to 0 do not count against the
    class, since they never reach the logit; the convolution's bias is part of every place.

    Args:
        model: maps `x` to logits (N, classes) by a global average over maps (N, C, h, w) and one
            linear layer after or before it; run in eval mode and left as it was found.
        x: float (N, 3, H, W) as the model takes it; not changed.
        target: a class number for all pictures, or one for each.
        relu: keep only evidence for the class.
        upsample: interpolate bilinearly to the size of `x`; otherwise keep the maps' own grid.

    Returns:
        (N, H, W), or (N, h, w) without `upsample`; in the precision of `x`, without a graph.

    Raises:
        ValueError: the network ends differently, or `x`, `target` or what the model returns does
            not have the form above.
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
        if head is None or head.linear > 1:
            ends = (
                f"has {head.linear} linear layers behind its average" if head else "ends otherwise"
            )
            raise ValueError(
                "CAM needs a network that ends in global average pooling and one linear layer, or in "
                f"the average of a map for each class; this one {ends}: use Grad-CAM at the last "
                "layer that has maps"
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


class _Maps:
    """A layer's maps as they are when it is called.

    Later layers may overwrite them (an in-place ReLU), so the values are copied, and the gradient
    is taken at the edge of the graph rather than at the tensor, whose history would then be the
    later one.
    """

    def __init__(self, model: nn.Module, layer: str) -> None:
        """Raises `ValueError` when there is no such layer."""
        self._model, self._layer = model, layer
        self._name, self._call = place_of(model, layer)
        self._calls = 0
        self._output: object = None
        """Kept since type and shape suffice to explain what is wrong with an output that holds no
        maps."""
        self._values: Tensor | None = None
        self._edge: GradientEdge | None = None

    @contextmanager
    def watched(self, x: Tensor) -> Iterator[None]:
        """Keep the maps of the run on `x` inside the block; raise `ValueError` if it has no such call."""
        with tapped(self._model, self._name, self._call, x, self._take) as calls:
            yield
        called(calls, self._layer, self._call)
        self._calls = calls.count

    def _take(self, output: object) -> Tensor | None:
        """Keep `output`; return what must take its place in the model, if anything."""
        self._output, self._values, self._edge = type(output).__name__, None, None
        if not isinstance(output, Tensor):
            return None
        self._output = tuple(output.shape)
        if output.dim() != 4 or not output.requires_grad:
            return None
        # Overwriting a view rewrites its history, and the edge would then lead nowhere.
        replaced = output.clone() if output._is_view() else None
        seen = output if replaced is None else replaced
        self._values, self._edge = seen.detach().clone(), get_gradient_edge(seen)
        return replaced

    def cam(
        self,
        answers: Tensor,
        target: Target,
        x: Tensor,
        relu: bool,
        upsample: bool,
        again: bool = False,
    ) -> Tensor:
        """Return the Grad-CAM of `answers` (N,), the logits or activations of `target` in that run.

        `again`: whether the graph is kept for further answers. Raises `ValueError` when the layer
        has no maps, or the answers do not depend on them.
        """
        values, edge = self._checked(len(x))
        (gradient,) = torch.autograd.grad(
            answers.sum(), (edge,), allow_unused=True, retain_graph=again
        )
        if gradient is None or self._holds(target):
            what = "unit" if isinstance(target, Unit) else "logit"
            raise ValueError(
                f"the {what} does not depend on layer {self._layer!r}; "
                "choose a layer on the way to it"
            )
        return _weighted(gradient.mean((2, 3)), values, x, relu, upsample)

    def _holds(self, target: Target) -> bool:
        """Return whether the target is a unit of that very call of the layer."""
        if not isinstance(target, Unit):
            return False
        own, number = place_of(self._model, target.layer)
        same = self._model.get_submodule(own) is self._model.get_submodule(self._name)
        return same and (number or self._calls) == (self._call or self._calls)

    def _checked(self, n: int) -> tuple[Tensor, GradientEdge]:
        """Return the values of the maps and where the gradient passes them.

        Raises `ValueError` saying why when the layer has no maps of the `n` pictures.
        """
        if not isinstance(self._output, tuple):
            raise ValueError(
                f"layer {self._layer!r} returns a {self._output}, not one tensor of maps "
                "(N, C, H, W); choose a layer inside it or before it"
            )
        if len(self._output) != 4 or self._output[0] != n:
            kind = {2: "vectors", 3: "tokens"}.get(len(self._output), "a tensor")
            raise ValueError(
                f"layer {self._layer!r} gives {kind} {self._output}, not maps (N, C, H, W) with "
                f"N = {n}; choose a layer before its maps are flattened, such as a convolution"
            )
        if self._values is None or self._edge is None:
            raise ValueError(
                f"layer {self._layer!r} carries no gradient: it must depend on x, and not under "
                "no_grad"
            )
        return self._values, self._edge


# -- as `engine.attribution.registry` calls them ----------------------------------------------


def class_activation_map(asked: Asked) -> Tensor:
    """Return `cam`."""
    return cam(asked.model, asked.x, asked.target)


def grad_cam_at_layer(asked: Asked) -> Tensor:
    """Return `grad_cam`, from the known pass if there is one."""
    if asked.known is not None:
        return asked.known.grad_cam(asked.target)
    return grad_cam(asked.model, asked.x, asked.target, asked.find_layer())


def guided_grad_cam_at_layer(asked: Asked) -> Tensor:
    """Return `guided_grad_cam`."""
    return guided_grad_cam(asked.model, asked.x, asked.target, asked.find_layer())
