"""Regions in the window: painted with the mouse, styled, ordered, undone, kept and opened again."""

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QMimeData, QObject, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import (
    QDragMoveEvent,
    QDropEvent,
    QInputDevice,
    QPaintEvent,
    QPointingDevice,
    QTabletEvent,
    QWheelEvent,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog
from pytestqt.qtbot import QtBot

from engine.image import open_picture
from engine.regions import MOST_REGIONS, Region
from engine.techniques.deep_dream import DeepDream
from engine.techniques.feature_inversion import FeatureInversion
from engine.techniques.stylize import Stylize
from engine.work.project_folder import ProjectFolder
from gui import session
from gui.actions import REGIONS, TABLE
from gui.canvas.painting import BRUSH
from gui.dialogs.cut_out import CutOutDialog
from gui.dialogs.grad_cam_mask import GradCamMaskDialog
from gui.main_window import MainWindow
from gui.masks.mask import LONGEST, Mask
from gui.panels.region_row import KEPT, NETWORK, OWN, USUAL
from gui.session import Session, path_of
from tests.gui.stories import (
    CAT,
    MOSAIC,
    STROKES,
    closed,
    opened_window,
    quick_job,
    until,
    until_idle,
)
from tests.gui.test_ending import started
from tests.gui.test_ending import until as until_there
from tests.gui.test_project import opened, saved
from tests.gui.test_recovery import dialog_of, press, settled

Place = tuple[float, float]
Bytes = npt.NDArray[np.uint8]


def on_canvas(window: MainWindow, place: Place) -> QPoint:
    """A place of the picture, as parts of its sides, in the viewport."""
    rect = window.canvas._picture_rect()
    x, y = rect.left() + place[0] * rect.width(), rect.top() + place[1] * rect.height()
    return QPoint(round(x), round(y))


def stroke(
    window: MainWindow, *places: Place, modifier: Any = Qt.KeyboardModifier.NoModifier
) -> None:
    """Paint with the left button from place to place."""
    view, left = window.canvas.viewport(), Qt.MouseButton.LeftButton
    QTest.mousePress(view, left, modifier, on_canvas(window, places[0]))
    for place in places[1:]:
        QTest.mouseMove(view, on_canvas(window, place))
    QTest.mouseRelease(view, left, modifier, on_canvas(window, places[-1]))


def brushed(window: MainWindow, diameter: float = 60.0, hardness: int = 100) -> None:
    """Add a region, and take a brush of this size for it."""
    window.regions.add.click()
    assert window.canvas.tool() == BRUSH
    window.mask_brush.set_diameter(diameter)
    window.mask_brush.hardness_editor.set_value(hardness)
    window.mask_brush.changed.emit()


def pixels(window: MainWindow, index: int | None = None) -> Bytes:
    flow = window.regions_flow
    mask = flow.mask(flow.active if index is None else index)
    assert mask is not None
    return mask.pixels.copy()


def in_file(window: MainWindow, index: int = 0) -> Bytes:
    with Image.open(window.regions_flow.path(index)) as image:
        return np.asarray(image).copy()


# -- painting ---------------------------------------------------------------------------------


def test_a_stroke_of_the_mouse_is_where_it_was_painted_and_nowhere_else(
    window: MainWindow, qtbot: QtBot
) -> None:
    brushed(window)
    photo = window.regions_flow.photo()
    assert photo is not None
    height, width = pixels(window).shape
    scale = width / photo.width
    assert abs(height / width - photo.height / photo.width) < 0.002
    stroke(window, (0.25, 0.5), (0.5, 0.5), (0.75, 0.5))
    mask = pixels(window)
    rows, columns = np.mgrid[:height, :width]
    nearest = np.clip(columns, 0.25 * width, 0.75 * width)
    away = np.hypot(columns - nearest, rows - height / 2)
    pixel = width / window.canvas._picture_rect().width()  # of the screen
    radius = 30 * scale
    assert (mask[away < radius - pixel - 2] == 255).all()
    assert not mask[away > radius + pixel + 2].any()
    assert np.array_equal(in_file(window), mask), "it is on the disk at once"
    assert window.studio.undo_stack.undoText() == "Brush stroke"


def test_every_stroke_is_undone_and_redone_bit_for_bit(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window, hardness=20)
    states = [pixels(window)]
    stroke(window, (0.2, 0.2), (0.6, 0.3))
    states.append(pixels(window))
    window.actions_table["mask_invert"].trigger()
    states.append(pixels(window))
    window.mask_brush.exchange()
    stroke(window, (0.5, 0.2), (0.5, 0.8))
    states.append(pixels(window))
    window.actions_table["mask_feather"].trigger()
    states.append(pixels(window))
    window.actions_table["mask_fill"].trigger()
    states.append(pixels(window))
    window.actions_table["mask_clear"].trigger()
    assert not pixels(window).any()
    assert all(not np.array_equal(a, b) for a, b in pairwise(states))
    for state in reversed(states):
        window.actions_table["undo"].trigger()
        assert np.array_equal(pixels(window), state)
    for state in states[1:]:
        window.actions_table["redo"].trigger()
        assert np.array_equal(pixels(window), state)
    # What was painted after an undo begins from there.
    window.actions_table["undo"].trigger()
    stroke(window, (0.9, 0.9))
    changed = pixels(window) != states[-2]
    height, width = changed.shape
    changed[round(0.7 * height) :, round(0.7 * width) :] = False
    assert not changed.any()


def test_a_stroke_over_a_large_photo_paints_only_where_it_is(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "large.jpg"
    Image.effect_noise((4000, 3000), 60).convert("RGB").save(path, quality=70)
    window.input_pictures.take(window_content(), str(path))
    until(qtbot, lambda: path_of(window.studio.job.inputs.content) == str(path))
    until(qtbot, lambda: window.regions_flow.photo() is not None)
    brushed(window, diameter=200)
    assert pixels(window).shape == (1536, LONGEST)
    view, layer = window.canvas.viewport(), window.canvas.masks
    qtbot.wait(50)

    class Painted(QObject):
        area = 0

        def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802
            if isinstance(event, QPaintEvent):
                self.area += sum(r.width() * r.height() for r in event.region())
            return False

    painted = Painted()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=on_canvas(window, (0.2, 0.5)))
    qtbot.wait(50)
    view.installEventFilter(painted)
    before = layer.mixed_pixels
    moves = 20
    for n in range(moves):
        QTest.mouseMove(view, on_canvas(window, (0.2 + 0.02 * n, 0.5)))
        QApplication.processEvents()
    view.removeEventFilter(painted)
    whole = 1536 * LONGEST
    # A move is 1/50 of the width; the brush is 1/20 of it, and its discs overlap those before.
    assert 0 < (layer.mixed_pixels - before) / moves < 0.04 * whole
    assert 0 < painted.area / moves < 0.25 * view.width() * view.height()
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=on_canvas(window, (0.6, 0.5)))
    assert pixels(window).any()


