"""Questions to the network as tests put them, and what is answered on the way."""

from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage
from torch import Tensor

from engine.attribution.square import Square
from engine.attribution.unit_name import UnitName
from engine.looking import ActivationsRequest, FieldRequest, OccluderRequest, Request
from engine.looking.answer import OccluderAnswer, UnitField
from engine.networks.fitting import fitted
from engine.networks.network import Network
from gui.run.looking import NetworkView, PictureQuery, pixels_of
from gui.run.map_answers import MapsAnswer, MapsRequest
from gui.run.maps import MapsWorker


def maps_request(
    image: QImage, network: str = "slim_vgg", weights: str | None = None, device: str = "cpu",
    target: int | None = None, saliency: str = "", grad_cam: str = "", layer: str = "",
    activations: ActivationsRequest | None = None, classes: bool = True,
    unit: UnitName | None = None, occlusion: Square | None = None, nameless: bool = False,
    preprocessing: str | None = None,
) -> MapsRequest:  # fmt: skip
    methods = tuple(filter(None, (saliency, grad_cam)))
    return MapsRequest(
        PictureQuery(image, network, weights, device, preprocessing),
        Request(
            unit or target, methods, layer, occlusion or Square(), classes=classes,
            activations=activations,
        ),
        nameless,
    )  # fmt: skip


def answers_of(worker: MapsWorker, question: MapsRequest) -> tuple[list[MapsAnswer], MapsAnswer]:
    """Return what comes on the way, and the whole answer."""
    states, found = list[MapsAnswer](), worker.answers(question)
    while True:
        try:
            state = next(found)
        except StopIteration as end:
            return states, end.value
        if state is not None:
            states.append(state)


def as_seen(image: QImage, network: Network) -> Tensor:
    """Return the picture (1, 3, H, W) at the size that suits the network."""
    return fitted(network, pixels_of(image)[None])


def unit_field(
    view: NetworkView, query: PictureQuery, layer: str, channel: int | None,
    at: tuple[float, float],
) -> UnitField:  # fmt: skip
    asked = Request(classes=False, unit_field=FieldRequest(at, layer, channel))
    found = view.one(query, asked).unit_field
    assert found is not None
    return found


def covered(
    view: NetworkView, query: PictureQuery, fill: str, square: QRectF,
    target: int | UnitName | None,
) -> OccluderAnswer:  # fmt: skip
    edges = square.left(), square.top(), square.right(), square.bottom()
    asked = Request(target, classes=False, occluder=OccluderRequest(edges, fill))
    found = view.one(query, asked).occluder
    assert found is not None
    return found
