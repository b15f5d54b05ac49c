"""Occlusion in the window: its settings, its three maps, their legend."""

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt, QTranslator
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QWidget
from pytestqt.qtbot import QtBot

from engine.attribution.heat import Heat
from engine.attribution.registry import find_method
from engine.attribution.square import SHOWN, Square
from gui.flow.lesson_state import map_settings_from, map_settings_values
from gui.main_window import MainWindow
from gui.panels.live_maps import LiveMapsPanel
from gui.panels.occlusion import Legend
from gui.pictures import open_for_screen
from gui.pixels import heat_image, to_array
from gui.run import maps as module
from gui.run.map_answers import MapsAnswer, MapsRequest
from gui.run.maps import MapsController, MapsWorker
from gui.run.networks import Networks
from tests.gui.looks import answers_of, as_seen, maps_request
from tests.gui.stories import CAT, until
from tests.gui.test_pointer import place

NETWORKS = Networks()
COARSE = Square(0.5, 1.0, "black")


@pytest.fixture(scope="module")
def cat(qapp: object) -> QImage:
    return open_for_screen(CAT).image


def question(image: QImage, square: Square = COARSE, **changes: object) -> MapsRequest:
    return maps_request(image, saliency="occlusion", occlusion=square, **changes)  # type: ignore[arg-type]


def choose(box: QComboBox, name: str) -> None:
    """Choose as a person does, by keys."""
    while box.currentData() != name:
        before = box.currentIndex()
        key = Qt.Key.Key_Down if box.findData(name) > before else Qt.Key.Key_Up
        QTest.keyClick(box, key)
        assert box.currentIndex() != before, f"{name} cannot be chosen"


def colours_of(image: QImage) -> set[tuple[int, ...]]:
    return {tuple(int(n) for n in pixel) for pixel in to_array(image).reshape(-1, 4)}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[MapsRequest]:
    """Everything that the maps' thread is asked."""
    questions: list[MapsRequest] = []
    ask = MapsController.ask

    def recorded(self: MapsController, question: MapsRequest) -> None:
        questions.append(question)
        ask(self, question)

    monkeypatch.setattr(MapsController, "ask", recorded)
    return questions


@pytest.fixture
def occluded(window: MainWindow, qtbot: QtBot, asked: list[MapsRequest]) -> MainWindow:
    """The window with a coarse occlusion map on the canvas."""
    window.docks["sight"].raise_()
    window.live_maps.saliency.method.setCurrentText("occlusion")
    window.live_maps.occlusion.set_values(COARSE, "drop")
    window.live_maps.saliency.setChecked(True)
    until(qtbot, lambda: finished(window))
    return window


def finished(window: MainWindow) -> bool:
    answer, map_settings = window.live_maps_flow.answer, window.live_maps.map_settings()
    return bool(
        answer and answer.saliency and not answer.unfinished
        and answer.question.request.square == map_settings.square and not window.maps.busy
    )  # fmt: skip


# -- the panel -------------------------------------------------------------------------------------


def test_the_rows_are_there_for_occlusion_alone(qtbot: QtBot) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    panel.set_classes(["ant", "bee"])
    panel.show()
    names = ("occlusionShown", "occlusionSide", "occlusionStep", "occlusionFill")
    rows = [panel.findChild(QWidget, name) for name in names]
    assert all(row is not None and row.accessibleName() for row in rows)
    assert not any(row.isVisible() for row in rows)
    panel.saliency.setChecked(True)
    panel.saliency.method.setCurrentText("occlusion")
    assert all(row.isVisible() for row in rows)
    choose(panel.occlusion.shown, "label")
    assert not panel.saliency.threshold.isVisible(), "classes are no sizes"
    assert not panel.saliency.colours.isVisible()
    panel.saliency.method.setCurrentText("gradient")
    assert not any(row.isVisible() for row in rows)
    assert panel.saliency.threshold.isVisible()
    assert panel.saliency.colours.isVisible()


def test_by_itself_it_is_a_seventh_by_halves(qtbot: QtBot) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    map_settings = panel.map_settings()
    assert map_settings.square == Square(), "as on the command line, for pictures of every size"
    assert map_settings.square.pixels((224, 300)) == (32, 16)
    assert (map_settings.square.fill, map_settings.occlusion_shown) == ("mean", "drop")
    boxes = (panel.occlusion.fill, panel.occluder.fill_box)
    fills = [[(box.itemText(i), box.itemData(i)) for i in range(box.count())] for box in boxes]
    assert len(fills[0]) == 4
    assert fills[0] == fills[1], "the occluder's list"


