"""Windows for measuring: opened as a person would, and lived with until something has happened."""

import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from engine.job import Inputs, Job
from engine.techniques.style_transfer import StyleTransfer
from gui import theme
from gui.main_window import MainWindow
from gui.session import Session
from gui.studio import SAMPLES
from tests.benchmarks.inputs import weights


def spin(until: Callable[[], bool], seconds: float = 600) -> None:
    """Let the window live until a condition holds."""
    loop, timer = QEventLoop(), QTimer()
    deadline, held = time.monotonic() + seconds, False

    def look() -> None:
        nonlocal held
        held = until()  # asked once: it may not hold for long
        if held or time.monotonic() > deadline:
            loop.quit()

    timer.timeout.connect(look)
    timer.start(5)
    loop.exec()
    timer.stop()
    if not held:
        raise TimeoutError("what was waited for did not happen")


def job(network: str, size: int, iterations: int) -> Job:
    """Return the job that all rows share."""
    technique = StyleTransfer(
        iterations=iterations, smallest_scale=65536, style_statistic="gram", start="content"
    )
    inputs = Inputs(str(SAMPLES / "cat.jpg"), ((str(SAMPLES / "mosaic.jpg"), 1.0),))
    file = weights(network)
    return Job(technique, inputs, network, None if file is None else str(file), size=size)


def shown(wanted: Job) -> MainWindow:
    """Open the window as a person would; its network is still to come."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    window = MainWindow(Session(job=wanted), lambda name: theme.apply(app, name))
    window.running.forecasts = False
    window.running._forecast_timer.stop()
    window.resize(1280, 800)
    window.show()
    return window


def opened(wanted: Job) -> MainWindow:
    """Open the window and wait for network and photo."""
    window = shown(wanted)
    spin(lambda: window.layers.here is not None and window.canvas_content.content() is not None)
    return window


def closed(window: MainWindow) -> None:
    """Close the window and let it go; nobody is asked about unsaved work."""
    window.leave()
    spin(lambda: not window.isVisible())
    window.deleteLater()
