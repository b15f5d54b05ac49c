"""python -m tests.screens: draws the window's main states into out/screens/, to be looked at."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from gui import theme
from gui.main_window import MainWindow
from gui.panels.inputs import InputKey
from gui.run.controller import State
from gui.session import Preferences, Session
from gui.studio import SAMPLES

OUT = Path(__file__).resolve().parents[1] / "out" / "screens"
SIZES = ((1280, 800), (1920, 1080))


def spin(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def until(condition: Callable[[], object], tries: int = 3000) -> None:
    """Let the window live until a condition holds."""
    for _ in range(tries):
        if condition():
            spin(150)
            return
        spin(20)
    raise TimeoutError("what was waited for did not happen")


def states(window: MainWindow) -> Iterator[tuple[str, QWidget]]:
    """Go through the states; yield a name and what to draw."""
    idle = lambda: window.controller.state is State.IDLE  # noqa: E731
    yield "01-loading", window
    until(lambda: window.layers.here is not None and window.canvas_content.content() is not None)
    until(lambda: "about" in window.run_bar.details.text())
    yield "02-start", window
    window.running.start()
    until(lambda: window.controller.pace.iteration > 60)
    yield "03-running", window
    window.running.pause()
    window.studio.set_setting("style_weight", 3.0)
    window.studio.set_setting("optimizer", "lbfgs")
    spin(400)
    yield "04-paused-and-changed", window
    window.studio.undo_stack.undo()
    window.running.pause()
    until(idle)
    yield "05-done", window
    window.actions_table["compare"].setChecked(True)
    spin(100)
    yield "06-before-and-after", window
    window.actions_table["compare"].setChecked(False)
    window.docks["sight"].raise_()
    window.actions_table["grad_cam"].setChecked(True)
    until(lambda: "grad_cam" in window.canvas.overlays())
    yield "07-grad-cam", window
    window.actions_table["grad_cam"].setChecked(False)
    window.actions_table["saliency"].setChecked(True)
    until(lambda: "saliency" in window.canvas.overlays())
    yield "08-saliency", window
    window.actions_table["saliency"].setChecked(False)
    window.docks["settings"].raise_()
    window.form.set_folded([])
    window.docks["log"].raise_()
    window.input_pictures.put(InputKey("style", 1), str(SAMPLES / "mosaic.jpg"))
    window.tree.select("relu4_2")
    spin(300)
    yield "09-all-settings-two-styles-log", window
    window.studio.set_technique("deep-dream")
    window.docks["losses"].raise_()
    window.running.start()
    until(idle)
    yield "10-deep-dream", window
    window.session.preferences = Preferences(theme="light")
    window.apply_preferences()
    spin(300)
    yield "11-light", window
    window.session.preferences = Preferences(theme="system")
    window.apply_preferences()
    spin(300)
    yield "12-system", window


def leave(window: MainWindow) -> None:
    """Close a window, and give up what is unsaved in it."""
    window.close()
    for box in window.findChildren(QMessageBox, "projectUnsaved"):
        box.button(QMessageBox.StandardButton.Discard).click()
    until(lambda: not window.isVisible())


def main() -> None:
    """Draw every state at every size."""
    app = QApplication(sys.argv[:1])
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["PAREIDOLIA_HOME"] = home
        for width, height in SIZES:
            window = MainWindow(Session(), lambda name: theme.apply(app, name))
            window.resize(width, height)
            window.show()
            spin(50)
            window.resize(width, height)
            for name, widget in states(window):
                path = OUT / f"{name}-{width}x{height}.png"
                widget.grab().save(str(path))
                print(path.relative_to(OUT.parents[1]))
            leave(window)


if __name__ == "__main__":
    main()
