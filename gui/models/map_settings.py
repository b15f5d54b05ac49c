"""Which maps a person wants to see, and how they are to look."""

from dataclasses import dataclass

from engine.attribution.square import SHOWN, Square


@dataclass(frozen=True)
class MapSettings:
    """Which maps to show, and how."""

    target: int | None
    of_content: bool
    saliency: str
    """Method; empty: none. So for grad_cam."""
    saliency_colours: str
    saliency_opacity: float
    saliency_threshold: float
    grad_cam: str
    grad_cam_colours: str
    grad_cam_opacity: float
    grad_cam_threshold: float
    layer: str
    unit: str = ""
    """In place of the class, as `UnitName.parse` takes it; empty: the class."""
    occlusion_side: float = Square.side
    """As `engine.attribution.square.Square`; so for step and fill."""
    occlusion_step: float = Square.step
    occlusion_fill: str = Square.fill
    occlusion_shown: str = SHOWN[0]
    """Which of an occlusion's maps, one of `engine.attribution.square.SHOWN`."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Those of the maps wanted."""
        return tuple(filter(None, (self.saliency, self.grad_cam)))

    @property
    def square(self) -> Square:
        """What an occlusion covers."""
        return Square(self.occlusion_side, self.occlusion_step, self.occlusion_fill)
