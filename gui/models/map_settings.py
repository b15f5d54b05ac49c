"""Which maps the user wants to see, and how."""

from dataclasses import dataclass

from engine.attribution.square import SHOWN, Square


@dataclass(frozen=True)
class MapSettings:
    """Which maps to show, and how."""

    target: int | None
    of_content: bool
    saliency: str
    """Method; empty: none. Likewise for grad_cam."""
    saliency_colours: str
    saliency_opacity: float
    saliency_threshold: float
    grad_cam: str
    grad_cam_colours: str
    grad_cam_opacity: float
    grad_cam_threshold: float
    layer: str
    unit: str = ""
    """A unit instead of the class, as `UnitName.parse` takes it; empty: the class."""
    occlusion_side: float = Square.side
    """As in `engine.attribution.square.Square`; likewise for step and fill."""
    occlusion_step: float = Square.step
    occlusion_fill: str = Square.fill
    occlusion_shown: str = SHOWN[0]
    """Which map of an occlusion: one of `engine.attribution.square.SHOWN`."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of the maps wanted."""
        return tuple(filter(None, (self.saliency, self.grad_cam)))

    @property
    def square(self) -> Square:
        """The square with which an occlusion covers the picture."""
        return Square(self.occlusion_side, self.occlusion_step, self.occlusion_fill)
