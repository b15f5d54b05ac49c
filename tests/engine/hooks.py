"""What a network has been left with: hooks of PyTorch's, of one module or of all."""

from torch import nn
from torch.nn.modules import module as modules
from torch.overrides import _get_current_function_mode_stack


def hooks_of(module: nn.Module) -> int:
    """Return how many hooks a module and its parts have."""
    kinds = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
    return sum(len(getattr(part, kind)) for part in module.modules() for kind in kinds)


def hooks_of_all() -> int:
    """Return how many hooks and function modes hold for every module."""
    kinds = "_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks"
    hooks = sum(len(getattr(modules, kind)) for kind in kinds)
    return hooks + len(_get_current_function_mode_stack())
