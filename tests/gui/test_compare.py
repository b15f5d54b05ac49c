"""Methods beside each other: the figure, its raw values, bad classes, cancel."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from engine.image import open_picture
from gui.dialogs.compare import CompareDialog
from gui.main_window import MainWindow
from tests.gui.stories import until


def opened(window: MainWindow) -> CompareDialog:
    dialog = window.dialogs.compare_dialog()
    assert isinstance(dialog, CompareDialog)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    dialog.show()
    return dialog


def choose(dialog: CompareDialog, *methods: str) -> None:
    for name, box in dialog.choices.boxes.items():
        box.setChecked(name in methods)


def test_methods_and_classes_make_a_grid_that_can_be_exported(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = opened(window)
    choose(dialog, "gradient", "guided backprop", "Grad-CAM", "CAM")
    dialog.choices.classes.setText("pizza, dalmatian")
    qtbot.mouseClick(dialog.go, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: dialog.result_shown is not None)
    assert dialog.view.has_image()
    shown = dialog.result_shown
    assert shown is not None
    names = {key.partition(" - ")[2].casefold() for key in shown.values}
    assert names == {"pizza", "dalmatian"}
    dialog.write(tmp_path / "figure.png")
    dialog.write_raw(tmp_path / "values.npz")
    until(qtbot, lambda: not window.background.busy)
    assert open_picture(tmp_path / "figure.png").width == shown.figure.width
    raw = np.load(tmp_path / "values.npz")
    assert set(raw.files) == set(shown.values)
    gradients = [raw[k] for k in raw.files if k.startswith("gradient")]
    assert len(gradients) == 2
    assert not np.array_equal(*gradients), "each class has its own map"
    dialog.close()


def test_every_layer_and_class_is_a_column(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    choose(dialog, "Grad-CAM")
    dialog.choices.classes.setText("pizza, dalmatian")
    wanted = {"relu3_3", "relu4_2"}
    for row in range(dialog.choices.layers.count()):
        item = dialog.choices.layers.item(row)
        if item.data(Qt.ItemDataRole.UserRole) in wanted:
            item.setCheckState(Qt.CheckState.Checked)
            wanted.discard(item.data(Qt.ItemDataRole.UserRole))
    dialog.start()
    until(qtbot, lambda: dialog.result_shown is not None)
    shown = dialog.result_shown
    assert shown is not None
    names = sorted(key.removeprefix("Grad-CAM - ").casefold() for key in shown.values)
    assert names == [
        "dalmatian - relu3_3", "dalmatian - relu4_2", "pizza - relu3_3", "pizza - relu4_2",
    ]  # fmt: skip
    assert len({values.tobytes() for values in shown.values.values()}) == 4
    dialog.close()


def test_the_figure_can_show_photo_and_colours_without_changing_the_values(
    window: MainWindow, qtbot: QtBot
) -> None:
    dialog = opened(window)
    choose(dialog, "guided backprop", "Grad-CAM")
    dialog.choices.classes.setText("pizza")
    figures, values = [], []
    for on in (False, True):
        dialog.choices.over.setChecked(on)
        dialog.choices.own_colours.setChecked(on)
        dialog.result_shown = None
        dialog.start()
        until(qtbot, lambda: dialog.result_shown is not None)
        assert dialog.result_shown is not None
        figures.append(dialog.result_shown.figure.rgb)
        values.append(dialog.result_shown.values)
    assert figures[0].shape == figures[1].shape
    assert np.abs(figures[0] - figures[1]).max() > 0.3
    for name, raw in values[0].items():
        np.testing.assert_array_equal(raw, values[1][name])
    dialog.close()


def test_occlusion_comes_with_its_companions_when_asked(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    choose(dialog)
    assert not dialog.choices.companions.isEnabled()
    choose(dialog, "occlusion")
    dialog.choices.classes.setText("pizza")
    dialog.choices.companions.setChecked(True)
    dialog.start()
    until(qtbot, lambda: dialog.result_shown is not None)
    assert dialog.result_shown is not None
    values = dialog.result_shown.values
    assert len(values) == 3
    maps = {name.split(" - ")[0]: raw for name, raw in values.items()}
    drop, probability, label = (
        next(raw for name, raw in maps.items() if word in name)
        for word in ("occlusion", "probability", "most likely")
    )
    assert probability.shape == label.shape < drop.shape
    assert 0 <= probability.min() <= probability.max() <= 1
    assert set(label.ravel()) <= set(range(101))
    dialog.close()


def test_too_many_columns_are_refused(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    for row in range(13):
        dialog.choices.layers.item(row).setCheckState(Qt.CheckState.Checked)
    dialog.choices.classes.setText("pizza")
    dialog.start()
    until(qtbot, lambda: "13 columns" in dialog.said.text())
    dialog.close()


def test_a_class_that_is_none_is_said(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    dialog.choices.classes.setText("unicorn")
    dialog.start()
    until(qtbot, lambda: "unicorn" in dialog.said.text())
    assert dialog.go.isEnabled()
    choose(dialog)
    dialog.start()
    assert "method" in dialog.said.text()
    dialog.close()


def test_cancel_ends_the_work(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    choose(dialog, "occlusion")
    dialog.start()
    until(qtbot, lambda: dialog.progress.maximum() == 3)
    qtbot.mouseClick(dialog.stop, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: not window.background.busy)
    assert dialog.result_shown is None
    assert dialog.go.isEnabled()
    assert dialog.said.text() == "Cancelled."
    dialog.close()


def test_the_dialog_fits_a_low_screen_also_while_it_works(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    dialog.resize(900, 500)
    choose(dialog, "occlusion")
    dialog.start()
    until(qtbot, lambda: dialog.stop.isVisible())
    assert (dialog.width(), dialog.height()) == (900, 500)
    inner = dialog.choices.one_scale.parentWidget()
    assert dialog.choices.one_scale.sizeHint().width() <= inner.width(), "no words are cut off"
    dialog.cancel()
    until(qtbot, lambda: not window.background.busy)
    dialog.close()


def test_without_classes_there_is_nothing_to_compare(window: MainWindow) -> None:
    window.studio.set_technique("class-visualization")
    assert window.canvas_content.current is None
    assert window.dialogs.compare_dialog() is None


def test_the_sanity_check_randomises_from_the_top_down(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    choose(dialog, "gradient", "guided backprop")
    qtbot.mouseClick(dialog.check, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: dialog.result_shown is not None)
    shown = dialog.result_shown
    assert shown is not None
    names = [key for key in shown.values if key.startswith("gradient - ")]
    assert names[0] == "gradient - trained"
    assert len(names) == 6
    assert not np.array_equal(shown.values[names[0]], shown.values[names[1]])
    network = window.networks.get("slim_vgg")
    assert float(next(network.module.parameters()).std()) > 0, "the network itself is untouched"
    dialog.close()


def test_it_asks_what_the_window_asks(window: MainWindow, qtbot: QtBot) -> None:
    window.live_maps.choose_class(7)
    window.live_maps.select_layer("relu3_3")
    dialog = opened(window)
    name = window.networks.get("slim_vgg").classes[7]
    order = dialog.choices.query(dialog._image).request
    assert order.classes == (name,)
    assert order.layers == ("relu3_3",)
    dialog.choices.classes.clear()
    qtbot.keyClicks(dialog.choices.classes, "pizza, dalm")
    completer = dialog.choices.classes.completer()
    assert completer.currentCompletion() == "pizza, dalmatian"
    dialog.close()


def test_a_file_is_written_though_the_dialog_has_gone(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = opened(window)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    choose(dialog, "gradient")
    dialog.choices.classes.setText("pizza")
    dialog.start()
    until(qtbot, lambda: dialog.result_shown is not None)
    dialog.write(tmp_path / "figure.png")
    dialog.write_raw(tmp_path / "missing" / "values.npz")  # fails: said to nobody, but no error
    dialog.close()
    qtbot.wait(20)
    assert not isValid(dialog)
    until(qtbot, lambda: not window.background.busy)
    assert open_picture(tmp_path / "figure.png").width > 100


def tick(dialog: CompareDialog, *layers: str) -> None:
    for layer in layers:
        dialog.choices.tick_layer(layer)


def compared(qtbot: QtBot, dialog: CompareDialog) -> set[str]:
    dialog.result_shown = None
    dialog.start()
    until(qtbot, lambda: dialog.result_shown is not None)
    assert dialog.result_shown is not None
    return {key.casefold() for key in dialog.result_shown.values}


def test_only_maps_of_a_layer_are_named_after_it(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    choose(dialog, "gradient", "Grad-CAM")
    dialog.choices.classes.setText("pizza, dalmatian")
    tick(dialog, "relu3_3", "relu4_2")
    assert compared(qtbot, dialog) == {
        "gradient - pizza", "gradient - dalmatian", "grad-cam - pizza - relu3_3",
        "grad-cam - pizza - relu4_2", "grad-cam - dalmatian - relu3_3",
        "grad-cam - dalmatian - relu4_2",
    }  # fmt: skip
    dialog.choices.classes.setText("pizza")
    assert compared(qtbot, dialog) == {
        "gradient - pizza", "grad-cam - relu3_3", "grad-cam - relu4_2",
    }  # fmt: skip
    dialog.close()


def test_what_an_empty_field_takes_can_be_read(window: MainWindow) -> None:
    dialog = opened(window)
    for field in (dialog.choices.classes, dialog.choices.units):
        words = field.fontMetrics().horizontalAdvance(field.placeholderText())
        assert words + 8 <= field.width(), field.placeholderText()
    dialog.close()


def test_layers_are_found_by_words(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    layers = dialog.choices.layers
    tick(dialog, "relu1_1")

    def seen() -> list[str]:
        items = [layers.item(row) for row in range(layers.count())]
        return [item.text() for item in items if not item.isHidden()]

    all_of_them = seen()
    qtbot.keyClicks(dialog.choices.search, "RELU 4_")
    found = ["relu4_1", "relu4_2", "relu4_3", "relu4_4"]
    assert seen() == ["relu1_1", *found], "what is ticked stays in sight"
    dialog.choices.search.clear()
    assert seen() == all_of_them
    dialog.close()


def test_an_empty_figure_says_what_to_do_until_there_is_one(
    window: MainWindow, qtbot: QtBot
) -> None:
    dialog = opened(window)
    dialog.resize(900, 500)
    assert "press Compare" in dialog.view.accessibleDescription()
    hinted = dialog.view.grab().toImage()
    dialog.view.set_hint("")
    assert dialog.view.grab().toImage() != hinted
    dialog.close()


def test_a_figure_of_another_size_is_seen_whole(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window)
    choose(dialog, "gradient")
    dialog.choices.classes.setText("pizza")
    compared(qtbot, dialog)
    first = dialog.view.logical_size()
    dialog.view.actual_size()
    dialog.result_shown = None
    dialog.start_check()
    until(qtbot, lambda: dialog.result_shown is not None)
    assert dialog.view.logical_size() != first
    assert dialog.view.fitted()
    dialog.close()


def test_the_figure_of_an_order_before_is_told_from_that_of_the_last(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog = opened(window)
    assert not dialog.older.isVisible()
    choose(dialog, "gradient")
    dialog.choices.classes.setText("pizza")
    compared(qtbot, dialog)
    assert not dialog.older.isVisible()
    dialog.choices.classes.setText("unicorn")
    dialog.start()
    until(qtbot, lambda: "unicorn" in dialog.said.text())
    assert dialog.older.isVisible()
    dialog.write(tmp_path / "figure.png")
    until(qtbot, lambda: "figure.png, which was made with earlier choices" in dialog.said.text())
    dialog.choices.classes.setText("pizza")
    compared(qtbot, dialog)
    assert not dialog.older.isVisible()
    dialog.write(tmp_path / "figure.png")
    until(qtbot, lambda: dialog.said.text() == "Saved figure.png")
    choose(dialog)
    dialog.start()
    assert dialog.older.isVisible(), "an order without methods"
    choose(dialog, "occlusion")
    dialog.start()
    dialog.cancel()
    assert dialog.older.isVisible(), "a cancelled one"
    until(qtbot, lambda: not window.background.busy)
    dialog.close()


def test_a_figure_is_marked_as_soon_as_something_else_is_chosen(
    window: MainWindow, qtbot: QtBot
) -> None:
    dialog = opened(window)
    choose(dialog, "gradient")
    compared(qtbot, dialog)
    choices = dialog.choices
    changes: list[Callable[[], object]] = [
        lambda: qtbot.keyClicks(choices.classes, "p"),
        lambda: qtbot.keyClicks(choices.units, "r"),
        lambda: choices.boxes["occlusion"].click(),
        lambda: qtbot.keyClick(choices.colours, Qt.Key.Key_Down),
        lambda: choices.over.click(),
        lambda: choices.layers.item(0).setCheckState(Qt.CheckState.Checked),
    ]
    for change in changes:
        dialog._stale = False
        dialog._show_state()
        change()
        assert dialog.older.isVisible()
    choose(dialog, "gradient")
    choices.units.clear()
    choices.classes.setText("pizza")
    dialog.start()
    qtbot.keyClicks(choices.classes, ", unicorn")  # while it is being made
    until(qtbot, lambda: not dialog.busy)
    assert dialog.older.isVisible()
    dialog.close()


def test_it_opens_within_the_window(window: MainWindow) -> None:
    window.resize(700, 600)
    dialog = opened(window)
    assert dialog.width() <= window.width()
    assert dialog.height() <= window.height() == 600
    dialog.close()
