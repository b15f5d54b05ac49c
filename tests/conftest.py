"""What all tests share."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.download_server import DownloadServer

# Before torch is imported: its threads would else spin while they wait for each other, which makes
# runs many times slower where another program uses the same cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real photographs and weights, which the repository does not carry."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("PAREIDOLIA_TEST_DATA") or root.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set PAREIDOLIA_TEST_DATA to its folder")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of its own; no other folders of weights."""
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PAREIDOLIA_NETWORKS", raising=False)
    return tmp_path / "home" / "networks"


@pytest.fixture
def server() -> Iterator[DownloadServer]:
    """Something to download from, on this machine."""
    made = DownloadServer()
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.released.set()
    made.shutdown()
    thread.join()
    made.server_close()
