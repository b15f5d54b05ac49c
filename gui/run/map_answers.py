"""What the live maps are asked, and what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from PySide6.QtGui import QImage

from engine.attribution.heat import Heat
from engine.attribution.registry import find_method
from engine.attribution.square import Square
from engine.attribution.unit_name import UnitName
from gui.run.activation_grid import ActivationGrid, ActivationsRequest
from gui.run.networks import NetworkKey


@dataclass(frozen=True)
class MapsRequest:
    """What is to be looked at, with what."""

    image: QImage
    network: str
    weights: str | None
    device: str
    target: int | None
    """A class by number; None: the most likely one."""
    saliency: str = ""
    """A method of `engine.attribution.registry.METHODS` that looks at pixels; empty: none."""
    grad_cam: str = ""
    """One that looks at a layer; empty: none."""
    layer: str = ""
    """Empty: the last layer that has a map."""
    activations: ActivationsRequest | None = None
    """Whose channels are wanted."""
    classes: bool = True
    """Whether classes and maps are wanted, not the activations alone."""
    unit: UnitName | None = None
    """What the maps are about instead of the class."""
    occlusion: Square = field(default_factory=Square)
    """What an occlusion covers."""
    nameless: bool = False
    """Whether a unit is wanted, and not yet said which: then there are no maps."""
    preprocessing: str | None = None
    """As the job says it; None: as the weights want."""

    @property
    def network_key(self) -> NetworkKey:
        """Who looks: network, weights and how pictures are prepared."""
        return self.network, self.weights, self.preprocessing

    @property
    def slow(self) -> bool:
        """Whether a map is wanted that takes seconds."""
        return self.wants("saliency") and find_method(self.saliency).slow

    def wants(self, kind: str) -> bool:
        """Whether saliency or grad_cam is to be made."""
        return bool(getattr(self, kind)) and not self.nameless

    def asks_for_the_same(self, other: "MapsRequest") -> bool:
        """Whether the same is asked, about whatever picture."""
        blank = QImage()
        return replace(self, image=blank) == replace(other, image=blank)


@dataclass(frozen=True)
class MapsAnswer:
    """Most likely classes, the maps, and a layer's activations."""

    question: MapsRequest
    top: tuple[tuple[int, str, float], ...] = ()
    """Number, name, probability."""
    target: int = 0
    target_name: str = ""
    probability: float = 0.0
    layer: str = ""
    saliency: Heat | None = None
    """Of an occlusion one of `occlusion`."""
    occlusion: Mapping[str, Heat] = field(default_factory=dict)
    """All that one occlusion makes, by names of `SHOWN`; of a unit the drop alone."""
    grad_cam: Heat | None = None
    problem: str = ""
    """Why a map, or everything when `top` is empty, is missing."""
    unfinished: bool = False
    """Whether more is to come: of an occlusion map, or the maps after the activations; or would
    have come, had not something else been asked for meanwhile."""
    activations: ActivationGrid | None = None
    activations_problem: str = ""
    """Why they are missing."""
    activation: float | None = None
    """Of the unit that the maps are about; then `target_name` is the unit's, with its place."""
    grid: tuple[int, int] | None = None
    """Rows and columns of the layer that Grad-CAM looked at."""
    plain: tuple[str, ...] = ()
    """Activations for which a map's method has no rule."""
    squeezed: tuple[int, int] | None = None
    """Height and width at which a network sees the picture that takes squares only, if it is none."""
    share: float = 0.0
    """Of an occlusion's work that is done."""

    def of_picture(self, now: MapsRequest) -> bool:
        """Whether this is what the network now asked says of the picture now asked about."""
        asked = self.question
        return (
            asked.network_key == now.network_key and asked.image.cacheKey() == now.image.cacheKey()
        )

    def of_target(self, now: MapsRequest) -> bool:
        """Whether this is about the class or unit now asked about."""
        asked = self.question
        if (asked.unit, asked.nameless) != (now.unit, now.nameless):
            return False
        likely = self.top[0][0] if self.top else self.target
        meant = likely if now.target is None else now.target
        return asked.target == now.target or now.unit is not None or meant == self.target

    def has_method(self, kind: str, now: MapsRequest) -> bool:
        """Whether saliency or grad_cam is made the way that is now asked for."""
        asked = self.question
        if kind == "grad_cam":
            return (asked.grad_cam, asked.layer) == (now.grad_cam, now.layer)
        if asked.saliency != now.saliency:
            return False
        covers = bool(now.saliency) and find_method(now.saliency).covers
        return asked.occlusion == now.occlusion or not covers
