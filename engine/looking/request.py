"""What a network can be asked about a picture."""

from dataclasses import dataclass, field

from engine.attribution.registry import Method, find_method
from engine.attribution.square import Square
from engine.attribution.unit_name import UnitName

TOP = 5
"""How many of the most likely classes are returned."""
POINTING = "gradient"
"""The method whose map an object is cut out by."""


@dataclass(frozen=True)
class ActivationsRequest:
    """Which layer's channels are to be looked at, and how."""

    layer: str = ""
    """As the layer tree names it; empty: the last one that has a map."""
    together: bool = True
    """Whether all channels share one scale; otherwise each has its own."""


@dataclass(frozen=True)
class OccluderRequest:
    """A square that is covered, and with what."""

    square: tuple[float, float, float, float]
    """Left, top, right, bottom as fractions of the picture's width and height; may reach beyond
    it."""
    fill: str = Square.fill
    """One of `engine.attribution.square.FILLS`."""


@dataclass(frozen=True)
class FieldRequest:
    """A place whose unit's receptive fields are wanted."""

    at: tuple[float, float]
    """x and y as fractions of the picture's width and height, 0 to 1."""
    layer: str = ""
    """As the layer tree names it; empty: the last one that has a map."""
    channel: int | None = None
    """None for all of them together."""


@dataclass(frozen=True)
class ChannelRequest:
    """A channel whose own map is wanted, and perhaps what drives it where it is highest."""

    layer: str
    """As the layer tree names it."""
    number: int
    guided: bool = False
    """Whether guided backpropagation from its highest unit is wanted too."""


@dataclass(frozen=True)
class Request:
    """What is asked about a picture; each part is answered by itself."""

    target: int | str | UnitName | None = None
    """A class by number or name, or a unit; None: the most likely class."""
    methods: tuple[str, ...] = ()
    """Maps that are wanted, by the methods' commands or titles."""
    layer: str = ""
    """For the CAM family, as the layer tree names it; empty: the last one that has a map."""
    square: Square = field(default_factory=Square)
    """What an occlusion covers."""
    window: int = 0
    """The square's side in pixels; 0: as `square` says. Likewise `stride`, how far it moves."""
    stride: int = 0
    classes: bool = True
    """Whether the most likely classes are wanted."""
    activations: ActivationsRequest | None = None
    """The layer whose channels are wanted."""
    occluder: OccluderRequest | None = None
    """What is covered while the network looks."""
    unit_field: FieldRequest | None = None
    """Where receptive fields are wanted."""
    channel: ChannelRequest | None = None
    """The channel whose map is wanted."""
    pointed: bool = False
    """Whether what the target's gradient points at is wanted, to be cut out."""
    long_side: int | None = None
    """Long side of the picture for the network, in pixels; None: what it was made for."""
    top: int = TOP
    """How many of the most likely classes are wanted."""

    @property
    def rows(self) -> tuple[Method, ...]:
        """The methods, those that take long last. Raises `BadInput` if there is no such method."""
        pointing = (POINTING,) if self.pointed else ()
        found = dict.fromkeys(find_method(name) for name in (*self.methods, *pointing))
        return tuple(sorted(found, key=lambda method: (method.slow, not method.of_layer)))

    @property
    def slow(self) -> bool:
        """Whether a map is wanted that takes seconds."""
        return any(method.slow for method in self.rows)


@dataclass(frozen=True)
class ComparisonRequest:
    """A figure of many maps: every network with every target at every layer is a column."""

    methods: tuple[str, ...]
    """Commands or titles; each is a row."""
    classes: tuple[str, ...] = ()
    """Names or numbers; empty, and no units: as `likely` says."""
    units: tuple[UnitName, ...] = ()
    """Targets besides the classes."""
    likely: int = 0
    """How many of the first network's most likely classes; 0: each network's own first one."""
    layers: tuple[str, ...] = ()
    """Layers for the CAM family; empty: the last one that has a map."""
    sanity: bool = False
    """Whether maps of networks with randomized weights are wanted (Adebayo et al. 2018)."""
    colours: str = "viridis"
    one_scale: bool = True
    """Whether all maps of a method share one scale; otherwise each has its own."""
    over: float = 0.0
    """How strongly maps are laid over the grey photo, 0 to 1; 0: maps alone."""
    own_colours: bool = False
    """Whether maps that have three colours are shown in them."""
    companions: bool = False
    """Whether occlusion is followed by probability and most likely class for each position."""
    window: int = 0
    """As in `Request`; so are `stride` and `long_side`."""
    stride: int = 0
    fill: str = Square.fill
    long_side: int | None = None
    strict: bool = False
    """Whether a class that one of the networks lacks is an error; otherwise only if all lack it."""
    most_columns: int | None = None
    """More are refused; None for no limit."""
