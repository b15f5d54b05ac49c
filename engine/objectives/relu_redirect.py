"""Help for inactive units: gradients that pass blocked ReLUs in the first steps.

A unit that the initial picture leaves at 0 has no gradient, and the picture would stay grey. The
rule is that of Lucid (Olah, Mordvintsev, Schubert 2017).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

FIRST_STEPS = 16
"""By then, a picture has left its start behind."""

_OUT_OF_PLACE = (torch.relu, Tensor.relu)
_IN_PLACE = (torch.relu_, Tensor.relu_, F.relu_)


class RedirectedReLU(TorchFunctionMode):
    """While active in this thread, ReLUs that block a whole picture let helpful gradients through.

    For a scalar that is minimized: gradients pass wherever the input is positive, as always. If
    that leaves nothing of a picture's gradient, they also pass wherever they would make a negative
    input larger. ReLU6 and the smooth activations are left as they are.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Replace ReLUs; hand all other calls on."""
        kwargs = kwargs or {}
        if func is F.relu:
            return self._relu(*args, **kwargs)
        if func in _OUT_OF_PLACE:
            return _Redirected.apply(*args, False, **kwargs)
        if func in _IN_PLACE:
            return _Redirected.apply(*args, True, **kwargs)
        return func(*args, **kwargs)

    @staticmethod
    def _relu(input: Tensor, inplace: bool = False) -> Any:
        return _Redirected.apply(input, inplace)


class _Redirected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, inplace: bool) -> Tensor:
        on = x > 0
        ctx.save_for_backward(on)
        if not inplace:
            return x.clamp_min(0)
        x.clamp_min_(0)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (on,) = ctx.saved_tensors
        (gradient,) = gradients
        usual = gradient * on
        rest = tuple(range(1, gradient.dim()))
        blocked = (usual == 0).all(dim=rest, keepdim=True) if rest else usual == 0
        helpful = torch.where(on | (gradient < 0), gradient, 0.0)
        return torch.where(blocked, helpful, usual), None