def window_content() -> Any:
    from gui.panels.input_slot import InputKey

    return InputKey("content")


def test_the_keys_are_those_of_painting_programs(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window, diameter=100, hardness=50)
    bar, canvas = window.mask_brush, window.canvas
    window.activateWindow()
    QTest.keyClick(canvas, Qt.Key.Key_BracketRight)
    assert bar.diameter() == 125
    QTest.keyClick(canvas, Qt.Key.Key_BracketLeft)
    assert bar.diameter() == 100
    QTest.keyClick(canvas, Qt.Key.Key_BracketLeft, Qt.KeyboardModifier.ShiftModifier)
    assert bar.hardness() == pytest.approx(0.4)
    QTest.keyClick(canvas, Qt.Key.Key_BracketRight, Qt.KeyboardModifier.ShiftModifier)
    assert bar.hardness() == pytest.approx(0.5)
    QTest.keyClick(canvas, Qt.Key.Key_BraceRight, Qt.KeyboardModifier.ShiftModifier)
    assert bar.hardness() == pytest.approx(0.6), "as keyboards with these signs on Shift send it"
    QTest.keyClick(canvas, Qt.Key.Key_X)
    assert bar.erasing()
    QTest.keyClick(canvas, Qt.Key.Key_X)
    QTest.keyPress(canvas, Qt.Key.Key_Alt)
    assert bar.erasing(), "as long as it is held"
    QTest.keyRelease(canvas, Qt.Key.Key_Alt)
    assert not bar.erasing()
    centre = QPointF(canvas.viewport().rect().center())
    turned = QWheelEvent(
        centre, canvas.mapToGlobal(centre), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ShiftModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    share = window.live_maps.occluder.share()
    QApplication.sendEvent(canvas.viewport(), turned)
    assert bar.diameter() == 125 and window.live_maps.occluder.share() == share
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert canvas.tool() == "" and not bar.isVisible()
    size = bar.diameter()
    QTest.keyClick(canvas, Qt.Key.Key_BracketRight)
    assert bar.diameter() == size, "without the brush, its keys are nobody's"
    QTest.keyClick(canvas, Qt.Key.Key_B)
    assert canvas.tool() == BRUSH and bar.isVisible()


def test_escape_gives_up_a_stroke_and_only_then_the_brush(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    view, steps = window.canvas.viewport(), window.studio.undo_stack.index()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=on_canvas(window, (0.3, 0.3)))
    QTest.mouseMove(view, on_canvas(window, (0.6, 0.6)))
    assert pixels(window).any()
    QTest.keyClick(window.canvas, Qt.Key.Key_Escape)
    assert not pixels(window).any() and window.canvas.tool() == BRUSH
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=on_canvas(window, (0.6, 0.6)))
    assert window.studio.undo_stack.index() == steps
    QTest.keyClick(window.canvas, Qt.Key.Key_Escape)
    assert window.canvas.tool() == ""


