"""The live maps: every method answers about the same class, at the run's leisure."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot
from torch import nn
from torch.nn.functional import interpolate

from engine.attribution.square import Square
from engine.attribution.unit_name import UnitName
from engine.looking import ActivationsRequest
from engine.networks.card import BYTES, Card
from engine.networks.network import Network
from gui.panels.live_maps import LAYER_METHODS, PIXEL_METHODS
from gui.pictures import open_for_screen
from gui.pixels import heat_image
from gui.run import maps as module
from gui.run.map_answers import MapsAnswer, MapsRequest
from gui.run.maps import MapsController, MapsWorker
from gui.run.networks import Networks
from tests.gui.looks import answers_of, as_seen, maps_request
from tests.gui.stories import CAT

NETWORKS = Networks()


def question(image: QImage, **changes: object) -> MapsRequest:
    values: dict[str, object] = {
        "image": image, "network": "slim_vgg", "weights": None, "device": "cpu", "target": None,
    }  # fmt: skip
    return maps_request(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def cat(qapp: object) -> QImage:
    return open_for_screen(CAT).image


@pytest.fixture(scope="module")
def worker(qapp: object) -> MapsWorker:
    return MapsWorker(NETWORKS)


@pytest.mark.parametrize("method", PIXEL_METHODS)
def test_every_sensitivity_is_a_picture_that_is_not_flat(
    worker: MapsWorker, cat: QImage, method: str
) -> None:
    answer = worker.answer(question(cat, saliency=method))
    assert answer.saliency is not None
    image = heat_image(answer.saliency, "viridis")
    colours = {image.pixel(x, y) for x in range(0, 100, 3) for y in range(0, 100, 3)}
    assert len(colours) > 50
    assert answer.target == answer.top[0][0]


@pytest.mark.parametrize("method", LAYER_METHODS)
def test_every_class_map_is_a_picture(worker: MapsWorker, cat: QImage, method: str) -> None:
    layer = "" if method == "CAM" else "relu4_2"
    answer = worker.answer(question(cat, grad_cam=method, layer=layer))
    assert answer.grad_cam is not None
    image = heat_image(answer.grad_cam, "viridis")
    colours = {image.pixel(x, y) for x in range(0, 100, 3) for y in range(0, 100, 3)}
    assert len(colours) > 20


def test_a_map_that_a_network_refuses_leaves_the_other_one(worker: MapsWorker, cat: QImage) -> None:
    asked = question(cat, saliency="gradient", grad_cam="Grad-CAM", layer="linear")
    answer = worker.answer(asked)
    assert answer.top
    assert answer.saliency is not None
    assert answer.grad_cam is None
    assert answer.problem


def test_an_occlusion_map_is_shown_while_it_grows(
    worker: MapsWorker, cat: QImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PARTIAL_EVERY", 0.0)
    states, answer = answers_of(worker, question(cat, saliency="occlusion"))
    assert answer.saliency is not None
    assert not answer.unfinished
    parts = [state.saliency for state in states if state.saliency is not None]
    assert len(parts) > 1
    assert all(state.unfinished for state in states)
    covered = [np.count_nonzero(part.values) for part in parts]
    assert covered == sorted(covered)
    assert covered[0] < np.count_nonzero(answer.saliency.values)


def test_the_class_asked_for_is_the_one_answered_about(worker: MapsWorker, cat: QImage) -> None:
    answer = worker.answer(question(cat, target=5))
    assert answer.target == 5
    assert answer.target_name == NETWORKS.get("slim_vgg").classes[5]
    assert 0 <= answer.probability <= 1


@pytest.mark.parametrize(("width", "height"), [(1, 1), (500, 2), (2, 500), (3000, 2000)])
def test_pictures_of_any_shape_are_looked_at(worker: MapsWorker, width: int, height: int) -> None:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor(200, 40, 90))
    answer = worker.answer(question(image, saliency="gradient", grad_cam="Grad-CAM"))
    assert answer.saliency is not None
    assert answer.grad_cam is not None


def test_during_a_run_maps_take_a_tenth_of_the_time_at_most(qapp: object, cat: QImage) -> None:
    maps = MapsController(NETWORKS)
    pauses = {}
    try:
        for active in (False, True):
            for seconds in (0.01, 2.0):
                maps.run_active = active
                maps._on_answered(MapsAnswer(question=question(cat), seconds=seconds))
                pauses[active, seconds] = maps._not_before - time.monotonic()
    finally:
        maps.close()
    assert pauses[False, 0.01] <= 0
    assert pauses[False, 2.0] <= 0
    assert pauses[True, 0.01] == pytest.approx(0.49, abs=0.1), "at most twice a second"
    assert pauses[True, 2.0] == pytest.approx(18.0, abs=0.1)


def test_only_the_newest_question_counts(qtbot: QtBot, cat: QImage) -> None:
    maps = MapsController(NETWORKS)
    heard: list[MapsAnswer] = []
    try:
        maps.answered.connect(heard.append)
        for target in range(6):
            maps.ask(question(cat, target=target))
        qtbot.waitUntil(lambda: bool(heard) and not maps.busy and not maps._pending, timeout=20_000)
    finally:
        maps.close()
    assert heard[-1].target == 5
    assert len(heard) <= 2


# -- as few passes as can be ------------------------------------------------------------------


@pytest.fixture
def runs(worker: MapsWorker, cat: QImage) -> Iterator[list[int]]:
    """A list that grows with every run of the worker's network as far as its first layer."""
    network = worker.view.network(question(cat).query)
    network.calls()  # the copy of the network that finds out sizes shall not count
    first = next(m for m in network.module.modules() if isinstance(m, nn.Conv2d))
    found: list[int] = []
    handle = first.register_forward_pre_hook(lambda *_: found.append(1))
    yield found
    handle.remove()


