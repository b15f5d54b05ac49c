"""The requests for live maps, and their answers."""

from dataclasses import dataclass, field, fields, replace

from PySide6.QtGui import QImage

from engine.attribution.heat import Heat
from engine.attribution.registry import Method
from engine.attribution.square import SHOWN
from engine.attribution.unit_name import UnitName
from engine.looking import Answer, Request
from gui.run.looking import PictureQuery
from gui.run.networks import NetworkKey
from gui.wording import worded

KINDS = ("saliency", "grad_cam")
"""Kinds of maps, by what the method looks at: pixels or a layer. One map of each kind is shown."""


def kind_of(method: Method) -> str:
    """Return the one of `KINDS` that a method's maps belong to."""
    return KINDS[method.of_layer]


@dataclass(frozen=True)
class MapsRequest:
    """What to look at, and with which methods."""

    query: PictureQuery
    request: Request
    nameless: bool = False
    """Whether a unit is wanted but not chosen yet: then there are no maps."""

    @property
    def image(self) -> QImage:
        """The picture."""
        return self.query.image

    @property
    def network_key(self) -> NetworkKey:
        """The network that looks: its name, its weights and how it takes pictures."""
        return self.query.network_key

    @property
    def unit(self) -> UnitName | None:
        """The unit that the maps explain instead of a class."""
        target = self.request.target
        return target if isinstance(target, UnitName) else None

    def method(self, kind: str) -> Method | None:
        """Return the method wanted of a kind; None: none."""
        return next((one for one in self.request.rows if kind_of(one) == kind), None)

    def asks_for_the_same(self, other: "MapsRequest") -> bool:
        """Whether both ask for the same, of whichever picture."""
        blank = QImage()
        mine, yours = (
            replace(each, query=replace(each.query, image=blank)) for each in (self, other)
        )
        return mine == yours


@dataclass(frozen=True)
class MapsAnswer(Answer):
    """Most likely classes, the maps, and a layer's activations."""

    question: MapsRequest = field(kw_only=True)
    images: tuple[QImage, ...] = ()
    """The tiles of `activations`."""
    seconds: float = 0.0
    """Time that the whole answer took."""

    @classmethod
    def of(
        cls, question: MapsRequest, answer: Answer, images: tuple[QImage, ...] = ()
    ) -> "MapsAnswer":
        """Return the engine's answer to a request."""
        found = {one.name: getattr(answer, one.name) for one in fields(Answer)}
        return cls(**found, question=question, images=images)

    @property
    def problem(self) -> str:
        """Why a map, or everything when `top` is empty, is missing."""
        return "" if self.error is None else worded(self.error)

    @property
    def activations_problem(self) -> str:
        """Why the activations are missing."""
        return "" if self.activations_error is None else worded(self.activations_error)

    @property
    def saliency(self) -> Heat | None:
        """The map of the method that looks at pixels; for occlusion, one of `occlusion`."""
        return self.map_of("saliency")

    @property
    def grad_cam(self) -> Heat | None:
        """The map of the method that looks at a layer."""
        return self.map_of("grad_cam")

    def map_of(self, kind: str) -> Heat | None:
        """Return the map of a kind; None: there is none."""
        return next((heat for heat in self.maps.values() if kind_of(heat.method) == kind), None)

    def without(self, kind: str) -> "MapsAnswer":
        """Return the answer without the map of a kind."""
        left = {key: heat for key, heat in self.maps.items() if kind_of(heat.method) != kind}
        return replace(self, maps=left, occlusion=self.occlusion if kind == "grad_cam" else {})

    def showing(self, name: str) -> "MapsAnswer":
        """Return the answer showing another map of an occlusion, by its name in `SHOWN`."""
        heat = self.occlusion.get(name, self.occlusion.get(SHOWN[0]))
        if heat is None:
            return self
        return replace(self, maps={**self.maps, heat.method.command: heat})

    def of_picture(self, now: MapsRequest) -> bool:
        """Whether this is about the same picture and network as `now`."""
        asked = self.question
        same = asked.image.cacheKey() == now.image.cacheKey()
        return asked.network_key == now.network_key and same

    def of_target(self, now: MapsRequest) -> bool:
        """Whether this is about the same class or unit as `now`."""
        asked, wanted = self.question, now.request.target
        if (asked.unit, asked.nameless) != (now.unit, now.nameless):
            return False
        likely = self.top[0][0] if self.top else self.target
        meant = likely if wanted is None else wanted
        return asked.request.target == wanted or meant == self.target

    def has_method(self, kind: str, now: MapsRequest) -> bool:
        """Whether the map of a kind was made with the method and settings of `now`."""
        asked, mine, wanted = self.question, self.question.method(kind), now.method(kind)
        if mine != wanted:
            return False
        if kind == "grad_cam":
            return asked.request.layer == now.request.layer
        covers = wanted is not None and wanted.covers
        return asked.request.square == now.request.square or not covers