def test_shift_and_a_click_paint_a_straight_line(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window, diameter=20)
    stroke(window, (0.2, 0.2))
    stroke(window, (0.8, 0.8), modifier=Qt.KeyboardModifier.ShiftModifier)
    mask = pixels(window)
    height, width = mask.shape
    for part in (0.2, 0.4, 0.5, 0.6, 0.8):
        assert mask[round(part * height), round(part * width)] == 255


def test_space_moves_the_picture_instead_of_painting(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    window.canvas.set_zoom(20)
    before = window.canvas.horizontalScrollBar().value()
    QTest.keyPress(window.canvas, Qt.Key.Key_Space)
    view = window.canvas.viewport()
    middle = view.rect().center()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=middle)
    QTest.mouseMove(view, middle + QPoint(60, 0))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=middle + QPoint(60, 0))
    QTest.keyRelease(window.canvas, Qt.Key.Key_Space)
    assert window.canvas.horizontalScrollBar().value() != before
    assert not pixels(window).any()


def test_a_pens_pressure_changes_the_size(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window, diameter=80)
    pen = QPointingDevice(
        "pen", 7, QInputDevice.DeviceType.Stylus, QPointingDevice.PointerType.Pen,
        QInputDevice.Capability.Pressure, 1, 2,
    )  # fmt: skip
    view, areas = window.canvas.viewport(), []
    for pressure, place in ((1.0, (0.3, 0.5)), (0.3, (0.7, 0.5))):
        at = QPointF(on_canvas(window, place))
        before = int(pixels(window).astype(int).sum())
        for kind, button, held in (
            (QEvent.Type.TabletPress, Qt.MouseButton.LeftButton, Qt.MouseButton.LeftButton),
            (QEvent.Type.TabletRelease, Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton),
        ):
            event = QTabletEvent(
                kind, pen, at, view.mapToGlobal(at), pressure, 0, 0, 0, 0, 0,
                Qt.KeyboardModifier.NoModifier, button, held,
            )  # fmt: skip
            QApplication.sendEvent(view, event)
        areas.append(int(pixels(window).astype(int).sum()) - before)
    assert 0 < areas[1] < 0.4 * areas[0]


def test_there_is_one_tool_at_a_time(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    window.actions_table["occluder"].setChecked(True)
    assert window.canvas.tool() == "drag" and not window.mask_brush.isVisible()
    window.actions_table["mask_brush"].setChecked(True)
    assert window.canvas.tool() == BRUSH and not window.occluder_flow.on


def test_the_brush_is_put_away_when_another_picture_is_shown(
    window: MainWindow, qtbot: QtBot
) -> None:
    brushed(window)
    window.canvas_content.show_input(STROKES)
    until(qtbot, lambda: window.canvas.tool() == "")
    assert not window.canvas.masks.isVisible() and not window.mask_brush.isVisible()
    window.actions_table["mask_brush"].setChecked(True)
    current = window.canvas_content.current
    assert current is not None and current.kind == "content", "there is something to paint on"
    window.canvas_content.show_live(window.canvas.picture(), "a camera")  # type: ignore[arg-type]
    assert window.canvas.tool() == ""


def test_its_letter_is_only_the_brushs_where_nobody_types(window: MainWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    technique = window.technique_box.currentIndex()
    for widget in (window.tree.tree, window.technique_box):
        widget.setFocus()
        QTest.keyClick(widget, Qt.Key.Key_B)
        assert window.canvas.tool() == ""
    window.technique_box.setCurrentIndex(technique)  # a letter chooses what begins with it there
    window.technique_box.activated.emit(technique)
    window.canvas.setFocus()
    QTest.keyClick(window.canvas, Qt.Key.Key_B)
    assert window.canvas.tool() == BRUSH


# -- regions ----------------------------------------------------------------------------------


def dropped(row: Any, path: str) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path)])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    row.dropEvent(event)


