"""What the window asks the engine, on a card that is pretended: tensors stay together there."""

from collections.abc import Iterator
from functools import partial

import pytest
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage

from engine.attribution.unit_name import UnitName
from engine.looking import ActivationsRequest
from gui.pictures import open_for_screen
from gui.run.looking import NetworkView, PictureQuery
from gui.run.maps import MapsWorker
from gui.run.networks import Networks
from tests.card import PretendCard, pretended
from tests.gui.looks import covered, maps_request, unit_field
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
    wanted = partial(maps_request, cat, device="auto")
    grid, unit = ActivationsRequest("relu3_1"), UnitName("relu4_2", 5)
    for asked in (
        wanted(saliency="guided backprop", grad_cam="Grad-CAM", activations=grid),
        wanted(saliency="SmoothGrad", grad_cam="Grad-CAM", unit=unit),
        wanted(grad_cam="CAM"),
    ):
        answer = worker.answer(asked)
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
