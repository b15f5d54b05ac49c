"""A person's own presets in the window: named, renamed, shared and taken from files."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QComboBox, QFileDialog, QInputDialog
from pytestqt.qtbot import QtBot

from engine.preset_file import ENDING, Preset, read_preset, write_preset
from engine.techniques import TECHNIQUES
from gui import session
from gui.flow import autosave
from gui.main_window import MainWindow
from gui.session import Session
from tests.gui.stories import closed, until


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a person types or chooses, by the label of the question."""
    given: dict[str, str] = {}

    def answer(dialog: QInputDialog) -> int:
        dialog.setTextValue(given[dialog.labelText()])
        return QInputDialog.DialogCode.Accepted.value

    monkeypatch.setattr(QInputDialog, "exec", answer)
    return given


def own(window: MainWindow) -> list[str]:
    return window.options.own_presets()


@pytest.fixture
def with_own(window: MainWindow) -> MainWindow:
    window.studio.set_setting("tv_weight", 4.0)
    window.options.save_preset("mine")
    return window


def test_a_preset_is_renamed_in_its_place(with_own: MainWindow, answers: dict[str, str]) -> None:
    with_own.studio.set_setting("tv_weight", 5.0)
    with_own.options.save_preset("other")
    answers["Preset"] = "mine"
    answers["Name"] = "  soft \n look "
    with_own.actions_table["rename_preset"].trigger()
    assert own(with_own) == ["soft look", "other"]
    answers["Name"] = "other"
    answers["Preset"] = "soft look"
    with_own.actions_table["rename_preset"].trigger()
    assert own(with_own) == ["soft look", "other"], "another one keeps its name"
    assert "already a preset other" in with_own.statusBar().currentMessage()
    answers["Name"] = "Best"
    with_own.actions_table["rename_preset"].trigger()
    assert "built-in" in with_own.statusBar().currentMessage()


def test_a_preset_is_shared_and_taken_by_another_person(
    with_own: MainWindow, answers: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    qtbot: QtBot,
) -> None:  # fmt: skip
    window, path = with_own, tmp_path / f"mine{ENDING}"
    answers["Preset"] = "mine"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(path), f"Presets (*{ENDING})"))
    )
    window.actions_table["share_preset"].trigger()
    until(qtbot, path.exists)
    assert read_preset(path, TECHNIQUES).values["tv_weight"] == 4.0

    window.options.delete_preset("mine")
    window.actions_table["reset_settings"].trigger()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(lambda *_: (str(path), "")))
    window.actions_table["import_preset"].trigger()
    until(qtbot, lambda: own(window) == ["mine"])
    assert window.studio.technique.tv_weight == 4.0  # type: ignore[attr-defined]
    box = window.findChild(QComboBox, "presetBox")
    assert box is not None and box.currentText() == "mine"


def kept() -> dict[str, object]:
    """What the file has of the technique's presets."""
    path = session.file()
    found = json.loads(path.read_text()) if path.exists() else {}
    return dict(found.get("presets", {}).get("style-transfer", {}))


def test_a_preset_deleted_before_the_window_heard_that_it_was_written_stays_deleted(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.options.save_preset("mine")
    deadline = time.monotonic() + 30
    while "mine" not in kept():  # no event is delivered meanwhile
        assert time.monotonic() < deadline
        time.sleep(0.01)
    window.options.save_preset("other")
    window.options.delete_preset("mine")
    until(qtbot, lambda: not window.background.busy)
    assert own(window) == ["other"]
    assert list(kept()) == ["other"]
    window.options.delete_preset("other")
    closed(qtbot, window)
    assert kept() == {}


def test_writes_that_end_in_another_order_leave_what_was_asked_for_last(home: Path) -> None:
    order, known = autosave._WriteOrder(), Session()
    first, second = order.next(), order.next()
    with_it = replace(known, presets={"style-transfer": {"mine": {}}})
    order.write(replace(known), second, False)
    order.write(with_it, first, False)
    assert kept() == {}
    order.write(replace(known, presets={"style-transfer": {"late": {}}}), order.next(), False)
    assert list(kept()) == ["late"]


def test_a_dropped_preset_of_another_technique_waits_there_and_says_what_was_left_out(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / f"dream{ENDING}"
    write_preset(path, Preset("Waves", "deep-dream", {"octaves": 7}), TECHNIQUES)
    path.write_text(path.read_text().replace('"octaves"', '"sparkle": 1, "octaves"'))
    before = window.studio.job
    window.input_pictures.drop([str(path)])
    until(qtbot, lambda: "deep-dream" in window.session.presets)
    assert window.studio.job == before
    assert window.session.presets["deep-dream"] == {"Waves": {"octaves": 7}}
    said = window.statusBar().currentMessage()
    assert said.startswith("Preset Waves is now among those of DeepDream. DeepDream has no setting")


def test_two_presets_of_one_name_are_both_kept(
    with_own: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / f"mine{ENDING}"
    for weight in (8.0, 4.0):  # another one, and the same again
        values = {**with_own.session.presets["style-transfer"]["mine"], "tv_weight": weight}
        write_preset(path, Preset("mine", "style-transfer", values), TECHNIQUES)
        with_own.presets.read(str(path))
        until(
            qtbot,
            lambda weight=weight: with_own.studio.technique.tv_weight == weight,  # type: ignore[attr-defined, misc]
        )
    assert own(with_own) == ["mine", "mine 2"]


def test_a_file_that_is_none_is_said_to_be_none(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / f"mine{ENDING}"
    path.write_text("{}")
    window.presets.read(str(path))
    until(qtbot, lambda: "is not a preset" in window.statusBar().currentMessage())
    assert not own(window)