def test_a_region_has_its_own_style_or_none_and_its_weight(
    window: MainWindow, qtbot: QtBot
) -> None:
    brushed(window)
    stroke(window, (0.5, 0.5))
    row = window.regions.rows[0]
    assert row.treatment.currentData() == USUAL
    dropped(row, MOSAIC)
    until(qtbot, lambda: path_of(window.regions_flow.regions[0].style) == MOSAIC)
    assert row.treatment.currentData() == OWN and row.treatment.currentText() == "mosaic.jpg"
    row.weight.set_value(3.0)
    row.weight.edited.emit(3.0)
    assert window.regions_flow.regions[0].weight == 3.0
    row.treatment.setCurrentIndex(row.treatment.findData(KEPT))
    row.treatment.activated.emit(row.treatment.currentIndex())
    assert window.regions_flow.regions[0].kept
    window.actions_table["undo"].trigger()
    assert not window.regions_flow.regions[0].kept
    assert path_of(window.regions_flow.regions[0].style) == MOSAIC


def test_a_painting_dropped_on_a_region_of_the_canvas_is_its_style(
    window: MainWindow, qtbot: QtBot
) -> None:
    brushed(window)
    stroke(window, (0.3, 0.5))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(MOSAIC)])

    def drop(place: Place) -> None:
        where = QPointF(on_canvas(window, place))
        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        copy = Qt.DropAction.CopyAction
        window.canvas.dragMoveEvent(QDragMoveEvent(where.toPoint(), copy, data, left, none))
        told.append(window.canvas.note())
        window.canvas.dropEvent(QDropEvent(where, copy, data, left, none))

    told: list[str] = []
    drop((0.3, 0.5))
    until(qtbot, lambda: path_of(window.regions_flow.regions[0].style) == MOSAIC)
    assert path_of(window.studio.job.inputs.content) == CAT
    drop((0.9, 0.9))
    until(qtbot, lambda: path_of(window.studio.job.inputs.content) == MOSAIC)
    assert told == ["Style of region 1", "The photo"] and window.canvas.note() == ""


