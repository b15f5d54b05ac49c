"""What is said and shown of the network's view stays true: picture, target and method asked for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from engine.attribution.square import Square
from engine.attribution.unit_name import UnitName
from engine.networks.classes import percent
from gui.canvas.caption import Caption
from gui.flow import live_maps as flow_module
from gui.main_window import MainWindow
from gui.panels.inputs import InputKey
from gui.panels.live_maps import LiveMapsPanel
from gui.pixels import to_array
from gui.run.map_answers import MapsRequest
from gui.run.maps import MapsController, MapsWorker
from tests.gui.looks import answers_of, maps_request
from tests.gui.stories import CAT, STROKES, until

COARSE, FINE = Square(0.5, 1.0), Square(0.1, 0.2)


@pytest.fixture
def live_maps(window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The window with the panel in front and the classes of the cat in it."""
    window.docks["sight"].raise_()
    window.live_maps_flow.watch(True)
    until(qtbot, lambda: window.live_maps_flow.answer and not window.maps.busy)
    return window


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[MapsRequest]]:
    """Lets questions be collected instead of answered, from the call on."""
    asked: list[MapsRequest] = []

    def hold() -> list[MapsRequest]:
        monkeypatch.setattr(MapsController, "ask", lambda _self, question: asked.append(question))
        return asked

    return hold


def gradient_on(window: MainWindow, qtbot: QtBot) -> None:
    window.live_maps.saliency.method.setCurrentText("gradient")
    window.live_maps.saliency.setChecked(True)
    until(
        qtbot, lambda: "saliency" in window.canvas.overlays() and not window.live_maps_flow.awaited
    )


def other_photo(window: MainWindow, qtbot: QtBot) -> None:
    before = window.canvas_content.current
    assert before is not None
    window.input_pictures.put(InputKey("content"), STROKES)
    until(
        qtbot,
        lambda: window.canvas_content.current and window.canvas_content.current.path == STROKES,
    )


# -- what is no longer true ------------------------------------------------------------------------


def test_another_photo_takes_map_and_classes_away_until_it_is_answered(
    live_maps: MainWindow, qtbot: QtBot, silent: Callable[[], list[MapsRequest]]
) -> None:
    window = live_maps
    gradient_on(window, qtbot)
    old = window.live_maps_flow.answer
    assert old is not None
    asked = silent()
    other_photo(window, qtbot)
    assert window.canvas.overlays() == []
    assert window.canvas.caption.text() == ""
    assert window.live_maps.top.rows() == []
    assert window.live_maps.said.text() == "", "quick answers come without a word"
    until(qtbot, lambda: window.live_maps.said.text() == "gradient: working…")
    assert window.live_maps.cancel.isVisible()
    window.live_maps_flow._on_answer(old)  # which was under way
    assert window.canvas.overlays() == []
    assert window.live_maps.top.rows() == []
    answer = MapsWorker(window.networks).answer(asked[-1])
    window.live_maps_flow._on_answer(answer)
    assert window.canvas.overlays() == ["saliency"]
    assert [row[0] for row in window.live_maps.top.rows()] == list(answer.top)
    assert window.live_maps.said.text().startswith(answer.target_name)
    assert not window.live_maps.cancel.isVisible()


def test_what_is_quick_is_answered_without_a_word(
    live_maps: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, said = live_maps, list[str]()
    window.live_maps_flow.patience.setInterval(600_000)
    say = LiveMapsPanel.say
    monkeypatch.setattr(
        LiveMapsPanel, "say", lambda self, text, *more: (said.append(text), say(self, text, *more))
    )
    gradient_on(window, qtbot)
    other_photo(window, qtbot)
    until(qtbot, lambda: not window.live_maps_flow.awaited)
    assert said
    assert not any("…" in text for text in said)
    assert 250 <= flow_module.PATIENCE <= 400


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        (lambda live_maps: live_maps.choose_class(7), ()),
        (lambda live_maps: live_maps.target.set_unit("relu3_1:5"), ()),
        (lambda live_maps: QTest.keyClick(live_maps.saliency.method, Qt.Key.Key_Down), ("grad_cam",)),
        (lambda live_maps: live_maps.select_layer("relu3_3"), ("saliency",)),
        (lambda live_maps: live_maps.saliency.opacity.setValue(20), ("saliency", "grad_cam")),
        (lambda live_maps: live_maps.saliency.threshold.setValue(30), ("saliency", "grad_cam")),
        (lambda live_maps: QTest.keyClick(live_maps.grad_cam.colours, Qt.Key.Key_Down),
         ("saliency", "grad_cam")),
    ],
)  # fmt: skip
def test_maps_that_are_about_something_else_go_at_once(
    live_maps: MainWindow, qtbot: QtBot, silent: Callable[[], list[MapsRequest]],
    change: Callable[[LiveMapsPanel], None], stays: tuple[str, ...],
) -> None:  # fmt: skip
    window = live_maps
    window.live_maps.grad_cam.setChecked(True)
    gradient_on(window, qtbot)
    until(qtbot, lambda: set(window.canvas.overlays()) == {"saliency", "grad_cam"})
    rows = window.live_maps.top.rows()
    silent()
    change(window.live_maps)
    assert set(window.canvas.overlays()) == set(stays)
    assert window.live_maps.top.rows() == rows, "the picture is the same"
    for kind in ("gradient of", "Grad-CAM at"):
        kept = {"gradient of": "saliency", "Grad-CAM at": "grad_cam"}[kind] in stays
        assert (kind in window.canvas.caption.text()) == kept