def test_grid_classes_and_grad_cam_are_one_pass(
    worker: MapsWorker, cat: QImage, runs: list[int]
) -> None:
    worker.answer(question(cat))
    one = len(runs)
    answer = worker.answer(
        question(
            cat, grad_cam="Grad-CAM", layer="relu4_2", activations=ActivationsRequest("relu3_1")
        )
    )
    assert (one, len(runs)) == (1, 2)
    network = NETWORKS.get("slim_vgg")
    picture = as_seen(cat, network)
    with torch.no_grad():
        shares = network.logits(picture)[0].double().softmax(0)
        maps = network.taps(picture, ["relu3_1"])["relu3_1"][0]
    assert answer.top[0] == (int(shares.argmax()), answer.target_name, float(shares.max()))
    assert answer.activations is not None
    assert np.array_equal(answer.activations.peaks, maps.amax((1, 2)).numpy())
    assert answer.grad_cam is not None
    plain = network.twin().module
    layer = plain.get_submodule(network.resolve("relu4_2"))
    theirs = LayerGradCam(plain, layer).attribute(
        network.prepare(picture), answer.target, relu_attributions=True
    )
    bigger = interpolate(theirs, picture.shape[2:], mode="bilinear", align_corners=False)
    assert np.allclose(answer.grad_cam.values, bigger[0, 0].detach().numpy(), atol=1e-5)
    assert answer.grid == tuple(theirs.shape[2:])


def test_where_a_units_map_is_looked_for_is_found_out_once(
    worker: MapsWorker, cat: QImage, runs: list[int]
) -> None:
    about = {"grad_cam": "Grad-CAM", "unit": UnitName("relu4_2", 17)}
    first = worker.answer(question(cat, **about))
    tried = len(runs)
    runs.clear()
    mirrored = cat.flipped(Qt.Orientation.Horizontal)
    second = worker.answer(question(mirrored, **about))
    assert len(runs) == 3 < tried, "the classes, where the unit is, the map"
    assert first.layer == second.layer == "conv4_2"
    fresh = MapsWorker(NETWORKS).answer(question(mirrored, **about))
    assert fresh.grad_cam is not None
    assert second.grad_cam is not None
    assert np.array_equal(second.grad_cam.values, fresh.grad_cam.values)
    assert second.activation == fresh.activation != first.activation
    third = worker.answer(question(mirrored, grad_cam="Grad-CAM", unit=UnitName("relu3_1", 2)))
    assert third.layer == "conv3_1", "another layer's units are another matter"


class Joined(nn.Module):
    """Two branches of two channels each, side by side, and four classes."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (nn.Conv2d(3, 2, 1) for _ in range(2))
        self.joined = nn.Identity()
        self.pool, self.flat = nn.AdaptiveAvgPool2d(1), nn.Flatten()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.joined(torch.cat((self.one(x), self.two(x)), 1))
        return self.flat(self.pool(x))


def test_each_channel_has_a_layer_of_its_own_where_branches_meet(cat: QImage) -> None:
    torch.manual_seed(3)
    module = Joined()
    for branch in (module.one, module.two):
        branch.weight.data.abs_()
        branch.bias.data.fill_(5.0)
    networks = Networks()
    found = Network(module, Card("joined", "Joined", "some", BYTES, input_size=32), tuple("abcd"))
    networks.get = lambda *_eye: found  # type: ignore[method-assign]
    worker = MapsWorker(networks)

    def answer(channel: int) -> MapsAnswer:
        about = {"grad_cam": "Grad-CAM", "unit": UnitName("joined", channel)}
        return worker.answer(question(cat, network="joined", **about))

    for channel, layer in ((0, "one"), (3, "two"), (1, "one"), (2, "two")):
        made = answer(channel)
        assert made.layer == layer
        assert made.grad_cam is not None
        assert made.grad_cam.values.any()


def test_an_occlusion_map_is_finished_also_when_pictures_keep_coming(
    qtbot: QtBot, cat: QImage
) -> None:
    maps = MapsController(NETWORKS)
    answers: list[MapsAnswer] = []
    maps.answered.connect(answers.append)
    shown = [cat.flipped(Qt.Orientation.Horizontal), cat]
    maps.live = True

    def next_picture() -> None:
        shown.append(shown[-2].copy())
        maps.ask(question(shown[-1], saliency="occlusion", occlusion=Square(0.5, 1.0)))

    def whole() -> bool:
        next_picture()
        return any(answer.occlusion and not answer.unfinished for answer in answers)

    try:
        qtbot.waitUntil(whole, timeout=30_000)
    finally:
        maps.close()
