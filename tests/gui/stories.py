"""What the stories of the window share: a small quick job, and waiting in plain words."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from engine.job import Inputs, Job
from engine.techniques.style_transfer import StyleTransfer
from gui.main_window import MainWindow
from gui.run.controller import State
from gui.session import Session
from gui.studio import SAMPLES

CAT, STROKES, MOSAIC = (
    str(SAMPLES / name) for name in ("cat.jpg", "brush_strokes.jpg", "mosaic.jpg")
)
WAIT = 60_000


def quick_job(iterations: int = 6, size: int = 64) -> Job:
    technique = StyleTransfer(iterations=iterations, smallest_scale=32, style_statistic="gram")
    inputs = Inputs(CAT, ((STROKES, 1.0),))
    return Job(technique, inputs, size=size, device="cpu", precision="fp32")


def opened_window(qtbot: QtBot, session: Session | None = None) -> MainWindow:
    window = MainWindow(session or Session(job=quick_job()))
    window.running.forecasts = False
    window.running._forecast_timer.stop()
    window.follow.previews = False
    window.show()
    qtbot.waitUntil(lambda: window.layers.here is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: window.canvas_content.content() is not None, timeout=WAIT)
    return window


def closed(qtbot: QtBot, window: MainWindow) -> None:
    """Close the window; what is unsaved is given up."""
    close_and_discard(qtbot, window)
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=WAIT)
    assert window.controller._thread.isFinished()
    assert not window.maps._latest.busy or not window.maps._background._pool._threads
    # What a writer had to say at the end may have begun another small piece of work.
    qtbot.waitUntil(lambda: not window.background.busy, timeout=WAIT)
    window.deleteLater()
    QApplication.sendPostedEvents(window, 52)


def close_and_discard(qtbot: QtBot, window: MainWindow) -> None:
    """Close the window, and give up what is unsaved."""
    window.close()
    for box in window.findChildren(QMessageBox, "projectUnsaved"):
        if box.isVisible():
            discard = box.button(QMessageBox.StandardButton.Discard)
            qtbot.mouseClick(discard, Qt.MouseButton.LeftButton)


def click(qtbot: QtBot, window: MainWindow, name: str) -> None:
    widget = window.findChild(QWidget, name)
    assert widget is not None, f"there is no widget {name}"
    assert widget.isEnabled(), f"{name} is disabled"
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def until(qtbot: QtBot, condition: Callable[[], object]) -> None:
    qtbot.waitUntil(lambda: bool(condition()), timeout=WAIT)


def until_idle(qtbot: QtBot, window: MainWindow) -> None:
    until(qtbot, lambda: window.controller.state is State.IDLE)
