"""The guide: it builds strictly, its tables come from the settings, its figures are small."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from cli import reference
from engine import settings
from engine.attribution.registry import METHODS
from engine.techniques import TECHNIQUES

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


class Places(HTMLParser):
    """Collects a page's anchors, and its text by the anchor before it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._last = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = dict(attrs).get("id")
        if name:
            self.texts[name], self._last = "", name

    def handle_data(self, data: str) -> None:
        if self._last:
            self.texts[self._last] += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide, built as `make docs` does."""
    pytest.importorskip("mkdocs", reason="the website needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def places(page: Path) -> dict[str, str]:
    return Places(page.read_text("utf-8")).texts


@pytest.mark.parametrize("command", TECHNIQUES)
def test_a_technique_has_a_page_with_all_its_settings(site: Path, command: str) -> None:
    there = places(site / "techniques" / f"{command}.html")
    assert {"formula", "how-to-use-it", "settings", "source"} <= set(there)
    for name, entry in settings.describe(TECHNIQUES[command]).items():
        row = there[reference.setting_anchor(name)]
        for part in (entry.label, entry.option, entry.help):
            assert part in row


@pytest.mark.parametrize("page", reference.OF_ALL)
def test_settings_that_all_techniques_have_are_explained(site: Path, page: str) -> None:
    there = places(site / "techniques" / f"{page}.html")
    for name, entry in settings.describe(reference.OF_ALL[page]).items():
        assert entry.help in there[reference.setting_anchor(name)]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.command)
def test_a_method_has_a_page(site: Path, method: object) -> None:
    command = str(method.command)  # type: ignore[attr-defined]
    text = (site / "methods" / f"{command}.html").read_text("utf-8")
    assert f"--method {command}" in text
    assert {"formula", "how-to-use-it", "settings", "source"} <= set(Places(text).texts)


def test_nothing_in_the_site_comes_from_a_network(site: Path) -> None:
    loads = re.compile(r'<(?:script|img|iframe)\b[^>]*\bsrc="([^"]+)"|<link\b[^>]*\bhref="([^"]+)"')
    for page in site.rglob("*.html"):
        for source, style in loads.findall(page.read_text("utf-8")):
            assert not re.match(r"(?:https?:)?//", source or style), (
                f"{page.name}: {source or style}"
            )


def test_a_page_that_names_an_unknown_table_is_refused() -> None:
    with pytest.raises(KeyError):
        reference.filled("<!-- reference: settings no-such-technique -->")
    with pytest.raises(KeyError):
        reference.filled("<!-- reference: options attribute no-such-option -->")


def test_figures_are_small_shown_and_made_by_the_script() -> None:
    spec = importlib.util.spec_from_file_location("figures", ROOT / "tools/draw_docs_figures.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    pages = "".join(page.read_text("utf-8") for page in DOCS.rglob("*.md"))
    total = 0
    for path in sorted((DOCS / "figures").glob("*.jpg")):
        assert path.stat().st_size <= 60_000, path.name
        assert f"figures/{path.name})" in pages, path.name
        assert path.stem in script.DRAWN, path.name
        with Image.open(path) as picture:
            assert picture.mode == "RGB"
            assert not picture.getexif()
        total += path.stat().st_size
    assert total <= 2_000_000


def test_a_wheel_holds_all_that_the_window_shows() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = tool["package-data"]["resources.docs"]
    shown = [path for kind in ("*.md", "*.jpg", "*.svg") for path in DOCS.rglob(kind)]
    assert shown
    for path in shown:
        assert any(path in DOCS.glob(pattern) for pattern in patterns), path
