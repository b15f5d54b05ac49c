"""What the live maps are asked, and what is answered."""

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
"""Of maps, by what the method looks at: pixels, or a layer. Of each kind one map is shown."""


def kind_of(method: Method) -> str:
    """Return which of `KINDS` a method's maps are."""
    return KINDS[method.of_layer]


@dataclass(frozen=True)
class MapsRequest:
    """What is to be looked at, with what."""

    query: PictureQuery
    request: Request
    nameless: bool = False
    """Whether a unit is wanted, and not yet said which: then there are no maps."""

    @property
    def image(self) -> QImage:
        """The picture."""
        return self.query.image

    @property
    def network_key(self) -> NetworkKey:
        """Who looks: network, weights and how pictures are prepared."""
        return self.query.network_key

    @property
    def unit(self) -> UnitName | None:
        """What the maps are about instead of a class."""
        target = self.request.target
        return target if isinstance(target, UnitName) else None

    def method(self, kind: str) -> Method | None:
        """Return the method of a kind that is to be carried out; None: none is."""
        return next((one for one in self.request.rows if kind_of(one) == kind), None)

    def asks_for_the_same(self, other: "MapsRequest") -> bool:
        """Whether the same is asked, about whatever picture."""
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
    """That the whole answer took."""

    @classmethod
    def of(
        cls, question: MapsRequest, answer: Answer, images: tuple[QImage, ...] = ()
    ) -> "MapsAnswer":
        """Return an answer of the engine's to a question."""
        found = {one.name: getattr(answer, one.name) for one in fields(Answer)}
        return cls(**found, question=question, images=images)

    @property
    def problem(self) -> str:
        """Why a map, or everything when `top` is empty, is missing."""
        return "" if self.error is None else worded(self.error)

    @property
    def activations_problem(self) -> str:
        """Why they are missing."""
        return "" if self.activations_error is None else worded(self.activations_error)

    @property
    def saliency(self) -> Heat | None:
        """The map of what looks at pixels; of an occlusion one of `occlusion`."""
        return self.map_of("saliency")

    @property
    def grad_cam(self) -> Heat | None:
        """The map of what looks at a layer."""
        return self.map_of("grad_cam")

    def map_of(self, kind: str) -> Heat | None:
        """Return the map of a kind; None: there is none."""
        return next((heat for heat in self.maps.values() if kind_of(heat.method) == kind), None)

    def without(self, kind: str) -> "MapsAnswer":
        """Return the answer without the map of a kind."""
        left = {key: heat for key, heat in self.maps.items() if kind_of(heat.method) != kind}
        return replace(self, maps=left, occlusion=self.occlusion if kind == "grad_cam" else {})

    def showing(self, name: str) -> "MapsAnswer":
        """Return the answer with another of an occlusion's maps, by its name in `SHOWN`."""
        heat = self.occlusion.get(name, self.occlusion.get(SHOWN[0]))
        if heat is None:
            return self
        return replace(self, maps={**self.maps, heat.method.command: heat})

    def of_picture(self, now: MapsRequest) -> bool:
        """Whether this is what the network now asked says of the picture now asked about."""
        asked = self.question
        same = asked.image.cacheKey() == now.image.cacheKey()
        return asked.network_key == now.network_key and same

    def of_target(self, now: MapsRequest) -> bool:
        """Whether this is about the class or unit now asked about."""
        asked, wanted = self.question, now.request.target
        if (asked.unit, asked.nameless) != (now.unit, now.nameless):
            return False
        likely = self.top[0][0] if self.top else self.target
        meant = likely if wanted is None else wanted
        return asked.request.target == wanted or meant == self.target

    def has_method(self, kind: str, now: MapsRequest) -> bool:
        """Whether the map of a kind is made the way that is now asked for."""
        asked, mine, wanted = self.question, self.question.method(kind), now.method(kind)
        if mine != wanted:
            return False
        if kind == "grad_cam":
            return asked.request.layer == now.request.layer
        covers = wanted is not None and wanted.covers
        return asked.request.square == now.request.square or not covers
