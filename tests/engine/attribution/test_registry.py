"""A method is a file and a row: everything that offers methods reads the rows."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engine.attribution.registry import METHODS, Method
from tests.cli.conftest import ROOT

FILE = '''
"""A method of one's own: how bright each pixel is for the network."""


def brightness(asked):
    return asked.x.mean(1)
'''
BEFORE = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from engine.attribution import registry
row = registry.Method("brightness", "Brightness", "one_more:brightness", help="how bright it is")
registry.METHODS = (*registry.METHODS, row)
"""
COMMAND = (
    BEFORE
    + """
import main
sys.exit(main.main())
"""
)
WINDOW = (
    BEFORE
    + """
from PySide6.QtWidgets import QApplication
app = QApplication([])
from gui.dialogs.compare_choices import CompareChoices
from gui.panels.live_maps import LiveMapsPanel
panel, choices = LiveMapsPanel(), CompareChoices(("slim_vgg", None, None), [], [])
box = panel.saliency.method
print([box.itemText(i) for i in range(box.count())][-1], list(choices.boxes)[-1])
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one_more.py").write_text(FILE)
    return tmp_path


def told(code: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.command)
def test_every_row_leads_to_a_function(method: Method) -> None:
    assert callable(method.function())
    assert method.help and (method.signed == bool(method.key))
    assert method.of_layer or not (method.takes_layer or method.coarse or method.shares_pass)


def test_another_row_is_in_help_figure_and_sanity_check(folder: Path) -> None:
    assert "brightness  " in " ".join(told(COMMAND, folder, "attribute", "--help").split("\n"))
    photo = str(ROOT / "resources" / "pictures" / "brush_strokes.jpg")
    raw = folder / "raw.npz"
    common = ("--size", "64", "--device", "cpu", "--quiet", "--json", "--raw", str(raw))
    out = ("-o", str(folder / "map.png"))
    told(COMMAND, folder, "attribute", photo, "--method", "brightness", *common, *out)
    with np.load(raw) as made:
        alone = made["values"]
    assert alone.shape == (64, 64) and alone.std() > 0.1
    figure = told(
        COMMAND, folder, "attribute", photo, "--method", "brightness", "--method", "gradient",
        *common, *out,
    )  # fmt: skip
    assert json.loads(figure)["method"] == ["brightness", "gradient"]
    with np.load(raw) as made:
        (own,) = (made[name] for name in made.files if name.startswith("Brightness - "))
        assert np.array_equal(own, alone)
    told(COMMAND, folder, "attribute", photo, "--method", "brightness", "--sanity", *common, *out)
    with np.load(raw) as made:  # the network's weights do not matter to it
        trained, *others = (made[name] for name in made.files)
        assert len(others) == 5 and all(np.array_equal(trained, other) for other in others)


def test_another_row_is_in_panel_and_comparison(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("PySide6")
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert told(WINDOW, folder).split() == ["Brightness", "Brightness"]


def test_rows_are_read_without_torch() -> None:
    code = """
import sys
import engine.attribution.registry, engine.attribution.square, engine.attribution.unit_name
print(sorted({"torch", "numpy"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_public_functions_are_not_hidden_by_files() -> None:
    """`engine.attribution.cam` is a function also after its file was imported."""
    import engine.attribution
    import engine.attribution.class_activation
    import engine.attribution.occluding

    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    x = torch.rand(1, 3, 8, 8)
    assert engine.attribution.cam(model, x, 1).shape == (1, 8, 8)
    assert engine.attribution.occlusion(model, x, 1, 4, 4).shape == (1, 8, 8)
