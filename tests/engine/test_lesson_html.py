"""Lessons as one page: nothing from outside, nothing that a text could smuggle in, and it works."""

import base64
import hashlib
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.errors import BadInput
from engine.lesson import Figure, Lesson, Step, picture_bytes
from engine.lesson_html import PROMPT, export_html

NASTY = """</script><script>alert(1)</script> "q" 'a' & <img src=x onerror=alert(2)> ]]> --> 猫 ’"""
RED, GREEN, BLUE = (200, 30, 30), (30, 160, 30), (30, 30, 200)


def plain(colour: tuple[int, int, int]) -> bytes:
    return picture_bytes(np.full((60, 80, 3), colour, np.uint8), exact=True)


def a_lesson(words: str = "A “plain” text") -> Lesson:
    seen = Figure(f"Grad-CAM, {words}", plain(GREEN))
    more = Figure(f"gradient, {words}", plain(BLUE))
    state = {"job": {"content": "the attic.jpg"}}
    return Lesson(
        f"Lesson {words}",
        (
            Step(f"Open {words}", f"Text {words}", False, plain(RED), (seen,), state),
            Step(f"Hidden {words}", f"Text {words}", True, plain(RED), (seen, more), state),
            Step("", "", True, plain(RED)),
        ),
    )


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    path = export_html(a_lesson(), tmp_path / "page.html")
    text = path.read_text("utf-8")
    assert not re.search(r"https?:|//[a-z]|url\(|@import|file:", text, re.IGNORECASE)
    page = Page(path)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {n for n, _ in page.tags}
    assert not any("src" in a or "href" in a for n, a in page.tags if n != "img")
    for image in page.all("img"):
        kind, _, data = str(image["src"]).partition(",")
        assert kind == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data, validate=True))).size == (80, 60)
    assert len(page.all("img")) == 6


