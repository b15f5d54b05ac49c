"""Whatever looks through the job's network prepares its pictures as the job says."""

from functools import partial

import pytest
import torch
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from engine.looking import ActivationsRequest, ComparisonRequest
from gui.flow.carry_over import likeliest_class
from gui.main_window import MainWindow
from gui.pictures import open_for_screen
from gui.run.comparison import ComparisonQuery, comparison
from gui.run.looking import NetworkView, PictureQuery
from gui.run.maps import MapsWorker
from gui.run.networks import Networks, network_key_of
from tests.gui.looks import as_seen, covered, maps_request, unit_field
from tests.gui.stories import CAT, until

OWN = "mean=10,20,30 std=90 range=255 order=BGR"


@pytest.fixture
def networks() -> Networks:
    return Networks()


@pytest.fixture
def cat(qapp: object) -> QImage:
    return open_for_screen(CAT).image.scaled(64, 48)


def prepared_by_hand(networks: Networks, image: QImage) -> torch.Tensor:
    picture = as_seen(image, networks.get("slim_vgg"))
    return (picture.flip(1) * 255 - torch.tensor([10.0, 20.0, 30.0]).view(1, 3, 1, 1)) / 90


def test_maps_activations_and_what_is_covered(networks: Networks, cat: QImage) -> None:
    x = prepared_by_hand(networks, cat)
    plain = networks.get("slim_vgg")
    layer, maps = plain.module.get_submodule(plain.resolve("relu3_1")), list[torch.Tensor]()
    hook = layer.register_forward_hook(lambda _m, _i, out: maps.append(out.detach().clone()))
    with torch.no_grad():
        logits = plain.module(x)[0].double()
    hook.remove()
    chances = logits.softmax(0)
    likely = int(chances.argmax())

    request = ActivationsRequest("relu3_1")
    asked = partial(maps_request, cat, "slim_vgg", None, "cpu", None, activations=request)
    answer = MapsWorker(networks).answer(asked(preprocessing=OWN))
    assert answer.target == likely
    assert answer.probability == pytest.approx(float(chances[likely]), rel=1e-3)
    assert answer.activations is not None
    assert answer.activations.means == pytest.approx(maps[0][0].mean((1, 2)).numpy(), abs=1e-4)
    assert not answer.of_picture(asked()), "of another preparation: out of date"

    view = NetworkView(networks)
    query = PictureQuery(cat, "slim_vgg", None, "cpu", OWN)
    found = covered(view, query, "gray", QRectF(0.25, 0.25, 0.25, 0.25), likely)
    assert found.answers[0] == pytest.approx(float(logits[likely]), abs=1e-3)
    assert view.network(query).card.preprocessing.order == "BGR"
    field = unit_field(view, query, "relu3_1", 0, (0.5, 0.5))
    usual = unit_field(view, PictureQuery(cat, "slim_vgg", None, "cpu"), "relu3_1", 0, (0.5, 0.5))
    assert field.unit == usual.unit
    assert (field.overlay != usual.overlay).any()
    name = likeliest_class(networks, ("slim_vgg", None, OWN), cat)
    assert name in (plain.classes[likely], str(likely))


def test_compared_methods(networks: Networks, cat: QImage) -> None:
    x = prepared_by_hand(networks, cat).requires_grad_(True)
    networks.get("slim_vgg").module(x)[0, 7].backward()
    assert x.grad is not None
    wanted = x.grad[0].abs().amax(0)
    asked = ComparisonRequest(("gradient",), ("7",))
    steps = comparison(ComparisonQuery(cat, (("slim_vgg", None, OWN),), asked), networks)
    with pytest.raises(StopIteration) as end:
        while True:
            next(steps)
    (values,) = end.value.value.compared.values.values()
    # Rounded otherwise, a maximum may come from another pixel here and there.
    assert (torch.as_tensor(values) - wanted).abs().mean() < 1e-2 * wanted.mean()


def test_in_the_window(window: MainWindow, qtbot: QtBot) -> None:
    window.docks["sight"].raise_()
    window.live_maps_flow.watch(True)
    until(qtbot, lambda: window.live_maps_flow.answer and not window.maps.busy)
    before = window.live_maps_flow.answer
    window.studio.edit("Prepare otherwise", preprocessing=OWN)
    assert window.live_maps_flow.answer is None, "what is shown is no longer true"
    until(qtbot, lambda: window.live_maps_flow.answer and not window.live_maps_flow.awaited)
    answer = window.live_maps_flow.answer
    assert before is not None
    assert answer is not None
    assert answer.question.query.preprocessing == OWN
    assert answer.top != before.top
    here = window.layers.here
    assert here is not None
    assert here.network.card.preprocessing.order == "BGR"
    assert window.inspection.subject().network_key == ("slim_vgg", None, OWN)
    dialog = window.dialogs.compare_dialog()
    assert dialog is not None
    assert dialog.choices._network == network_key_of(window.studio.job)  # type: ignore[attr-defined]
    dialog.close()
    # Made for one network's weights, it does not go over to another's.
    window.studio.set_network("squeezenet1_1")
    assert window.studio.job.preprocessing is None
    window.studio.undo_stack.undo()
    assert window.studio.job.preprocessing == OWN
