"""What the repository promises about itself: where things are, what they need, who made them."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "resources" / "pictures"
LEFT_OUT = {"build", "dist", "out", "__pycache__"}


@cache
def repository_files() -> list[Path]:
    """Return what is or would be committed; outside of git, all but the leftovers."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        paths = [ROOT / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    else:
        tops = [p for p in ROOT.iterdir() if p.name == ".ci" or p.name[0] != "."]
        paths = [path for top in tops for path in (top, *top.rglob("*"))]
        paths = [p for p in paths if not LEFT_OUT.intersection(p.relative_to(ROOT).parts)]
    return [p for p in paths if p.is_file()]


@cache
def text_files() -> list[tuple[str, str]]:
    """Return path and text of all files that are not binary, which git tells by a zero byte too."""
    contents = [(str(p.relative_to(ROOT)), p.read_bytes()) for p in repository_files()]
    return [(name, data.decode("utf-8")) for name, data in contents if b"\0" not in data[:8000]]


@cache
def project() -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"])


def requirements(*extras: str) -> list[Requirement]:
    lines = list(project()["dependencies"])
    for extra in extras:
        lines += project()["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


# -- what is written in the files ------------------------------------------------------------------

MACHINE_PATH = re.compile(
    r"(?<![\w.~/-])/(?:home|Users|root|work|mnt|media)/[\w.]|\b[A-Za-z]:[\\/]+Users[\\/]"
)
INDEX_OPTION = re.compile(r"index[-_]url\b|\bfind[-_]links\b|\btrusted[-_]host\b", re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("open('/" + "home/ann/cat.jpg')", True),
        ("C:" + "\\Users\\Ann", True),
        ("data at /" + "work/x", True),
        ("~/pictures and net/home/x", False),
        ("https://example.org/home/page", False),
    ],
)
def test_the_pattern_knows_a_machine_path(text: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is found


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    bad = [(name, m.group()) for name, text in text_files() if (m := MACHINE_PATH.search(text))]
    assert not bad


def test_no_file_names_a_package_index() -> None:
    bad = [(name, m.group()) for name, text in text_files() if (m := INDEX_OPTION.search(text))]
    assert not bad


def test_files_end_with_a_newline() -> None:
    assert not [name for name, text in text_files() if text and not text.endswith("\n")]


def test_links_of_the_documents_lead_somewhere() -> None:
    broken = []
    for document in (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "resources/CREDITS.md"):
        text = document.read_text("utf-8")
        targets = re.findall(r"\]\(([^)#\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
        local = [t for t in targets if not t.startswith(("http:", "https:"))]
        broken += [(document.name, t) for t in local if not (document.parent / t).exists()]
    assert not broken


def test_the_documents_name_only_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert {"run", "install", "test", "bench", "lint", "clean", "help"} <= targets
    readme = (ROOT / "README.md").read_text("utf-8")
    assert set(re.findall(r"(?:^|`)make ([a-z]+)\b", readme, re.MULTILINE)) <= targets


# -- the engine and what it needs ------------------------------------------------------------------

IMPORT_ALL_WITHOUT_QT = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"PySide6", "shiboken6", "qtpy", "PyQt5", "PyQt6", "gui"}:
            raise ImportError(name + " must not be needed")

sys.meta_path.insert(0, Blocker())
import engine
count = 1
for module in pkgutil.walk_packages(engine.__path__, "engine."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        count += 1
print(count)
"""


def test_every_module_of_the_engine_imports_without_qt() -> None:
    command = [sys.executable, "-c", IMPORT_ALL_WITHOUT_QT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def imported(folder: str) -> set[str]:
    """Return the top-level names that the Python files of a folder (or one file) import."""
    found = set()
    start = ROOT / folder
    for path in [start] if start.is_file() else start.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("engine", ("video", "formats", "timm", "onnx", "keras", "cluster", "figures")),
        ("gui", ("video",)),
        ("main.py", ()),
        ("tools", ("test",)),
        ("tests", ("test", "video", "formats")),
    ],
)
def test_every_imported_package_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    if not (ROOT / folder).exists():
        pytest.skip(f"there is no {folder} yet")
    ours = {"cli", "engine", "gui", "main", "tests", "tools", "resources"}
    ours |= {path.stem for path in (ROOT / "tools").glob("*.py")}
    names = imported(folder) - set(sys.stdlib_module_names) - ours
    distributions = packages_distributions()
    declared = {canonicalize_name(r.name) for r in requirements(*extras)}
    undeclared = {
        name
        for name in names
        if not declared & {canonicalize_name(d) for d in distributions.get(name, [name])}
    }
    assert not undeclared


def test_bad_releases_of_pyside6_are_left_out() -> None:
    (qt,) = [r for r in requirements() if r.name == "PySide6-Essentials"]
    for bad in ("6.8.0", "6.10.1", "6.11.0", "6.11.1", "6.12.0", "6.12.1"):
        assert bad not in qt.specifier
    for good in ("6.9.3", "6.10.0", "6.11.3"):
        assert good in qt.specifier


def test_constraints_pin_what_the_project_asks_for() -> None:
    pins = constraints()
    for requirement in requirements("test", "docs", "video", "formats", "cluster"):
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier
    assert pins["torch"].replace(".", "").isdigit(), "not a local build such as 2.15.0+cpu"


def test_the_console_script_exists() -> None:
    module, _, function = project()["scripts"]["pareidolia"].partition(":")
    tree = ast.parse((ROOT / f"{module}.py").read_text("utf-8"))
    assert function in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


# -- samples ---------------------------------------------------------------------------------------


def test_there_are_a_photo_and_two_styles() -> None:
    assert {"cat.jpg", "brush_strokes.jpg", "mosaic.jpg"} <= {p.name for p in PICTURES.iterdir()}


def test_every_sample_is_credited_small_and_rgb() -> None:
    credits = (ROOT / "resources" / "CREDITS.md").read_text("utf-8")
    for path in PICTURES.iterdir():
        assert f"`{path.name}`" in credits
        assert path.stat().st_size <= 400_000
        with Image.open(path) as picture:
            picture.load()
            assert picture.mode == "RGB"
            assert min(picture.size) >= 256


def test_every_shipped_network_is_credited() -> None:
    credits = (ROOT / "resources" / "CREDITS.md").read_text("utf-8")
    for path in (ROOT / "resources" / "networks").glob("*.safetensors"):
        assert f"`{path.stem}`" in credits


def test_the_styles_are_drawn_by_the_script_that_is_said_to() -> None:
    script = (ROOT / "tools" / "draw_styles.py").read_text("utf-8")
    assert '"brush_strokes.jpg"' in script
    assert '"mosaic.jpg"' in script


# -- set-up ----------------------------------------------------------------------------------------


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/setup.py, working on a copy of the descriptions and an empty .venv."""
    spec = importlib.util.spec_from_file_location("pareidolia_setup", ROOT / "tools" / "setup.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    python = module.python_of(module.VENV)
    python.parent.mkdir(parents=True)
    python.touch()
    return module


def test_setup_runs_again_only_when_something_changed(setup: ModuleType) -> None:
    stamp = {"digest": setup.digest(), "extras": ["test"], "editable": False}
    assert setup.is_ready(stamp, {"test"}, editable=False)
    assert setup.is_ready(stamp, set(), editable=False)
    assert not setup.is_ready(stamp, {"video"}, editable=False)
    assert not setup.is_ready(stamp, set(), editable=True)
    assert not setup.is_ready({}, set(), editable=False)
    with (setup.ROOT / "constraints.txt").open("a") as file:
        file.write("one-more==1.0\n")
    assert not setup.is_ready(stamp, set(), editable=False)


def test_setup_starts_over_when_the_stamp_or_python_is_gone(setup: ModuleType) -> None:
    stamp_file = setup.VENV / setup.STAMP
    assert setup.read_stamp(setup.VENV) == {}
    stamp_file.write_text("half a fi")
    assert setup.read_stamp(setup.VENV) == {}
    stamp = {"digest": setup.digest(), "extras": []}
    setup.python_of(setup.VENV).unlink()
    assert not setup.is_ready(stamp, set(), editable=False)


def test_setup_installs_what_pyproject_says(setup: ModuleType) -> None:
    assert setup.requirements(set()) == project()["dependencies"]
    assert any(line.startswith("pytest") for line in setup.requirements({"test"}))


@pytest.mark.skipif(sys.platform != "linux", reason="Debian's libraries")
def test_missing_qt_libraries_only_warn(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "QT_EVERYWHERE", {"libc.so.6": "libc6", "libnone.so.1": "none1"})
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(setup, "is_root", lambda: False)
    setup.provide_qt_libraries()
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "libnone.so.1" in said
    assert "apt-get install none1" in said
    assert "libc6" not in said


@pytest.mark.skipif(sys.platform != "linux", reason="Debian's libraries")
def test_missing_qt_libraries_are_fetched_once(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(setup, "QT_EVERYWHERE", {"libnone.so.1": "none1"})
    monkeypatch.setattr(setup, "is_root", lambda: True)
    monkeypatch.setattr(setup, "apt_install", asked.append)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    setup.provide_qt_libraries()
    setup.provide_qt_libraries()
    assert asked == [["none1"]]
