from itertools import pairwise

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QSlider
from pytestqt.qtbot import QtBot

from gui.panels.timeline import TimelinePanel, TimelineStrip
from gui.run.history import Moment

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(qtbot: QtBot) -> TimelinePanel:
    panel = TimelinePanel()
    qtbot.addWidget(panel)
    panel.resize(400, panel.sizeHint().height())
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


def moment(iteration: int, shade: int = 0) -> Moment:
    image = QImage(64, 48, QImage.Format.Format_RGB888)
    image.fill(QColor(shade, 255 - shade, 128))
    return Moment(iteration, 300, "256x192", image)


def moments(count: int, step: int = 10) -> list[Moment]:
    return [moment(step * n, 255 * n // count) for n in range(1, count + 1)]


def slider(panel: TimelinePanel) -> QSlider:
    return panel.findChild(QSlider, "timelineSlider")


def strip(panel: TimelinePanel) -> TimelineStrip:
    return panel.findChild(TimelineStrip)


def button(panel: TimelinePanel, text: str) -> QAbstractButton:
    return next(b for b in panel.findChildren(QAbstractButton) if b.text() == text)


def listen(panel: TimelinePanel) -> list[tuple[str, object]]:
    heard: list[tuple[str, object]] = []
    panel.moment_selected.connect(lambda m: heard.append(("selected", m)))
    panel.live_requested.connect(lambda: heard.append(("live", None)))
    panel.compare_toggled.connect(lambda on: heard.append(("compare", on)))
    panel.save_requested.connect(lambda m: heard.append(("save", m)))
    panel.branch_requested.connect(lambda m: heard.append(("branch", m)))
    return heard


def test_without_a_run_nothing_can_be_pressed(panel: TimelinePanel) -> None:
    names = ("Live", "Compare", "Save…", "Use as start")
    assert panel.current() is None
    assert not any(button(panel, n).isEnabled() for n in names)
    panel.set_moments(moments(1))
    assert all(button(panel, n).isEnabled() for n in names)
    panel.clear()
    assert panel.current() is None and not any(button(panel, n).isEnabled() for n in names)


def test_live_follows_the_newest_without_a_word(panel: TimelinePanel) -> None:
    heard = listen(panel)
    for count in (1, 2, 30):
        panel.set_moments(moments(count))
        assert slider(panel).value() == count - 1 and panel.current().iteration == 10 * count
    assert panel.is_live() and button(panel, "Live").isChecked()
    assert heard == []


def test_going_back_stays_at_the_iteration(panel: TimelinePanel, qtbot: QtBot) -> None:
    kept = moments(10)
    panel.set_moments(kept)
    heard = listen(panel)
    slider(panel).setFocus()
    qtbot.keyClick(slider(panel), Qt.Key.Key_Left)
    qtbot.keyClick(slider(panel), Qt.Key.Key_Left)
    assert heard == [("selected", kept[8]), ("selected", kept[7])]
    assert not panel.is_live() and not button(panel, "Live").isChecked()
    panel.set_moments(moments(40))
    assert panel.current().iteration == 80 and len(heard) == 2


def test_thinning_moves_to_the_nearest_and_back(panel: TimelinePanel) -> None:
    panel.set_moments(moments(10))
    slider(panel).setValue(7)
    panel.set_moments([moment(i) for i in (10, 50, 90, 130)])
    assert panel.current().iteration == 90
    panel.set_moments([moment(i) for i in (10, 50, 79, 90, 130)])
    assert panel.current().iteration == 79
    assert not panel.is_live()


def test_the_live_button_goes_to_the_end_and_follows(panel: TimelinePanel, qtbot: QtBot) -> None:
    panel.set_moments(moments(10))
    slider(panel).setValue(3)
    heard = listen(panel)
    qtbot.mouseClick(button(panel, "Live"), LEFT)
    assert heard == [("live", None)] and panel.current().iteration == 100
    qtbot.mouseClick(button(panel, "Live"), LEFT)  # again: it is no switch
    assert panel.is_live() and button(panel, "Live").isChecked()
    panel.set_moments(moments(11))
    assert panel.current().iteration == 110


def test_reaching_the_end_is_live_again(panel: TimelinePanel, qtbot: QtBot) -> None:
    kept = moments(5)
    panel.set_moments(kept)
    slider(panel).setValue(1)
    heard = listen(panel)
    qtbot.keyClick(slider(panel), Qt.Key.Key_End)
    assert heard == [("selected", kept[4]), ("live", None)]
    assert panel.is_live()


def test_a_new_run_is_followed(panel: TimelinePanel) -> None:
    panel.set_moments(moments(10))
    slider(panel).setValue(1)
    panel.clear()
    panel.set_moments(moments(3))
    assert panel.is_live() and panel.current().iteration == 30


def test_buttons_ask_for_the_moment_shown(panel: TimelinePanel, qtbot: QtBot) -> None:
    kept = moments(5)
    panel.set_moments(kept)
    slider(panel).setValue(2)
    heard = listen(panel)
    for name in ("Save…", "Use as start", "Compare", "Compare"):
        qtbot.mouseClick(button(panel, name), LEFT)
    assert heard == [
        ("save", kept[2]), ("branch", kept[2]), ("compare", True), ("compare", False),
    ]  # fmt: skip


def test_compare_is_set_without_a_word(panel: TimelinePanel) -> None:
    panel.set_moments(moments(2))
    heard = listen(panel)
    panel.set_compare(True)
    assert button(panel, "Compare").isChecked() and heard == []
    assert button(panel, "Compare").objectName() == "compareButton"


def test_the_label_says_where_we_are(panel: TimelinePanel) -> None:
    panel.set_moments([moment(120)])
    assert panel.findChild(QLabel).text() == "iteration 120 of 300 · 256x192"
    assert slider(panel).accessibleDescription() == "iteration 120 of 300 · 256x192"


def test_a_click_picks_the_thumbnail_and_a_drag_goes_on(panel: TimelinePanel, qtbot: QtBot) -> None:
    kept = moments(50)
    panel.set_moments(kept)
    heard = listen(panel)
    places = strip(panel).places()
    assert 3 < len(places) < 50
    qtbot.mousePress(strip(panel), LEFT, pos=places[1][1].center())
    assert panel.current() is kept[places[1][0]]
    qtbot.mouseMove(strip(panel), places[2][1].center())
    qtbot.mouseRelease(strip(panel), LEFT, pos=places[2][1].center())
    assert heard[0] == ("selected", kept[places[1][0]])
    assert not panel.is_live()


def test_thumbnails_are_even_fit_and_hold_the_chosen(panel: TimelinePanel) -> None:
    panel.set_moments(moments(50))
    for chosen in (0, 13, 37, 49):
        slider(panel).setValue(chosen)
        places = strip(panel).places()
        indices = [i for i, _ in places]
        assert chosen in indices and indices == sorted(set(indices))
        assert indices[0] <= 5 and indices[-1] >= 44
        steps = [b - a for a, b in pairwise(indices)]
        assert max(steps) <= 2 * 50 / (len(indices) - 1)
        assert all(strip(panel).rect().contains(place) for _, place in places)
        gaps = [b.left() - a.right() for (_, a), (_, b) in pairwise(places)]
        assert min(gaps) > 0


def test_the_chosen_thumbnail_is_framed(panel: TimelinePanel) -> None:
    panel.set_moments(moments(4))
    slider(panel).setValue(1)
    picture = strip(panel).grab().toImage()
    frame = strip(panel).palette().highlight().color()
    framed = []
    for index, place in strip(panel).places():
        # What is drawn may be narrower than the place by rounding.
        column = [picture.pixelColor(place.center().x(), y) for y in range(picture.height())]
        if frame in column:
            framed.append(index)
    assert framed == [1]


def test_thumbnails_show_their_pictures(panel: TimelinePanel) -> None:
    kept = moments(4)
    panel.set_moments(kept)
    picture = strip(panel).grab().toImage()
    for index, place in strip(panel).places():
        assert picture.pixelColor(place.center()) == kept[index].image.pixelColor(0, 0)


def test_thumbnails_are_made_once(panel: TimelinePanel) -> None:
    kept = moments(4)
    panel.set_moments(kept)
    panel.grab()
    before = dict(strip(panel).thumbnails)
    assert len(before) == 4
    panel.set_moments([*kept[1:], moment(99)])
    panel.grab()
    after = strip(panel).thumbnails
    assert len(after) == 4  # the one that was thinned out is forgotten
    assert sum(after.get(key) is made for key, made in before.items()) == 3


def test_another_picture_of_the_same_iteration_is_shown(panel: TimelinePanel) -> None:
    panel.set_moments([moment(10, 0)])
    panel.grab()
    panel.set_moments([moment(10, 255)])
    place = strip(panel).places()[0][1]
    assert strip(panel).grab().toImage().pixelColor(place.center()).red() == 255


def test_it_is_compact_and_reachable(panel: TimelinePanel, qtbot: QtBot) -> None:
    assert panel.sizeHint().height() <= 125 and panel.minimumSizeHint().width() <= 400
    assert strip(panel).accessibleName() and slider(panel).accessibleName()
    panel.set_moments(moments(3))
    panel.activateWindow()
    slider(panel).setFocus()
    names = []
    for _ in range(4):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        names.append(QApplication.focusWidget().text())
    assert names == ["Live", "Compare", "Save…", "Use as start"]


def test_odd_sizes_do_not_fail(panel: TimelinePanel) -> None:
    wide = QImage(2000, 3, QImage.Format.Format_RGB888)
    wide.fill(QColor("red"))
    narrow = wide.scaled(3, 2000)
    panel.set_moments([Moment(1, 2, "", wide), Moment(2, 2, "", narrow)])
    for width in (1, 30, 5000):
        strip(panel).resize(width, 40)
        strip(panel).grab()
    assert panel.findChild(QLabel).text() == "iteration 2 of 2"
