"""F1 opens the guide where it explains the setting, method or panel in hand."""

from pathlib import Path

import pytest
import torch
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QImage, QTextBlock, QTextCursor, QTextDocument
from PySide6.QtWidgets import QApplication, QCheckBox, QWidget
from pytestqt.qtbot import QtBot

from engine import settings
from engine.attribution.registry import METHODS
from engine.finish import Finish
from engine.job import Job
from engine.techniques import TECHNIQUES
from gui.dialogs.help import HelpWindow
from gui.help import pages
from gui.main_window import MainWindow
from gui.run.film_frames import FilmFrames


def blocks(browser: QTextDocument) -> list[QTextBlock]:
    found, block = [], browser.begin()
    while block.isValid():
        found.append(block)
        block = block.next()
    return found


def anchors(document: QTextDocument) -> dict[str, QTextBlock]:
    """Return the named places of what is shown."""
    found = {}
    for block in blocks(document):
        fragments = block.begin()
        while not fragments.atEnd():
            for name in fragments.fragment().charFormat().anchorNames():
                found[name] = block
            fragments += 1
    return found


def top_of(help_window: HelpWindow, anchor: str) -> float:
    """Return how far below the view's upper edge a place is, in pixels."""
    browser = help_window.browser
    cursor = QTextCursor(anchors(browser.document())[anchor])
    return browser.cursorRect(cursor).top()


def pressed(qtbot: QtBot, window: MainWindow, widget: QWidget) -> HelpWindow:
    """Put the focus on a widget of the window and press F1 there."""
    window.activateWindow()
    widget.setFocus(Qt.FocusReason.OtherFocusReason)
    qtbot.waitUntil(lambda: QApplication.focusWidget() is not None)
    assert QApplication.focusWidget() in (widget, *widget.findChildren(QWidget))
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_F1)
    qtbot.waitUntil(lambda: window.help_flow.shown is not None)
    shown = window.help_flow.shown
    assert isinstance(shown, HelpWindow)
    QApplication.processEvents()
    return shown


def test_f1_on_a_setting_shows_its_page_scrolled_to_it(qtbot: QtBot, window: MainWindow) -> None:
    window.studio.set_technique("deep-dream")
    window.form.ask_for("rotation")
    shown = pressed(qtbot, window, window.form.editor("rotation"))
    assert shown.isVisible()
    assert shown.browser.source().toLocalFile().endswith("techniques/deep-dream.md")
    assert shown.browser.document().toPlainText().startswith("DeepDream")
    assert shown.browser.verticalScrollBar().value() > 0
    assert 0 <= top_of(shown, "setting-rotation") < shown.browser.viewport().height()
    row = anchors(shown.browser.document())["setting-rotation"]
    assert "Rotation" in row.text()


def test_a_setting_of_the_finish_is_explained_on_its_own_page(
    qtbot: QtBot, window: MainWindow
) -> None:
    window.form.ask_for("recolour")
    shown = pressed(qtbot, window, window.form.editor("recolour"))
    assert shown.browser.source().toLocalFile().endswith("techniques/finish.md")
    assert "setting-recolour" in anchors(shown.browser.document())


def test_f1_on_a_map_explains_its_method(qtbot: QtBot, window: MainWindow) -> None:
    window.docks["sight"].raise_()
    QApplication.processEvents()
    group = window.live_maps.saliency
    group.setChecked(True)
    group.method.setCurrentText("SmoothGrad")
    shown = pressed(qtbot, window, group.method)
    assert shown.browser.source().toLocalFile().endswith("methods/smoothgrad.md")


def test_f1_elsewhere_explains_the_panel_or_the_technique(qtbot: QtBot, window: MainWindow) -> None:
    place = window.help_flow.place_of
    assert place(window.technique_box) == f"techniques/{window.studio.technique.command}.md"
    assert place(window.losses) == "window.md#losses"
    assert place(None) == pages.HOME
    assert place(QCheckBox("guided Grad-CAM")) == "methods/guided-grad-cam.md"
    assert place(QCheckBox("something else")) == pages.HOME
    shown = pressed(qtbot, window, window.canvas)
    assert shown.browser.source().fragment() == "canvas"
    assert anchors(shown.browser.document())["canvas"].text() == "Canvas"


def test_every_row_of_the_form_has_a_place(window: MainWindow) -> None:
    places = {entry.place for entry in pages.entries()}
    for command in TECHNIQUES:
        window.studio.set_technique(command)
        for name in window.options.described():
            assert window.help_flow.place_of(window.form.editor(name)) in places


