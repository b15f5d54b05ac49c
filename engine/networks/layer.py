"""A layer of a network as users see it, available before PyTorch is imported."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layer:
    """One row of the layer tree."""

    name: str
    """Dotted module name; `#2` for a module's second call."""
    field_name: str
    """The literature's name (relu4_2, inception_4c/output), or empty."""
    kind: str
    channels: int | None
    size: tuple[int, int] | None
    """Height and width of the output; None for vectors and tokens."""
    receptive_field: int | None
    """Pixels that one unit sees, along one side; None: the whole picture."""
    children: tuple["Layer", ...] = field(default=())

    @property
    def known_as(self) -> str:
        """What people call it: the literature's name, or the module's."""
        return self.field_name or self.name

    def flat(self) -> list["Layer"]:
        """Return this layer and all below it."""
        return [self, *(inner for child in self.children for inner in child.flat())]