def test_a_unit_has_no_companions(qtbot: QtBot) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    panel.saliency.setChecked(True)
    panel.set_classes(["ant", "bee"])
    panel.saliency.method.setCurrentText("occlusion")
    shown = panel.occlusion.shown
    choose(shown, "probability")
    panel.target.set_unit("relu1_1:2")
    assert panel.map_settings().occlusion_shown == "drop"
    flags = [shown.model().flags(shown.model().index(row, 0)) for row in range(3)]
    assert [bool(flag & Qt.ItemFlag.ItemIsEnabled) for flag in flags] == [True, False, False]
    tip = shown.itemData(2, Qt.ItemDataRole.ToolTipRole)
    assert "unit has no probability" in tip
    assert shown.toolTip() == tip
    assert "activation" in shown.currentText()
    QTest.keyClick(shown, Qt.Key.Key_Down)
    assert panel.map_settings().occlusion_shown == "drop"
    panel.target.set_unit("")
    assert panel.map_settings().occlusion_shown == "probability", "what was chosen before"
    assert shown.toolTip() == ""
    choose(shown, "drop")
    assert "logit" in shown.currentText()


def test_a_network_without_classes_has_none_either(qtbot: QtBot) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    panel.saliency.setChecked(True)
    panel.set_classes(["ant", "bee"])
    choose(panel.occlusion.shown, "label")
    panel.set_classes([])
    assert panel.map_settings().occlusion_shown == "drop"


def test_settings_are_part_of_what_a_lesson_keeps(qtbot: QtBot) -> None:
    panel, other = LiveMapsPanel(), LiveMapsPanel()
    for each in (panel, other):
        qtbot.addWidget(each)
    panel.occlusion.set_values(Square(0.31, 0.7, "blur"), "label")
    kept = map_settings_values(panel.map_settings())
    other.set_map_settings(map_settings_from(kept, other.map_settings()))
    assert other.map_settings() == panel.map_settings()
    assert other.map_settings().square == Square(0.31, 0.7, "blur")
    # What cannot be is left as it is.
    other.set_map_settings(
        map_settings_from(
            {**kept, "occlusion_side": 7, "occlusion_fill": "x"}, other.map_settings()
        )
    )
    assert other.map_settings() == panel.map_settings()
    # A step of before there were settings was made with the defaults.
    old = {name: value for name, value in kept.items() if not name.startswith("occlusion_")}
    other.set_map_settings(map_settings_from(old, other.map_settings()))
    assert other.map_settings().square.pixels((224, 224)) == (32, 16)
    assert (other.map_settings().square.fill, other.map_settings().occlusion_shown) == (
        "mean",
        "drop",
    )
    # And a step that tells nothing changes nothing.
    assert map_settings_from({}, panel.map_settings()) == panel.map_settings()


