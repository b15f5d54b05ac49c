"""What the window asks the engine, on a card that is pretended: tensors stay together there."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage

from engine.attribution.unit_name import UnitName
from gui.pictures import open_for_screen
from gui.run.activation_grid import ActivationsRequest
from gui.run.maps import MapsRequest, MapsWorker
from gui.run.networks import Networks
from gui.run.pointer_queries import NetworkView, PictureQuery, covered, unit_field
from tests.card import PretendCard, pretended
from tests.gui.stories import CAT


@pytest.fixture(params=["cuda", "mps"])
def card(request: pytest.FixtureRequest) -> Iterator[PretendCard]:
    with pytest.MonkeyPatch.context() as patch, pretended(request.param, patch) as one:
        yield one


@pytest.fixture(scope="module")
def cat(qapp: object) -> QImage:
    return open_for_screen(CAT).image


def test_maps_and_activations(card: PretendCard, cat: QImage) -> None:
    worker = MapsWorker(Networks())
    plain = MapsRequest(cat, "slim_vgg", None, "auto", None, "guided backprop", "Grad-CAM")
    for asked in (
        replace(plain, activations=ActivationsRequest("relu3_1")),
        replace(plain, saliency="SmoothGrad", unit=UnitName("relu4_2", 5)),
        replace(plain, saliency="", grad_cam="CAM"),
    ):
        answer = worker._answer(asked)
        assert answer.problem == answer.activations_problem == ""
        assert answer.grad_cam is not None
    assert card.moved > 20


def test_the_pointer_and_the_occluder(card: PretendCard, cat: QImage) -> None:
    query, view = PictureQuery(cat, "slim_vgg", None, "auto"), NetworkView(Networks())
    assert unit_field(view, query, "relu3_1", None, (0.25, 0.5)) is not None
    square = QRectF(0, 0, 0.5, 0.5)
    for fill in ("mean", "blur"):
        assert covered(view, query, fill, square, None).top
    assert covered(view, query, "gray", square, UnitName("relu4_2", 5)).answers
    assert card.moved > 20
