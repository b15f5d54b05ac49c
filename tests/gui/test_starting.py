"""The window is painted before PyTorch is imported."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STARTED = """
import sys
from PySide6.QtWidgets import QApplication
from PySide6.QtCore import QTimer
from gui import session
from gui.canvas.canvas import Canvas
from gui.main_window import MainWindow

app = QApplication([])
painting = Canvas.paintEvent
heavy = []

def painted(canvas, event):
    painting(canvas, event)
    heavy.append("torch" in sys.modules)

Canvas.paintEvent = painted
window = MainWindow(session.load())
window.layers.loaded.connect(app.quit)
window.running.forecasts = False
window.show()
QTimer.singleShot(90_000, lambda: app.exit(3))
code = app.exec()
print(heavy[0], "torch" in sys.modules, code, flush=True)
window.close()
sys.stdout.flush()
import os
os._exit(0)
"""


def test_torch_comes_after_the_first_painting_and_layers_follow(tmp_path: Path) -> None:
    home = {"PAREIDOLIA_HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", STARTED], cwd=ROOT, env={**os.environ, **home},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "True", "0"], done.stderr
