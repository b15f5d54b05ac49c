"""The generated form: every kind of field, limits, resets, marks of what is changed."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from engine import settings
from engine.job import Job
from engine.settings import setting
from engine.techniques import TECHNIQUES
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from gui.panels.editors import ChoiceEditor, NumberEditor, SwitchEditor, TextEditor, _Scale
from gui.panels.settings_form import SettingsForm


@dataclass(frozen=True)
class Sample:
    count: int = setting(5, "Count", "How many.", low=1, high=100, group="Run")
    weight: float = setting(1.0, "Weight", "How much.", low=0.0, high=1e6, log=True, group="Run")
    share: float = setting(0.5, "Share", "Which part.", low=0.0, high=1.0, step=0.05)
    kind: str = setting("one", "Kind", "Which.", choices=("one", "two"))
    on: bool = setting(True, "On", "Whether.")
    layers: dict[str, float] | None = setting(None, "Layers", "Where.")
    word: str = setting("", "Word", "What.")


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    made = SettingsForm()
    qtbot.addWidget(made)
    made.describe(settings.describe(Sample))
    made.set_folded([])
    made.resize(320, 500)
    made.show()
    return made


@pytest.fixture
def edits(form: SettingsForm) -> list[tuple[str, Any]]:
    heard: list[tuple[str, Any]] = []
    form.edited.connect(lambda name, value: heard.append((name, value)))
    return heard


def typed(qtbot: QtBot, box: QWidget, text: str) -> None:
    box.setFocus()
    box.selectAll()  # type: ignore[attr-defined]
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


@dataclass(frozen=True)
class Other:
    count: int = setting(9, "Count", "How many others.", low=1, high=100, group="Run")


def test_a_page_that_is_left_takes_nothing_with_it_and_brings_nothing_back(
    form: SettingsForm, edits: list[tuple[str, Any]], qtbot: QtBot
) -> None:
    refused: list[str] = []
    form.refused.connect(refused.append)
    first = settings.describe(Sample)
    for name, text in (("count", "7"), ("layers", "relu1_1:x")):
        editor = form.editor(name)
        assert isinstance(editor, (NumberEditor, TextEditor))
        editor.box.setFocus()
        editor.box.selectAll()
        qtbot.keyClicks(editor.box, text)
        form.set_notes({"count": "next run"})
        form.describe(settings.describe(Other))
        assert "next run" in form.rows["count"].label.text()
        form.set_values({"count": 11})
        form.set_notes({})
        form.describe(first)
        form.set_values(settings.values(Sample()))
    assert (edits, refused) == ([], [])
    assert form.editor("count").value() == 5
    assert form.rows["count"].label.text() == "Count"
    form.describe(settings.describe(Other))
    assert form.editor("count").value() == 11


def test_every_field_of_every_technique_has_an_editor_with_its_name(
    form: SettingsForm, qtbot: QtBot
) -> None:
    for kind in TECHNIQUES.values():
        described = {**settings.describe(kind), **settings.describe(Job)}
        form.describe(described)
        for name, entry in described.items():
            editor = form.findChild(QWidget, f"setting_{name}")
            assert editor is not None
            assert form.editor(name).value() == entry.default
            assert entry.help in editor.toolTip()


@pytest.mark.parametrize(
    ("text", "value"), [("0.25", 0.25), ("1e-3", 0.001), ("0,5", 0.5), ("123456.5", 123456.5)]
)
def test_numbers_are_typed(
    form: SettingsForm, edits: list[Any], qtbot: QtBot, text: str, value: float
) -> None:
    editor = form.editor("weight")
    assert isinstance(editor, NumberEditor)
    typed(qtbot, editor.box, text)
    assert edits == [("weight", value)]


@pytest.mark.parametrize("text", ["abc", "nan", "inf", "--", "1e400"])
def test_what_is_no_number_cannot_be_entered(
    form: SettingsForm, edits: list[Any], qtbot: QtBot, text: str
) -> None:
    editor = form.editor("weight")
    assert isinstance(editor, NumberEditor)
    before = editor.value()
    editor.box.setFocus()
    editor.box.selectAll()
    editor.box.clear()
    qtbot.keyClicks(editor.box, text)
    qtbot.keyClick(editor.box, Qt.Key.Key_Return)
    for name, value in edits:
        settings.describe(Sample)[name].check(value)
    assert editor.value() == before


@pytest.mark.parametrize("text", ["101", "0", "5000"])
def test_numbers_beyond_the_range_cannot_be_entered(
    form: SettingsForm, edits: list[Any], qtbot: QtBot, text: str
) -> None:
    editor = form.editor("count")
    assert isinstance(editor, NumberEditor)
    typed(qtbot, editor.box, text)
    assert 1 <= editor.value() <= 100
    assert all(1 <= value <= 100 for _, value in edits)


def test_a_slider_moves_the_number_and_back(
    form: SettingsForm, edits: list[Any], qtbot: QtBot
) -> None:
    editor = form.editor("share")
    assert isinstance(editor, NumberEditor)
    assert editor.slider is not None
    editor.slider.setValue(1000)
    assert editor.value() == 1.0
    assert edits[-1] == ("share", 1.0)
    editor.slider.setValue(333)
    assert editor.value() == pytest.approx(0.35), "in steps of 0.05"
    form.set_values({"share": 0.0})
    assert editor.slider.value() == 0


def test_a_logarithmic_slider_reaches_zero_and_the_default_lies_inside(
    form: SettingsForm,
) -> None:
    editor = form.editor("weight")
    assert isinstance(editor, NumberEditor)
    assert editor.slider is not None
    assert 200 < editor.slider.value() < 800
    editor.slider.setValue(0)
    assert editor.value() == 0.0
    editor.slider.setValue(1)
    assert editor.value() > 0.0


def all_numbers() -> list[Any]:
    described = [d for k in TECHNIQUES.values() for d in settings.describe(k).values()]
    described += settings.describe(Job).values()
    return [d for d in described if d.kind in ("int", "float")]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(entry=st.sampled_from(all_numbers()), position=st.floats(0, 1))
def test_every_place_of_a_slider_is_a_valid_value(
    qapp: QApplication, entry: Any, position: float
) -> None:
    low = -(2.0**53) if entry.low is None else max(entry.low, -(2.0**53))
    high = 2.0**53 if entry.high is None else min(entry.high, 2.0**53)
    scale = _Scale(entry, low, high)
    value = scale.value(position)
    assert low <= value <= high
    entry.check(int(value) if entry.kind == "int" else value)
    assert 0 <= scale.position(value) <= 1


def test_choices_switches_and_texts(form: SettingsForm, edits: list[Any], qtbot: QtBot) -> None:
    kind, on, layers = form.editor("kind"), form.editor("on"), form.editor("layers")
    assert isinstance(kind, ChoiceEditor)
    assert isinstance(on, SwitchEditor)
    assert isinstance(layers, TextEditor)
    kind.box.setFocus()
    qtbot.keyClick(kind.box, Qt.Key.Key_Down)
    qtbot.mouseClick(on.box, Qt.MouseButton.LeftButton, pos=QPoint(8, on.box.height() // 2))
    typed(qtbot, layers.box, "relu1_1:2, relu2_1")
    assert edits == [("kind", "two"), ("on", False), ("layers", {"relu1_1": 2.0, "relu2_1": 1.0})]
    typed(qtbot, layers.box, "auto")
    assert edits[-1] == ("layers", None)


def test_a_text_that_cannot_be_read_goes_back_and_says_why(
    form: SettingsForm, edits: list[Any], qtbot: QtBot
) -> None:
    editor = form.editor("layers")
    assert isinstance(editor, TextEditor)
    with qtbot.waitSignal(form.refused) as heard:
        typed(qtbot, editor.box, "relu1_1:many")
    assert "many" in heard.args[0]
    assert editor.box.text() == ""
    assert edits == []


def test_setting_values_emits_nothing(form: SettingsForm, edits: list[Any]) -> None:
    form.set_values(
        {"count": 9, "weight": 2.0, "share": 0.1, "kind": "two", "on": False,
         "layers": {"a": 1.0}, "word": "x"}
    )  # fmt: skip
    assert edits == []
    assert form.editor("layers").value() == {"a": 1.0}


def test_what_differs_from_the_default_is_marked_and_reset(
    form: SettingsForm, edits: list[Any], qtbot: QtBot
) -> None:
    row = form.rows["count"]
    assert not row.reset.isVisible()
    assert not row.label.font().bold()
    form.set_values({"count": 9})
    assert row.reset.isVisible()
    assert row.label.font().bold()
    qtbot.mouseClick(row.reset, Qt.MouseButton.LeftButton)
    assert edits == [("count", 5)]
    assert not row.reset.isVisible()


def test_notes_stand_beside_their_settings_and_go(form: SettingsForm) -> None:
    form.set_notes({"count": "next run"})
    assert form.rows["count"].label.text() == "Count (next run)"
    form.set_notes({})
    assert form.rows["count"].label.text() == "Count"


def test_groups_fold_and_stay_folded_for_another_technique(form: SettingsForm) -> None:
    form.set_folded(["Run"])
    assert form.folded() == ["Run"]
    assert not form.editor("count").isVisible()
    form.describe(settings.describe(Job))
    form.describe(settings.describe(Sample))
    assert form.folded() == ["Run"]


def test_the_wheel_over_a_field_scrolls_the_form_and_changes_nothing(
    form: SettingsForm, edits: list[Any]
) -> None:
    editor = form.editor("count")
    assert isinstance(editor, NumberEditor)
    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(editor.box, event)
    assert edits == []


def test_no_row_is_cut_off_at_the_forms_least_width(form: SettingsForm, qtbot: QtBot) -> None:
    for kind in TECHNIQUES.values():
        form.describe({**settings.describe(kind), **settings.describe(Job)})
        form.set_folded([])
        form.resize(form.minimumWidth(), 600)
        qtbot.wait(1)
        page = form.widget()
        assert page.width() >= page.minimumSizeHint().width()


class Moves(QObject):
    """Notes what gets another parent: Qt then works out the style of all that is in it anew."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: list[QObject] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's
        if event.type() == QEvent.Type.ParentChange:
            self.moved.append(watched)
        return False


