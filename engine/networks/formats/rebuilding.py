"""How PyTorch's pickles describe tensors: calls of a few functions, which are read, not run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.networks.contents import Unusable
from engine.networks.formats.mapped import Mapped, check_shape
from engine.networks.formats.pickled import DescribedObject, Global

if TYPE_CHECKING:
    from torch import Tensor, dtype

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
    "QInt8Storage": "int8", "QUInt8Storage": "uint8", "QInt32Storage": "int32",
    "QUInt4x2Storage": "uint8", "QUInt2x4Storage": "uint8",
}  # fmt: skip
"""PyTorch's classes of storages -> type of their numbers."""


@dataclass(eq=False)
class Storage:
    """The numbers that tensors are views of."""

    kind: str
    """PyTorch's name of their type."""
    piece: Callable[[], Mapped]
    """Returns the numbers, once their place is known."""

    @classmethod
    def of(cls, kind: Any, piece: Callable[[], Mapped]) -> "Storage":
        """Return the storage of a class that a pickle names. Raises `ValueError` if there is none."""
        if not isinstance(kind, Global) or kind.name not in STORAGES:
            raise ValueError("numbers of an unknown type")
        return cls(STORAGES[kind.name], piece)

    @property
    def bytes_each(self) -> int:
        """Return the bytes of one number."""
        return _type(self.kind).itemsize


@dataclass(eq=False)
class Pending:
    """A tensor as a view of a storage; `tensor` makes it."""

    storage: Storage
    kind: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def tensor(self) -> "Tensor":
        """Return the tensor, mapped. Raises `ValueError` if its numbers are not all there."""
        return self.storage.piece().tensor(_type(self.kind), self.shape, self.strides, self.offset)


def _type(name: str) -> "dtype":
    import torch

    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"numbers of an unknown type ({name})")
    return found


def build(function: Global, arguments: tuple[Any, ...]) -> Any:
    """Return what a call in a pickle stands for: a tensor, a dictionary, or `NotImplemented`."""
    if function.module == "collections" and function.name in ("OrderedDict", "defaultdict"):
        pairs = arguments[0] if function.name == "OrderedDict" and arguments else ()
        return {key: value for key, value in pairs if isinstance(key, str)}
    if function.module.startswith("torch") and function.name.startswith("_rebuild"):
        return _rebuilt(function.name, arguments)
    return NotImplemented


def _rebuilt(name: str, arguments: tuple[Any, ...]) -> Any:
    if name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
        return arguments[0]
    if name == "_rebuild_from_type_v2":  # a tensor with attributes, or of a class of its own
        inner, _, rest, *_ = arguments
        return build(inner, rest) if isinstance(inner, Global) else NotImplemented
    if name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
        storage, offset, shape, strides, *rest = arguments
        kind = storage.kind
        if name.endswith("v3"):
            kind = rest[2].name
        check_shape(shape)
        return Pending(storage, kind, offset, shape, strides)
    if name == "_rebuild_qtensor":
        return _unusable(arguments[2], "is quantized; save the network before it is quantized")
    if name == "_rebuild_meta_tensor_no_storage":
        return _unusable(arguments[1], "has a shape but no values (a tensor on the meta device)")
    if name == "_rebuild_sparse_tensor":
        _, (_, *values) = arguments
        shape = next((v for v in values if isinstance(v, tuple) or _is_size(v)), ())
        return _unusable(shape, "is sparse; save it as .to_dense()")
    if name == "_rebuild_nested_tensor":
        return _unusable((), "is nested (tensors of several shapes)")
    return NotImplemented


def _unusable(shape: Any, why: str) -> Unusable:
    shape = _plain(shape)
    check_shape(shape)
    return Unusable(shape, why)


def _plain(shape: Any) -> tuple[int, ...]:
    """Return the shape in `torch.Size(...)`, or itself."""
    return tuple(shape.arguments[0] if isinstance(shape, DescribedObject) else shape)


def _is_size(value: Any) -> bool:
    if not isinstance(value, DescribedObject) or not isinstance(value.kind, Global):
        return False
    return value.kind.dotted == "torch.Size"