def test_a_style_that_cannot_be_opened_is_said(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    brushed(window)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with qtbot.waitSignal(window.regions_flow.failed) as told:
        dropped(window.regions.rows[0], str(broken))
    assert "broken.png" in told.args[0]
    assert window.regions_flow.regions[0].style is None


def test_order_removal_and_number_of_regions(window: MainWindow, qtbot: QtBot) -> None:
    flow = window.regions_flow
    for _ in range(MOST_REGIONS):
        window.regions.add.click()
    assert len(flow.regions) == MOST_REGIONS and not window.regions.add.isEnabled()
    colours = [flow.look(n).colour for n in range(MOST_REGIONS)]
    assert len(set(colours)) == MOST_REGIONS
    paths = [flow.path(n) for n in range(MOST_REGIONS)]
    window.regions.rows[1].up.click()
    assert [flow.path(n) for n in (1, 2)] == [paths[2], paths[1]]
    assert flow.look(2).colour == colours[1], "a region keeps its colour"
    tops = [row.y() for row in window.regions.rows]
    assert tops == sorted(tops, reverse=True), "the topmost comes first"
    window.regions.rows[0].remove.click()
    assert len(flow.regions) == MOST_REGIONS - 1 and flow.path(0) == paths[2]
    window.actions_table["undo"].trigger()
    assert flow.path(0) == paths[0] and flow.look(0).colour == colours[0]


def test_the_eye_hides_a_mask_and_not_the_region(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    stroke(window, (0.5, 0.5))
    QTest.keyClick(window.canvas, Qt.Key.Key_Escape)
    place = on_canvas(window, (0.5, 0.5))

    def colour() -> tuple[int, ...]:
        return window.canvas.viewport().grab().toImage().pixelColor(place).getRgb()  # type: ignore[return-value]

    tinted = colour()
    window.regions.rows[0].eye.setChecked(False)
    plain = colour()
    assert tinted != plain and len(window.studio.job.inputs.regions) == 1
    window.regions.rows[0].eye.setChecked(True)
    assert colour() == tinted
    window.actions_table["show_masks"].setChecked(False)
    assert colour() == plain


def test_an_empty_region_is_said_before_the_run(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    assert "Region 1 is empty" in window.running.missing()
    stroke(window, (0.5, 0.5))
    assert window.running.missing() == ""


def test_only_techniques_that_take_regions_show_them(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    stroke(window, (0.4, 0.4))
    dock = window.docks["regions"]
    window.studio.set_technique(FeatureInversion.command)
    assert dock.isHidden() and not window.actions_table["mask_brush"].isEnabled()
    assert window.canvas.tool() == "" and not window.canvas.masks.isVisible()
    window.studio.set_technique(DeepDream.command)
    assert not dock.isHidden()
    row = window.regions.rows[0]
    assert row.thumb.isHidden() and row.treatment.findData(OWN) < 0
    assert row.treatment.currentText() == "Dream here"
    window.studio.set_technique(Stylize.command)
    assert not row.thumb.isHidden()
    dock.close()
    window.studio.set_technique(FeatureInversion.command)
    window.studio.set_technique(Stylize.command)
    assert dock.isHidden(), "a person closed it"


def test_a_photo_of_another_shape_stretches_the_masks_and_one_undo_takes_both_back(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    brushed(window)
    stroke(window, (0.25, 0.5))
    job, before = window.studio.job, pixels(window)
    path = tmp_path / "tall.png"
    Image.new("RGB", (300, 900), (90, 120, 30)).save(path)
    window.input_pictures.take(window_content(), str(path))
    until(qtbot, lambda: path_of(window.studio.job.inputs.content) == str(path))
    mask = pixels(window)
    assert mask.shape == (1024, 341)
    assert np.array_equal(mask, Mask(before).resized(341, 1024).pixels)
    assert "stretched" in window.statusBar().currentMessage()
    window.actions_table["undo"].trigger()
    assert window.studio.job == job and np.array_equal(pixels(window), before)


def test_a_mask_that_is_gone_is_said_and_can_be_painted_anew(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    brushed(window)
    gone = str(tmp_path / "gone.png")
    with qtbot.waitSignal(window.regions_flow.failed) as told:
        window.studio.set_inputs("", regions=(Region(gone),))
    assert "gone.png" in told.args[0]
    assert "gone.png" in window.regions.rows[0].title.toolTip()
    stroke(window, (0.5, 0.5))
    assert pixels(window).any() and window.regions_flow.path(0) != gone
    window.actions_table["undo"].trigger()
    assert window.regions_flow.path(0) == gone


def test_a_mask_of_another_program_is_shown_as_a_run_takes_it(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    photo = window.regions_flow.photo()
    assert photo is not None
    layer = np.zeros((photo.height, photo.width, 4), np.uint8)  # paint of one colour, a layer
    layer[:, : photo.width // 2] = (0, 0, 80, 255)
    Image.fromarray(layer).save(tmp_path / "layer.png")
    window.studio.set_inputs("", regions=(Region(str(tmp_path / "layer.png")),))
    until(qtbot, lambda: window.regions_flow.mask(0) is not None)
    mask = pixels(window, 0)
    half = mask.shape[1] // 2
    assert (mask[:, : half - 4] == 255).all() and not mask[:, half + 4 :].any()


def test_a_stroke_that_cannot_be_kept_is_said_and_costs_nothing_else(
    window: MainWindow, qtbot: QtBot
) -> None:
    brushed(window)
    stroke(window, (0.3, 0.3))
    before, regions = pixels(window), window.regions_flow.regions
    folder = session.data_folder() / "masks"
    folder.rename(folder.with_name("moved"))
    folder.write_text("in the way")
    with qtbot.waitSignal(window.regions_flow.failed) as told:
        stroke(window, (0.7, 0.7))
    assert "masks" in told.args[0]
    assert np.array_equal(pixels(window), before) and window.regions_flow.regions == regions
    folder.unlink()
    folder.with_name("moved").rename(folder)
    stroke(window, (0.7, 0.7))
    assert not np.array_equal(pixels(window), before)


def test_two_regions_with_one_file_are_painted_apart(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    stroke(window, (0.3, 0.3))
    region, before = window.regions_flow.regions[0], pixels(window)
    window.studio.set_inputs("", regions=(region, region))
    window.regions.chosen.emit(1)
    stroke(window, (0.7, 0.7))
    assert np.array_equal(pixels(window, 0), before)
    assert not np.array_equal(pixels(window, 1), before)


def test_a_kept_region_gets_its_style_back(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    window.regions_flow.set_style(0, MOSAIC)
    until(qtbot, lambda: window.regions_flow.regions[0].style is not None)
    row = window.regions.rows[0]
    for kind in (KEPT, OWN):
        row.treatment.activated.emit(row.treatment.findData(kind))
        assert window.regions_flow.regions[0].kept == (kind == KEPT)
    assert path_of(window.regions_flow.regions[0].style) == MOSAIC


def test_a_region_may_have_another_of_the_networks_own_styles(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    brushed(window)
    window.studio.set_technique(Stylize.command)
    row = window.regions.rows[0]
    assert row.treatment.findData(NETWORK) < 0
    window.studio.set_setting("style_network", "many.safetensors")
    at = row.treatment.findData(NETWORK)
    monkeypatch.setattr(QInputDialog, "exec", lambda self: self.setTextValue(" udnie:2,3 ") or 1)
    row.treatment.activated.emit(at)
    (region,) = window.regions_flow.regions
    assert region.network_style == "udnie:2,3" and row.treatment.currentData() == NETWORK
    row.treatment.activated.emit(row.treatment.findData(USUAL))
    assert window.regions_flow.regions[0].network_style == ""


def test_the_queue_keeps_the_masks_of_its_jobs(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    stroke(window, (0.5, 0.5))
    queued = window.regions_flow.path(0)
    window.queue.hold(True)
    window.queue_flow.add_job()
    until(qtbot, lambda: not window.background.busy)
    stroke(window, (0.7, 0.7))
    stroke(window, (0.2, 0.7))
    now = window.regions_flow.path(0)
    closed(qtbot, window)
    left = {str(file) for file in (session.data_folder() / "masks").iterdir()}
    assert left == {queued, now}


# -- masks from elsewhere ---------------------------------------------------------------------


def test_a_picture_becomes_a_mask(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not window.actions_table["mask_from_picture"].isEnabled()
    brushed(window)
    QTest.keyClick(window.canvas, Qt.Key.Key_Escape)
    assert not window.actions_table["mask_fill"].isEnabled(), "its key is others' now"
    shape = pixels(window).shape
    ramp = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (100, 1))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    answer = str(tmp_path / "ramp.png"), ""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: answer))
    window.actions_table["mask_from_picture"].trigger()
    until(qtbot, lambda: pixels(window).any())
    mask = pixels(window)
    assert mask.shape == shape
    assert mask[shape[0] // 2] == pytest.approx(np.linspace(0, 255, shape[1]), abs=3)
    window.actions_table["undo"].trigger()
    assert not pixels(window).any()


def test_the_photos_transparency_becomes_a_mask(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    brushed(window)
    with qtbot.waitSignal(window.mask_sources.failed) as told:
        window.actions_table["mask_from_alpha"].trigger()
    assert "cat.jpg has no transparent parts" in told.args[0]
    rgba = np.zeros((60, 90, 4), np.uint8)
    rgba[:, :45] = (200, 10, 10, 255)
    rgba[:, 45:] = (0, 0, 0, 64)
    Image.fromarray(rgba).save(tmp_path / "half.png")
    window.input_pictures.take(window_content(), str(tmp_path / "half.png"))
    until(qtbot, lambda: pixels(window).shape == (683, 1024))
    window.actions_table["mask_from_alpha"].trigger()
    until(qtbot, lambda: pixels(window).any())
    mask = pixels(window)
    assert (mask[:, :500] == 255).all() and (mask[:, 524:] == 64).all()


def test_the_cut_out_object_becomes_a_mask(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    window.actions_table["mask_from_cut_out"].trigger()
    dialog = window.findChild(CutOutDialog)
    assert dialog is not None
    until(qtbot, lambda: dialog.selection is not None and not dialog.busy)
    selection = dialog.selection
    assert selection is not None
    share = float(selection.mask.mean())
    qtbot.mouseClick(dialog.use, Qt.MouseButton.LeftButton)
    mask = pixels(window)
    assert set(np.unique(mask)) == {0, 255}
    assert mask.mean() / 255 == pytest.approx(share, abs=0.02)
    assert window.studio.undo_stack.undoText() == "Mask from the cut-out object"


def test_grad_cam_above_a_threshold_becomes_a_mask(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    window.actions_table["mask_from_grad_cam"].trigger()
    dialog = window.findChild(GradCamMaskDialog)
    assert dialog is not None
    shares = []
    for threshold in (80, 20):
        dialog.threshold.setValue(threshold)
        until(qtbot, lambda: dialog.use.isEnabled() and not dialog.busy)
        assert dialog._mask is not None
        shares.append(float(dialog._mask.pixels.mean()) / 255)
    assert 0 < shares[0] < shares[1] < 1
    qtbot.mouseClick(dialog.use, Qt.MouseButton.LeftButton)
    assert pixels(window).mean() / 255 == pytest.approx(shares[1], abs=0.01)


# -- what lasts -------------------------------------------------------------------------------


def painted_by_hand(window: MainWindow, qtbot: QtBot) -> list[Bytes]:
    """Two regions: one with a style, hidden; one kept."""
    brushed(window, hardness=30)
    stroke(window, (0.2, 0.2), (0.8, 0.2))
    window.regions_flow.set_style(0, MOSAIC)
    until(qtbot, lambda: window.regions_flow.regions[0].style is not None)
    brushed(window)
    stroke(window, (0.5, 0.8))
    window.regions.treated.emit(1, KEPT)
    window.regions.rows[0].eye.setChecked(False)
    return [pixels(window, 0), pixels(window, 1)]


def test_a_project_brings_masks_order_and_visibility_back(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    masks = painted_by_hand(window, qtbot)
    colours = [window.regions_flow.look(n).colour for n in (0, 1)]
    path = saved(window, qtbot, tmp_path / "sky.pareidolia")
    for file in (session.data_folder() / "masks").iterdir():
        file.unlink()
    window.project.new()
    until(qtbot, lambda: window.project.path is None)
    assert not window.regions_flow.regions
    opened(window, qtbot, path)
    flow = window.regions_flow
    until(qtbot, lambda: len(flow.regions) == 2 and all(flow.mask(n) is not None for n in (0, 1)))
    for n in (0, 1):
        assert np.array_equal(pixels(window, n), masks[n])
    assert [r.kept for r in flow.regions] == [False, True]
    style = open_picture(str(path_of(flow.regions[0].style)))
    assert style.sha256 == open_picture(MOSAIC).sha256
    assert [flow.look(n).visible for n in (0, 1)] == [False, True]
    assert [flow.look(n).colour for n in (0, 1)] == colours
    assert not window.isWindowModified()
    # It can be painted on, and undone to what was opened.
    window.regions.chosen.emit(0)
    window.actions_table["mask_brush"].setChecked(True)
    stroke(window, (0.9, 0.9))
    assert not np.array_equal(pixels(window, 0), masks[0])
    assert flow.look(0).colour == colours[0]
    window.actions_table["undo"].trigger()
    until(qtbot, lambda: flow.mask(0) is not None)
    assert np.array_equal(pixels(window, 0), masks[0])


def test_the_next_start_has_the_last_regions(window: MainWindow, qtbot: QtBot) -> None:
    masks = painted_by_hand(window, qtbot)
    job = window.studio.job
    closed(qtbot, window)
    left = {str(file) for file in (session.data_folder() / "masks").iterdir()}
    assert left == {path_of(region.mask) for region in job.inputs.regions}, "no steps on the way"
    other = opened_window(qtbot, session.load())
    try:
        assert other.studio.job.inputs.regions == job.inputs.regions
        until(qtbot, lambda: other.regions_flow.mask(1) is not None)
        assert np.array_equal(pixels(other, 1), masks[1])
    finally:
        closed(qtbot, other)


KILLED = """
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
while window.regions_flow.photo() is None or window.canvas.picture() is None:
    QApplication.processEvents()
window.regions.add.click()
middle = window.canvas.viewport().rect().center()
QTest.mousePress(window.canvas.viewport(), Qt.MouseButton.LeftButton, pos=middle)
QTest.mouseMove(window.canvas.viewport(), middle + QPoint(40, 5))
QTest.mouseRelease(window.canvas.viewport(), Qt.MouseButton.LeftButton, pos=middle + QPoint(40, 5))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
def test_a_killed_window_loses_no_stroke(own_folders: Path, qtbot: QtBot) -> None:
    session.save(Session(quick_job()))

    def kept() -> ProjectFolder | None:
        for file in (session.data_folder() / "recovery").glob("*/project.json"):
            folder = ProjectFolder(file.parent)
            found = folder.read()
            if found.job is not None and found.job["inputs"].get("regions"):
                return folder
        return None

    with started(own_folders, KILLED) as process:
        until_there(kept)
        process.kill()
        process.communicate()
    written = [
        file for file in (session.data_folder() / "masks").iterdir() if "-0000" not in file.name
    ]
    assert len(written) == 1
    with Image.open(written[0]) as image:
        mask = np.asarray(image).copy()
    assert mask.max() == 255
    other = opened_window(qtbot, session.load())
    try:
        press(dialog_of(other, qtbot), qtbot, "Restore")
        until(qtbot, lambda: other.regions_flow.mask(0) is not None)
        assert np.array_equal(pixels(other, 0), mask)
        settled(other, qtbot)
    finally:
        closed(qtbot, other)


def test_a_run_takes_the_regions_and_its_variant_remembers_them(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.regions.add.click()
    window.mask_brush.hardness_editor.set_value(100)
    ramp = Mask.blank(*window.regions_flow.size() or (1, 1))
    ramp.pixels[:, : ramp.pixels.shape[1] // 2] = 255
    assert window.regions_flow.keep("half", 0, ramp)
    window.regions.treated.emit(0, KEPT)
    regions = window.regions_flow.regions
    window.running.start()
    until_idle(qtbot, window)
    result = window.running.result
    assert result is not None, window.running.bar.eta.text()
    made = result.picture.rgb
    photo = open_picture(CAT).resized(long_side=64).rgb
    quarter = made.shape[1] // 4
    left = np.abs(made[:, :quarter] - photo[:, :quarter]).mean()
    right = np.abs(made[:, -quarter:] - photo[:, -quarter:]).mean()
    assert left < 0.01 < right, "kept on the left, painted on the right"
    window.actions_table["mask_clear"].trigger()
    entry = window.variants.entries[-1]
    assert [path_of(r.mask) for r in entry.job.inputs.regions] == [path_of(r.mask) for r in regions]
    assert Path(str(path_of(regions[0].mask))).exists()


def test_regions_that_are_changed_during_a_run_are_the_next_runs(
    window: MainWindow, qtbot: QtBot
) -> None:
    brushed(window)
    assert not window.docks["regions"].visibleRegion().isEmpty(), "its tab is in front"
    stroke(window, (0.5, 0.5))
    window.studio.set_setting("iterations", 100_000)
    window.running.start()
    until(qtbot, lambda: window.controller.pace.iteration > 1)
    with qtbot.waitSignal(window.running.said) as told:
        stroke(window, (0.2, 0.2))
    assert told.args == ["The next run will use the new regions."]
    assert window.canvas.masks.isVisible(), "it is painted over the run's pictures"
    window.controller.stop()
    until_idle(qtbot, window)


def test_a_preset_says_nothing_of_regions(window: MainWindow, qtbot: QtBot) -> None:
    brushed(window)
    stroke(window, (0.5, 0.5))
    regions = window.regions_flow.regions
    window.options.apply_preset(next(iter(window.options.all_presets())))
    assert window.regions_flow.regions == regions


def test_stylization_in_one_pass_answers_to_a_finished_stroke(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.studio.set_technique(Stylize.command)
    window.studio.set_inputs("", styles=((STROKES, 1.0),))
    window.studio.set_setting("size", 64)
    window.follow.switch(True)
    until(qtbot, lambda: not window.follow.busy)
    asked: list[Any] = []
    take = window.follow._latest.ask
    window.follow._latest.ask = lambda work: (asked.append(work), take(work))  # type: ignore[method-assign]
    brushed(window)
    stroke(window, (0.5, 0.5))
    until(qtbot, lambda: asked and not window.follow.busy)
    job = asked[-1].args[1]
    assert [path_of(r.mask) for r in job.inputs.regions] == [window.regions_flow.path(0)]


def test_every_action_of_the_menu_has_a_letter_of_its_own(window: MainWindow) -> None:
    texts = [spec.text for spec in TABLE if spec.menu == REGIONS and spec.name]
    letters = [text[text.index("&") + 1].lower() for text in texts]
    assert len(letters) == 16 == len(set(letters))


def test_over_a_result_masks_are_faint(window: MainWindow, qtbot: QtBot) -> None:
    """The colours of a result matter; the soft edge is still to be seen."""
    brushed(window)
    stroke(window, (0.3, 0.5), (0.6, 0.5))
    over_photo = [each.opacity for each in window.canvas.masks._masks]
    window.running.start()
    until_idle(qtbot, window)
    assert window.canvas_content.current is not None
    assert window.canvas_content.current.kind != "content"
    over_result = [each.opacity for each in window.canvas.masks._masks]
    assert len(over_photo) == len(over_result) == 1
    assert over_result[0] < over_photo[0] / 2