# -- the maps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", ["black", "gray", "mean"])
def test_a_place_is_what_the_network_says_of_the_covered_picture(
    qapp: object, cat: QImage, fill: str
) -> None:
    answer = MapsWorker(NETWORKS).answer(question(cat, Square(0.25, 0.5, fill), target=7))
    assert tuple(answer.occlusion) == SHOWN
    network = NETWORKS.get("slim_vgg")
    picture = as_seen(cat, network)
    side = round(min(picture.shape[2:]) * 0.25)
    step = side // 2
    x = network.prepare(picture)
    level = {"black": 0.0, "gray": 0.5}.get(fill)
    cover = torch.zeros(1, 3, 1, 1)  # the mean is what the network takes off
    if level is not None:
        cover = network.prepare(torch.full((1, 3, 1, 1), level))
    top, left = 2 * step, 3 * step
    x[..., top : top + side, left : left + side] = cover
    with torch.no_grad():
        after = network.module(x)[0].double().softmax(0)
    middle = (top + side // 2, left + side // 2)
    chance, label = answer.occlusion["probability"], answer.occlusion["label"]
    assert chance.values[middle] == pytest.approx(float(after[7]), rel=1e-3)
    assert label.values[middle] == int(after.argmax())
    assert label.said(label.values[middle]).endswith(network.classes[int(after.argmax())])


def test_maps_grow_and_what_is_unknown_is_transparent(
    qapp: object, cat: QImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PARTIAL_EVERY", 0.0)
    states, answer = answers_of(MapsWorker(NETWORKS), question(cat, Square(0.14, 0.5)))
    states = [state for state in states if state.occlusion]  # the classes come first
    assert len(states) > 1
    for name in ("probability", "label"):
        grown = [heat_image(state.occlusion[name], "viridis") for state in states]
        shares = [(to_array(image)[..., 3] == 255).mean() for image in grown]
        assert shares == sorted(shares)
        assert 0 < shares[0] < 1
        assert not heat_image(answer.occlusion[name], "viridis").hasAlphaChannel()
    partial, whole = states[0].occlusion["label"].values, answer.occlusion["label"].values
    assert (partial[partial >= 0] == whole[partial >= 0]).all()


def test_another_map_is_shown_without_asking_again(
    occluded: MainWindow, qtbot: QtBot, asked: list[MapsRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    window, panel = occluded, occluded.live_maps.occlusion
    shown: list[QImage] = []
    monkeypatch.setattr(window.canvas, "set_overlay", lambda _key, image, *_: shown.append(image))
    count, answer = len(asked), window.live_maps_flow.answer
    assert answer is not None
    images = {}
    for name in ("probability", "label", "drop"):
        choose(panel.shown, name)
        assert window.live_maps_flow.answer is not None
        assert window.live_maps_flow.answer.saliency is answer.occlusion[name]
        images[name] = shown[-1]
    assert len(asked) == count
    assert not window.maps.busy
    wanted = heat_image(answer.occlusion["probability"], "viridis")
    assert images["probability"] == wanted
    assert images["drop"] != wanted
    chips = {(*line.colour, 255) for line in answer.occlusion["label"].legend}
    assert colours_of(images["label"]) == chips


def test_the_legend_tells_every_class(occluded: MainWindow, qtbot: QtBot) -> None:
    window = occluded
    legend = window.findChild(Legend, "occlusionLegend")
    assert legend is not None
    colours = window.live_maps.saliency.colours
    assert legend.words == "red supports it, blue opposes it"
    assert not colours.isVisibleTo(window.live_maps), "they are red and blue whatever is chosen"
    choose(window.live_maps.occlusion.shown, "probability")
    assert legend.isVisibleTo(window.live_maps) and colours.isVisibleTo(window.live_maps)
    assert "%" in legend.words and not legend.lines
    choose(window.live_maps.occlusion.shown, "label")
    assert window.live_maps_flow.answer is not None
    heat = window.live_maps_flow.answer.saliency
    assert heat is not None and legend.lines
    network = NETWORKS.get("slim_vgg")
    numbers, counts = np.unique(heat.grid, return_counts=True)  # type: ignore[attr-defined]
    most = network.classes[int(numbers[counts.argmax()])]  # of equals the least number is first
    assert (legend.lines[0].name, legend.lines[0].share) == (most, counts.max() / counts.sum())
    assert legend.lines[0].name in legend.accessibleDescription()
    assert legend.sizeHint().height() >= len(legend.lines) * legend.fontMetrics().height()
    image = legend.grab().toImage()
    chip = legend.fontMetrics().ascent() // 2
    assert image.pixelColor(chip, legend._row_height() // 2).getRgb()[:3] == legend.lines[0].colour
    window.live_maps.saliency.setChecked(False)
    assert not legend.isVisibleTo(window.live_maps)


class German(QTranslator):
    """Knows some words about maps."""

    def translate(
        self, context: str, source: str, disambiguation: str | None = None, n: int = -1
    ) -> str:
        words = {
            "{0} most likely class": "wahrscheinlichste Klasse ({0})",
            "{0} probability": "Wahrscheinlichkeit ({0})",
            "{0}, colours from 0 up": "{0}, Farben ab 0", "blue": "blau",
        }  # fmt: skip
        return words.get(source, source) if context == "Maps" else source

    def isEmpty(self) -> bool:  # noqa: N802
        return False


def test_legend_and_pointer_speak_the_persons_language(
    qapp: QApplication, window: MainWindow, qtbot: QtBot
) -> None:
    german = German()
    qapp.installTranslator(german)
    try:
        window.docks["sight"].raise_()
        window.live_maps.saliency.method.setCurrentText("occlusion")
        window.live_maps.occlusion.set_values(COARSE, "probability")
        window.live_maps.saliency.setChecked(True)
        until(qtbot, lambda: finished(window))
        legend, label = window.live_maps.occlusion.legend, window.pointer_flow.value
        assert legend.words.endswith("%, Farben ab 0")
        QTest.mouseMove(window.canvas.viewport(), place(window, 0.3, 0.3))
        QTest.mouseMove(window.canvas.viewport(), place(window, 0.7, 0.4))
        assert label.text().startswith("Wahrscheinlichkeit (occlusion) ")
        choose(window.live_maps.occlusion.shown, "label")
        assert legend.accessibleDescription().startswith("blau: ")
        assert label.text().startswith("wahrscheinlichste Klasse (occlusion): ")
    finally:
        qapp.removeTranslator(german)


def test_the_pointer_says_the_probability_and_the_class(occluded: MainWindow, qtbot: QtBot) -> None:
    window, label = occluded, occluded.pointer_flow.value
    QTest.mouseMove(window.canvas.viewport(), place(window, 0.3, 0.3))
    QTest.mouseMove(window.canvas.viewport(), place(window, 0.7, 0.4))
    assert label.text().startswith("occlusion ")
    answer, at = window.live_maps_flow.answer, window.pointer_flow.at
    assert answer is not None and at is not None
    size = window.canvas.logical_size()
    said = {}
    for name in ("probability", "label"):
        choose(window.live_maps.occlusion.shown, name)  # the pointer has not moved
        values = answer.occlusion[name].values
        row = int(at.y() / size.height() * values.shape[0])
        said[name] = float(values[row, int(at.x() / size.width() * values.shape[1])])
        if name == "probability":
            number = label.text().removeprefix("occlusion probability ").removesuffix("%")
            assert float(number.removeprefix("<")) == pytest.approx(100 * said[name], abs=0.11)
    name = NETWORKS.get("slim_vgg").classes[int(said["label"])]
    assert label.text() == f"occlusion most likely class: {name}"


def test_another_square_is_asked_about(
    occluded: MainWindow, qtbot: QtBot, asked: list[MapsRequest]
) -> None:
    window, panel = occluded, occluded.live_maps.occlusion
    before = window.live_maps_flow.answer
    assert before is not None and before.saliency is not None
    count = len(asked)
    choose(panel.fill, "gray")
    assert asked[-1].request.square == Square(0.5, 1.0, "gray")
    panel.side.stepBy(-10)
    panel.step.stepBy(-2)
    assert len(asked) == count + 3
    assert asked[-1].request.square == Square(0.4, 0.8, "gray")
    until(qtbot, lambda: finished(window))
    after = window.live_maps_flow.answer
    assert after is not None and after.saliency is not None
    assert not np.array_equal(after.saliency.values, before.saliency.values)
    window.live_maps.saliency.setChecked(False)
    count = len(asked)
    panel.side.stepBy(5)
    assert len(asked) == count, "nobody looks"


def test_a_map_that_nobody_wants_any_more_is_given_up(qtbot: QtBot, cat: QImage) -> None:
    maps = MapsController(NETWORKS)
    heard: list[MapsAnswer] = []
    fine, coarse = question(cat, Square(0.14, 0.1)), question(cat)
    begun: list[MapsAnswer] = []

    def grown(answer: MapsAnswer) -> None:
        if answer.question is fine and not begun:
            begun.append(answer)
            maps.ask(coarse)

    try:
        maps.answered.connect(heard.append)
        maps.answered.connect(grown)
        maps.ask(fine)
        until(qtbot, lambda: heard and heard[-1].question is coarse and not heard[-1].unfinished)
    finally:
        maps.close()
    assert begun
    assert all(answer.unfinished for answer in heard if answer.question is fine)
    assert heard[-1].saliency is not None


def test_during_a_run_new_frames_let_a_map_finish(qtbot: QtBot, cat: QImage) -> None:
    maps = MapsController(NETWORKS)
    try:
        maps.run_active = True
        maps._under_way, maps._latest._under_way = question(cat), True
        maps.ask(question(cat.copy()))
        assert not maps._latest.given_up, "only the picture is another"
        maps.ask(question(cat, Square(0.2, 0.5)))
        assert maps._latest.given_up
        maps.run_active = False
        maps.ask(question(cat))
        assert not maps._latest.given_up, "the same is asked again"
        maps.ask(question(cat.copy()))
        assert maps._latest.given_up
    finally:
        maps.close()


def test_other_maps_are_shown_as_before(qapp: object) -> None:
    values = np.array([[-1.0, 0.5], [2.0, 0.0]], np.float32)
    heat = Heat(find_method("CAM"), values)
    assert not heat_image(heat, "gray").hasAlphaChannel(), "below zero is no hole"
    alphas = to_array(heat_image(heat, "gray", 0.5))[..., 3]
    assert alphas.tolist() == [[0, 0], [255, 0]]
    assert (heat.legend, heat.key, heat.said(0.25)) == ((), "", "CAM 0.25")
