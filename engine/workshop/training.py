"""A loss as what an optimizer asks for: its gradient, with its value noted on the way."""

from collections.abc import Callable

import torch
from torch import Tensor


def noted_gradient(
    loss: Callable[[Tensor], Tensor], noted: list[float], parameters: Tensor
) -> Tensor:
    """Return the gradient of a scalar `loss` at `parameters`, shaped as they are.

    Its value is appended to `noted`.
    """
    at = parameters.detach().requires_grad_()
    with torch.enable_grad():
        value = loss(at)
    noted.append(float(value.detach()))
    return torch.autograd.grad(value, at)[0]
