"""Palette, drops, messages, full screen and large text: what a person meets all over the window."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPalette
from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import (
    QApplication,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QToolBar,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from engine.settings import describe
from engine.techniques import TECHNIQUES
from gui import theme
from gui.dialogs.commands import CommandPalette
from gui.dialogs.completers import SeveralCompleter
from gui.flow import status
from gui.flow.dialogs import commands_in
from gui.flow.dropped_files import belongings
from gui.main_window import MainWindow
from gui.panels.class_box import ClassBox
from gui.panels.input_slot import InputKey
from gui.panels.target import TargetRows
from gui.panels.text_editors import PickEditor
from gui.session import path_of
from tests.gui.stories import CAT, MOSAIC, STROKES, until

# -- commands --------------------------------------------------------------------------------------


@pytest.fixture
def palette(window: MainWindow, qtbot: QtBot) -> Iterator[CommandPalette]:
    made = CommandPalette(commands_in(window), window)
    made.show()
    yield made
    made.close()
    made.deleteLater()


def listed(palette: CommandPalette) -> list[str]:
    return [palette.list.item(i).text() for i in range(palette.list.count())]


def test_letters_and_arrows_go_to_the_palette_at_once(
    palette: CommandPalette, qtbot: QtBot
) -> None:
    assert palette.focusWidget() is palette.line
    qtbot.keyClicks(palette.focusWidget(), "save p")
    assert all("save" in text.lower() for text in listed(palette))
    palette.line.clear()
    first = palette.list.currentRow()
    qtbot.keyClick(palette.focusWidget(), Qt.Key.Key_Down)
    assert palette.list.currentRow() > first
    qtbot.keyClick(palette.focusWidget(), Qt.Key.Key_Up)
    assert palette.list.currentRow() == first


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("style weight", "Setting: "),
        ("langevin", "Technique: Langevin sampling"),
        ("relu3_1", "Layer: relu3_1"),
        ("fast preview", "Preset: Fast preview"),
        ("slim", "Network: slim_vgg"),
        ("export", "Save picture"),
        ("l-bfgs", "Setting: "),
    ],
)
def test_everything_is_found(palette: CommandPalette, typed: str, found: str) -> None:
    palette.line.setText(typed)
    assert any(text.startswith(found) for text in listed(palette)), listed(palette)


def test_what_is_not_there_is_said_and_what_cannot_be_done_is_not_taken(
    palette: CommandPalette, qtbot: QtBot
) -> None:
    palette.line.setText("nonsense xyz")
    assert listed(palette) == ["No command matches “nonsense xyz”."]
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert palette.chosen is None and palette.isVisible()
    palette.line.setText("save figure")
    assert "not available now" in listed(palette)[0]
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    assert palette.chosen is None


def test_a_setting_and_a_layer_that_are_taken_are_shown(
    window: MainWindow, palette: CommandPalette, qtbot: QtBot
) -> None:
    palette.line.setText("relu3_1")
    palette._take()
    assert palette.chosen is not None
    palette.chosen.act()
    assert window.tree.tree.currentIndex().data() == "relu3_1"
    window.form.set_folded(["Weights"])
    window.ask_for_setting("style_weight")
    editor = window.form.editor("style_weight")
    assert editor.isVisibleTo(window.form)


# -- drops -----------------------------------------------------------------------------------------


def content(window: MainWindow) -> str | None:
    return path_of(window.studio.job.inputs.content)


@pytest.fixture
def problems(window: MainWindow) -> list[str]:
    said: list[str] = []
    window.input_pictures.problem.connect(said.append)
    return said


@pytest.mark.parametrize("name", ["notes.txt", "broken.png", "noending"])
def test_what_is_no_picture_is_refused_and_the_photo_stays(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, problems: list[str], name: str
) -> None:
    before = window.studio.job.inputs
    path = tmp_path / name
    path.write_text("no picture")
    for drop in (
        window.input_pictures.drop,
        lambda p: window.input_pictures.drop_at(InputKey("style"), p),
    ):
        problems.clear()
        drop([str(path)])
        until(qtbot, lambda: problems)
        assert name in problems[0]
    until(qtbot, lambda: not window.background.busy)
    assert window.studio.job.inputs == before
    assert (
        window.canvas_content.current is not None
        and window.canvas_content.current.kind == "content"
    )


def test_each_of_several_goes_where_it_belongs(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, problems: list[str]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    weights = tmp_path / "own.pth"
    weights.write_bytes(b"")
    asked: list[str] = []
    window.input_pictures.weights_dropped.disconnect()
    window.input_pictures.weights_dropped.connect(asked.append)
    paths = [tmp_path / "photos", MOSAIC, weights, tmp_path / "notes.txt", STROKES]
    window.input_pictures.drop([str(path) for path in paths])
    until(qtbot, lambda: content(window) == MOSAIC)
    until(qtbot, lambda: len(window.studio.job.inputs.styles) == 2)
    assert path_of(window.studio.job.inputs.styles[1][0]) == STROKES
    assert asked == [str(weights)]
    assert window.inspection.folder.path == tmp_path / "photos"
    assert len(problems) == 1 and problems[0].startswith("notes.txt ")


def test_one_picture_too_many_and_a_folder_for_a_setting(tmp_path: Path) -> None:
    folder = tmp_path / "pizza"
    folder.mkdir()
    dream = TECHNIQUES["deep-dream"]()
    found = belongings([CAT, MOSAIC, str(folder), "a.json", "b.json"], dream, 1)
    assert (found.pictures, found.folder, found.project) == ([CAT], str(folder), "a.json")
    assert [text.split()[0] for text in found.refused] == ["mosaic.jpg", "b.json"]
    assert "DeepDream" in found.refused[0]


def test_a_folder_is_the_technique_s_where_it_needs_one(window: MainWindow, tmp_path: Path) -> None:
    window.studio.set_technique("multifaceted")
    window.input_pictures.drop([str(tmp_path)])
    assert window.studio.technique.folder == str(tmp_path)  # type: ignore[attr-defined]


# -- messages --------------------------------------------------------------------------------------


def test_a_problem_goes_with_its_cause(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bar = window.statusBar()
    monkeypatch.setattr(status, "MESSAGE_MS", 150)
    window.status.warn("That cannot be read.")
    qtbot.wait(250)
    assert bar.currentMessage() == "That cannot be read."  # nothing was done about it
    window.studio.set_setting("iterations", 7)
    assert bar.currentMessage() == ""
    window.status.warn("That cannot be read either.")
    window.studio.set_setting("iterations", 8)
    assert bar.currentMessage() != ""  # time to read it
    qtbot.waitUntil(lambda: bar.currentMessage() == "", timeout=5000)


# -- full screen, large text, links ----------------------------------------------------------------


def test_full_screen_is_the_picture_alone_and_escape_leaves(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.activateWindow()
    window.docks["log"].hide()
    parts: list[QWidget] = [window.menuBar(), window.statusBar(), window.run_bar]
    parts += [*window.findChildren(QToolBar), window.docks["settings"], window.docks["timeline"]]
    window.actions_table["full_screen"].setChecked(True)
    assert window.isFullScreen()
    assert not any(part.isVisible() for part in parts)
    until(qtbot, lambda: window.canvas.width() >= window.width() - 4)
    qtbot.keyClick(window.canvas, Qt.Key.Key_Escape)
    until(qtbot, lambda: not window.isFullScreen())
    assert all(not part.isHidden() for part in parts)
    assert window.docks["log"].isHidden()
    assert not window.actions_table["full_screen"].isChecked()
    window.actions_table["full_screen"].setChecked(True)
    window.remember()  # as at the end: the next start is no picture alone
    assert not window.isFullScreen()


def test_large_text_is_larger_and_goes_back(
    window: MainWindow, qtbot: QtBot, qapp: QApplication
) -> None:
    usual = qapp.font().pointSizeF()
    try:
        window.actions_table["presentation"].setChecked(True)
        assert qapp.font().pointSizeF() == pytest.approx(1.6 * usual)
        until(qtbot, lambda: window.form.font().pointSizeF() > 1.5 * usual)
        window.resize(1280, 720)
        qtbot.wait(50)
        assert window.size() == QSize(1280, 720)  # all of it still fits the smallest screen
    finally:
        window.actions_table["presentation"].setChecked(False)
    assert qapp.font().pointSizeF() == pytest.approx(usual)


def luminance(colour: QColor) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (colour.redF(), colour.greenF(), colour.blueF())
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ["dark", "light"])
def test_links_stand_out_from_their_background(qapp: QApplication, name: str) -> None:
    try:
        theme.apply(qapp, name)
        role = QPalette.ColorRole
        colours = qapp.palette()
        link, back = (luminance(colours.color(r)) for r in (role.Link, role.Base))
        assert (max(link, back) + 0.05) / (min(link, back) + 0.05) >= 4.5  # WCAG 2.1, 1.4.3
    finally:
        theme.apply(qapp, "system")


# -- lists of suggestions --------------------------------------------------------------------------


def completed(kind: str, page: QWidget) -> QLineEdit:
    """A line of the window that suggests names with a "p" in them."""
    names = ["pizza", "panda"]
    form = QFormLayout(page)
    if kind == "classes to compare":
        line = QLineEdit()
        line.setCompleter(SeveralCompleter(names, line))
        form.addRow(line)
        return line
    if kind == "class of a setting":
        setting = describe(TECHNIQUES["class-visualization"]())["target"]
        editor = PickEditor(setting)
        editor.set_choices(names)
        form.addRow(editor)
        return editor.box
    box = ClassBox(page)
    rows = TargetRows(form, box)
    if kind == "unit":
        rows.set_classes(False)
        rows.set_layers(names)
        return rows.line
    box.set_classes(names)
    found = box.lineEdit()
    assert found is not None
    found.selectAll()
    return found


@pytest.mark.parametrize(
    "kind", ["classes to compare", "class of a setting", "class to look at", "unit"]
)
def test_a_click_on_a_button_beside_suggestions_needs_no_second_one(
    qtbot: QtBot, kind: str
) -> None:
    page = QWidget()
    qtbot.addWidget(page)
    column = QVBoxLayout(page)
    above = QWidget()
    column.addWidget(above)
    line, button = completed(kind, above), QPushButton("Compare")
    column.addStretch(1)
    column.addWidget(button)
    page.resize(300, 400)
    page.show()
    clicked = QSignalSpy(button.clicked)
    line.setFocus()
    qtbot.keyClicks(line, "p")
    popup = line.completer().popup()
    assert popup.isVisible()
    where = button.mapToGlobal(button.rect().center())
    inside = popup.mapFromGlobal(where)
    assert not popup.rect().contains(inside)
    event = QMouseEvent(
        QEvent.Type.MouseButtonPress, inside, where, Qt.MouseButton.LeftButton,
        Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(popup, event)
    assert not popup.isVisible()
    assert clicked.count() == 1


@pytest.mark.parametrize("by_keyboard", [False, True])
def test_another_technique_under_open_suggestions_leaves_nothing_behind(
    window: MainWindow, qtbot: QtBot, by_keyboard: bool
) -> None:
    for _ in range(3):
        window.studio.set_technique("class-visualization")
        before = window.studio.technique
        window.ask_for_setting("target")
        editor = window.form.editor("target")
        assert isinstance(editor, PickEditor)
        editor.box.selectAll()
        qtbot.keyClicks(editor.box, "p")
        popup = editor.box.completer().popup()
        assert popup.isVisible()
        gc.collect()
        if by_keyboard:
            qtbot.keyClick(popup, Qt.Key.Key_Down)
            qtbot.keyClick(popup, Qt.Key.Key_Escape)
            window.technique_box.setFocus()
            qtbot.keyClick(window.technique_box, Qt.Key.Key_Down)
            window.technique_box.activated.emit(window.technique_box.currentIndex())
        else:
            window.studio.set_technique("langevin")
        gc.collect()
        QApplication.processEvents()
        assert not popup.isVisible()
        assert window.studio.technique.command != before.command
    window.studio.set_technique("class-visualization")
    window.ask_for_setting("target")
    box = window.form.editor("target").focusProxy()
    assert isinstance(box, QLineEdit)
    box.selectAll()
    qtbot.keyClicks(box, "p")
    assert box.completer().popup().isVisible()  # and the window is closed under it