def test_every_dock_has_a_section(window: MainWindow) -> None:
    sections = {
        pages.slug(line[3:]) for line in pages.page("window.md").splitlines() if line[:3] == "## "
    }
    for name in window.docks:
        assert pages.place_of_panel(name).partition("#")[2] in sections


@pytest.fixture
def guide(qtbot: QtBot) -> HelpWindow:
    made = HelpWindow()
    qtbot.addWidget(made)
    made.show()
    return made


def test_every_place_that_can_be_looked_up_is_there(guide: HelpWindow) -> None:
    for name in pages.names():
        guide.show_place(name)
        there = anchors(guide.browser.document())
        wanted = {
            e.place.partition("#")[2] for e in pages.entries() if e.place.startswith(f"{name}#")
        }
        assert wanted <= set(there), name


def test_every_technique_method_and_setting_can_be_looked_up() -> None:
    places = {entry.place for entry in pages.entries()}
    for command, kind in TECHNIQUES.items():
        assert pages.place_of_technique(command) in places
        for name in (*settings.describe(kind), *settings.describe(Finish), *settings.describe(Job)):
            assert pages.place_of_setting(command, name) in places
    for method in METHODS:
        assert pages.place_of_method(method.title) in places


def test_back_and_forward_go_through_what_was_shown(guide: HelpWindow) -> None:
    guide.show_place("techniques/deep-dream.md#setting-octaves")
    guide.show_place("methods/cam.md")
    assert guide.back.isEnabled()
    guide.back.click()
    assert guide.browser.source().toLocalFile().endswith("deep-dream.md")
    assert guide.browser.source().fragment() == "setting-octaves"
    guide.forward.click()
    assert guide.browser.source().toLocalFile().endswith("cam.md")
    assert not guide.forward.isEnabled()


def test_search_finds_a_setting_by_its_label_and_by_its_option(
    qtbot: QtBot, guide: HelpWindow
) -> None:
    qtbot.keyClicks(guide.search, "octave scale")
    assert guide.list.item(0).text() == "DeepDream › Octave scale"
    qtbot.keyClick(guide.search, Qt.Key.Key_Return)
    assert guide.browser.source().fragment() == "setting-octave-scale"
    guide.search.setText("--octave-scale")
    assert guide.list.item(0).text() == "DeepDream › Octave scale"
    guide.search.setText("zzzz")
    assert "zzzz" in guide.list.item(0).text()
    assert not guide.list.item(0).flags() & Qt.ItemFlag.ItemIsEnabled


def test_figures_are_shown_and_fit(guide: HelpWindow) -> None:
    guide.resize(700, 500)
    guide.show_place("techniques/style-transfer.md")
    url = guide.browser.source().resolved("../figures/style-transfer.jpg")
    picture = guide.browser.loadResource(QTextDocument.ResourceType.ImageResource, url)
    assert isinstance(picture, QImage)
    assert 0 < picture.width() <= guide.browser.viewport().width()
    assert guide.browser.horizontalScrollBar().maximum() == 0


def test_a_link_to_a_page_that_is_not_there_says_so(guide: HelpWindow) -> None:
    guide.show_place("nowhere.md")
    assert "nowhere.md" in guide.browser.toPlainText()


def test_the_guide_is_where_the_program_is() -> None:
    assert (pages.DOCS / "figures").is_dir()
    assert Path(pages.DOCS).is_absolute()


@pytest.mark.parametrize(
    ("dialog", "place"),
    [
        ("preferences", "window.md#preferences"),
        ("shortcuts", "window.md#shortcuts"),
        ("save_preset", "window.md#presets"),
        ("save_film", "window.md#films"),
    ],
)
def test_f1_in_a_modal_dialog_opens_the_guide_over_it(
    dialog: str, place: str, window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = FilmFrames()
    film.add(torch.zeros(3, 8, 8))
    monkeypatch.setattr(type(window.running), "film_frames", film)
    found: list[str] = []

    def look() -> None:
        shown = QApplication.activeModalWidget()
        assert shown is not None
        qtbot.keyClick(shown, Qt.Key.Key_F1)
        guide = shown.findChild(HelpWindow)
        if guide is not None and guide.isVisible():
            found.append(guide.browser.source().toString())
            assert place.partition("#")[2] in anchors(guide.browser.document())
        shown.close()

    QTimer.singleShot(100, look)
    action = window.actions_table[dialog]
    action.setEnabled(True)
    action.trigger()
    assert found and found[0].endswith(f"docs/{place}")
