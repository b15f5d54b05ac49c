"""First and second moments of a layer's activations over positions, cheap and exact to differentiate.

Autograd would differentiate F Fᵀ as two products; the gradient of a symmetric result needs one.
Half-precision activations are multiplied in float32, block by block, for a covariance: products
rounded to half precision would drown its small eigenvalues (measured with Wasserstein style on
VGG-19, 128 px: 14 % more loss than a float32 run). A Gram matrix that is compared entry by entry
takes half-precision products of short blocks, summed in float32, at half the time: rounding in the
blocks averages out (0.02 % to 0.2 % of the matrix). Neither gradient needs such care.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.networks.low_memory import sole

BLOCK = 16384
"""How many positions of half-precision activations are converted to float32 at a time."""
SHORT_BLOCK = 512
"""How many positions' products may be rounded to half precision before they are summed."""


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean (N, C) and E[f fᵀ] (N, C, C) over positions of activations (N, C, H, W).

    float64 in, float64 out; anything else gives float32. Both together take one backward pass.
    """
    _, mean, second = passing_moments(features)
    return mean, second


def second_moments(features: Tensor) -> Tensor:
    """Return (N, C, C) = sum over positions of f fᵀ / (H W) for (N, C, H, W); float32 or float64.

    Faster than `moments` on half-precision activations, and rounded by up to 0.2 %.
    """
    return passing_second_moments(features)[1]


def passing_moments(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the activations, then their `moments`.

    If a network goes on with the returned activations, the gradient of the moments is added in
    place to the one that comes back from there, when it comes.
    """
    onward, mean, second = _Moments.apply(features)
    return onward, mean, second


def passing_second_moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the activations, then their `second_moments`, as `passing_moments` does."""
    onward, second = _SecondMoments.apply(features)
    return onward, second


def steered(
    features: Tensor,
    rows: slice,
    columns: slice,
    of_first: Tensor | None,
    of_second: Tensor,
) -> Tensor:
    """Return activations that get the gradient of their moments once the backward pass comes by.

    For moments that are sums over many tiles: how the loss changes with the sums is known before.

    Args:
        features: (1, C, H, W) of a tile with its margin.
        rows: which rows of `features` are the tile's own.
        columns: which columns are.
        of_first: (1, C), the gradient with respect to the sum of the own activations, if any.
        of_second: (1, C, C), the gradient with respect to the sum over own positions of f fᵀ.
    """
    onward: Tensor = _Steered.apply(features, rows, columns, of_first, of_second)
    return onward


class _Steered(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        rows: slice,
        columns: slice,
        of_first: Tensor | None,
        of_second: Tensor,
    ) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(features, of_first, of_second)
        ctx.place = rows, columns
        return features

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        features, of_first, of_second = ctx.saved_tensors
        (onward,) = gradients
        if onward is None:
            onward = torch.zeros_like(features)
        elif not onward.is_contiguous(memory_format=torch.channels_last):
            onward = onward.contiguous(memory_format=torch.channels_last)
        elif not sole(onward):
            onward = onward.clone()
        matrix = (of_second + of_second.mT).to(features.dtype)
        same = None if of_first is None else of_first.to(features.dtype).unsqueeze(1)
        rows, columns = ctx.place
        own, ahead = features[..., rows, columns], onward[..., rows, columns]
        if own.shape[-1] == features.shape[-1] and features.is_contiguous(
            memory_format=torch.channels_last
        ):  # whole rows lie in memory one after the other
            positions = _rows(ahead).baddbmm_(_rows(own), matrix)
            if same is not None:
                positions += same
        else:
            made = torch.bmm(_rows(own), matrix)
            ahead += _maps(made if same is None else made + same, own)
        return onward, None, None, None, None


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(features)
        return features, *_precise(_rows(features))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> Tensor | None:
        (features,) = ctx.saved_tensors
        onward, of_mean, of_second = gradients
        return _gradient(features, onward, of_second, of_mean)


class _SecondMoments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(features)
        rows = _rows(features)
        if rows.dtype != torch.bfloat16:  # float16 would overflow before it rounds
            return features, _precise(rows)[1]
        return features, torch.stack([_rounded_products(one) for one in rows]) / rows.shape[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> Tensor | None:
        (features,) = ctx.saved_tensors
        onward, of_second = gradients
        return _gradient(features, onward, of_second)


def _precise(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return means (N, C) and second moments (N, C, C) of rows (N, positions, C)."""
    n, positions, channels = rows.shape
    if rows.dtype in (torch.float32, torch.float64):
        return rows.mean(1), rows.mT @ rows / positions
    total = torch.zeros(n, channels, channels, device=rows.device)
    sums = torch.zeros(n, channels, device=rows.device)
    for block in rows.split(BLOCK, dim=1):
        precise = block.float()
        total.baddbmm_(precise.mT, precise)
        sums += precise.sum(1)
    return sums / positions, total / positions


def _rounded_products(rows: Tensor) -> Tensor:
    """Return F Fᵀ (C, C) in float32 of bfloat16 rows (positions, C)."""
    whole = rows.shape[0] // SHORT_BLOCK * SHORT_BLOCK
    blocks = rows[:whole].view(-1, SHORT_BLOCK, rows.shape[1])
    rest = rows[whole:].float()
    return torch.bmm(blocks.mT, blocks).sum(0, dtype=torch.float32) + rest.mT @ rest


def _gradient(
    features: Tensor, onward: Tensor | None, of_second: Tensor | None, of_mean: Tensor | None = None
) -> Tensor | None:
    """Return the gradient of activations: from what comes after them, plus from their moments."""
    if of_second is None:
        if of_mean is None:
            return onward
        of_second = of_mean.new_zeros(*of_mean.shape, of_mean.shape[1])
    rows = _rows(features)
    matrix = ((of_second + of_second.mT) / rows.shape[1]).to(rows.dtype)
    same = None if of_mean is None else (of_mean / rows.shape[1]).to(rows.dtype).unsqueeze(1)
    if onward is None:
        made = torch.bmm(rows, matrix) if same is None else torch.baddbmm(same, rows, matrix)
        return _maps(made, features)
    if not onward.is_contiguous(memory_format=torch.channels_last):
        onward = onward.contiguous(memory_format=torch.channels_last)
    elif not sole(onward):
        onward = onward.clone()
    ahead = _rows(onward).baddbmm_(rows, matrix)
    if same is not None:
        ahead += same
    return onward


def _rows(features: Tensor) -> Tensor:
    """Return (N, H W, C): without copying for channels-last tensors."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def _maps(rows: Tensor, like: Tensor) -> Tensor:
    """Return rows (N, H W, C) as maps (N, C, H, W)."""
    n, _, height, width = like.shape
    return rows.view(n, height, width, -1).permute(0, 3, 1, 2)


def double(x: Tensor) -> Tensor:
    """Return `x` in float64: on its device, or on the CPU if the device (MPS) has no float64."""
    return (x.cpu() if x.device.type == "mps" else x).double()
