"""Pictures that differ, and the network that ships."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.networks.loading import load_network
from engine.networks.network import Network


@pytest.fixture(scope="session")
def network() -> Network:
    return load_network("slim_vgg")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's own folder: nobody's real one."""
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve squares of 32 pixels, a damaged file and one that is no picture."""
    made = tmp_path / "pictures"
    (made / "below").mkdir(parents=True)
    for i in range(12):
        generator = np.random.default_rng(i)
        coarse = generator.integers(0, 256, (4 + i % 3, 4 + i % 3, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC)
        picture.save(made / ("below" if i > 8 else ".") / f"{i:02}.png")
    (made / "05b.png").write_bytes(b"\x89PNG no more than that")
    (made / "notes.txt").write_text("no picture")
    return made


@pytest.fixture
def good(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.png") if p.name != "05b.png")