def test_only_the_pages_own_script_may_run(tmp_path: Path) -> None:
    text = export_html(a_lesson(NASTY), tmp_path / "page.html").read_text("utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_every_text_stays_a_text(tmp_path: Path) -> None:
    page = Page(export_html(a_lesson(NASTY), tmp_path / "nasty.html"))
    usual = Page(export_html(a_lesson(), tmp_path / "usual.html"))
    assert [name for name, _ in page.tags] == [name for name, _ in usual.tags]
    for (_, nasty), (_, other) in zip(page.tags, usual.tags, strict=True):
        assert nasty.keys() == other.keys()
    said = "".join(page.words)
    for words in ("Lesson", "Open", "Hidden", "Text", "Grad-CAM,", "gradient,"):
        assert f"{words} {NASTY}" in said
    assert f"Grad-CAM, {NASTY}" in [image["alt"] for image in page.all("img")]


def test_pictures_have_words_and_headings_have_names(tmp_path: Path) -> None:
    page = Page(export_html(a_lesson(), tmp_path / "page.html"))
    assert all(image["alt"] for image in page.all("img"))
    sections = page.all("section")
    assert [s.get("id") for s in sections] == [None, "step-1", "step-2", "step-3"]
    assert ["data-hidden" in s for s in sections] == [False, False, True, False]
    names = {a["id"] for n, a in page.tags if n in ("h1", "h2")}
    assert names == {s["aria-labelledby"] for s in sections}
    assert page.all("html")[0]["lang"] == "en"
    assert "Step 3" in page.words, "a step without a title is called by its number"
    assert page.words.count(PROMPT) == 1, "where there is nothing to reveal, nobody is asked"


def test_where_the_pictures_came_from_stays_at_home(tmp_path: Path) -> None:
    assert "attic" not in export_html(a_lesson(), tmp_path / "page.html").read_text("utf-8")


def test_a_lesson_without_steps_or_with_a_bad_picture_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no steps"):
        export_html(Lesson("x"), tmp_path / "page.html")
    with pytest.raises(BadInput, match="neither PNG nor JPEG"):
        export_html(Lesson("x", (Step("", "", False, b"<svg/>"),)), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


# -- in a browser ----------------------------------------------------------------------------------

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser(tmp_path: Path, *wanted: str) -> str:
    """Run Chromium without a window and a folder of its own; return what it prints."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("Chromium is not installed")
    options = (
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000",
        "--window-size=1000,700",
    )  # fmt: skip
    done = subprocess.run(
        [found, *options, *wanted], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def colours(tmp_path: Path, address: str) -> dict[tuple[int, int, int], int]:
    """Return how many pixels of each of the three pictures are on the screen."""
    shot = tmp_path / "shot.png"
    browser(tmp_path, f"--screenshot={shot}", address)
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    return {c: int((np.abs(pixels - c).max(-1) < 8).sum()) for c in (RED, GREEN, BLUE)}


@pytest.mark.slow
def test_a_browser_shows_a_step_and_hides_what_is_to_be_guessed(tmp_path: Path) -> None:
    page = export_html(a_lesson(), tmp_path / "page.html").as_uri()
    assert set(colours(tmp_path, page).values()) == {0}, "at first the title alone"
    first = colours(tmp_path, f"{page}#step-1")
    assert min(first[RED], first[GREEN]) > 50_000
    assert abs(first[RED] - first[GREEN]) < 3000, "picture and map are of one size"
    assert first[BLUE] == 0
    hidden = colours(tmp_path, f"{page}#step-2")
    assert hidden[RED] > 100_000
    assert hidden[GREEN] == hidden[BLUE] == 0
    revealed = colours(tmp_path, f"{page}#step-2-revealed")
    assert min(revealed.values()) > 25_000


WALK = """
<script>
window.addEventListener("load", function () {
  const seen = [];
  const wait = function () { return new Promise(function (done) { setTimeout(done, 20); }); };
  const note = function () {
    const now = document.querySelectorAll(".current");
    seen.push(now.length + (now[0].id || "title") + (now[0].matches(".secret") ? "?" : ""));
  };
  const press = async function (key) {
    const options = { key: key, bubbles: true, cancelable: true };
    (document.activeElement || document.body).dispatchEvent(new KeyboardEvent("keydown", options));
    await wait();
    note();
  };
  const click = async function (where) {
    document.querySelector(where).click();
    await wait();
    note();
  };
  (async function () {
    note();
    for (const key of ["ArrowRight", "PageDown", "r", " ", "ArrowRight", "ArrowLeft", "Enter",
        "PageUp", "Home", "ArrowLeft", "End", "x"]) { await press(key); }
    for (const where of ["#back", ".current .reveal", ".current h2", "#back", "#back", "#next"]) {
      await click(where);
    }
    document.title = seen.join(" ");
  }());
});
</script></body>"""


@pytest.mark.slow
def test_keys_clicks_and_buttons_move_through_the_page(tmp_path: Path) -> None:
    path = export_html(a_lesson(), tmp_path / "page.html")
    text = re.sub(r"<meta http-equiv[^>]*>", "", path.read_text("utf-8"))  # to let the test in
    path.write_text(text.replace("</body>", WALK), "utf-8")
    shown = re.search(r"<title>(.*?)</title>", browser(tmp_path, "--dump-dom", path.as_uri()))
    assert shown is not None
    assert shown[1].split() == [
        "1title", "1step-1", "1step-2?", "1step-2", "1step-3", "1step-3", "1step-2?", "1step-2",
        "1step-1", "1title", "1title", "1step-3", "1step-3",
        "1step-2?", "1step-2", "1step-3", "1step-2?", "1step-1", "1step-2?",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_policy_lets_the_pages_own_script_run_and_no_other(tmp_path: Path) -> None:
    path = export_html(a_lesson(), tmp_path / "page.html")
    evil = "<script>document.title = 'taken over'</script></body>"
    path.write_text(path.read_text("utf-8").replace("</body>", evil), "utf-8")
    dom = browser(tmp_path, "--dump-dom", path.as_uri())
    assert "<title>taken over" not in dom
    assert 'class="scripted"' in dom
