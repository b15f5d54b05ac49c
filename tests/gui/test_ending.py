"""The window as a process of its own: asked to end by signals, killed, started on odd files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.lesson import Lesson, read_lesson
from gui import session
from gui.session import Preferences, Session
from tests.gui.stories import quick_job

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no signals to another process")
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
sys.argv = ["main.py"]
from dataclasses import replace
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QDialog
from gui import app
from gui.main_window import MainWindow

class Window(MainWindow):
    def showEvent(self, event):
        super().showEvent(event)
        self.running.forecasts = False
        QTimer.singleShot(0, self.act)

    def act(self):
        window = self
        {what}
        print("ready", flush=True)

app.MainWindow = Window
from cli.guard import guarded
sys.exit(guarded(app.main))
"""


def started(home: Path, what: str) -> subprocess.Popen[str]:
    """Open a window that does something, and wait until it has done it."""
    code = PROGRAM.replace("{what}", what.strip().replace("\n", "\n        "))
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PAREIDOLIA_HOME": str(home)}, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


def until(condition: Callable[[], Any]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def kept_presets() -> Any:
    try:
        return json.loads(session.file().read_text())["presets"]
    except FileNotFoundError:
        return {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_closes_the_window_in_order(own_folders: Path, number: signal.Signals) -> None:
    """Also during a run, under an open dialog, and with a lesson that no file holds."""
    session.save(Session(quick_job(iterations=100_000)))
    what = """
from PySide6.QtCore import QTimer
window.studio.set_setting("tv_weight", 7.0)
window.lessons.document.lesson = replace(window.lessons.document.lesson, title="Cats")
window.running.start()
dialog = QDialog(window)
QTimer.singleShot(0, dialog.exec)
"""
    with started(own_folders, what) as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    found = session.load()
    technique: Any = found.job and found.job.technique
    assert technique.tv_weight == 7.0
    (file,) = (own_folders / "lessons").iterdir()
    assert read_lesson(file) == Lesson("Cats")
    assert (own_folders / "window.ini").is_file()
    assert file.name in (own_folders / "window.ini").read_text()


def test_presets_are_there_after_a_kill(own_folders: Path) -> None:
    what = """
window.studio.set_setting("tv_weight", 7.0)
window.options.save_preset("mine")
"""
    with started(own_folders, what) as process:
        until(kept_presets)
        process.kill()
        process.communicate()
    assert kept_presets()["style-transfer"]["mine"]["tv_weight"] == 7.0
    assert session.load().presets == kept_presets()


def test_odd_files_do_not_hold_the_start_up(own_folders: Path, tmp_path: Path) -> None:
    own_folders.mkdir()
    os.mkfifo(own_folders / "window.ini")
    os.mkfifo(own_folders / "session.json")
    os.mkfifo(tmp_path / "x.pareidolia-lesson")
    what = f"""
from pathlib import Path
window.lessons.document.reopen(Path({str(tmp_path / "x.pareidolia-lesson")!r}))
window.files.read_recipe(Path({str(own_folders / "window.ini")!r}).with_name("pipe.json"))
"""
    os.mkfifo(own_folders / "pipe.json")
    with started(own_folders, what) as process:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert session.file().is_file()


# -- two windows on one home -----------------------------------------------------------------------

MINE, YOURS = {"tv_weight": 3.0}, {"tv_weight": 4.0}


def test_two_windows_keep_each_others_presets() -> None:
    session.save(Session(presets={"style-transfer": {"old": MINE, "gone": MINE}}))
    one, two = session.load(), session.load()
    one.presets["style-transfer"]["one"] = MINE
    one.recent = ["one.png"]
    del one.presets["style-transfer"]["gone"]
    two.presets["style-transfer"]["two"] = YOURS
    two.presets["style-transfer"]["old"] = YOURS
    two.presets["deep-dream"] = {"deep": {"iterations": 3}}
    two.recent = ["two.png"]
    session.save(one)
    session.save(two)
    wanted = {
        "style-transfer": {"old": YOURS, "one": MINE, "two": YOURS},
        "deep-dream": {"deep": {"iterations": 3}},
    }
    assert two.presets == wanted
    session.save(one)  # has changed nothing since
    found = session.load()
    assert found.presets == wanted
    assert found.recent == ["one.png", "two.png"]


def test_two_windows_keep_each_others_preferences() -> None:
    session.save(Session())
    one, two = session.load(), session.load()
    one.preferences = Preferences(theme="light")
    two.preferences = Preferences(threads=3)
    session.save(one, whole=False)
    session.save(two)
    assert session.load().preferences == Preferences(theme="light", threads=3)


def test_a_change_of_presets_leaves_the_job_of_the_last_window() -> None:
    session.save(Session(quick_job(iterations=5)))
    one, two = session.load(), session.load()
    one.job = quick_job(iterations=9)
    session.save(one)
    two.presets["style-transfer"] = {"two": MINE}
    session.save(two, whole=False)
    found = session.load()
    assert found.job == one.job
    assert found.presets == {"style-transfer": {"two": MINE}}


def test_presets_that_this_version_does_not_know_stay_in_the_file() -> None:
    session.save(Session(presets={"style-transfer": {"new": {"sparkle": 1}, "old": MINE}}))
    found = session.load()
    assert found.presets == {"style-transfer": {"old": MINE}}
    session.save(found)
    assert kept_presets()["style-transfer"] == {"new": {"sparkle": 1}, "old": MINE}


def test_a_preset_names_no_folder_on_another_machine() -> None:
    own = {"near": {"folder": "/photos"}, "far": {"folder": r"\\server\photos"}}
    session.save(Session(presets={"multifaceted": own}))
    assert session.load().presets == {"multifaceted": {"near": {"folder": "/photos"}}}
