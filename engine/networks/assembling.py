"""From tensors to a module: checked against the architecture, then put in place."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from engine.errors import BadInput
from engine.networks.building import build
from engine.networks.contents import Unusable, nothing
from engine.networks.formats.mapped import copied
from engine.networks.recognised import Recognised

PIECE = 1 << 22
"""How many numbers are checked at a time, so that large tensors never exist twice."""
COUNTER = "num_batches_tracked"


def assemble(
    state: Mapping[str, Tensor | Unusable],
    found: Recognised,
    input_size: int = 224,
    source: object = "the file",
    release: Callable[[], None] = nothing,
) -> nn.Module:
    """Return the module for recognized tensors: its parameters are copies, as float32.

    Raises `BadInput` as `check`; `source` is what messages call the file, `release` is called
    whenever what was read is no longer needed.
    """
    module = _fitting(state, found, input_size, source)
    wanted = module.state_dict()
    tensors: OrderedDict[str, Tensor] = OrderedDict()
    for name, ours, tensor in _wanted(state, found):
        kind = torch.float32 if wanted[ours].is_floating_point() else wanted[ours].dtype
        tensors[ours] = copied(tensor, kind, release)
        check_numbers(name, tensors[ours], source, nothing)
    # Missing from old files and meaningless in eval mode, but strict loading wants them.
    counters = [n for n in wanted.keys() - tensors.keys() if n.endswith(COUNTER)]
    tensors |= {n: torch.zeros((), dtype=torch.long) for n in counters}
    # The names are up to date: without this, modules would take them for those of older versions.
    tensors._metadata = wanted._metadata  # type: ignore[attr-defined]
    module.load_state_dict(tensors, assign=True)
    return module.eval().requires_grad_(False)


def check(
    state: Mapping[str, Tensor | Unusable],
    found: Recognised,
    input_size: int = 224,
    source: object = "the file",
    release: Callable[[], None] = nothing,
) -> None:
    """Raise `BadInput` for tensors that the architecture cannot take.

    Those are tensors that are missing, of other shapes, of types that no weights have, sparse,
    quantized or without values, and numbers that are not finite. Nothing is copied.
    """
    _fitting(state, found, input_size, source)
    for name, _, tensor in _wanted(state, found):
        check_numbers(name, tensor, source, release)


def _wanted(
    state: Mapping[str, Tensor | Unusable], found: Recognised
) -> Iterator[tuple[str, str, Tensor]]:
    """Yield the file's name, ours, and the tensor."""
    for name, ours in found.mapping.items():
        tensor = state[name]
        if isinstance(tensor, Tensor):
            yield name, ours, tensor


def _fitting(
    state: Mapping[str, Tensor | Unusable], found: Recognised, input_size: int, source: object
) -> nn.Module:
    """Return the module, still without values, if the tensors fit into it."""
    if found.channels not in (1, 3):
        raise BadInput(
            f"{source}: its {found.architecture} takes pictures of {found.channels} channels; "
            "only networks for colour (3) or gray (1) pictures can be used"
        )
    module = build(
        found.architecture,
        max(found.num_classes, 1),
        found.part,
        found.last_layer,
        found.input_size or input_size,
        found.head,
        found.channels,
    )
    wanted = module.state_dict()
    missing = wanted.keys() - {ours for name, ours in found.mapping.items() if name in state}
    missing = {name for name in missing if not name.endswith(COUNTER)}
    if missing:
        raise BadInput(f"{source} lacks {_first(missing)}, which {found.architecture} needs")
    for name, ours in found.mapping.items():
        tensor = state[name]
        if isinstance(tensor, Unusable):
            raise BadInput(f"{source}: {name} {tensor.why}")
        if ours not in wanted:
            raise BadInput(f"{source}: {found.architecture} has no place for {name}")
        if tensor.shape != wanted[ours].shape:
            has, needs = (" x ".join(map(str, t.shape)) for t in (tensor, wanted[ours]))
            raise BadInput(
                f"{source}: {name} has the shape {has}, {found.architecture} needs {needs}"
            )
        if wanted[ours].is_floating_point() and not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise BadInput(
                f"{source}: {name} holds numbers of type {kind}; weights are floating-point "
                "numbers (float16, bfloat16, float32, float64 or float8)"
            )
    return module


def _first(names: set[str]) -> str:
    more = len(names) - 1
    return min(names) + (f" and {more} more tensor{'s' * (more > 1)}" if more else "")


def check_numbers(name: str, tensor: Tensor, source: object, release: Callable[[], None]) -> None:
    """Raise `BadInput` if numbers are not finite in float32."""
    if tensor.is_meta or not tensor.is_floating_point():
        return  # integers are always finite
    flat = tensor.reshape(-1) if tensor.is_contiguous() else tensor.flatten()
    for piece in flat.split(PIECE):
        if not bool(piece.float().isfinite().all()):
            raise BadInput(
                f"{source}: {name} holds numbers that are not finite (NaN or infinity); "
                "the file is damaged, or the training failed"
            )
        release()
