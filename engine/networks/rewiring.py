"""Running a network with other pooling or padding for one call, without editing its modules.

Average instead of max pooling is Gatys et al. (2015); its outputs are smaller, so they are doubled,
which keeps the size of the activations that later layers were trained on.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from engine.networks.padding import padded_convolution

AVERAGE_SCALE = 2.0
POOLINGS = ("max", "average")
PADDINGS = ("zeros", "replicate", "circular")


class Rewired(TorchFunctionMode):
    """While active in this thread, pools and convolutions behave as asked."""

    def __init__(self, pooling: str, padding: str, weight: Tensor | None = None) -> None:
        """`padding` (a mode of F.pad) is that of the convolution with `weight`; None: of all."""
        super().__init__()
        self.average = pooling == "average"
        self.padding = padding
        self.weight = weight

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Replace the calls concerned; hand all others on."""
        kwargs = kwargs or {}
        if self.average and func in (F.max_pool2d, torch.max_pool2d):
            return self._average(*args, **kwargs)
        if self.padding != "zeros" and func is torch.conv2d:
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            if self.weight is None or weight is self.weight:
                return padded_convolution(self.padding, *args, **kwargs)
        return func(*args, **kwargs)

    @staticmethod
    def _average(
        x: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Tensor:
        return AVERAGE_SCALE * F.avg_pool2d(
            x, kernel_size, stride, padding, ceil_mode, count_include_pad=False
        )