def test_to_choose_the_class_that_is_the_most_likely_takes_nothing_away(
    live_maps: MainWindow, qtbot: QtBot, silent: Callable[[], list[MapsRequest]]
) -> None:
    window = live_maps
    gradient_on(window, qtbot)
    asked = silent()
    first = window.live_maps.top.rows()[0][0]
    QTest.mouseClick(window.live_maps.top, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert asked[-1].request.target == first[0]
    assert window.canvas.overlays() == ["saliency"]


@pytest.mark.parametrize("moving", ["live", "run_active"])
def test_where_pictures_come_by_themselves_the_last_map_stays(
    live_maps: MainWindow, qtbot: QtBot, silent: Callable[[], list[MapsRequest]], moving: str
) -> None:
    window = live_maps
    gradient_on(window, qtbot)
    rows = window.live_maps.top.rows()
    asked = silent()
    setattr(window.maps, moving, True)
    image = QImage(64, 48, QImage.Format.Format_RGB32)
    image.fill(QColor(90, 140, 30))
    window.live_maps_flow.patience.setInterval(0)
    window.canvas_content.show_live(image, "a film")
    QTest.qWait(20)
    assert asked[-1].image.cacheKey() == image.cacheKey()
    assert window.canvas.overlays() == ["saliency"]
    assert window.live_maps.top.rows() == rows
    assert "…" not in window.live_maps.said.text()
    setattr(window.maps, moving, False)
    window.live_maps_flow.refresh()
    assert window.canvas.overlays() == [], "now it is another picture's"


def test_another_network_takes_the_maps_away(live_maps: MainWindow, qtbot: QtBot) -> None:
    window = live_maps
    gradient_on(window, qtbot)
    window.studio.set_network("squeezenet1_1")
    assert window.canvas.overlays() == []
    assert window.live_maps.top.rows() == []


# -- slow maps -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "ahead"), [("occlusion", True), ("SmoothGrad", True), ("gradient", False)]
)
def test_classes_are_sent_ahead_of_slow_maps(
    window: MainWindow, method: str, ahead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = QImage(CAT)
    asked = maps_request(image, "slim_vgg", None, "cpu", None, method, occlusion=COARSE)
    states, answer = answers_of(MapsWorker(window.networks), asked)
    assert (bool(states) and states[0].saliency is None) is ahead
    assert all(state.top == answer.top and state.unfinished for state in states)


def test_an_occlusion_tells_its_progress_and_is_given_up(
    live_maps: MainWindow, qtbot: QtBot
) -> None:
    window, panel = live_maps, live_maps.live_maps
    shares: list[float] = []
    window.maps.answered.connect(lambda answer: shares.append(answer.share))
    panel.saliency.method.setCurrentText("occlusion")
    panel.occlusion.set_values(FINE, "drop")
    panel.saliency.setChecked(True)
    until(qtbot, lambda: panel.said.text().endswith("%") and shares and shares[-1] > 0)
    name = window.live_maps.top.rows()[0][0][1]
    until(qtbot, lambda: panel.said.text() == f"occlusion: {100 * shares[-1]:.0f}\u00a0%")
    assert 0 < shares[-1] < 1
    assert shares == sorted(shares)
    button = window.findChild(QPushButton, "cancelMap")
    assert button is not None and button.isVisible() and button.accessibleName()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert not panel.saliency.isChecked()
    assert window.canvas.overlays() == []
    until(qtbot, lambda: not window.maps.busy and not window.live_maps_flow.awaited)
    assert max(shares) < 1, "it was given up"
    assert not button.isVisible()
    assert panel.said.text().startswith(f"{name}: ")
    assert "occlusion" not in panel.said.text()


def test_the_share_is_that_of_the_windows_covered(window: MainWindow) -> None:
    worker = MapsWorker(window.networks)
    question = maps_request(
        QImage(CAT), "slim_vgg", None, "cpu", None, "occlusion", occlusion=COARSE
    )
    assert worker.answer(question).share == 1.0


# -- units -----------------------------------------------------------------------------------------


def test_without_a_unit_there_is_no_map_and_the_line_asks(
    live_maps: MainWindow, qtbot: QtBot
) -> None:
    window, panel = live_maps, live_maps.live_maps
    gradient_on(window, qtbot)
    QTest.keyClick(panel.target.kind, Qt.Key.Key_Down)
    assert panel.target.of_unit
    assert window.canvas.overlays() == []
    until(qtbot, lambda: not window.live_maps_flow.awaited)
    assert window.canvas.overlays() == []
    assert panel.said.text() == (
        "Which unit? Type one, for example relu4_2:17, or click a channel under Inspect."
    )
    assert len(panel.top.rows()) == 5, "the classes are true all the same"
    for text in ("relu3_1:banana", "relu3_1:9999", "nowhere:3"):
        panel.target.line.clear()
        QTest.keyClicks(panel.target.line, text)
        QTest.keyClick(panel.target.line, Qt.Key.Key_Return)
        word = text.split(":")[text[0] != "n"]
        until(
            qtbot, lambda word=word: word in panel.said.text() and not window.live_maps_flow.awaited
        )
        assert window.canvas.overlays() == []
        assert len(panel.top.rows()) == 5
        assert "%" not in panel.said.text(), "nothing of the class"
    panel.target.line.clear()
    QTest.keyClicks(panel.target.line, "relu3_1:5")
    QTest.keyClick(panel.target.line, Qt.Key.Key_Return)
    until(qtbot, lambda: window.canvas.overlays() == ["saliency"])
    assert panel.said.text().startswith("relu3_1 channel 5 at ")
    panel.target.line.clear()
    QTest.keyClick(panel.target.line, Qt.Key.Key_Return)
    assert window.canvas.overlays() == []
    assert "Which unit?" in panel.said.text()


@pytest.mark.parametrize("row", [0, 2])
def test_a_click_on_a_class_turns_from_the_unit_to_it(
    live_maps: MainWindow, qtbot: QtBot, row: int
) -> None:
    window, panel = live_maps, live_maps.live_maps
    panel.choose_class(panel.top.rows()[0][0][0])  # current in the box, and hidden then
    panel.target.set_unit("relu3_1:5")
    until(qtbot, lambda: not window.live_maps_flow.awaited and panel.top.rows())
    number = panel.top.rows()[row][0][0]
    height = panel.top.height() // 5
    place = QPoint(5, row * height + height // 2)
    QTest.mouseClick(panel.top, Qt.MouseButton.LeftButton, pos=place)
    assert not panel.target.of_unit
    assert panel.target.line.text() == "relu3_1:5", "kept for the way back"
    until(qtbot, lambda: not window.live_maps_flow.awaited)
    answer = window.live_maps_flow.answer
    assert answer is not None
    assert (answer.target, answer.activation) == (number, None)


def test_a_network_without_classes_asks_for_a_unit(
    window: MainWindow, qtbot: QtBot, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(data_folder / "weights"))
    window.docks["sight"].raise_()
    window.live_maps.saliency.setChecked(True)
    window.studio.set_network("vgg19")
    until(qtbot, lambda: window.layers.here and not window.layers.here.network.classes)
    panel = window.live_maps
    wanted = (
        "This network has no classes. Type a unit, for example relu4_2:17, or click a channel "
        "under Inspect."
    )
    assert panel.said.text() == wanted
    assert not panel.top.isVisible()
    QTest.qWait(1)
    gap = panel.said.mapTo(panel, QPoint()).y()
    gap -= panel.source.mapTo(panel, QPoint(0, panel.source.height())).y()
    assert gap < panel.source.height(), "nothing is left free for classes"
    window.studio.set_network("slim_vgg")
    until(qtbot, lambda: panel.top.rows())
    assert panel.top.isVisible()


def test_the_example_is_a_unit_of_the_network(qtbot: QtBot) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    panel.set_layers([(name, name) for name in ("conv1", "conv2", "fire9", "conv10")])
    panel.set_classes([])
    example = panel.said.text().partition("for example ")[2].partition(",")[0]
    assert UnitName.parse(example).layer == "fire9"


# -- classes by name -------------------------------------------------------------------------------

NAMES = [
    "oystercatcher", "tiger cat", "catamaran", "Persian cat", "cat shark", "polecat", "ant",
]  # fmt: skip


def test_a_layer_is_chosen_only_for_methods_that_take_one(qtbot: QtBot) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    panel.set_layers([("relu_a", "a"), ("relu_b", "b")])
    panel.grad_cam.setChecked(True)
    assert panel.layer.isEnabled()
    panel.grad_cam.method.setCurrentText("CAM")
    assert not panel.layer.isEnabled()
    assert panel.layer.toolTip().startswith("CAM always uses")
    panel.grad_cam.method.setCurrentText("guided Grad-CAM")
    assert panel.layer.isEnabled()
    assert not panel.layer.toolTip()


@pytest.mark.parametrize(
    ("text", "meant", "told"),
    [
        ("persian CAT", 3, ""), ("ant", 6, ""), ("4", 4, ""), ("olec", 5, ""), ("ANT", None, "6"),
        ("cat", None, "1 tiger cat, 3 Persian cat, 4 cat shark, 0 oystercatcher"),
        ("zebra", None, "no class 'zebra'"), ("most likely", None, ""), ("Ant", 7, ""),
    ],
)  # fmt: skip
def test_a_typed_class_is_taken_where_it_is_the_only_one_that_fits(
    qtbot: QtBot, text: str, meant: int | None, told: str
) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    panel.set_classes([*NAMES, "Ant"])
    panel.show()
    line = panel.class_box.lineEdit()
    assert line is not None
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, text)
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert panel.map_settings().target == meant
    assert line.text() == ("most likely" if meant is None else [*NAMES, "Ant"][meant])
    assert told in panel.said.text() and bool(told) == bool(panel.said.text())


def test_of_two_classes_of_one_name_each_can_be_chosen(qtbot: QtBot) -> None:
    panel = LiveMapsPanel()
    qtbot.addWidget(panel)
    panel.set_classes(["crane", "heron", "crane"])
    panel.show()
    line = panel.class_box.lineEdit()
    assert line is not None
    for text, meant in (("crane", None), ("crane (2)", 2)):
        line.selectAll()
        QTest.keyClicks(line, text)
        QTest.keyClick(line, Qt.Key.Key_Return)
        assert panel.map_settings().target == meant
    assert "0 crane, 2 crane" in panel.said.text()


# -- from Inspect ----------------------------------------------------------------------------------


@pytest.mark.parametrize("on", [False, True])
def test_to_ask_the_maps_about_a_channel_brings_them_into_view(
    window: MainWindow, qtbot: QtBot, on: bool
) -> None:
    window.docks["inspect"].raise_()
    window.live_maps.grad_cam.setChecked(on)
    window.inspection.show_channel("relu3_1", 5)
    channel = window.inspection.channel_window
    assert channel is not None
    qtbot.mouseClick(channel.target, Qt.MouseButton.LeftButton)
    channel.close()
    until(qtbot, lambda: not window.live_maps.visibleRegion().isEmpty())
    assert window.live_maps.saliency.isChecked() is not on, "only where no map is on"
    message = window.statusBar().currentMessage()
    assert "channel 5 of relu3_1" in message
    assert ("Saliency" in message) is not on
    until(qtbot, lambda: window.canvas.overlays() and not window.live_maps_flow.awaited)
    assert window.live_maps_flow.answer is not None
    assert window.live_maps_flow.answer.activation is not None


# -- the caption -----------------------------------------------------------------------------------


def test_the_caption_tells_method_target_size_and_range(
    live_maps: MainWindow, qtbot: QtBot
) -> None:
    window, panel = live_maps, live_maps.live_maps
    caption = window.canvas.caption
    assert caption.text() == ""
    gradient_on(window, qtbot)
    answer = window.live_maps_flow.answer
    assert answer is not None and answer.saliency is not None
    name, share = answer.target_name, percent(answer.probability)
    scale = caption.text().removeprefix(f"gradient of {name} ({share}): 0 to ")
    most, _, maximum = scale.partition(", maximum ")
    assert float(most) < float(maximum), "outliers are beyond the colours"
    assert float(maximum) == pytest.approx(
        float(window.live_maps_flow.answer.saliency.values.max()), rel=0.01
    )
    most = float(most)
    assert 0 < most <= answer.saliency.values.max() * 1.001
    panel.grad_cam.setChecked(True)
    until(qtbot, lambda: "grad_cam" in window.canvas.overlays())
    answer = window.live_maps_flow.answer
    assert answer is not None and answer.grad_cam is not None
    highest = answer.grad_cam.values.max()
    words = f"   Grad-CAM at {answer.layer} of {name} ({share}): 0 to {highest:.3g}"
    assert caption.text().endswith(words)
    panel.grad_cam.setChecked(False)
    assert "Grad-CAM" not in caption.text()
    panel.occlusion.set_values(COARSE, "probability")
    panel.saliency.method.setCurrentText("occlusion")
    panel.changed.emit()
    until(qtbot, lambda: caption.text() and not window.live_maps_flow.awaited)
    answer = window.live_maps_flow.answer
    assert answer is not None
    top = percent(float(np.nanmax(answer.occlusion["probability"].values)))
    assert caption.text() == f"occlusion, probability of {name}: 0 to {top}"
    QTest.keyClick(panel.occlusion.shown, Qt.Key.Key_Up)
    assert caption.text().startswith(f"occlusion, drop of the logit of {name} ({share}): −")
    panel.target.set_unit("relu3_1:5:2,3")
    until(qtbot, lambda: caption.text() and not window.live_maps_flow.awaited)
    start = "occlusion, drop of the activation of relu3_1 channel 5 at 2, 3 ("
    assert caption.text().startswith(start)
    panel.saliency.setChecked(False)
    assert caption.text() == ""


def painted(note: str, text: str, colour: QColor) -> QRect:
    """Return where a caption lies that is painted over that colour."""
    from gui.canvas.decoration import draw_note

    image = QImage(300, 200, QImage.Format.Format_RGB32)
    image.fill(colour)
    panel = LiveMapsPanel()
    caption = Caption(panel)
    caption.set_text(text)
    with QPainter(image) as painter:
        caption.draw(painter, image.rect(), note)
    rows, columns = np.nonzero((to_array(image)[..., :3] != to_array(image)[0, 0, :3]).any(2))
    lighter = to_array(image)[rows, columns, :3].astype(int).sum(1)
    assert lighter.max() > 700, "white letters"
    assert lighter.min() < 300, "on a dark plate"
    if note:
        lone = QImage(300, 200, QImage.Format.Format_RGB32)
        lone.fill(colour)
        with QPainter(lone) as painter:
            draw_note(painter, note, lone.rect())
        taken = np.nonzero((to_array(lone)[..., :3] != to_array(lone)[0, 0, :3]).any(2))[0]
        assert rows.max() < taken.min(), "above the note"
    return QRect(QPoint(columns.min(), rows.min()), QPoint(columns.max(), rows.max()))


@pytest.mark.parametrize("colour", [QColor(250, 250, 250), QColor(120, 160, 60)])
def test_the_caption_is_one_line_whatever_is_below(qtbot: QtBot, colour: QColor) -> None:
    short = painted("", "gradient of a cat", colour)
    long = painted("", "gradient of a cat and of many other animals " * 9, colour)
    assert long.height() == short.height()
    assert long.left() >= 0 and long.right() < 300
    above = painted("Point at the picture. " * 5, "gradient of a cat", colour)
    assert above.bottom() < short.top()
    assert short.bottom() > 180, "at the lower border"


def test_the_caption_is_on_the_canvas_with_the_map(live_maps: MainWindow, qtbot: QtBot) -> None:
    window = live_maps
    gradient_on(window, qtbot)
    with_caption = window.canvas.grab().toImage()
    window.canvas.caption.set_text("")
    without = window.canvas.grab().toImage()
    assert with_caption != without
    window.canvas.set_original(window.canvas.picture())
    window.canvas.set_showing_original(True)
    bare = window.canvas.grab().toImage()
    window.canvas.caption.set_text("gradient of a cat")
    assert window.canvas.grab().toImage() == bare, "the photo alone"
