"""The guide's pages: Markdown from `docs`, filled with the tables of settings."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cli.reference import OF_ALL, filled, setting_anchor
from engine import settings
from engine.attribution.registry import METHODS, find_method
from engine.techniques import TECHNIQUES

_ROOT = Path(__file__).resolve().parents[2]
DOCS = next(p for p in (_ROOT / "docs", _ROOT / "resources" / "docs") if (p / "index.md").exists())
"""In a checkout, or as installed from a wheel."""
HOME = "index.md"
_HEADING = re.compile(r"^(?P<marks>#{1,3}) (?P<text>.+)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PANELS = {
    "canvas": "canvas", "inputs": "pictures", "regions": "regions", "network": "network",
    "settings": "settings", "sight": "what-it-sees", "inspect": "inspect", "lesson": "lesson",
    "timeline": "timeline", "variants": "variants", "queue": "queue", "losses": "losses", "log": "log",
}  # fmt: skip
"""Headings of the page about the window, by dock."""


@dataclass(frozen=True)
class Entry:
    """Something that the guide explains."""

    title: str
    place: str
    """The page's path below `DOCS`, with an anchor where it is not the page's beginning."""
    words: str = ""
    """More words that it is found by."""


@cache
def page(name: str) -> str:
    """Return a page's Markdown by its path below `DOCS`. Raises `OSError` where there is none."""
    return filled((DOCS / name).read_text("utf-8"))


def names() -> list[str]:
    """Return the paths of all pages below `DOCS`, in reading order."""
    order = [
        HOME, "first-steps.md", "artists.md", "instructors.md", "window.md", "projects.md",
        "techniques/index.md", *map(place_of_technique, [*TECHNIQUES, *OF_ALL]),
        "methods/index.md", *(place_of_method(method.command) for method in METHODS), "inspection.md",
    ]  # fmt: skip
    there = sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))
    return [*(name for name in order if name in there), *(n for n in there if n not in order)]


def slug(heading: str) -> str:
    """Return the anchor of a heading, as MkDocs gives it."""
    kept = re.sub(r"[^\w\s-]", "", heading.casefold()).strip()
    return re.sub(r"[-\s]+", "-", kept)


def title(name: str) -> str:
    """Return a page's title."""
    found = _HEADING.search(page(name))
    return found["text"] if found else name


def place_of_technique(command: str) -> str:
    """Return where a technique is explained."""
    return f"techniques/{command}.md"


def place_of_setting(command: str, name: str) -> str:
    """Return where a technique's setting, or one that all share, is explained, by its field's name.

    Raises `KeyError` for any other.
    """
    anchor = setting_anchor(name)
    if name in settings.describe(TECHNIQUES[command]):
        return f"{place_of_technique(command)}#{anchor}"
    found = [page for page, kind in OF_ALL.items() if name in settings.describe(kind)]
    if not found:
        raise KeyError(name)
    return f"{place_of_technique(found[0])}#{anchor}"


def place_of_method(name: str) -> str:
    """Return where a method of attribution is explained, by its command or title."""
    return f"methods/{find_method(name).command}.md"


def place_of_panel(dock: str) -> str:
    """Return where a panel is explained, by its dock's name."""
    return f"window.md#{PANELS[dock]}" if dock in PANELS else "window.md"


@cache
def entries() -> tuple[Entry, ...]:
    """Return all that can be looked up: pages, their sections, and every setting."""
    found = []
    for name in names():
        about = title(name)
        found.append(Entry(about, name))
        for heading in _HEADING.finditer(_CODE.sub("", page(name))):
            if heading["marks"] == "##":
                place = f"{name}#{slug(heading['text'])}"
                found.append(Entry(f"{about} › {heading['text']}", place))
    for command, kind in {**TECHNIQUES, **OF_ALL}.items():
        for name, entry in settings.describe(kind).items():
            place = f"{place_of_technique(command)}#{setting_anchor(name)}"
            about = title(place_of_technique(command))
            found.append(Entry(f"{about} › {entry.label}", place, f"{entry.help} {entry.option}"))
    return tuple(found)


def matching(text: str) -> list[Entry]:
    """Return the entries that contain all words of `text`; those with all of them in the title first."""
    words = text.casefold().split()
    if not words:
        return [entry for entry in entries() if "#" not in entry.place]
    named, others = [], []
    for entry in entries():
        if all(word in entry.title.casefold() for word in words):
            named.append(entry)
        elif all(word in f"{entry.title} {entry.words}".casefold() for word in words):
            others.append(entry)
    return named + others
