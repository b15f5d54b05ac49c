"""Live maps where memory is short: what fits is there, what does not is said."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from PySide6.QtWidgets import QApplication

from engine.attribution import class_activation
from engine.attribution.asked import MethodStep
from engine.attribution.registry import Method
from engine.attribution.unit_name import UnitName
from engine.looking import ActivationsRequest, asking
from gui.pictures import open_for_screen
from gui.run.maps import MapsWorker
from gui.run.networks import Networks
from tests.gui.looks import maps_request
from tests.gui.stories import CAT

NETWORKS = Networks()


def test_classes_channels_and_the_other_map_are_there_without_grad_cam(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, image = MapsWorker(NETWORKS), open_for_screen(CAT).image
    request = ActivationsRequest("relu4_2")
    asked = maps_request(image, "slim_vgg", None, "cpu", None, "gradient", "Grad-CAM", "", request)
    whole = worker.answer(asked)
    assert whole.grad_cam is not None

    def full(*_arguments: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    # Grad-CAM alone comes this way.
    monkeypatch.setattr(class_activation, "differentiable_logits", full)
    answer = worker.answer(asked)
    assert answer.grad_cam is None
    assert answer.problem.startswith("Grad-CAM on slim_vgg at ")
    assert "needs more memory than is free on cpu" in answer.problem
    assert answer.top == whole.top
    assert answer.activations is not None
    assert whole.activations is not None
    assert (answer.activations.peaks == whole.activations.peaks).all()
    assert answer.saliency is not None


def test_grad_cam_of_a_unit_is_there_without_saliency(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asking.attribution_steps

    def narrow(method: Method, *rest: Any, **named: Any) -> Iterator[MethodStep]:
        if not method.of_layer:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:114] err == 0. Not enough memory")
        yield from whole(method, *rest, **named)

    monkeypatch.setattr(asking, "attribution_steps", narrow)
    worker, image = MapsWorker(NETWORKS), open_for_screen(CAT).image
    unit = UnitName("relu4_2", 3)
    asked = maps_request(
        image, "slim_vgg", None, "cpu", None, "smoothgrad", "Grad-CAM", "relu3_2", unit=unit
    )
    answer = worker.answer(asked)
    assert answer.saliency is None
    assert answer.problem.startswith("SmoothGrad on slim_vgg at ")
    assert answer.grad_cam is not None
    assert len(answer.top) == 5
    assert answer.activation is not None