def test_a_page_that_was_shown_before_comes_back_where_it_was(form: SettingsForm) -> None:
    first, second = settings.describe(DeepDream), settings.describe(StyleTransfer)
    for described in (first, second):
        form.describe(described)
    tall = form.widget().minimumSizeHint().height()
    moves = Moves()
    for widget in form.findChildren(QWidget):
        widget.installEventFilter(moves)
    for described in (first, second):
        form.describe(described)
    assert not moves.moved
    assert form.widget().minimumSizeHint().height() == tall, "no other page takes room"


def test_size_as_the_photo_has(qtbot: QtBot) -> None:
    editor = NumberEditor(settings.describe(Job)["size"])
    qtbot.addWidget(editor)
    heard: list[Any] = []
    editor.edited.connect(heard.append)
    assert editor.auto is not None and editor.auto.text() == "photo"
    editor.show()
    qtbot.mouseClick(
        editor.auto, Qt.MouseButton.LeftButton, pos=QPoint(8, editor.auto.height() // 2)
    )
    assert heard == [None] and not editor.box.isEnabled()
    qtbot.mouseClick(
        editor.auto, Qt.MouseButton.LeftButton, pos=QPoint(8, editor.auto.height() // 2)
    )
    assert heard == [None, 512]


def test_pages_built_ahead_are_the_same_and_one_that_is_half_built_is_finished_when_it_is_shown(
    form: SettingsForm, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.panels.settings_form.SLICE", 0.0005)  # a row or so at a time
    form.show()
    shown = form.rows
    kinds = [settings.describe(kind) for kind in TECHNIQUES.values()]
    wanted = settings.describe(DeepDream)
    form.build_ahead([wanted, *kinds])
    qtbot.waitUntil(lambda: len(form._begun) == 1)
    assert form.rows is shown, "what is on show stays"
    form.describe(wanted)
    assert set(form.rows) == set(wanted)
    assert form.editor("iterations").isVisibleTo(form)
    form.set_values({"octaves": 3})
    assert form.editor("octaves").value() == 3
    qtbot.waitUntil(lambda: len(form._pages) >= len(kinds), timeout=30_000)
    assert not form._begun
    assert form.findChild(QWidget, "setting_octaves") is form.editor("octaves")
    qtbot.waitUntil(lambda: not form._ahead.isActive())
    for described in kinds:
        form.describe(described)
        assert set(form.rows) == set(described)
